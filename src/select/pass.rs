//! One pass over all entries with a selection.

use super::near_miss::NearMisses;
use super::{Chooser, NearMiss, Selection};
use crate::content::{Cache, Contents};
use crate::document::{Document, EntryRef};
use crate::error::Result;
use crate::registry::{ReadMode, Registry};

/// The outcome of a pass.
pub(crate) struct Pass<S> {
    /// The outcomes for parts of the registry, in the order of the file.
    pub(crate) parts: Vec<S>,
    /// The patterns that match no entry, although wider ones would.
    pub(crate) near_misses: Vec<NearMiss>,
    /// The version of the registry, if it is one that we do not write.
    pub(crate) foreign_version: Option<String>,
}

impl Cache {
    /// Reads the registry if filters name artifacts, because those have to be found before
    /// others are compared with them.
    ///
    /// # Errors
    ///
    /// The registry cannot be read, or there is no memory for a pass.
    pub(crate) fn read_named(&self, selection: &Selection) -> Result<Option<Document>> {
        let registry = self.registry();
        registry.require_memory()?;
        match selection.operands().is_empty() {
            true => Ok(None),
            false => registry.load().map(Some),
        }
    }
}

impl Chooser<'_> {
    /// Calls `visit` with each entry, and with whether it is chosen, in the order of the
    /// file within each part; parts are worked on at once. What is not known of some
    /// entries is a failure of `contents`.
    ///
    /// # Errors
    ///
    /// The registry cannot be read.
    pub(crate) fn pass<S: Default + Send>(
        &self,
        registry: &Registry,
        contents: &Contents<'_>,
        visit: impl Fn(&mut S, &EntryRef<'_>, bool) + Send + Sync,
    ) -> Result<Pass<S>> {
        let patterns = &self.selection.patterns;
        let visit = |(state, misses): &mut (S, NearMisses), entry: &EntryRef<'_>| {
            visit(state, entry, self.chooses(entry, contents));
            if !patterns.is_empty() {
                misses.note(self, entry, contents);
            }
        };
        let (parts, foreign_version) = match self.document {
            Some(document) => {
                let version = document.foreign_version().map(str::to_owned);
                (document.fold(visit), version)
            }
            None => {
                let scanned = registry.scan(ReadMode::Patient, visit)?;
                (scanned.parts, scanned.foreign_version)
            }
        };
        let (parts, misses): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        Ok(Pass {
            parts,
            near_misses: NearMisses::of_all(&misses, patterns),
            foreign_version,
        })
    }
}
