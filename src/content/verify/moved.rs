//! Entries of a home that was moved or restored elsewhere.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use crate::content::Cache;
use crate::document::{Edit, EntryRef, OpenDocument};
use crate::error::Result;
use crate::fields::Field;
use crate::registry::Change;

/// What taking over a moved home came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TakenOver {
    /// Where the registry file lies as it was before.
    pub copy: PathBuf,
    /// The references of the entries that point at their content again.
    pub references: Vec<String>,
}

impl Cache {
    /// Points the `cachePath` of entries at their own directory here, if that exists
    /// and the path they have does not: the home was moved, or restored from another
    /// machine or user. All else in the entries stays as it is. The registry file as
    /// it was is kept beside the new one. `None` if there is no such entry.
    ///
    /// # Errors
    ///
    /// Those of every change, and that the system does not say what exists.
    pub fn take_over_moved(&self) -> Result<Option<TakenOver>> {
        let mut change = TakeOver {
            cache: self,
            copy: None,
            references: Vec::new(),
        };
        self.registry().update(&mut change)?;
        let references = change.references;
        Ok(change.copy.map(|copy| TakenOver { copy, references }))
    }
}

struct TakeOver<'c> {
    cache: &'c Cache,
    copy: Option<PathBuf>,
    references: Vec<String>,
}

impl Change for TakeOver<'_> {
    fn edit(&mut self, document: &OpenDocument) -> Result<Edit> {
        let document = document.whole()?;
        let contents = self.cache.contents();
        let mut edit = Edit::default();
        self.references.clear();
        let keys = keys(document.entries());
        for (index, entry) in document.entries().enumerate() {
            let reference = entry.reference();
            let path = entry.text_of(Field::CachePath);
            // What the system does not tell stays as it is; the report says so.
            let moved = contents.moved_to(&reference, &path, &keys).unwrap_or(None);
            if let Some(text) = moved.and_then(|own| entry.with_cache_path(&own)) {
                edit.replace(index, text);
                self.references.push(reference.into_owned());
            }
        }
        Ok(edit)
    }

    fn before_commit(&mut self, _: &OpenDocument, _: &Edit) -> Result<()> {
        self.copy = self.cache.registry().keep_copy()?;
        Ok(())
    }

    fn roll_back(&mut self) {
        if let Some(copy) = self.copy.take() {
            // The file itself is still there.
            let _ = std::fs::remove_file(copy);
        }
    }
}

/// Counts the references that have each cache key: a directory that may be another's is
/// not taken over.
pub(in crate::content) fn keys<'d>(
    entries: impl Iterator<Item = EntryRef<'d>>,
) -> HashMap<String, usize> {
    let references: HashSet<_> = entries.map(|entry| entry.reference()).collect();
    let mut keys = HashMap::new();
    for reference in references {
        *keys.entry(reference.replace(['/', ':'], "_")).or_default() += 1;
    }
    keys
}
