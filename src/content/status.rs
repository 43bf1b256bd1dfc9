//! What is known about the content of an entry, without hashing it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::Cache;
use super::claims::own_key;
use super::root::CacheRoot;
use super::tree::Tree;
use crate::entry::ArtifactEntry;
use crate::error::Result;
use crate::home::Home;
use crate::reference::Reference;

/// Where an entry's content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
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
#[non_exhaustive]
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
        let reference = entry.reference.as_deref().unwrap_or_default();
        let path = entry.cache_path.as_deref().unwrap_or_default();
        let (cache, dir) = self.contents().look(reference, path);
        let tree = match dir {
            Some(dir) => Tree::stored(&dir)?,
            None => Tree::default(),
        };
        Ok(ContentStatus {
            cache,
            files: tree.files.len() as u64,
            bytes: tree.bytes(),
            digest: match entry.digest.as_deref() {
                None | Some("") => DigestState::Absent,
                Some(digest) if self.manifests.vouch_for(digest) => DigestState::Verifiable,
                Some(_) => DigestState::Unverifiable,
            },
        })
    }

    /// The cache, to look at the content of many entries. It is opened at the
    /// first look.
    pub(crate) fn contents(&self) -> Contents<'_> {
        Contents {
            home: self.home(),
            opened: OnceLock::new(),
        }
    }
}

/// The cache, to see what is in it.
pub(crate) struct Contents<'c> {
    home: &'c Home,
    opened: OnceLock<Opened>,
}

struct Opened {
    root: Option<CacheRoot>,
    /// Directories that a crash left aside, and that the next change puts back.
    aside: Vec<PathBuf>,
    /// Whether nobody can tell what is in the cache.
    is_unreadable: bool,
}

impl Contents<'_> {
    /// Where the content of an entry is.
    #[cfg(feature = "cli")]
    pub(crate) fn state(&self, reference: &str, path: &str) -> CacheState {
        self.look(reference, path).0
    }

    /// Whether the content of an entry is gone for good: the cache is there, and
    /// the entry's own directory is not. What lies elsewhere is never gone.
    pub(crate) fn is_gone(&self, reference: &str, path: &str) -> bool {
        self.own_dir(reference, path).is_some_and(|dir| {
            let found = fs::symlink_metadata(&dir);
            found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
                && self.aside_of(&dir).is_none()
        })
    }

    fn opened(&self) -> &Opened {
        self.opened.get_or_init(|| {
            let opened = CacheRoot::open(self.home);
            let is_unreadable = opened.is_err();
            let root = opened.unwrap_or(None);
            Opened {
                aside: root.as_ref().map(CacheRoot::half_swaps).unwrap_or_default(),
                root,
                is_unreadable,
            }
        })
    }

    /// The directory that an entry owns, whether or not it is there.
    pub(super) fn own_dir(&self, reference: &str, path: &str) -> Option<PathBuf> {
        let root = self.opened().root.as_ref()?;
        own_key(root, reference, path).map(|key| root.dir_of(&key))
    }

    /// Where the content of a directory is that a crash left aside.
    fn aside_of(&self, dir: &Path) -> Option<PathBuf> {
        let mut aside = self.opened().aside.iter();
        aside
            .find(|aside| aside.file_name() == dir.file_name())
            .cloned()
    }

    /// How much the content of an entry takes, in bytes, and where it lies;
    /// none unless it is present.
    #[cfg(feature = "cli")]
    pub(crate) fn usage(&self, reference: &str, path: &str) -> Option<(PathBuf, u64)> {
        let (_, dir) = self.look(reference, path);
        let dir = dir?;
        let bytes = Tree::stored(&dir).map_or(0, |tree| tree.bytes());
        Some((dir, bytes))
    }

    /// Where the content of an entry is, with its directory if it is present.
    pub(super) fn look(&self, reference: &str, path: &str) -> (CacheState, Option<PathBuf>) {
        match self.own_dir(reference, path) {
            Some(dir) => match fs::symlink_metadata(&dir) {
                Ok(metadata) if metadata.is_dir() => (CacheState::Present, Some(dir)),
                // A link leads to somebody else's directory.
                Ok(_) => (CacheState::Foreign, None),
                Err(_) => match self.aside_of(&dir) {
                    Some(aside) => (CacheState::Present, Some(aside)),
                    None => (CacheState::Missing, None),
                },
            },
            None if self.opened().is_unreadable && !path.is_empty() => (CacheState::Foreign, None),
            None if path.is_empty() || self.is_own_by_name(reference, path) => {
                (CacheState::Missing, None)
            }
            None => (CacheState::Foreign, None),
        }
    }

    /// Whether a path is, by its spelling, that of the reference's own
    /// directory: all that can be said where there is no cache root.
    fn is_own_by_name(&self, reference: &str, path: &str) -> bool {
        Reference::parse(reference)
            .is_ok_and(|reference| self.home.cache_path(&reference) == Path::new(path))
    }
}
