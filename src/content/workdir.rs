//! Directories of the cache root that belong to a running process: staging, trash,
//! and what is held aside while two directories change places.
//!
//! A process holds a lock on each of its own, so that leftovers of killed processes can
//! be distinguished from directories in use. A directory that is to be deleted stays
//! locked until it is removed.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::deletion::{delete, delete_seen};
use super::deployed::{Quiet, Seen};
use crate::error::{AtPath, Error, Result};
use crate::reference::is_reserved_name;
use crate::store::{Dir, DirLock, LockWait, Owner, cannot_lock, if_exists, is_exhausted};

mod leftover;

pub(crate) use leftover::{Leftover, QuietLeftover};

/// The number of random characters that a name ends with.
const RANDOM: usize = 12;

/// What stands in place of the first random characters in the name of trash whose live state
/// is to be deleted too. By chance, a name has it once in many billions.
const MARK: &str = "agreed";

/// How such a name begins.
const WITH_STATE: &str = ".trash-agreed";

/// The purpose of a working directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Content is built in it.
    Staging,
    /// It is to be deleted.
    Trash,
    /// It contains the directory of a key, under the key's name, while another one
    /// takes its place.
    Swap,
    /// It has state that a deployment wrote while it was replaced or removed, and that
    /// nothing else has: only people delete it.
    Kept,
}

impl Purpose {
    const ALL: [Purpose; 4] = [
        Purpose::Staging,
        Purpose::Trash,
        Purpose::Swap,
        Purpose::Kept,
    ];

    /// Returns how names begin. No reference has such a name as its key, and
    /// every file system takes them.
    fn prefix(self) -> &'static str {
        match self {
            Purpose::Staging => ".staging-",
            Purpose::Trash => ".trash-",
            Purpose::Swap => ".swap-",
            Purpose::Kept => ".kept-",
        }
    }

    /// Returns how names of versions before 0.2 began, which still may lie there.
    fn former_prefix(self) -> Option<&'static str> {
        match self {
            Purpose::Staging => Some(".staging:"),
            Purpose::Trash => Some(".trash:"),
            Purpose::Swap => Some(".trash:swap-"),
            Purpose::Kept => None,
        }
    }

    /// Returns the purpose of a directory of this name in the cache root; `None` if
    /// it is no working directory.
    pub(crate) fn of_name(name: &OsStr) -> Option<Self> {
        let name = name.to_str()?;
        let is_former = |purpose: &Purpose| {
            let random = purpose
                .former_prefix()
                .and_then(|prefix| name.strip_prefix(prefix));
            random.is_some_and(|random| {
                random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
            })
        };
        let is_present = |purpose: &Purpose| name.starts_with(purpose.prefix());
        match is_reserved_name(name) {
            true => Purpose::ALL.into_iter().find(is_present),
            false => Purpose::ALL.into_iter().find(is_former),
        }
    }

    fn random_name(self) -> io::Result<OsString> {
        random_name(self.prefix(), RANDOM)
    }
}

fn random_name(prefix: &str, random: usize) -> io::Result<OsString> {
    // Only the name is made here: nothing is created by a path.
    let made = tempfile::Builder::new()
        .prefix(prefix)
        .rand_bytes(random)
        .disable_cleanup(true)
        .make_in("", |_| Ok(()));
    let (_, path) = made?.into_parts();
    Ok(path.file_name().unwrap_or_default().to_owned())
}

/// A directory that vanishes with all that it contains when it is dropped.
#[derive(Debug)]
pub(crate) struct WorkDir {
    root: Arc<Dir>,
    name: OsString,
    /// The lock on the directory that has the name; `None` if it may not be
    /// opened.
    lock: Option<DirLock>,
    is_kept: bool,
}

impl WorkDir {
    /// Creates an empty directory for an owner, and returns it with its descriptor.
    ///
    /// # Errors
    ///
    /// I/O errors, and those of `wait`: it ends the attempts to lock what was
    /// created.
    pub(crate) fn create(
        root: &Arc<Dir>,
        purpose: Purpose,
        owner: Option<Owner>,
        wait: &LockWait<'_>,
    ) -> Result<(Self, Dir)> {
        let mut pauses = wait.pauses();
        loop {
            let name = purpose.random_name();
            let name = name.at("create a directory in", root.path())?;
            let path = root.path_of(&name);
            match root.create_dir(&name, 0o700) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                created => created.at("create the directory", &path)?,
            }
            let work = WorkDir {
                root: Arc::clone(root),
                name,
                lock: None,
                is_kept: false,
            };
            match work.open_locked() {
                // Between being created and locked, it was taken for a leftover.
                Ok(None) => {}
                Ok(Some((dir, lock))) => {
                    let given = owner.map_or(Ok(()), |owner| dir.give_to(owner));
                    given.at("set the owner of", &path)?;
                    let lock = Some(lock);
                    return Ok((work.with_lock(lock), dir));
                }
                Err(error) => return Err(cannot_lock(&path, error)),
            }
            drop(work);
            pauses.pause(&path)?;
        }
    }

    /// Renames a directory of the root to a name of trash. Only the holder of the
    /// registry's lock may do so: until it is locked, it looks like a leftover.
    /// `goes_with_state` says that live state in it is to be deleted too, also if this
    /// process is killed before that.
    ///
    /// # Errors
    ///
    /// Those of the rename.
    pub(crate) fn take_to_trash(
        root: &Arc<Dir>,
        name: &OsStr,
        goes_with_state: bool,
    ) -> io::Result<Self> {
        let new_name = match goes_with_state {
            true => random_name(WITH_STATE, RANDOM - MARK.len())?,
            false => Purpose::Trash.random_name()?,
        };
        root.rename(name, root, &new_name)?;
        let mut work = WorkDir {
            root: Arc::clone(root),
            name: new_name,
            lock: None,
            is_kept: false,
        };
        work.lock_again();
        Ok(work)
    }

    fn with_lock(mut self, lock: Option<DirLock>) -> Self {
        self.lock = lock;
        self
    }

    /// Locks the directory that has the name now, after another one was exchanged
    /// for it. Only the holder of the registry's lock may do so.
    pub(crate) fn lock_again(&mut self) {
        // What may not be opened may be deleted all the same.
        self.lock = self.open_locked().ok().flatten().map(|(_, lock)| lock);
    }

    /// Opens the directory and locks it; `None` if another process is about to
    /// delete it, or has.
    fn open_locked(&self) -> io::Result<Option<(Dir, DirLock)>> {
        let Some(dir) = if_exists(self.root.open_dir(&self.name))? else {
            return Ok(None);
        };
        let Some(lock) = DirLock::shared(&dir)? else {
            return Ok(None);
        };
        let here = if_exists(self.root.attributes_of(&self.name))?;
        let is_current = here.map(|here| here.id) == Some(dir.attributes()?.id);
        Ok(is_current.then_some((dir, lock)))
    }

    /// Returns its name in the cache root.
    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    #[cfg(test)]
    pub(crate) fn path(&self) -> PathBuf {
        self.root.path_of(&self.name)
    }

    /// Keeps what has the name now when this is dropped.
    pub(crate) fn keep(&mut self) {
        self.is_kept = true;
    }

    /// Keeps the old directory of a key, in which a deployment changed something
    /// meanwhile, and returns the error that says so.
    pub(crate) fn keep_aside(&mut self, of: &Path) -> Error {
        match self.set_aside() {
            Ok(kept) => Error::KeptAside {
                path: of.to_owned(),
                kept,
            },
            Err(error) => error,
        }
    }

    /// Returns the error that says so, and keeps the directory aside, if a deployment changed
    /// something in it since it was seen. It was the directory of a key at this path.
    ///
    /// # Errors
    ///
    /// [`Error::KeptAside`]. And that there was no descriptor or memory left to look: then it
    /// stays as a killed process would leave it, and a later change looks again.
    pub(crate) fn require_unchanged(&mut self, seen: &Quiet, of: &Path) -> Result<()> {
        let is_changed = match self.root.open_dir(&self.name) {
            Ok(dir) => seen.has_changed(&dir),
            Err(error) if is_exhausted(&error) => {
                Err(error).at("open", &self.root.path_of(&self.name))
            }
            Err(_) => Ok(!seen.is_empty()),
        };
        match is_changed {
            Ok(false) => Ok(()),
            Ok(true) => Err(self.keep_aside(of)),
            Err(error) => {
                self.keep();
                Err(error)
            }
        }
    }

    /// Keeps what has the name now for good, under a name that nothing sweeps, and returns
    /// its path.
    ///
    /// # Errors
    ///
    /// Those of the rename. Then it is kept as it is, and the next change sets it aside if it
    /// has live state.
    pub(crate) fn set_aside(&mut self) -> Result<PathBuf> {
        self.keep();
        self.name = set_aside(&self.root, &self.name)?;
        Ok(self.root.path_of(&self.name))
    }

    /// Deletes what has the name now: the directory, or what was exchanged for it.
    ///
    /// # Errors
    ///
    /// The first thing that could not be deleted.
    pub(crate) fn delete(mut self) -> Result<()> {
        match std::mem::replace(&mut self.is_kept, true) {
            true => Ok(()),
            false => delete(&self.root, &self.name),
        }
    }

    /// Deletes the old directory of a key that was at this path, unless it has something of
    /// deployments that was not seen: a process that was in it then writes into it still.
    ///
    /// # Errors
    ///
    /// [`Error::KeptAside`], and the first thing that could not be deleted.
    pub(crate) fn delete_seen(mut self, seen: &dyn Seen, of: &Path) -> Result<()> {
        if std::mem::replace(&mut self.is_kept, true) {
            return Ok(());
        }
        let mut top = PathBuf::from(&self.name);
        if Purpose::of_name(&self.name) == Some(Purpose::Swap) {
            top.push(of.file_name().unwrap_or_default());
        }
        match delete_seen(&self.root, &self.name, &top, seen) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.keep_aside(of)),
            // A directory in which something was created after it was emptied cannot be
            // removed.
            Err(error) => match self.root.open_beneath(&top) {
                Ok(dir) if seen.lacks_some_of(&dir)? => Err(self.keep_aside(of)),
                _ => Err(error),
            },
        }
    }
}

/// Renames a directory of the root to a name that nothing sweeps, and returns the name.
fn set_aside(root: &Dir, name: &OsStr) -> Result<OsString> {
    let path = root.path_of(name);
    let new_name = Purpose::Kept.random_name().at("move away", &path)?;
    let renamed = root.rename(name, root, &new_name);
    renamed.at("move away", &path)?;
    Ok(new_name)
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if !self.is_kept {
            // What stays is found by its name.
            let _ = delete(&self.root, &self.name);
        }
    }
}

#[cfg(test)]
mod tests;
