//! Replacing the directory of a key, and undoing what a crash cut in two.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};

use rustix::fs::RenameFlags;
use rustix::io::Errno;

use super::{CacheRoot, cannot_be_renamed};
use crate::content::deletion::{refuse_mounts, require_deletable};
use crate::content::deployed::Seen;
use crate::content::workdir::{Purpose, WorkDir};
use crate::error::{AtPath, Error, Result};
use crate::reference::CacheKey;
use crate::store::{Dir, Kind, LockWait, if_exists, is, is_unsupported};

/// The way in which a staged directory got into its place.
#[derive(Debug)]
pub(crate) enum Swap {
    /// The place was free.
    Moved,
    /// The old directory is where the staged one was.
    Exchanged,
    /// The old directory is in here.
    InTwoSteps(WorkDir, Dir),
    /// The old directory is deleted.
    Deleted,
}

/// What is known of the directory that a swap replaces.
#[derive(Clone, Copy, Default)]
pub(crate) struct Old<'s> {
    /// True if the staged directory has the state of a deployment too that is in it.
    pub(crate) holds_state: bool,
    /// What deployments left in it; `None` if there was no directory.
    pub(crate) seen: Option<&'s dyn Seen>,
}

impl CacheRoot {
    /// Puts a staged directory in the place of a key's. What was there before is
    /// then in the staged one's place, or aside in the returned swap. Only the
    /// holder of the registry's lock may do so.
    ///
    /// # Errors
    ///
    /// I/O errors, and that a file system is mounted in what is there.
    /// [`Error::ContentChanged`] if there is a directory now where none was: then nothing has
    /// changed, and it has to be looked at first.
    pub(crate) fn swap_in(
        &self,
        staged: &mut WorkDir,
        key: &CacheKey,
        wait: &LockWait<'_>,
        old: Old<'_>,
    ) -> Result<Swap> {
        let name = OsStr::new(key.as_str());
        let path = self.dir_of(key);
        let Some(found) = self.look(name)? else {
            return match self.move_in(staged, name) {
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty
                    ) =>
                {
                    Err(Error::ContentChanged { path })
                }
                moved => moved.at("replace", &path).map(|()| Swap::Moved),
            };
        };
        if found.kind == Kind::Dir {
            if old.seen.is_none() {
                return Err(Error::ContentChanged { path });
            }
            refuse_mounts(&self.dir, name)?;
        }
        let flags = RenameFlags::EXCHANGE;
        match self.dir.rename_with(staged.name(), &self.dir, name, flags) {
            Ok(()) => {
                staged.lock_again();
                if old.seen.is_none() && is_dir(&self.dir, staged.name()) {
                    self.swap_back(staged, key, Swap::Exchanged);
                    return Err(Error::ContentChanged { path });
                }
                Ok(Swap::Exchanged)
            }
            Err(error) if cannot_be_asked(&error) => {
                self.swap_by_two_renames(staged, key, wait, old)
            }
            Err(error) if cannot_be_renamed(&error) => self.swap_by_deletion(staged, name, old),
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
    pub(super) fn swap_by_two_renames(
        &self,
        staged: &WorkDir,
        key: &CacheKey,
        wait: &LockWait<'_>,
        old: Old<'_>,
    ) -> Result<Swap> {
        let name = OsStr::new(key.as_str());
        let path = self.dir_of(key);
        let (mut aside, holder) = WorkDir::create(&self.dir, Purpose::Swap, self.owner()?, wait)?;
        // Otherwise a power loss could take the holder, and the old content with
        // it, but not the rename into it.
        self.sync()?;
        let moved = match self.dir.rename(name, &holder, name) {
            // A directory gets another parent only if it is writable itself.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => self
                .dir
                .grant_owner(name)
                .and_then(|()| self.dir.rename(name, &holder, name)),
            moved => moved,
        };
        match moved {
            Err(error) if cannot_be_renamed(&error) => {
                return self.swap_by_deletion(staged, name, old);
            }
            moved => moved.at("move away", &path)?,
        }
        if old.seen.is_none() && is_dir(&holder, name) {
            if holder.rename(name, &self.dir, name).is_err() {
                aside.keep();
            }
            return Err(Error::ContentChanged { path });
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
    ///
    /// # Errors
    ///
    /// I/O errors, [`Error::StateNotMovable`], and [`Error::KeptAside`] if a deployment wrote
    /// something meanwhile, which stays where it is.
    pub(super) fn swap_by_deletion(
        &self,
        staged: &WorkDir,
        name: &OsStr,
        old: Old<'_>,
    ) -> Result<Swap> {
        // A crash would leave its state in staging alone, which is swept.
        if old.holds_state {
            return Err(Error::StateNotMovable {
                path: self.dir.path_of(name),
            });
        }
        // What is half deleted cannot be restored.
        require_deletable(&self.dir, name)?;
        match old.seen {
            Some(seen) => self.delete_in_place(name, seen)?,
            None if is_dir(&self.dir, name) => {
                let path = self.dir.path_of(name);
                return Err(Error::ContentChanged { path });
            }
            None => {
                let removed = if_exists(self.dir.remove_file(name));
                removed.at("remove", &self.dir.path_of(name))?;
            }
        }
        self.move_in(staged, name)
            .at("replace", &self.dir.path_of(name))?;
        Ok(Swap::Deleted)
    }

    /// Undoes what [`swap_in`](Self::swap_in) did, as far as that can be undone.
    pub(crate) fn swap_back(&self, staged: &mut WorkDir, key: &CacheKey, swap: Swap) {
        let name = OsStr::new(key.as_str());
        let dir = &self.dir;
        // If this fails too, the old entry has the new content, as after a crash; the
        // same `add` repairs that.
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
}

/// Returns whether the system, the file system or a filter of system calls refuses a
/// rename with flags as such.
fn cannot_be_asked(error: &io::Error) -> bool {
    is_unsupported(error) || is(error, Errno::PERM)
}

/// Returns whether a name is that of a directory, or may be.
fn is_dir(parent: &Dir, name: &OsStr) -> bool {
    let found = if_exists(parent.attributes_of(name));
    !matches!(found, Ok(found) if found.is_none_or(|found| found.kind != Kind::Dir))
}
