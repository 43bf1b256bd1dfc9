//! What killed processes left in the cache root.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Purpose, WITH_STATE, set_aside};
use crate::content::deletion::delete;
use crate::content::deployed::{LiveState, ReadState};
use crate::content::residue::{PLUGINS, Residue, StateFormat, can_be_live, residue_of};
use crate::error::{AtPath, Result};
use crate::store::{Dir, DirLock, Kind, Step, Walk, if_exists};

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
    ///
    /// # Errors
    ///
    /// It cannot be read, so that this is not known.
    pub(crate) fn may_have_state(&self) -> Result<bool> {
        self.has_state().at("read", &self.root.path_of(&self.name))
    }

    fn has_state(&self) -> io::Result<bool> {
        // It was to be deleted with its state.
        if self
            .name
            .as_encoded_bytes()
            .starts_with(WITH_STATE.as_bytes())
        {
            return Ok(false);
        }
        let is_swap = Purpose::of_name(&self.name) == Some(Purpose::Swap);
        let mut walk = Walk::through(self.dir.try_clone()?)?;
        while let Some(step) = walk.next()? {
            let Step::Name(name, listed) = step else {
                continue;
            };
            match if_exists(walk.dir().kind_of(&name, listed))? {
                Some(Kind::Dir) if name == PLUGINS => {}
                Some(Kind::Dir) => match if_exists(walk.enter(name, |_| io::Result::Ok(()))) {
                    // OpenTofu could not have written there either.
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !is_swap => {}
                    entered => drop(entered?),
                },
                Some(Kind::File) => {
                    let path = walk.path().join(&name);
                    let is_left = matches!(
                        residue_of(&path, Kind::File),
                        Some(Residue::State | Residue::Inputs)
                    );
                    let counts = match (is_left, can_be_live(&path)) {
                        (true, _) if is_swap => has_one_name(walk.dir(), &name)?,
                        (true, Some(format)) => {
                            has_one_name(walk.dir(), &name)? && is_live(walk.dir(), &name, format)?
                        }
                        _ => false,
                    };
                    if counts {
                        return Ok(true);
                    }
                }
                _ => {}
            }
        }
        Ok(false)
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

fn has_one_name(dir: &Dir, name: &OsStr) -> io::Result<bool> {
    let found = if_exists(dir.attributes_of(name))?;
    Ok(found.is_some_and(|found| found.names == 1))
}

fn is_live(dir: &Dir, name: &OsStr, format: StateFormat) -> io::Result<bool> {
    let Some(file) = if_exists(dir.open_file(name))? else {
        return Ok(false);
    };
    let open = |backup: &Path| dir.open_file(backup.as_os_str());
    let read = ReadState::of(&file, format, Path::new(name), open)?;
    Ok(read.state != LiveState::None)
}
