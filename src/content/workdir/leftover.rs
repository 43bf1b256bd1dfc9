//! What killed processes left in the cache root.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Purpose, set_aside};
use crate::content::deletion::delete;
use crate::content::deployed::LiveState;
use crate::content::file_tree::{FileTree, Opener};
use crate::content::residue::can_be_live;
use crate::error::{AtPath, Error, Result};
use crate::store::{Dir, DirLock, Kind, if_exists};

/// A working directory that a killed process left, locked against others until it is
/// dropped.
#[derive(Debug)]
pub(crate) struct Leftover {
    root: Arc<Dir>,
    name: OsString,
    dir: Dir,
    _lock: DirLock,
}

impl Leftover {
    /// Locks a working directory that no running process has; `None` if one has
    /// it, or if there is no such directory.
    ///
    /// # Errors
    ///
    /// The system does not say.
    pub(crate) fn lock_if_stale(root: &Arc<Dir>, name: &OsStr) -> Result<Option<Self>> {
        Self::locked(root, name).at("lock", &root.path_of(name))
    }

    fn locked(root: &Arc<Dir>, name: &OsStr) -> io::Result<Option<Self>> {
        let found = if_exists(root.attributes_of(name))?;
        if found.is_none_or(|found| found.kind != Kind::Dir) {
            return Ok(None);
        }
        let opened = match if_exists(root.open_dir(name)) {
            // Content that was on its way out may have lacked any permission.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                root.grant_owner(name)?;
                if_exists(root.open_dir(name))?
            }
            opened => opened?,
        };
        let Some(dir) = opened else {
            return Ok(None);
        };
        let Some(lock) = DirLock::exclusive(&dir)? else {
            return Ok(None);
        };
        let here = if_exists(root.attributes_of(name))?;
        let is_current = here.map(|here| here.id) == Some(dir.attributes()?.id);
        Ok(is_current.then(|| Leftover {
            root: Arc::clone(root),
            name: name.to_owned(),
            dir,
            _lock: lock,
        }))
    }

    /// Returns the directory.
    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Returns whether it may have what a deployment wrote and no other name has. An
    /// interrupted swap is the old content of a key, of which all counts that deployments
    /// left; in what was to be deleted, only live state does.
    ///
    /// A file with another name is not opened: that name may be state which this process
    /// has locked, and to close it would release the lock.
    pub(crate) fn may_have_state(&self) -> bool {
        let is_swap = Purpose::of_name(&self.name) == Some(Purpose::Swap);
        let left = match FileTree::stored(&self.dir) {
            Ok(tree) => tree.divide(|_, _| false).deployment,
            // OpenTofu could not have written there either.
            Err(Error::Io { cause, .. }) if cause.kind() == io::ErrorKind::PermissionDenied => {
                return is_swap;
            }
            Err(_) => return true,
        };
        let mut opener = Opener::default();
        left.files.iter().any(|file| {
            let format = can_be_live(&file.path);
            if !is_swap && format.is_none() {
                return false;
            }
            let found = opener.attributes_of(&self.dir, &file.path);
            if found.is_ok_and(|found| found.names > 1) {
                return false;
            }
            let is_dead = |format| {
                let opened = opener.open_file(&self.dir, &file.path);
                let state = opened.and_then(|file| LiveState::read(file, format));
                matches!(state, Ok(LiveState::None))
            };
            is_swap || !format.is_some_and(is_dead)
        })
    }

    /// Keeps it for good, under a name that nothing sweeps, and returns its path.
    ///
    /// # Errors
    ///
    /// Those of the rename.
    pub(crate) fn set_aside(self) -> Result<PathBuf> {
        set_aside(&self.root, &self.name).map(|name| self.root.path_of(name))
    }

    /// Deletes it.
    ///
    /// # Errors
    ///
    /// The first thing that could not be deleted.
    pub(crate) fn delete(self) -> Result<()> {
        delete(&self.root, &self.name)
    }
}
