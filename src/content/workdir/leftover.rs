//! What killed processes left in the cache root.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Purpose, WITH_STATE, set_aside};
use crate::content::deletion::delete_seen;
use crate::content::deployed::Quiet;
use crate::content::file_tree::Opener;
use crate::error::{AtPath, Result};
use crate::store::{Dir, DirLock, FileId, Kind, if_exists};

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

    /// Returns whether it may have what a deployment wrote and no other name has. Only for
    /// commands that change nothing: OpenTofu is not kept out of it.
    ///
    /// # Errors
    ///
    /// It cannot be read, so that this is not known.
    pub(crate) fn may_have_state(&self) -> Result<bool> {
        let seen = Quiet::unlocked_in_leftover(&self.dir, self.is_swap())?;
        let precious = self.precious(&seen)?;
        Ok(has_the_last_name(&precious, &names_in(&seen)))
    }

    /// Keeps OpenTofu out of it, so that it can be judged and deleted.
    ///
    /// # Errors
    ///
    /// [`Error::AtWork`](crate::Error::AtWork), and that it cannot be read.
    pub(crate) fn quiet(self) -> Result<QuietLeftover> {
        let quiet = Quiet::require_in_leftover(&self.dir, self.is_swap())?;
        let precious = self.precious(&quiet)?;
        Ok(QuietLeftover {
            leftover: self,
            quiet,
            precious,
        })
    }

    fn is_swap(&self) -> bool {
        Purpose::of_name(&self.name) == Some(Purpose::Swap)
    }

    /// Returns the files that may not lose their last name, with the number of their names. An
    /// interrupted swap is the old content of a key, of which all counts that deployments
    /// left; in what was to be deleted, only live state does; and in what was to be deleted
    /// with its state, only what came later.
    fn precious(&self, seen: &Quiet) -> Result<Vec<(FileId, u64)>> {
        let mut paths: Vec<PathBuf> = match self.is_swap() {
            true => seen.files().map(|(path, _)| path.to_owned()).collect(),
            false => {
                let live = seen.live_files(&self.dir)?.into_iter();
                live.map(|read| read.path).collect()
            }
        };
        let name = self.name.as_encoded_bytes();
        if name.starts_with(WITH_STATE.as_bytes()) {
            // The rename changed the directory last, or the deletion after it did.
            let top = self.dir.attributes().at("read", self.dir.path())?;
            let agreed = top.identity.last_change();
            let later = seen
                .files()
                .filter(|(_, seen)| seen.last_change() >= agreed);
            let later: Vec<&Path> = later.map(|(path, _)| path).collect();
            paths.retain(|path| later.contains(&&**path));
        }
        let mut opener = Opener::default();
        let mut precious = Vec::new();
        for path in paths {
            let found = if_exists(opener.attributes_of(&self.dir, &path));
            let found = found.at("read", &self.dir.path_of(&path))?;
            precious.extend(found.map(|found| (found.id, found.names)));
        }
        Ok(precious)
    }
}

/// A leftover in which no deployment is at work, and none begins.
#[derive(Debug)]
pub(crate) struct QuietLeftover {
    leftover: Leftover,
    quiet: Quiet,
    /// The files that may not lose their last name, with the number of their names.
    precious: Vec<(FileId, u64)>,
}

impl QuietLeftover {
    /// Divides leftovers into those that can be deleted and those that have to be kept,
    /// because otherwise a file would lose its last name. A name in another leftover counts
    /// only if that is kept.
    pub(crate) fn divide(all: Vec<Self>) -> (Vec<Self>, Vec<Self>) {
        let mut going: HashMap<FileId, u64> = HashMap::new();
        for (id, count) in all.iter().flat_map(|it| names_in(&it.quiet)) {
            *going.entry(id).or_default() += count;
        }
        let (mut go, mut stay) = (Vec::new(), Vec::new());
        for leftover in all {
            if !has_the_last_name(&leftover.precious, &going) {
                go.push(leftover);
                continue;
            }
            for (id, count) in names_in(&leftover.quiet) {
                going.entry(id).and_modify(|all| *all -= count);
            }
            stay.push(leftover);
        }
        (go, stay)
    }

    /// Returns where it lies.
    pub(crate) fn path(&self) -> PathBuf {
        self.leftover.root.path_of(&self.leftover.name)
    }

    /// Returns how many descriptors it holds.
    pub(crate) fn descriptors(&self) -> usize {
        // The directory, and its lock.
        2 + self.quiet.descriptors()
    }

    /// Keeps it for good, under a name that nothing sweeps, and returns its path.
    ///
    /// # Errors
    ///
    /// Those of the rename.
    pub(crate) fn set_aside(self) -> Result<PathBuf> {
        let Leftover { root, name, .. } = &self.leftover;
        set_aside(root, name).map(|name| root.path_of(name))
    }

    /// Deletes it, unless a deployment wrote something into it since it was seen: then it is
    /// kept for good, and its path is returned.
    ///
    /// # Errors
    ///
    /// The first thing that could not be deleted.
    pub(crate) fn delete(self) -> Result<Option<PathBuf>> {
        let Leftover { root, name, .. } = &self.leftover;
        match delete_seen(root, name, Path::new(name), &self.quiet)? {
            true => Ok(None),
            false => self.set_aside().map(Some),
        }
    }
}

/// Returns the number of names that files have in a directory.
fn names_in(seen: &Quiet) -> HashMap<FileId, u64> {
    let mut names = HashMap::new();
    for (_, seen) in seen.files() {
        *names.entry(seen.file()).or_default() += 1;
    }
    names
}

/// Returns whether one of these files has no name but those that are about to go.
fn has_the_last_name(precious: &[(FileId, u64)], going: &HashMap<FileId, u64>) -> bool {
    let mut precious = precious.iter();
    precious.any(|(id, names)| going.get(id).is_none_or(|going| names <= going))
}
