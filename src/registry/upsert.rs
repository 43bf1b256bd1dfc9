//! Inserting or replacing one entry.

use super::{Added, Change};
use crate::document::{Document, Edit};
use crate::entry::ArtifactEntry;
use crate::error::{Error, Result};
use crate::reference::Reference;

/// Inserts or replaces one entry.
#[derive(Debug, Default)]
pub(crate) struct Upsert {
    /// The entry; after the edit, with the time that stands in the registry.
    pub(crate) entry: ArtifactEntry,
    /// Does not count another time as a change.
    pub(crate) keeps_time: bool,
    /// Refuses a reference that is there already.
    pub(crate) no_clobber: bool,
    pub(crate) result: Added,
    /// The entry as it stands in the registry.
    pub(crate) stored: String,
}

impl Change for Upsert {
    /// The edit that inserts the entry, or replaces the first one of its
    /// reference and removes the others.
    fn edit(&mut self, document: &Document) -> Result<Edit> {
        let reference = self.entry.reference.clone().unwrap_or_default();
        let reference = Reference::parse(&reference)?;
        let mut edit = Edit::default();
        let mut same = document
            .entries()
            .enumerate()
            .filter(|(_, existing)| existing.reference() == reference.as_str());

        let Some((index, existing)) = same.next() else {
            self.stored = self.entry.encode(&[])?;
            self.result = Added::Added;
            edit.append(self.stored.clone());
            return Ok(edit);
        };
        if self.no_clobber {
            return Err(Error::AlreadyExists {
                reference: reference.to_string(),
            });
        }
        let there = existing.to_entry();
        let with_its_time = ArtifactEntry {
            created_at: there.created_at,
            ..self.entry.clone()
        };
        let compared = if self.keeps_time {
            &with_its_time
        } else {
            &self.entry
        };
        let is_readable = existing.unreadable_fields().next().is_none();
        if is_readable && there.created_at.is_some() && there.says_the_same_as(compared) {
            self.result = Added::Unchanged;
            self.stored = existing.text().to_owned();
            self.entry = there;
        } else {
            self.result = Added::Updated;
            self.stored = self.entry.encode(&existing.unknown_members())?;
            edit.replace(index, self.stored.clone());
        }
        for (index, _) in same {
            self.result = Added::Updated;
            edit.remove(index);
        }
        Ok(edit)
    }
}
