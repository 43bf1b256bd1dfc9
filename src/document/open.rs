//! A document that a change starts from, without holding a large one in memory.

use std::collections::BTreeSet;

use super::edit::{Edit, Editable, Piece};
use super::in_file::InFile;
use super::{Document, EntryRef};
use crate::error::{AtPath, Result};

/// The number of entries that are sooner read one by one than in a pass over all.
const FEW: usize = 256;

/// A document that is held in memory, or one in the form that Go writes that stays in its
/// file. Its entries are looked at in passes over all of them, which name them by their
/// places.
pub(crate) enum OpenDocument {
    InMemory(Document),
    InFile(InFile),
}

impl OpenDocument {
    /// Returns how many entries it has.
    pub(crate) fn len(&self) -> usize {
        match self {
            OpenDocument::InMemory(document) => document.entries().len(),
            OpenDocument::InFile(file) => file.count(),
        }
    }

    /// Calls `visit` with each entry and its place, in their order within each part; parts
    /// are worked on at once. Returns what was made of the parts, in their order.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or it was changed in place.
    pub(crate) fn fold<S: Default + Send>(
        &self,
        visit: impl Fn(&mut S, usize, &EntryRef<'_>) + Send + Sync,
    ) -> Result<Vec<S>> {
        match self {
            OpenDocument::InMemory(document) => Ok(document.fold_indexed(visit)),
            OpenDocument::InFile(file) => file.fold(visit).at("read", file.path()),
        }
    }

    /// Returns what `pick` makes of entries, with their places, in the order of the file.
    ///
    /// # Errors
    ///
    /// As [`fold`](Self::fold).
    pub(crate) fn find<T: Send>(
        &self,
        pick: impl Fn(&EntryRef<'_>) -> Option<T> + Send + Sync,
    ) -> Result<Vec<(usize, T)>> {
        let parts = self.fold(|found: &mut Vec<_>, index, entry| {
            found.extend(pick(entry).map(|picked| (index, picked)));
        })?;
        Ok(parts.into_iter().flatten().collect())
    }

    /// Returns what `pick` makes of the entries of exactly this reference, with their
    /// places, in the order of the file.
    ///
    /// # Errors
    ///
    /// As [`fold`](Self::fold).
    pub(crate) fn find_named<T: Send>(
        &self,
        reference: &str,
        pick: impl Fn(&EntryRef<'_>) -> T + Send + Sync,
    ) -> Result<Vec<(usize, T)>> {
        let pick = |entry: &EntryRef<'_>| (entry.reference() == reference).then(|| pick(entry));
        match self {
            OpenDocument::InMemory(_) => self.find(pick),
            OpenDocument::InFile(file) => {
                let picked = self.pick_at(&file.candidates(reference), pick)?;
                let found = picked.into_iter();
                Ok(found
                    .filter_map(|(index, picked)| picked.map(|picked| (index, picked)))
                    .collect())
            }
        }
    }

    /// Returns what `look` makes of one entry; `None` if there is none at this place.
    ///
    /// # Errors
    ///
    /// As [`fold`](Self::fold).
    fn look<T>(&self, index: usize, look: impl FnOnce(&EntryRef<'_>) -> T) -> Result<Option<T>> {
        match self {
            OpenDocument::InMemory(document) => Ok(document.entry(index).as_ref().map(look)),
            OpenDocument::InFile(file) => file.look(index, look).at("read", file.path()),
        }
    }

    /// Returns the document in memory, for what looks at its entries in another order than
    /// theirs. That holds all of it for as long as this is open.
    ///
    /// # Errors
    ///
    /// As [`fold`](Self::fold), and that there is no memory for it.
    pub(crate) fn whole(&self) -> Result<&Document> {
        match self {
            OpenDocument::InMemory(document) => Ok(document),
            OpenDocument::InFile(file) => file.whole(),
        }
    }

    /// As [`whole`](Self::whole), and ends with it.
    ///
    /// # Errors
    ///
    /// As [`whole`](Self::whole).
    pub(crate) fn into_whole(self) -> Result<Document> {
        match self {
            OpenDocument::InMemory(document) => Ok(document),
            OpenDocument::InFile(file) => file.whole().cloned(),
        }
    }

    /// Returns what `pick` makes of the entries at some places, in the order of the file.
    ///
    /// # Errors
    ///
    /// As [`fold`](Self::fold).
    pub(crate) fn pick_at<T: Send>(
        &self,
        places: &BTreeSet<usize>,
        pick: impl Fn(&EntryRef<'_>) -> T + Send + Sync,
    ) -> Result<Vec<(usize, T)>> {
        if places.len() > FEW {
            let parts = self.fold(|found: &mut Vec<_>, index, entry| {
                if places.contains(&index) {
                    found.push((index, pick(entry)));
                }
            })?;
            return Ok(parts.into_iter().flatten().collect());
        }
        let picked = places.iter().map(|&index| {
            let picked = self.look(index, &pick)?;
            Ok(picked.map(|picked| (index, picked)))
        });
        picked.filter_map(Result::transpose).collect()
    }

    /// Returns the text with an edit applied, in pieces to be written one behind the other;
    /// `None` if that changes nothing.
    ///
    /// # Errors
    ///
    /// As [`fold`](Self::fold).
    pub(crate) fn pieces(&self, edit: &Edit) -> Result<Option<Vec<Piece>>> {
        match self {
            OpenDocument::InMemory(document) => Ok(document.pieces(edit)),
            OpenDocument::InFile(file) => Editable::pieces(file, edit).at("read", file.path()),
        }
    }

    /// Returns whether the text was made from an older form.
    pub(crate) fn is_converted(&self) -> bool {
        matches!(self, OpenDocument::InMemory(document) if document.is_converted())
    }

    /// Returns the version, if it is one that we do not write.
    pub(crate) fn foreign_version(&self) -> Option<&str> {
        match self {
            OpenDocument::InMemory(document) => document.foreign_version(),
            // Go's form has a version of ours.
            OpenDocument::InFile(_) => None,
        }
    }
}

impl From<Document> for OpenDocument {
    fn from(document: Document) -> Self {
        OpenDocument::InMemory(document)
    }
}
