//! Replacing the directory of a key, and undoing what a crash cut in two.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

use rustix::fs::RenameFlags;
use rustix::io::Errno;

use super::{CacheRoot, cannot_be_renamed};
use crate::content::deletion::{delete, refuse_mounts, require_deletable};
use crate::content::deployed::Seen;
use crate::content::workdir::{Leftover, Purpose, QuietLeftover, WorkDir};
use crate::error::{AtPath, Error, Result};
use crate::reference::CacheKey;
use crate::store::{self, Dir, Kind, LockWait, descriptors, if_exists, is, is_unsupported};

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
    /// What deployments left in it, if that was looked at.
    pub(crate) seen: Option<&'s dyn Seen>,
}

/// What killed processes left.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// The directories that are to be deleted.
    pub(crate) leftovers: Vec<QuietLeftover>,
    /// The paths of those that have the state of a deployment, and are kept for good.
    pub(crate) kept: Vec<PathBuf>,
}

impl CacheRoot {
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
        old: Old<'_>,
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
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => self
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
            None => delete(&self.dir, name)?,
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

    /// Undoes the first half of swaps that a crash cut in two, keeps what has the state of a
    /// deployment, and returns what else killed processes left, to be deleted. Where a
    /// deployment is at work, or the limit of descriptors is low, some of it is left to a later
    /// change. Only the holder of the registry's lock may do so.
    ///
    /// # Errors
    ///
    /// The root cannot be read.
    pub(crate) fn recover(&self) -> Result<Recovered> {
        let mut quiet = Vec::new();
        let mut left = descriptors::limit() / 4;
        for (name, _) in self.names()? {
            let purpose = match Purpose::of_name(&name) {
                None | Some(Purpose::Kept) => continue,
                Some(purpose) => purpose,
            };
            // What cannot be judged is kept, and found by its name another time.
            let Ok(Some(leftover)) = Leftover::lock_if_stale(&self.dir, &name) else {
                continue;
            };
            // What is mounted there stays, and the directory with it.
            if refuse_mounts(&self.dir, &name).is_err() {
                continue;
            }
            if purpose == Purpose::Swap && self.undo_interrupted_swap(leftover.dir()).is_err() {
                continue;
            }
            // Where a deployment is at work, it is left alone.
            let Ok(leftover) = leftover.quiet() else {
                continue;
            };
            let held = leftover.descriptors();
            quiet.push(leftover);
            match left.checked_sub(held) {
                Some(rest) => left = rest,
                None => break,
            }
        }
        let (leftovers, stay) = QuietLeftover::divide(quiet);
        let kept = stay.into_iter().filter_map(|it| it.set_aside().ok());
        Ok(Recovered {
            leftovers,
            kept: kept.collect(),
        })
    }

    /// Returns whether a working directory is one that a killed process left, with the state
    /// of a deployment, so that the next change keeps it.
    pub(crate) fn is_left_with_state(&self, name: &OsStr) -> bool {
        let leftover = Leftover::lock_if_stale(&self.dir, name).ok().flatten();
        // What cannot be read is reported with the reason.
        leftover.is_some_and(|leftover| leftover.may_have_state().unwrap_or(false))
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
