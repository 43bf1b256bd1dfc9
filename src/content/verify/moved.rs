//! Entries of a home that was moved or restored elsewhere.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use crate::content::Cache;
use crate::document::{Document, Edit, EntryRef};
use crate::error::Result;
use crate::fields::Field;
use crate::registry::{Backup, Update};
use crate::store::{Guard, Locked};

/// The outcome of taking over a moved home.
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
        self.registry().update(|document| {
            let document = document.whole()?;
            let moved = self.observe_moved(document);
            let (edit, references) = decide(document, moved);
            let guard = TakeOver {
                backup: Backup::default(),
                references,
            };
            Ok(Update::guarded(edit, guard))
        })
    }

    /// Finds the entries whose content lies in their own directory here, and nowhere else,
    /// by their places in the document. What the system does not tell stays as it is; the
    /// report says so.
    fn observe_moved(&self, document: &Document) -> Vec<(usize, String)> {
        let contents = self.contents();
        let keys = keys(document.entries());
        let moved_to = |entry: EntryRef<'_>| {
            let path = entry.text_of(Field::CachePath);
            let moved = contents.moved_to(&entry.reference(), &path, &keys);
            moved.unwrap_or(None)
        };
        let entries = document.entries().enumerate();
        entries
            .filter_map(|(index, entry)| Some((index, moved_to(entry)?)))
            .collect()
    }
}

/// Decides which entries get another `cachePath`, and returns their references too.
fn decide(document: &Document, moved: Vec<(usize, String)>) -> (Edit, Vec<String>) {
    let mut edit = Edit::default();
    let mut references = Vec::new();
    for (index, own) in moved {
        if let Some(entry) = document.entry(index)
            && let Some(text) = entry.with_cache_path(&own)
        {
            edit.replace(index, text);
            references.push(entry.reference().into_owned());
        }
    }
    (edit, references)
}

/// Keeps a copy of the registry before its entries are changed.
struct TakeOver {
    backup: Backup,
    references: Vec<String>,
}

impl Guard for TakeOver {
    type Value = Option<TakenOver>;

    fn prepare(&mut self, locked: &Locked<'_>) -> Result<()> {
        self.backup.prepare(locked)
    }

    fn committed(self, durable: bool) -> Option<TakenOver> {
        let references = self.references;
        let copy = self.backup.committed(durable);
        copy.map(|copy| TakenOver { copy, references })
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
