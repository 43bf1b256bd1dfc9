//! Staging: where content is built before it is swapped into its place.

#[cfg(feature = "remote")]
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Cache;
use super::cache_root::CacheRoot;
use super::copy;
use super::file_tree::{FileTree, Opener};
use super::hash::{self, Chunk, FileHasher};
use super::inventory::Inventory;
use super::manifest::{FileHash, Manifest};
use super::progress::Operation;
use super::workdir::WorkDir;
#[cfg(feature = "remote")]
use crate::digest::Digest;
#[cfg(feature = "remote")]
use crate::entry::ArtifactEntry;
use crate::error::{AtPath, Error, Result};
use crate::interrupt::Interrupt;
use crate::reference::CacheKey;
use crate::store::{Dir, Owner, begin_writeback, set_mode};

/// The mode of what is being written: private until it is complete.
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_DIR: u32 = 0o700;

/// The bytes of a file after which the disk begins to write them. For a smaller file, the
/// call takes longer than it gains.
const WRITEBACK: u64 = 8 << 20;
const SMALL_FILE: u64 = 128 << 10;

/// Content that is being built in a working directory of the cache root, from anything
/// that has directories and files. It vanishes with its directory when it is dropped.
///
/// Paths are relative to the content, and pass the [rules](super::rules). Everything is
/// created from the descriptor of the directory, and no link is followed.
pub(crate) struct Staging<'c> {
    root: CacheRoot,
    work: WorkDir,
    dir: Dir,
    owner: Option<Owner>,
    interrupt: &'c Interrupt,
}

impl<'c> Staging<'c> {
    /// Creates an empty directory for content, and the cache root if there is none.
    pub(crate) fn begin(cache: &'c Cache) -> Result<Self> {
        let root = cache.create_root()?;
        let registry = cache.registry();
        let (work, dir) = root.staging(&registry.lock_wait())?;
        Ok(Staging {
            owner: root.owner()?,
            root,
            work,
            dir,
            interrupt: registry.interrupt(),
        })
    }

    /// Creates a directory, to which only this user has access until it is
    /// [finished](Self::finish_dir).
    pub(crate) fn create_dir(&self, path: &Path, opener: &mut Opener) -> Result<()> {
        let created = opener
            .parent_of(&self.dir, path)
            .and_then(|(parent, name)| parent.create_dir(name, PRIVATE_DIR));
        created.at("create the directory", &self.dir.path_of(path))
    }

    /// Returns the open directory.
    #[cfg(feature = "archive")]
    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Removes a file that was created, so that another one can take its place.
    #[cfg(feature = "archive")]
    pub(crate) fn remove_file(&self, path: &Path, opener: &mut Opener) -> Result<()> {
        let removed = opener
            .parent_of(&self.dir, path)
            .and_then(|(parent, name)| parent.remove_file(name));
        removed.at("remove", &self.dir.path_of(path))
    }

    /// Creates an empty file, to which only this user has access until it is finished.
    pub(crate) fn create_file(&self, path: &Path, opener: &mut Opener) -> Result<StagedFile<'_>> {
        let at = self.dir.path_of(path);
        let created = opener
            .parent_of(&self.dir, path)
            .and_then(|(parent, name)| parent.create_file(name, PRIVATE_FILE));
        Ok(StagedFile {
            file: created.at("create", &at)?,
            at,
            owner: self.owner,
            hasher: FileHasher::new(self.interrupt),
            len: 0,
            written_back: 0,
            ends_in_hole: false,
        })
    }

    /// Creates a symbolic link.
    pub(crate) fn create_link(
        &self,
        path: &Path,
        target: &Path,
        opener: &mut Opener,
    ) -> Result<()> {
        let created = opener
            .parent_of(&self.dir, path)
            .and_then(|(parent, name)| parent.create_link(target, name));
        created.at("create the link", &self.dir.path_of(path))
    }

    /// Gives a directory, in which all that it contains is created, its owner and its
    /// mode. The content itself has an empty path.
    pub(crate) fn finish_dir(&self, path: &Path, mode: u32) -> Result<()> {
        let at = self.dir.path_of(path);
        let dir = self.dir.open_beneath(path).at("open", &at)?;
        complete(&dir.into_file(), self.owner, mode, &at)
    }

    /// Makes the content survive a power loss. `tree` has its layout, and `manifest` the
    /// hashes of its files.
    pub(crate) fn finish(self, tree: Arc<FileTree>, manifest: Manifest) -> Result<Staged> {
        copy::sync(&self.dir, self.root.dir())?;
        Ok(Staged {
            root: self.root,
            content: Inventory::new(self.dir, tree),
            manifest,
            work: Some(self.work),
        })
    }
}

/// A file of staged content that is being written, and hashed on the way.
pub(crate) struct StagedFile<'s> {
    file: File,
    at: PathBuf,
    owner: Option<Owner>,
    hasher: FileHasher<'s>,
    len: u64,
    /// The end of what the disk has begun to write.
    written_back: u64,
    ends_in_hole: bool,
}

impl StagedFile<'_> {
    /// Appends a piece. No disk is allocated for a hole.
    pub(crate) fn append(&mut self, piece: Chunk<'_>) -> Result<()> {
        self.hasher.add(piece)?;
        if let Chunk::Data(bytes) = piece {
            let written = self.file.write_all_at(bytes, self.len);
            written.at("write", &self.at)?;
        }
        self.ends_in_hole = matches!(piece, Chunk::Hole(_));
        self.len += piece.len();
        self.write_back(WRITEBACK);
        Ok(())
    }

    /// Lets the disk begin to write what was appended, if that is enough.
    fn write_back(&mut self, enough: u64) {
        if self.len - self.written_back >= enough {
            begin_writeback(&self.file, self.written_back);
            self.written_back = self.len;
        }
    }

    /// Gives the file, which is complete, its owner and its mode, and returns its hash.
    pub(crate) fn finish(mut self, mode: u32) -> Result<FileHash> {
        self.write_back(SMALL_FILE);
        if self.ends_in_hole {
            self.file.set_len(self.len).at("write", &self.at)?;
        }
        complete(&self.file, self.owner, mode, &self.at)?;
        Ok(self.hasher.finish())
    }
}

/// Gives what is complete its owner and its mode.
fn complete(file: &File, owner: Option<Owner>, mode: u32, at: &Path) -> Result<()> {
    if let Some(owner) = owner {
        owner.give(file).at("set the owner of", at)?;
    }
    set_mode(file, mode).at("set the mode of", at)
}

/// Content that is in the cache's file system and hashed, but that no entry has yet.
pub(crate) struct Staged {
    pub(crate) root: CacheRoot,
    /// The directory that it lies in, with its files: as they were read in place, or as
    /// they were staged.
    pub(crate) content: Inventory,
    pub(crate) manifest: Manifest,
    /// The directory that it is staged in, and that vanishes with this; `None` if the
    /// content lies in its place already. Otherwise it is durable.
    pub(crate) work: Option<WorkDir>,
}

/// The result of comparing content with what lies in its place.
pub(crate) enum Compared {
    /// The same lies there.
    Same(Box<Staged>),
    /// Something else, which is returned if only hashing could tell that, or nothing.
    Other(Option<Inventory>),
}

impl Staged {
    /// Compares content with what lies in the directory of a key: what the files contain,
    /// modes, and empty directories. Nothing is hashed unless all else is the same.
    ///
    /// # Errors
    ///
    /// Those of [hashing](hash::hash) the content.
    pub(crate) fn compare(cache: &Cache, content: &Inventory, key: &CacheKey) -> Result<Compared> {
        let Some(root) = cache.root()? else {
            return Ok(Compared::Other(None));
        };
        let Some(there) = Inventory::of_key(&root, key, content.tree())? else {
            return Ok(Compared::Other(None));
        };
        if !there.tree().same_layout(content.tree()) {
            return Ok(Compared::Other(None));
        }
        let bytes = content.tree().bytes().saturating_add(there.tree().bytes());
        let hashing = cache.progress.begin(Operation::Hashing, bytes);
        let interrupt = cache.registry().interrupt();
        Ok(
            match hash::hash_if_same(content, &there, interrupt, &hashing)? {
                Some(manifest) => Compared::Same(Box::new(Self::in_place(root, there, manifest))),
                None => Compared::Other(Some(there)),
            },
        )
    }

    /// Returns the digest of all that the content is.
    #[cfg(feature = "remote")]
    pub(crate) fn tree_digest(&self) -> Digest {
        self.content.tree_digest(&self.manifest)
    }

    /// Takes content that lies in its place already.
    pub(crate) fn in_place(root: CacheRoot, content: Inventory, manifest: Manifest) -> Self {
        Staged {
            root,
            content,
            manifest,
            work: None,
        }
    }

    /// Takes what lies in the own directory of an entry: all but what deployments and tools
    /// left there; `None` if there is no such directory.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    #[cfg(feature = "remote")]
    pub(crate) fn of_entry(cache: &Cache, entry: &ArtifactEntry) -> Result<Option<Self>> {
        let (reference, path) = (
            entry.reference.as_deref().unwrap_or_default(),
            entry.cache_path.as_deref().unwrap_or_default(),
        );
        let own = cache.contents().own_key(reference, path)?;
        let (Some(root), Some(own)) = (cache.root()?, own) else {
            return Ok(None);
        };
        let name = OsStr::new(own.as_str());
        if root.look(name)?.is_none() {
            return Ok(None);
        }
        let registered = cache.manifest_of(entry.digest.as_deref())?;
        let content = Inventory::stored(root.open_dir(name)?, registered.as_ref())?;
        let manifest = cache.hash(&content)?;
        Ok(Some(Self::in_place(root, content, manifest)))
    }

    /// Returns what lies in the directory of a key, if that is the same as this: content,
    /// modes and empty directories. `different` was seen there and is not the same.
    pub(crate) fn same_in_place(
        &self,
        cache: &Cache,
        key: &CacheKey,
        different: Option<&Inventory>,
    ) -> Result<Option<Inventory>> {
        if different.is_some_and(|seen| seen.require_unchanged_at(&self.root, key).is_ok()) {
            return Ok(None);
        }
        let tree = self.content.tree();
        let there = Inventory::of_key(&self.root, key, tree)?;
        let same_layout = there.filter(|there| there.tree().same_layout(tree));
        let Some(there) = same_layout else {
            return Ok(None);
        };
        let hashing = cache
            .progress
            .begin(Operation::Hashing, there.tree().bytes());
        match hash::hash(&there, cache.registry().interrupt(), &hashing) {
            Err(interrupted @ Error::Interrupted { .. }) => Err(interrupted),
            Ok(manifest) if manifest == self.manifest => Ok(Some(there)),
            // What cannot be read, or changes, is to be replaced.
            Ok(_) | Err(_) => Ok(None),
        }
    }
}
