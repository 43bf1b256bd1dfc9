//! An artifact that is being pushed, and what lies in its place.

use crate::content::Cache;
use crate::digest::Digest;
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::error::Result;

/// An artifact that is being pushed.
pub(super) struct Subject<'s> {
    pub(super) entry: &'s ArtifactEntry,
    pub(super) artifact_type: ArtifactType,
    /// What is in place, once it was read.
    in_place: Option<InPlace>,
}

/// The content of an artifact as it lies in its place.
#[derive(Clone)]
pub(super) struct InPlace {
    /// The digest of the content.
    pub(super) content: Digest,
    /// The digest of the tree.
    pub(super) tree: Digest,
    /// The sum of the files' lengths.
    pub(super) bytes: u64,
}

impl<'s> Subject<'s> {
    pub(super) fn of(entry: &'s ArtifactEntry) -> Self {
        let artifact_type = entry.artifact_type.clone();
        Subject {
            entry,
            artifact_type: artifact_type.unwrap_or(ArtifactType::Component),
            in_place: None,
        }
    }

    /// Returns the digest that the entry has.
    pub(super) fn content(&self) -> &str {
        self.entry.digest.as_deref().unwrap_or_default()
    }

    /// Returns what is in place. It is read once.
    pub(super) fn read(&mut self, cache: &Cache) -> Result<InPlace> {
        if let Some(read) = &self.in_place {
            return Ok(read.clone());
        }
        let found = cache.shareable(self.entry)?;
        let read = InPlace {
            content: found.manifest.digest().clone(),
            tree: found.tree,
            bytes: found.content.tree().bytes(),
        };
        self.in_place = Some(read.clone());
        Ok(read)
    }
}
