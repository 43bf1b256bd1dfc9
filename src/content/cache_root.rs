//! The directory that contains the content of all references, and what happens to
//! its entries: content is swapped in, and moved out of the way.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::RenameFlags;
use rustix::io::Errno;

use super::deletion::{delete, refuse_mounts, require_deletable};
use super::removal::stored_bytes;
use super::workdir::{Leftover, Purpose, WorkDir};
use crate::error::{AtPath, Result};
use crate::home::Home;
use crate::reference::CacheKey;
use crate::store::{
    self, Attributes, Dir, Disk, FileId, Kind, LockWait, Owner, if_exists, is, is_unsupported,
};

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
    /// Only the holder of the registry's lock may do so.
    ///
    /// # Errors
    ///
    /// I/O errors, and that a file system is mounted in it. Then nothing
    /// has changed, but where something was deleted in its place.
    pub(crate) fn move_to_trash(&self, name: &OsStr) -> Result<Trashed> {
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
        match WorkDir::take(&self.dir, name, Purpose::Trash) {
            Ok(trash) => Ok(Trashed::Moved(trash)),
            Err(error) if cannot_be_renamed(&error) => {
                let bytes = stored_bytes(&self.dir, name);
                delete(&self.dir, name).map(|()| Trashed::Deleted { bytes })
            }
            Err(error) => {
                let gone = if_exists(Err::<(), _>(error)).at("move away", &path);
                gone.map(|_| Trashed::Nothing)
            }
        }
    }

    /// Puts a staged directory in the place of a key's. What was there before is
    /// then in the staged one's place, or aside in the returned swap. Only the
    /// holder of the registry's lock may do so.
    ///
    /// # Errors
    ///
    /// I/O errors, and that a file system is mounted in what is there.
    pub(crate) fn swap_in(
        &self,
        staged: &mut WorkDir,
        key: &CacheKey,
        wait: &LockWait<'_>,
    ) -> Result<Swap> {
        let name = OsStr::new(key.as_str());
        let path = self.dir_of(key);
        let Some(found) = self.look(name)? else {
            self.move_in(staged, name).at("replace", &path)?;
            return Ok(Swap::Moved);
        };
        if found.kind == Kind::Dir {
            refuse_mounts(&self.dir, name)?;
        }
        let flags = RenameFlags::EXCHANGE;
        match self.dir.rename_with(staged.name(), &self.dir, name, flags) {
            Ok(()) => {
                staged.lock_again();
                Ok(Swap::Exchanged)
            }
            Err(error) if cannot_be_asked(&error) => self.swap_by_two_renames(staged, key, wait),
            Err(error) if cannot_be_renamed(&error) => self.swap_by_deletion(staged, name),
            Err(error) => Err(error).at("replace", &path),
        }
    }

    /// Moves a staged directory to a name that is free, if the system can tell that
    /// in the same step.
    fn move_in(&self, staged: &WorkDir, name: &OsStr) -> io::Result<()> {
        let flags = RenameFlags::NOREPLACE;
        match self.dir.rename_with(staged.name(), &self.dir, name, flags) {
            Err(error) if cannot_be_asked(&error) => {
                self.dir.rename(staged.name(), &self.dir, name)
            }
            moved => moved,
        }
    }

    /// Swaps on file systems that cannot exchange. A crash between the two renames
    /// leaves the key without a directory; [`recover`](Self::recover) puts the old
    /// one back.
    fn swap_by_two_renames(
        &self,
        staged: &WorkDir,
        key: &CacheKey,
        wait: &LockWait<'_>,
    ) -> Result<Swap> {
        let name = OsStr::new(key.as_str());
        let path = self.dir_of(key);
        let (mut aside, holder) = WorkDir::create(&self.dir, Purpose::Swap, self.owner()?, wait)?;
        // Otherwise a power loss could take the holder, and the old content with
        // it, but not the rename into it.
        self.sync()?;
        let moved = match self.dir.rename(name, &holder, name) {
            // A directory gets another parent only if it is writable itself.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => self
                .dir
                .grant_owner(name)
                .and_then(|()| self.dir.rename(name, &holder, name)),
            moved => moved,
        };
        match moved {
            Err(error) if cannot_be_renamed(&error) => return self.swap_by_deletion(staged, name),
            moved => moved.at("move away", &path)?,
        }
        match self.dir.rename(staged.name(), &self.dir, name) {
            Ok(()) => Ok(Swap::InTwoSteps(aside, holder)),
            Err(error) => {
                if holder.rename(name, &self.dir, name).is_err() {
                    // A leftover is better than lost content.
                    aside.keep();
                }
                Err(error).at("replace", &path)
            }
        }
    }

    /// Swaps where a directory cannot be renamed: what has to go is deleted in its
    /// place. A crash before the new content is in place leaves the key without a
    /// directory.
    fn swap_by_deletion(&self, staged: &WorkDir, name: &OsStr) -> Result<Swap> {
        // What is half deleted cannot be restored.
        require_deletable(&self.dir, name)?;
        delete(&self.dir, name)?;
        self.move_in(staged, name)
            .at("replace", &self.dir.path_of(name))?;
        Ok(Swap::Deleted)
    }

    /// Undoes what [`swap_in`](Self::swap_in) did, as far as that can be undone.
    pub(crate) fn swap_back(&self, staged: &mut WorkDir, key: &CacheKey, swap: Swap) {
        let name = OsStr::new(key.as_str());
        let dir = &self.dir;
        // Should this fail too, the old entry is on whole new content, as after
        // a crash: the same `add` mends it.
        let _ = match swap {
            Swap::Moved => dir.rename(name, dir, staged.name()),
            Swap::Exchanged => dir.rename_with(name, dir, staged.name(), RenameFlags::EXCHANGE),
            Swap::InTwoSteps(mut aside, holder) => {
                let restored = dir
                    .rename(name, dir, staged.name())
                    .and_then(|()| holder.rename(name, dir, name));
                if restored.is_err() {
                    aside.keep();
                }
                restored
            }
            // Whole new content is better than none.
            Swap::Deleted => Ok(()),
        };
        staged.lock_again();
    }

    /// Undoes the first half of swaps that a crash cut in two, and returns what
    /// killed processes left, to be deleted. Only the holder of the registry's
    /// lock may do so.
    ///
    /// # Errors
    ///
    /// The root cannot be read.
    pub(crate) fn recover(&self) -> Result<Vec<Leftover>> {
        let mut leftovers = Vec::new();
        for (name, _) in self.names()? {
            let Some(purpose) = Purpose::of_name(&name) else {
                continue;
            };
            // What cannot be told stays, and is found by its name another time.
            let Ok(Some(leftover)) = Leftover::lock_if_stale(&self.dir, &name) else {
                continue;
            };
            // What is mounted there stays, and the directory with it.
            if refuse_mounts(&self.dir, &name).is_err() {
                continue;
            }
            if purpose != Purpose::Swap || self.undo_interrupted_swap(leftover.dir()).is_ok() {
                leftovers.push(leftover);
            }
        }
        Ok(leftovers)
    }

    /// Puts the directory of a key back that was moved aside, if nothing took its
    /// place.
    fn undo_interrupted_swap(&self, holder: &Dir) -> io::Result<()> {
        let mut restored = false;
        for (name, _) in holder.names()? {
            if if_exists(self.dir.attributes_of(&name))?.is_none() {
                holder.rename(&name, &self.dir, &name)?;
                restored = true;
            }
        }
        // The holder is deleted next; its removal must not reach the disk before
        // what it contained is back.
        match restored {
            true => self.disk.sync_dir(self.path()),
            false => Ok(()),
        }
    }

    /// Returns the directories that were moved aside by swaps that did not end,
    /// each with the name of the working directory that it is in.
    pub(crate) fn interrupted_swaps(&self) -> Result<Vec<(OsString, OsString)>> {
        let mut found = Vec::new();
        for (holder, _) in self.names()? {
            if Purpose::of_name(&holder) != Some(Purpose::Swap) {
                continue;
            }
            let path = self.dir.path_of(&holder);
            let opened = self.dir.open_dir(&holder);
            let Some(opened) = not_a_dir_is_none(opened).at("open", &path)? else {
                continue;
            };
            for (name, _) in opened.names().at("read the directory", &path)? {
                if self.look(&name)?.is_none() {
                    found.push((holder.clone(), name));
                }
            }
        }
        Ok(found)
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

/// What became of what was moved out of the way.
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

/// How a staged directory got into its place.
#[derive(Debug)]
pub(crate) enum Swap {
    /// The place was free.
    Moved,
    /// What was there is where the staged one was.
    Exchanged,
    /// What was there is in here.
    InTwoSteps(WorkDir, Dir),
    /// What was there is deleted.
    Deleted,
}

/// Returns whether a directory has to be deleted where it lies. On overlayfs, one that
/// comes from a lower layer cannot be renamed.
fn cannot_be_renamed(error: &io::Error) -> bool {
    is(error, Errno::XDEV)
}

/// Returns whether the system, the file system or a filter of system calls refuses a
/// rename with flags as such.
fn cannot_be_asked(error: &io::Error) -> bool {
    is_unsupported(error) || is(error, Errno::PERM)
}

/// Returns `None` for what is no directory, or a link to one.
fn not_a_dir_is_none(opened: io::Result<Dir>) -> io::Result<Option<Dir>> {
    match opened {
        Err(error) if store::is_another_kind(&error) => Ok(None),
        opened => if_exists(opened),
    }
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
