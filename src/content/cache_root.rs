//! The directory that contains the content of all references.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;

use super::deletion::{delete, delete_seen, refuse_mounts};
use super::deployed::{Quiet, Seen};
use super::removal::stored_bytes;
use super::workdir::{Purpose, WorkDir};
use crate::error::{AtPath, Error, Result};
use crate::home::Home;
use crate::reference::CacheKey;
use crate::store::{self, Attributes, Dir, Disk, FileId, Kind, LockWait, Owner, if_exists, is};

mod recover;
mod swap;

pub(crate) use swap::{Old, Swap};

/// The cache root.
#[derive(Debug)]
pub(crate) struct CacheRoot {
    dir: Arc<Dir>,
    id: FileId,
    /// The path that the home has for it, with its links.
    named: PathBuf,
    disk: Disk,
    /// The last path that was asked about and is spelled otherwise, and whether it
    /// is the root too.
    other: Mutex<Option<(PathBuf, bool)>>,
}

impl CacheRoot {
    /// Opens the cache root of a home; `None` if there is none.
    pub(crate) fn open(home: &Home, disk: &Disk) -> Result<Option<Self>> {
        let named = home.cache_root();
        let found = store::uninterrupted(|| fs::canonicalize(&named));
        let Some(path) = if_exists(found).at("open", &named)? else {
            return Ok(None);
        };
        let dir = Dir::open(&path).at("open", &named)?;
        let id = dir.attributes().at("read", &named)?.id;
        Ok(Some(CacheRoot {
            dir: Arc::new(dir),
            id,
            named,
            disk: disk.clone(),
            other: Mutex::new(None),
        }))
    }

    /// Opens the cache root of a home, and creates it if need be.
    pub(crate) fn create(home: &Home, disk: &Disk) -> Result<Self> {
        let root = home.cache_root();
        disk.create_dir(&root)?;
        Self::open(home, disk)?
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
            .at("open", &root)
    }

    /// Returns the open directory. Its path has all links resolved.
    pub(crate) fn dir(&self) -> &Arc<Dir> {
        &self.dir
    }

    /// Returns the directory's path, with all links resolved.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Returns where the directory of a key lies.
    pub(crate) fn dir_of(&self, key: &CacheKey) -> PathBuf {
        self.path().join(key.as_str())
    }

    /// Returns what the system says of an entry of the root; `None` if there is
    /// none.
    pub(crate) fn look(&self, name: &OsStr) -> Result<Option<Attributes>> {
        let found = if_exists(self.dir.attributes_of(name));
        found.at("read", &self.dir.path_of(name))
    }

    /// Opens a directory of the root.
    pub(crate) fn open_dir(&self, name: &OsStr) -> Result<Dir> {
        self.dir.open_dir(name).at("open", &self.dir.path_of(name))
    }

    /// Returns whether a path names this very directory, through links or not.
    ///
    /// # Errors
    ///
    /// The system does not say, so that it may be.
    pub(crate) fn is_at(&self, path: &Path) -> Result<bool> {
        if path == self.path() || path == self.named {
            return Ok(true);
        }
        let mut other = self.other.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((last, is_root)) = &*other
            && last == path
        {
            return Ok(*is_root);
        }
        let is_root = id_of(path)? == Some(self.id);
        *other = Some((path.to_owned(), is_root));
        Ok(is_root)
    }

    /// Returns whom everything that is created below has to be given.
    pub(crate) fn owner(&self) -> Result<Option<Owner>> {
        self.disk.owner()
    }

    /// Creates a directory to build content in, and returns it with its
    /// descriptor.
    pub(crate) fn staging(&self, wait: &LockWait<'_>) -> Result<(WorkDir, Dir)> {
        WorkDir::create(&self.dir, Purpose::Staging, self.owner()?, wait)
    }

    /// Moves an entry of the root out of the way, to be deleted. What cannot be
    /// renamed is deleted where it lies, and a symbolic link is removed itself.
    /// Only the holder of the registry's lock may do so. `quiet` is what was seen in it if
    /// it is a directory.
    ///
    /// # Errors
    ///
    /// I/O errors, and that a file system is mounted in it. Then nothing
    /// has changed, but where something was deleted in its place. And
    /// [`Error::KeptAside`] if a deployment changed something since
    /// it was seen.
    pub(crate) fn move_to_trash(&self, name: &OsStr, quiet: Option<&Quiet>) -> Result<Trashed> {
        let path = self.dir.path_of(name);
        match self.look(name)? {
            None => return Ok(Trashed::Nothing),
            Some(found) if found.kind != Kind::Dir => {
                let removed = if_exists(self.dir.remove_file(name));
                return removed
                    .at("remove", &path)
                    .map(|_| Trashed::Deleted { bytes: 0 });
            }
            Some(_) => refuse_mounts(&self.dir, name)?,
        }
        let goes_with_state = quiet.is_some_and(Quiet::goes_with_state);
        match WorkDir::take_to_trash(&self.dir, name, goes_with_state) {
            Ok(mut trash) => {
                if let Some(quiet) = quiet {
                    trash.require_unchanged(quiet, &path)?;
                }
                Ok(Trashed::Moved(trash))
            }
            Err(error) if cannot_be_renamed(&error) => {
                let bytes = stored_bytes(&self.dir, name);
                match quiet {
                    Some(quiet) => self.delete_in_place(name, quiet)?,
                    None => delete(&self.dir, name)?,
                }
                Ok(Trashed::Deleted { bytes })
            }
            Err(error) => {
                let gone = if_exists(Err::<(), _>(error)).at("move away", &path);
                gone.map(|_| Trashed::Nothing)
            }
        }
    }

    /// Deletes a directory that cannot be moved out of the way.
    ///
    /// # Errors
    ///
    /// I/O errors, and [`Error::KeptAside`] if it has something of deployments that was not
    /// seen. Then it stays where it is, as far as it was not deleted before.
    fn delete_in_place(&self, name: &OsStr, seen: &dyn Seen) -> Result<()> {
        let is_deleted = match seen.lacks_some_of(&self.open_dir(name)?)? {
            true => false,
            false => delete_seen(&self.dir, name, Path::new(name), seen)?,
        };
        match is_deleted {
            true => Ok(()),
            false => Err(Error::KeptAside {
                path: self.dir.path_of(name),
                kept: self.dir.path_of(name),
            }),
        }
    }

    /// Returns all names in the root, with their kinds where the listing tells them.
    pub(crate) fn names(&self) -> Result<Vec<(OsString, Option<Kind>)>> {
        self.dir.names().at("read the directory", self.path())
    }

    /// Makes the renames in the root survive a power loss.
    pub(crate) fn sync(&self) -> Result<()> {
        self.disk.sync_dir(self.path()).at("sync", self.path())
    }
}

/// The outcome of moving something out of the way.
#[derive(Debug)]
pub(crate) enum Trashed {
    /// There was nothing.
    Nothing,
    /// It is in here.
    Moved(WorkDir),
    /// It is deleted already.
    Deleted {
        /// The sum of the files' lengths.
        bytes: u64,
    },
}

/// Returns whether a directory has to be deleted where it lies. On overlayfs, one that
/// comes from a lower layer cannot be renamed.
fn cannot_be_renamed(error: &io::Error) -> bool {
    is(error, Errno::XDEV)
}

/// Returns the identity of the directory that a path names, following links;
/// `None` if there is none.
///
/// # Errors
///
/// The system does not say.
pub(crate) fn id_of(path: &Path) -> Result<Option<FileId>> {
    use std::os::unix::fs::MetadataExt;
    let found = if_exists(store::uninterrupted(|| fs::metadata(path))).at("read", path)?;
    Ok(found
        .filter(fs::Metadata::is_dir)
        .map(|found| (found.dev(), found.ino())))
}

#[cfg(test)]
mod tests;
