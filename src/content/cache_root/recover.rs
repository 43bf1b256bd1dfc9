//! What killed processes left in the cache root.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

use super::CacheRoot;
use crate::content::deletion::refuse_mounts;
use crate::content::workdir::{Leftover, Purpose, QuietLeftover};
use crate::error::{AtPath, Result};
use crate::store::{self, Dir, descriptors, if_exists};

/// What killed processes left.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// The directories that are to be deleted.
    pub(crate) leftovers: Vec<QuietLeftover>,
    /// The paths of those that have the state of a deployment, and are kept for good.
    pub(crate) kept: Vec<PathBuf>,
}

impl CacheRoot {
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

    /// Undoes the first half of swaps that a crash cut in two, and nothing else. Only the
    /// holder of the registry's lock may do so.
    ///
    /// # Errors
    ///
    /// I/O errors.
    pub(crate) fn undo_interrupted_swaps(&self) -> Result<()> {
        for (holder, _) in self.interrupted_swaps()? {
            let path = self.dir.path_of(&holder);
            if let Some(leftover) = Leftover::lock_if_stale(&self.dir, &holder)? {
                let undone = self.undo_interrupted_swap(leftover.dir());
                undone.at("move back what is in", &path)?;
            }
        }
        Ok(())
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

/// Returns `None` for what is no directory, or a link to one.
fn not_a_dir_is_none(opened: io::Result<Dir>) -> io::Result<Option<Dir>> {
    match opened {
        Err(error) if store::is_another_kind(&error) => Ok(None),
        opened => if_exists(opened),
    }
}
