//! The content of one directory, as it was read.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
#[cfg(feature = "remote")]
use std::path::PathBuf;
use std::sync::Arc;

use super::cache_root::CacheRoot;
use super::file_tree::FileTree;
#[cfg(feature = "remote")]
use super::file_tree::Node;
use super::manifest::Manifest;
use super::residue::{Residue, residue_of};
use super::rules::Rules;
#[cfg(feature = "remote")]
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::reference::CacheKey;
use crate::store::{Dir, FileId, Kind};

/// The files and directories of content, with the open directory that they lie in. What
/// is read of it later is what was seen, or an error.
#[derive(Debug)]
pub(crate) struct Inventory {
    dir: Dir,
    tree: Arc<FileTree>,
}

impl Inventory {
    /// Takes files that lie in an open directory.
    pub(crate) fn new(dir: Dir, tree: Arc<FileTree>) -> Self {
        Inventory { dir, tree }
    }

    /// Reads what importing a directory brings into the cache.
    ///
    /// # Errors
    ///
    /// Those of [`FileTree::to_import`].
    pub(crate) fn to_import(dir: Dir, rules: &Rules, cache: Option<FileId>) -> Result<Self> {
        let tree = Arc::new(FileTree::to_import(&dir, rules, cache)?);
        Ok(Inventory { dir, tree })
    }

    /// Reads what lies in a directory of the cache, without what deployments left there.
    /// The files of the manifest, if there is one, are content whatever their names are,
    /// so that what was registered can be compared.
    pub(crate) fn stored(dir: Dir, manifest: Option<&Manifest>) -> Result<Self> {
        let known = manifest.map(Manifest::paths).unwrap_or_default();
        Self::divided(dir, |path, _| known.contains(path.as_os_str().as_bytes()))
    }

    /// Reads what lies in a directory of the cache to be registered: as
    /// [`stored`](Self::stored), but no state, which was registered by mistake.
    pub(crate) fn to_register(dir: Dir, manifest: Option<&Manifest>) -> Result<Self> {
        let known = manifest.map(Manifest::paths).unwrap_or_default();
        Self::divided(dir, |path, kind| {
            residue_of(path, kind) != Some(Residue::State)
                && known.contains(path.as_os_str().as_bytes())
        })
    }

    /// Reads the content of an artifact to be given to others: as
    /// [`stored`](Self::stored), but nothing that the manifest lacks.
    ///
    /// # Errors
    ///
    /// [`Error::StateInContent`] if the manifest has a file with the name of state, which
    /// may hold secrets by now, and I/O errors.
    pub(crate) fn to_share(dir: Dir, reference: &str, manifest: Option<&Manifest>) -> Result<Self> {
        if let Some(path) = manifest.and_then(Manifest::first_state) {
            return Err(Error::StateInContent {
                reference: reference.to_owned(),
                path: dir.path_of(path),
            });
        }
        let mut tree = FileTree::stored(&dir)?;
        let known = manifest.map(Manifest::paths).unwrap_or_default();
        let is_known = |path: &Path| known.contains(path.as_os_str().as_bytes());
        tree = tree.divide(|path, _| is_known(path)).content;
        if manifest.is_some() {
            tree.keep_files(is_known);
        }
        let tree = Arc::new(tree);
        Ok(Inventory { dir, tree })
    }

    fn divided(dir: Dir, is_content: impl Fn(&Path, Kind) -> bool) -> Result<Self> {
        let tree = Arc::new(FileTree::stored(&dir)?.divide(is_content).content);
        Ok(Inventory { dir, tree })
    }

    /// Reads the content that lies in the directory of a key, to be compared with `like`;
    /// `None` if no directory is there, or it cannot be read as content, so that it may
    /// only be replaced.
    ///
    /// # Errors
    ///
    /// The system does not say what is there.
    pub(crate) fn of_key(
        root: &CacheRoot,
        key: &CacheKey,
        like: &FileTree,
    ) -> Result<Option<Self>> {
        let name = OsStr::new(key.as_str());
        match root.look(name)? {
            Some(found) if found.kind == Kind::Dir => {
                let known = like.paths();
                let stored = |dir| Self::divided(dir, |path, kind| known.contains(&(path, kind)));
                Ok(root.open_dir(name).and_then(stored).ok())
            }
            _ => Ok(None),
        }
    }

    /// Returns a digest of all that content is: unlike the digest of its manifest, which has
    /// the files alone, it depends on modes, directories and links too.
    #[cfg(feature = "remote")]
    pub(crate) fn tree_digest(&self, manifest: &Manifest) -> Digest {
        let tree = &self.tree;
        let node = |kind: char, node: &Node| {
            let head = format!("{kind}{:o} ", node.mode & 0o7777);
            [head.as_bytes(), node.path.as_os_str().as_bytes()].concat()
        };
        let link = |(path, target): &(PathBuf, PathBuf)| {
            let (path, target) = (path.as_os_str(), target.as_os_str());
            [b"l ", path.as_bytes(), b"\0", target.as_bytes()].concat()
        };
        let other = |path: &PathBuf| [b"o ", path.as_os_str().as_bytes()].concat();
        let dirs = tree.dirs.iter().map(|dir| node('d', dir));
        let files = tree.files.iter().map(|file| node('f', file));
        let links = tree.links.iter().map(link);
        let mut lines: Vec<Vec<u8>> = dirs.chain(files).chain(links).collect();
        lines.extend(tree.others.iter().map(other));
        lines.sort_unstable();
        lines.push(manifest.digest().as_str().as_bytes().to_vec());
        // No path has a zero in it.
        Digest::of(&lines.join(&0))
    }

    /// Returns the open directory.
    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Returns the files and directories.
    pub(crate) fn tree(&self) -> &Arc<FileTree> {
        &self.tree
    }

    /// Returns the sum of the files' lengths as it is registered, in bytes.
    pub(crate) fn size(&self) -> i64 {
        i64::try_from(self.tree.bytes()).unwrap_or(i64::MAX)
    }

    /// Refuses content that is no longer what was seen.
    pub(crate) fn require_unchanged(&self) -> Result<()> {
        self.tree.require_unchanged(&self.dir)
    }

    /// Refuses content that is no longer what was seen in the directory of a key, or no
    /// longer there.
    pub(crate) fn require_unchanged_at(&self, root: &CacheRoot, key: &CacheKey) -> Result<()> {
        let found = root.look(OsStr::new(key.as_str()))?;
        if found.map(|found| found.id) != Some(self.tree.id) {
            return Err(Error::ContentChanged {
                path: root.dir_of(key),
            });
        }
        self.require_unchanged()
    }
}
