//! The directory that holds the content of all references, and what happens to
//! its entries: staging, swapping in, putting into the trash.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::scratch::{Scratch, make_deletable, refuse_mounts};
use crate::error::{AtPath, Error, Result};
use crate::home::Home;
use crate::reference::CacheKey;
use crate::store::{self, Disk, is_unsupported, uninterrupted};

const STAGING: &str = ".staging:";
const TRASH: &str = ".trash:";
/// Holds the directory of a key while another one takes its place, where the
/// system cannot exchange the two in one step.
const SWAP: &str = ".trash:swap-";

/// Device and inode: what tells one directory from another, however it is
/// named.
pub(crate) type Identity = (u64, u64);

/// The identity of the directory that a path names, following links.
pub(crate) fn identity_of(path: &Path) -> Option<Identity> {
    let metadata = fs::metadata(path).ok()?;
    metadata.is_dir().then(|| (metadata.dev(), metadata.ino()))
}

/// The cache root.
#[derive(Debug)]
pub(crate) struct CacheRoot {
    /// With all links resolved.
    path: PathBuf,
    identity: Identity,
}

impl CacheRoot {
    /// The cache root of a home; `None` if there is none yet.
    pub(crate) fn open(home: &Home) -> Result<Option<Self>> {
        let root = home.cache_root();
        let path = match fs::canonicalize(&root) {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).at("open", &root),
        };
        match identity_of(&path) {
            Some(identity) => Ok(Some(CacheRoot { path, identity })),
            None => Err(io::Error::from(io::ErrorKind::NotADirectory)).at("open", &root),
        }
    }

    /// The cache root of a home, created if need be.
    pub(crate) fn create(home: &Home) -> Result<Self> {
        let root = home.cache_root();
        Disk::default().create_dir(&root)?;
        Self::open(home)?
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
            .at("open", &root)
    }

    /// The directory itself, with all links resolved.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// Where the directory of a key lies.
    pub(crate) fn dir_of(&self, key: &CacheKey) -> PathBuf {
        self.path.join(key.as_str())
    }

    /// A new directory to build content in. Dropped, it vanishes with all that
    /// is in it.
    pub(crate) fn staging(&self) -> Result<Scratch> {
        self.scratch(STAGING)
    }

    fn scratch(&self, prefix: &str) -> Result<Scratch> {
        Scratch::new(&self.path, prefix)
    }

    /// Moves the directory of a key out of the way, to be deleted. `None` if
    /// there is none. A symbolic link is moved itself.
    pub(crate) fn discard(&self, key: &CacheKey) -> Result<Option<Scratch>> {
        self.discard_entry(&self.dir_of(key))
    }

    /// As [`discard`](Self::discard), for any entry of the root.
    pub(crate) fn discard_entry(&self, path: &Path) -> Result<Option<Scratch>> {
        let is_dir = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found.at("read", path)?.is_dir(),
        };
        if is_dir {
            refuse_mounts(path).at("remove", path)?;
        }
        let trash = self.scratch(TRASH)?;
        let name = path.file_name().unwrap_or_default();
        let discard = || uninterrupted(|| fs::rename(path, trash.path().join(name)));
        let discarded = match discard() {
            // To get another parent, a directory must be writable itself.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                make_deletable(path);
                discard()
            }
            result => result,
        };
        match discarded {
            Ok(()) => Ok(Some(trash)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).at("move away", path),
        }
    }

    /// Puts a staged directory in the place of a key's; what was there is then
    /// in the staged one's place, or in the returned swap's trash.
    pub(crate) fn swap_in(&self, staged: &Path, key: &CacheKey) -> Result<Swap> {
        let dir = self.dir_of(key);
        let rename = |flags| {
            uninterrupted(|| renameat_with(CWD, staged, CWD, &dir, flags).map_err(io::Error::from))
        };
        if fs::symlink_metadata(&dir).is_err() {
            match rename(RenameFlags::NOREPLACE) {
                Ok(()) => return Ok(Swap::Moved),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if is_unsupported(&error) => {
                    uninterrupted(|| fs::rename(staged, &dir)).at("replace", &dir)?;
                    return Ok(Swap::Moved);
                }
                Err(error) => return Err(error).at("replace", &dir),
            }
        }
        match rename(RenameFlags::EXCHANGE) {
            Ok(()) => Ok(Swap::Exchanged),
            Err(error) if is_unsupported(&error) => self.swap_by_two_renames(staged, key),
            Err(error) => Err(error).at("replace", &dir),
        }
    }

    /// For file systems that cannot exchange. A crash between the two renames
    /// leaves the key without a directory; [`mend`](Self::mend)
    /// puts the old one back.
    fn swap_by_two_renames(&self, staged: &Path, key: &CacheKey) -> Result<Swap> {
        let dir = self.dir_of(key);
        let mut aside = self.scratch(SWAP)?;
        // Were it lost with the power while the rename into it is not, so would
        // the old content be.
        self.sync()?;
        let old = aside.path().join(key.as_str());
        uninterrupted(|| fs::rename(&dir, &old)).at("move away", &dir)?;
        match uninterrupted(|| fs::rename(staged, &dir)) {
            Ok(()) => Ok(Swap::InTwoSteps(aside)),
            Err(error) => {
                let restored = uninterrupted(|| fs::rename(&old, &dir));
                if restored.is_err() {
                    // Better a leftover than lost content.
                    aside.leave();
                }
                Err(error).at("replace", &dir)
            }
        }
    }

    /// Undoes what [`swap_in`](Self::swap_in) did.
    pub(crate) fn swap_back(&self, staged: &Path, key: &CacheKey, swap: Swap) {
        let dir = self.dir_of(key);
        // Should this fail too, the old entry is on whole new content, as after
        // a crash: the same `add` mends it.
        let _ = match swap {
            Swap::Moved => uninterrupted(|| fs::rename(&dir, staged)),
            Swap::Exchanged => uninterrupted(|| {
                renameat_with(CWD, staged, CWD, &dir, RenameFlags::EXCHANGE)
                    .map_err(io::Error::from)
            }),
            Swap::InTwoSteps(aside) => uninterrupted(|| fs::rename(&dir, staged))
                .and_then(|()| fs::rename(aside.path().join(key.as_str()), &dir)),
        };
    }

    /// Undoes the first half of swaps that a crash cut in two, and puts what
    /// killed processes left into the trash that is returned. Only the holder
    /// of the registry's lock may do so.
    pub(crate) fn mend(&self) -> Result<Option<Scratch>> {
        let mut left = Vec::new();
        for entry in store::read_dir(&self.path).at("read the directory", &self.path)? {
            let entry = entry.at("read the directory", &self.path)?;
            let (name, path) = (entry.file_name(), entry.path());
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if !is_dir || !Self::is_scratch(&name) {
                continue;
            }
            if let Some(lock) = Scratch::abandoned(&path) {
                if Scratch::is_name(&name, SWAP) {
                    self.undo_half_swap(&path);
                }
                left.push((name, path, lock));
            }
        }
        if left.is_empty() {
            return Ok(None);
        }
        let trash = self.scratch(TRASH)?;
        for (name, path, _lock) in left {
            // What cannot be moved is found by its name another time.
            let _ = fs::rename(path, trash.path().join(name));
        }
        Ok(Some(trash))
    }

    /// Puts the directory of a key back that was moved aside, if nothing took
    /// its place. What cannot be put back stays for another time.
    fn undo_half_swap(&self, aside: &Path) {
        for held in store::read_dir(aside).into_iter().flatten().flatten() {
            let dir = self.path.join(held.file_name());
            if fs::symlink_metadata(&dir).is_err() {
                let _ = fs::rename(held.path(), &dir);
            }
        }
    }

    /// The directories that were moved aside by swaps that did not end.
    pub(crate) fn half_swaps(&self) -> Vec<PathBuf> {
        let entries = store::read_dir(&self.path).into_iter().flatten().flatten();
        entries
            .filter(|entry| Scratch::is_name(&entry.file_name(), SWAP))
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .flat_map(|entry| {
                store::read_dir(&entry.path())
                    .into_iter()
                    .flatten()
                    .flatten()
            })
            .map(|held| held.path())
            .filter(|held| {
                let name = held.file_name().unwrap_or_default();
                fs::symlink_metadata(self.path.join(name)).is_err()
            })
            .collect()
    }

    /// All names in the root.
    pub(crate) fn names(&self) -> Result<Vec<OsString>> {
        let entries = store::read_dir(&self.path).at("read the directory", &self.path)?;
        let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
        names
            .collect::<io::Result<_>>()
            .at("read the directory", &self.path)
    }

    /// Whether a name in the root is that of a staging or trash directory.
    pub(crate) fn is_scratch(name: &OsStr) -> bool {
        [STAGING, TRASH, SWAP]
            .iter()
            .any(|prefix| Scratch::is_name(name, prefix))
    }

    /// Makes the renames in the root survive a power loss.
    pub(crate) fn sync(&self) -> Result<()> {
        Disk::default().sync_dir(&self.path).at("sync", &self.path)
    }

    /// Refuses a source that the cache lies in, or would: it would be copied
    /// into itself.
    pub(crate) fn refuse_source_around(home: &Home, source: &Path) -> Result<()> {
        let root = home.cache_root();
        let existing = root.ancestors().find_map(|dir| fs::canonicalize(dir).ok());
        let identity = identity_of(source);
        let around = existing
            .iter()
            .flat_map(|dir| dir.ancestors())
            .any(|dir| identity.is_some() && identity_of(dir) == identity);
        if around {
            return Err(Error::UnsafeContent {
                path: source.to_owned(),
                reason: "the cache lies in it".to_owned(),
            });
        }
        Ok(())
    }
}

/// How a staged directory got into its place.
#[derive(Debug)]
pub(crate) enum Swap {
    /// The place was free.
    Moved,
    /// The old directory is where the staged one was.
    Exchanged,
    /// The old directory is in here.
    InTwoSteps(Scratch),
}

#[cfg(test)]
mod tests;
