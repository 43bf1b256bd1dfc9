//! Inserting or replacing one entry.

use super::Added;
use crate::document::{Edit, OpenDocument};
use crate::entry::ArtifactEntry;
use crate::error::{Error, Result};
use crate::reference::Reference;

/// Inserts or replaces one entry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Upsert {
    pub(crate) entry: ArtifactEntry,
    /// Does not count another time as a change.
    pub(crate) keeps_time: bool,
    /// Refuses a reference that is there already.
    pub(crate) no_clobber: bool,
}

/// The outcome of an upsert.
#[derive(Debug, Default)]
pub(crate) struct Upserted {
    pub(crate) result: Added,
    /// The entry, with the time that is stored in the registry.
    pub(crate) entry: ArtifactEntry,
    /// The entry as it is stored in the registry.
    pub(crate) stored: String,
}

impl Upsert {
    /// Returns the edit that inserts the entry, or replaces the first one of its
    /// reference and removes the others.
    ///
    /// # Errors
    ///
    /// The entry cannot be stored, or [`Error::AlreadyExists`].
    pub(crate) fn decide(&self, document: &OpenDocument) -> Result<(Edit, Upserted)> {
        let reference = self.entry.reference.clone().unwrap_or_default();
        let reference = Reference::parse(&reference)?;
        let mut edit = Edit::default();
        let found = document.find_named(reference.as_str(), |existing| Existing {
            text: existing.text().to_owned(),
            entry: existing.to_entry(),
            is_readable: existing.unreadable_fields().next().is_none(),
            updated: self.entry.encode(&existing.unknown_members()),
        })?;
        let mut same = found.into_iter();

        let Some((index, existing)) = same.next() else {
            let stored = self.entry.encode(&[])?;
            edit.append(stored.clone());
            let upserted = Upserted {
                result: Added::Added,
                entry: self.entry.clone(),
                stored,
            };
            return Ok((edit, upserted));
        };
        if self.no_clobber {
            return Err(Error::AlreadyExists {
                reference: reference.to_string(),
            });
        }
        let there = existing.entry;
        let with_its_time = ArtifactEntry {
            created_at: there.created_at,
            ..self.entry.clone()
        };
        let compared = if self.keeps_time {
            &with_its_time
        } else {
            &self.entry
        };
        let has_time = existing.is_readable && there.created_at.is_some();
        let mut upserted = if has_time && there.says_the_same_as(compared) {
            Upserted {
                result: Added::Unchanged,
                stored: existing.text,
                entry: there,
            }
        } else {
            let stored = existing.updated?;
            edit.replace(index, stored.clone());
            Upserted {
                result: Added::Updated,
                entry: self.entry.clone(),
                stored,
            }
        };
        for (index, _) in same {
            upserted.result = Added::Updated;
            edit.remove(index);
        }
        Ok((edit, upserted))
    }
}

/// An entry of the same reference.
struct Existing {
    text: String,
    entry: ArtifactEntry,
    /// True if cldctl can read all its fields.
    is_readable: bool,
    /// The text of the new entry, with the unknown members of this one.
    updated: Result<String>,
}
