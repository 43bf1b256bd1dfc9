//! Carrying what deployments left from a directory that is replaced into the new one.
//!
//! A file gets a second name in the new directory where the file system can do that: so
//! nothing is copied, and what a process still writes through an open descriptor is not
//! lost, because both names are of the same file.

mod bring;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bring::Bringing;

use super::cache_root::CacheRoot;
use super::copy;
use super::deployed::{Seen, StateLocks};
use super::file_tree::{Divided, FileTree, Opener};
use super::inventory::Inventory;
use super::manifest::Manifest;
use super::plugins::{is_default_workspace, workspace_selected_by};
use super::residue::{Residue, residue_of};
use crate::error::{AtPath, Result};
use crate::reference::CacheKey;
use crate::store::{Dir, FileId, Identity, Kind};

/// The files that deployments left in the directory of a key, carried into a new
/// directory. They are removed from that again when this is dropped, unless they are
/// [kept](Self::into_paths).
#[derive(Debug)]
pub(super) struct Carried {
    old: Dir,
    /// The paths that are content of the old directory, whatever their names are.
    content: HashSet<Vec<u8>>,
    new: Dir,
    files: BTreeMap<PathBuf, How>,
    /// The paths that were created in the new directory, directories before what they
    /// contain.
    created: Vec<(PathBuf, Kind)>,
    /// The copies of files as they were made.
    copies: HashMap<PathBuf, Identity>,
    is_done: bool,
    /// Held until the new directory is in place of the old one.
    locks: StateLocks,
}

/// The way a file of the old directory was carried.
#[derive(Debug, PartialEq)]
enum How {
    /// The new directory has the same file.
    Linked(FileId),
    /// The new directory has a copy of the file as it was.
    Copied(Identity),
    /// The new directory has a link with the same target.
    Recreated(PathBuf),
    /// The new content has something else there.
    LeftBehind(Identity),
}

impl Carried {
    /// Carries what deployments left in the directory of a key into a new one, which has
    /// its content; `None` if there is no old directory. `manifest` is that of the old
    /// content. Only the holder of the registry's lock may do so.
    ///
    /// # Errors
    ///
    /// [`AtWork`](crate::Error::AtWork), [`StateInTheWay`](crate::Error::StateInTheWay), and
    /// I/O errors. Then the new directory is as it was.
    pub(super) fn over(
        root: &CacheRoot,
        key: &CacheKey,
        manifest: Option<&Manifest>,
        new: &Inventory,
    ) -> Result<Option<Self>> {
        let (new, tree) = (new.dir(), new.tree());
        let name = OsStr::new(key.as_str());
        match root.look(name)? {
            Some(found) if found.kind == Kind::Dir => {}
            Some(_) | None => return Ok(None),
        }
        let old = root.open_dir(name)?;
        let content = manifest.map(Manifest::paths).unwrap_or_default();
        let divided = divide(&old, &content)?;
        let mut carried = Carried {
            new: new.try_clone().at("open", new.path())?,
            content,
            files: BTreeMap::new(),
            created: Vec::new(),
            copies: HashMap::new(),
            is_done: false,
            locks: StateLocks::acquire(&old, &divided.deployment)?,
            old,
        };
        if divided.deployment.is_empty() {
            return Ok(Some(carried));
        }
        Bringing::new(&mut carried, &divided, tree).all()?;
        if !carried.created.is_empty() {
            copy::sync_with_locks(&carried.new, root.dir(), &carried.locks)?;
        }
        Ok(Some(carried))
    }

    /// Keeps what was carried in the new directory.
    pub(super) fn keep(&mut self) {
        self.is_done = true;
    }

    /// Keeps what was carried, releases the locks, and returns the paths of the files.
    pub(super) fn into_paths(mut self) -> Vec<PathBuf> {
        self.keep();
        let created = std::mem::take(&mut self.created).into_iter();
        let files = created.filter(|(_, kind)| *kind != Kind::Dir);
        files.map(|(path, _)| path).collect()
    }

    /// Returns whether a file or link in the new directory is what was created there: a
    /// deployment may have found it in its place, and replaced or written it.
    fn is_as_made(&self, path: &Path, dir: &Dir, name: &OsStr) -> io::Result<bool> {
        Ok(match self.files.get(path) {
            // What is written into it is in the old directory too.
            Some(How::Linked(file)) => dir.attributes_of(name)?.id == *file,
            Some(How::Copied(_)) => {
                let now = dir.attributes_of(name)?.identity;
                let made = self.copies.get(path);
                made.is_some_and(|made| made.has_same_content(now))
            }
            Some(How::Recreated(target)) => dir.read_link(name)? == *target,
            // It was not finished, so that the directory was in nobody's place.
            Some(How::LeftBehind(_)) | None => true,
        })
    }

    /// Returns whether the new directory has the state of a deployment.
    pub(super) fn has_state(&self) -> bool {
        let mut created = self.created.iter();
        created.any(|(path, kind)| residue_of(path, *kind) == Some(Residue::State))
    }

    /// Returns whether the old directory has state or inputs now that were not carried,
    /// because a deployment wrote them meanwhile, or may have: what cannot be read may have
    /// changed if there was something.
    pub(super) fn has_changed(&self) -> bool {
        let Ok(divided) = divide(&self.old, &self.content) else {
            return !self.files.is_empty();
        };
        let left = divided.deployment;
        let is_carried = |path: &Path, identity: Identity| match self.files.get(path) {
            Some(How::Linked(file)) => *file == identity.file(),
            Some(How::Copied(seen) | How::LeftBehind(seen)) => *seen == identity,
            Some(How::Recreated(_)) | None => false,
        };
        let files = left.files.iter();
        let has_links = |(path, target): &(PathBuf, PathBuf)| match self.files.get(path) {
            Some(How::Recreated(seen)) => seen == target,
            Some(How::LeftBehind(_)) => true,
            _ => false,
        };
        !files
            .into_iter()
            .all(|file| is_carried(&file.path, file.identity))
            || !left.links.iter().all(has_links)
    }
}

impl Seen for Carried {
    fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    fn knows_file(&self, path: &Path, now: Identity) -> bool {
        match self.files.get(path) {
            Some(How::Linked(file)) => *file == now.file(),
            Some(How::Copied(seen) | How::LeftBehind(seen)) => seen.has_same_content(now),
            Some(How::Recreated(_)) => false,
            None => is_content(&self.content, path, Kind::File),
        }
    }

    fn knows_link(&self, path: &Path) -> bool {
        self.files.contains_key(path) || is_content(&self.content, path, Kind::Link)
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let mut opener = Opener::default();
        for (path, kind) in std::mem::take(&mut self.created).into_iter().rev() {
            // What stays is deleted with the new directory, or carried again.
            let _ = opener
                .parent_of(&self.new, &path)
                .and_then(|(dir, name)| match kind {
                    Kind::Dir => dir.remove_dir(name),
                    _ if self.is_as_made(&path, dir, name)? => dir.remove_file(name),
                    _ => Ok(()),
                });
        }
    }
}

/// Lists a directory and divides it. A selected workspace belongs to the deployment, because
/// without it OpenTofu would work in another one.
fn divide(old: &Dir, content: &HashSet<Vec<u8>>) -> Result<Divided> {
    let mut divided = FileTree::stored(old)?.divide(|path, kind| is_content(content, path, kind));
    for file in std::mem::take(&mut divided.generated.files) {
        let selects = match workspace_selected_by(&file.path) {
            Some(dir) => !is_default_workspace(old, dir)?,
            None => false,
        };
        match selects {
            true => divided.deployment.files.push(file),
            false => divided.generated.files.push(file),
        }
    }
    Ok(divided)
}

/// Returns whether a path is content. State is never content here: a file of that name may
/// have come with the artifact, and be in use since.
fn is_content(content: &HashSet<Vec<u8>>, path: &Path, kind: Kind) -> bool {
    residue_of(path, kind) != Some(Residue::State) && content.contains(path.as_os_str().as_bytes())
}

#[cfg(test)]
mod tests;
