//! What is known about the content of an entry, without hashing it.

use std::fs;

use super::Cache;
use super::claims::own_key;
use super::root::CacheRoot;
use super::tree::Tree;
use crate::entry::ArtifactEntry;
use crate::error::Result;

/// Where an entry's content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheState {
    /// In the entry's own directory of this home's cache.
    Present,
    /// Nowhere: the own directory does not exist.
    Missing,
    /// In a directory that is not the entry's own; nothing here touches it.
    Foreign,
}

/// Whether the content can be checked against the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestState {
    /// The manifest that the digest is the digest of is kept here.
    Verifiable,
    /// There is a digest, but nobody here knows what it is the digest of.
    Unverifiable,
    /// The entry has none.
    Absent,
}

/// What is known about the content of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentStatus {
    /// Where the content is.
    pub cache: CacheState,
    /// How many regular files it has; 0 unless it is present.
    pub files: u64,
    /// The sum of their lengths in bytes; 0 unless it is present.
    pub bytes: u64,
    /// Whether it can be checked.
    pub digest: DigestState,
}

impl Cache {
    /// Looks at the content of an entry.
    ///
    /// # Errors
    ///
    /// The directory is there and cannot be read.
    pub fn status(&self, entry: &ArtifactEntry) -> Result<ContentStatus> {
        let (reference, path) = (
            entry.reference.as_deref().unwrap_or_default(),
            entry.cache_path.as_deref().unwrap_or_default(),
        );
        let mut status = ContentStatus {
            cache: CacheState::Missing,
            files: 0,
            bytes: 0,
            digest: match entry.digest.as_deref().filter(|digest| !digest.is_empty()) {
                None => DigestState::Absent,
                Some(digest) if self.manifests.vouch_for(digest) => DigestState::Verifiable,
                Some(_) => DigestState::Unverifiable,
            },
        };
        let root = CacheRoot::open(self.home())?;
        match root
            .as_ref()
            .and_then(|root| own_key(root, reference, path).map(|key| root.dir_of(&key)))
        {
            Some(dir) => match fs::symlink_metadata(&dir) {
                Ok(metadata) if metadata.is_dir() => {
                    let tree = Tree::stored(&dir)?;
                    status.cache = CacheState::Present;
                    status.files = tree.files.len() as u64;
                    status.bytes = tree.bytes();
                }
                // A link leads to somebody else's directory.
                Ok(_) => status.cache = CacheState::Foreign,
                Err(_) => {}
            },
            // Without a cache root nothing is there; the path still says whose
            // it would be.
            None if !path.is_empty() && !self.is_own_by_name(reference, path) => {
                status.cache = CacheState::Foreign;
            }
            None => {}
        }
        Ok(status)
    }

    /// Whether a path is, by its spelling, that of the reference's own
    /// directory.
    fn is_own_by_name(&self, reference: &str, path: &str) -> bool {
        crate::Reference::parse(reference)
            .is_ok_and(|reference| self.home().cache_path(&reference) == std::path::Path::new(path))
    }
}
