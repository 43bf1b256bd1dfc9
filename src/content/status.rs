//! The state of the content of an entry, without hashing it.

use super::Cache;
use super::contents::Contents;
use super::deployed::DeployedBy;
use super::file_tree::{FileTree, Left};
use crate::entry::ArtifactEntry;
use crate::error::Result;
use crate::registry::Remote;

/// The place of an entry's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheState {
    /// In the entry's own directory of this home's cache.
    Present,
    /// Nowhere: the own directory does not exist.
    Missing,
    /// In a directory that is not the entry's own; nothing here touches it.
    Foreign,
    /// The entry names no directory: it is metadata alone, and cldctl pulls the
    /// content when it needs it.
    None,
}

impl CacheState {
    /// Returns the name in reports and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            CacheState::Present => "present",
            CacheState::Missing => "missing",
            CacheState::Foreign => "foreign",
            CacheState::None => "none",
        }
    }
}

/// The verifiability of content against its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DigestState {
    /// The manifest that hashes to the digest is kept here.
    Verifiable,
    /// There is a digest, but no manifest for it.
    Unverifiable,
    /// The entry has no digest.
    Absent,
}

impl DigestState {
    /// Returns the name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            DigestState::Verifiable => "verifiable",
            DigestState::Unverifiable => "unverifiable",
            DigestState::Absent => "absent",
        }
    }
}

/// The state of the content of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContentStatus {
    /// The place of the content.
    pub cache: CacheState,
    /// The number of its regular files, without what deployments left beside them; 0
    /// unless it is present.
    pub files: u64,
    /// The sum of their lengths in bytes; 0 unless it is present.
    pub bytes: u64,
    /// The verifiability of the content.
    pub digest: DigestState,
    /// Hidden files, provider plugins and dependencies, which can be made again.
    pub generated: FileTotal,
    /// Why the artifact counts as deployed; nothing if it does not.
    pub deployed: Vec<DeployedBy>,
    /// The manifests in OCI registries that it was pulled by or pushed as.
    pub remotes: Vec<Remote>,
}

/// The number of files, and the sum of their lengths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileTotal {
    /// The number.
    pub files: u64,
    /// The sum of the lengths, in bytes.
    pub bytes: u64,
}

impl From<&Left> for FileTotal {
    fn from(left: &Left) -> Self {
        FileTotal {
            files: left.files.len() as u64,
            bytes: left.bytes(),
        }
    }
}

impl Cache {
    /// Looks at the content of an entry.
    ///
    /// # Errors
    ///
    /// The content or its manifest cannot be read.
    pub fn status(&self, entry: &ArtifactEntry) -> Result<ContentStatus> {
        self.contents().status(entry)
    }
}

impl Contents<'_> {
    /// Looks at the content of an entry.
    ///
    /// # Errors
    ///
    /// As [`Cache::status`].
    pub(crate) fn status(&self, entry: &ArtifactEntry) -> Result<ContentStatus> {
        let reference = entry.reference.as_deref().unwrap_or_default();
        let path = entry.cache_path.as_deref().unwrap_or_default();
        let (cache, place) = self.look(reference, path)?;
        let name = entry.digest.as_deref().unwrap_or_default();
        let divided = place.map(|place| self.read(&place, name)).transpose()?;
        let content = divided.as_ref().map(|divided| &divided.content);
        let generated = divided.as_ref().map(|divided| &divided.generated);
        let digest = match entry.digest.as_deref() {
            None | Some("") => DigestState::Absent,
            Some(digest) if self.cache.manifests.can_verify(digest)? => DigestState::Verifiable,
            Some(_) => DigestState::Unverifiable,
        };
        Ok(ContentStatus {
            cache,
            files: content.map_or(0, |tree| tree.files.len() as u64),
            bytes: content.map_or(0, FileTree::bytes),
            digest,
            generated: generated.map(FileTotal::from).unwrap_or_default(),
            deployed: self.deployed()?.of(reference, path)?,
            remotes: self.cache.registry().remotes().of(name),
        })
    }
}
