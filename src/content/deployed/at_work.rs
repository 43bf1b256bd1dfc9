//! Keeps OpenTofu out of a directory while it is replaced or removed.
//!
//! What is removed is looked at in this order: its state files are listed, locked, listed
//! again and read through the locked descriptors; the registry is changed; the directory is
//! renamed and listed once more; and what is deleted is held against the list file by file.
//! The locks are held until the end of the deletion. So a deployment
//!
//! - that holds the lock when it is asked for is at work, and nothing is removed;
//! - that ended before has its state read, which refuses the removal;
//! - that begins later does not get the lock, also where it waits for it: the directory
//!   that it needs for its own note of the lock is gone when the lock is free again;
//! - that ignores locks, or creates a state file where there was none, changes what was
//!   listed, and the directory is kept aside.

use std::collections::BTreeMap;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};

use super::DeployedBy;
use super::live::LiveState;
use super::state_locks::StateLocks;
use crate::content::file_tree::{FileTree, Left, Node, Opener};
use crate::content::residue::can_be_live;
use crate::error::{AtPath, Error, Result};
use crate::store::{Dir, FileId, Identity, if_exists, is_another_kind, is_exhausted};

/// The files that deployments left in a directory, as they were when they were seen last.
/// All else that deployments have there came later.
pub(crate) trait Seen {
    /// Returns whether there was nothing.
    fn is_empty(&self) -> bool;

    /// Returns whether a file is one that was seen, and as it was.
    fn knows_file(&self, path: &Path, now: Identity) -> bool;

    /// Returns whether a link is one that was seen.
    fn knows_link(&self, path: &Path) -> bool;

    /// Returns whether a directory has something of deployments that was not seen, or may
    /// have: what cannot be read may have if there was something.
    ///
    /// # Errors
    ///
    /// There was no descriptor or memory left to look.
    fn lacks_some_of(&self, dir: &Dir) -> Result<bool> {
        match listed(dir) {
            Ok((_, left)) => {
                let mut files = left.files.iter();
                let mut links = left.links.iter();
                Ok(
                    !files.all(|file| self.knows_file(&file.path, file.identity))
                        || !links.all(|(path, _)| self.knows_link(path)),
                )
            }
            Err(Error::Io { cause, .. }) if is_exhausted(&cause) => Err(exhausted(dir, cause)),
            Err(_) => Ok(!self.is_empty()),
        }
    }
}

/// A directory that OpenTofu keeps out of while this lives, with what deployments left in
/// it then. It holds the descriptors of the locked files and no other, so that many
/// directories can be removed at once.
#[derive(Debug)]
pub(crate) struct Quiet {
    id: FileId,
    files: BTreeMap<PathBuf, Identity>,
    /// The links, each with its target.
    links: BTreeMap<PathBuf, PathBuf>,
    locks: StateLocks,
    /// True if live state is to go too.
    goes_with_state: bool,
}

impl Quiet {
    /// Locks what OpenTofu would lock in a directory.
    ///
    /// # Errors
    ///
    /// [`Error::AtWork`], and I/O errors.
    pub(crate) fn require(dir: &Dir) -> Result<Self> {
        Self::require_in(dir, || listed(dir))
    }

    /// Locks what OpenTofu would lock in a directory that a killed process left. Unlike the
    /// directory of an artifact, it may have parts that cannot be read.
    ///
    /// # Errors
    ///
    /// [`Error::AtWork`](crate::Error::AtWork), and I/O errors.
    pub(crate) fn require_in_leftover(dir: &Dir, is_swap: bool) -> Result<Self> {
        Self::require_in(dir, || listed_leftover(dir, is_swap))
    }

    fn require_in(dir: &Dir, list: impl Fn() -> Result<(FileId, Left)>) -> Result<Self> {
        let (id, mut left) = list()?;
        let locks = StateLocks::acquire(dir, &left)?;
        if !locks.is_empty() {
            // A deployment may have ended between the list and the lock.
            (_, left) = list()?;
            locks.require_all(dir, &left)?;
        }
        Ok(Self::of(id, left, locks))
    }

    /// Returns what deployments left in a directory that a killed process left, without
    /// keeping OpenTofu out of it. Only for commands that change nothing.
    ///
    /// # Errors
    ///
    /// I/O errors.
    pub(crate) fn unlocked_in_leftover(dir: &Dir, is_swap: bool) -> Result<Self> {
        let (id, left) = listed_leftover(dir, is_swap)?;
        Ok(Self::of(id, left, StateLocks::default()))
    }

    fn of(id: FileId, left: Left, locks: StateLocks) -> Self {
        let files = left.files.into_iter();
        Quiet {
            id,
            files: files.map(|file| (file.path, file.identity)).collect(),
            links: left.links.into_iter().collect(),
            locks,
            goes_with_state: false,
        }
    }

    /// Returns the files that deployments left, as they were seen.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Path, Identity)> {
        self.files.iter().map(|(path, seen)| (&**path, *seen))
    }

    /// Lets the live state that was seen go with the directory.
    pub(crate) fn with_state(self) -> Self {
        Quiet {
            goes_with_state: true,
            ..self
        }
    }

    /// Returns whether live state is to go with the directory.
    pub(crate) fn goes_with_state(&self) -> bool {
        self.goes_with_state
    }

    /// Returns how many descriptors it holds.
    pub(crate) fn descriptors(&self) -> usize {
        self.locks.len()
    }

    /// Returns the live state in the directory, read under the locks.
    ///
    /// # Errors
    ///
    /// Something cannot be read, so that it may be live.
    pub(crate) fn live(&self, dir: &Dir) -> Result<Vec<DeployedBy>> {
        let files = self.live_files(dir)?.into_iter();
        let links = self.links.keys().filter(|path| can_be_live(path).is_some());
        let links = links.map(|path| (&**path, LiveState::Unreadable));
        let found = files.chain(links);
        Ok(found
            .filter_map(|(path, state)| DeployedBy::state(path, state))
            .collect())
    }

    /// Returns the files with live state, read under the locks.
    ///
    /// # Errors
    ///
    /// Something cannot be read, so that it may be live.
    pub(crate) fn live_files(&self, dir: &Dir) -> Result<Vec<(&Path, LiveState)>> {
        let mut opener = Opener::default();
        let mut found = Vec::new();
        for (path, seen) in &self.files {
            let Some(format) = can_be_live(path) else {
                continue;
            };
            let at = dir.path_of(path);
            let state = match StateLocks::held(seen.file()) {
                // To open it again would release the lock.
                Some(locked) => {
                    let mut locked = &*locked;
                    let read = locked.rewind();
                    read.and_then(|()| LiveState::read(locked, format))
                        .at("read", &at)?
                }
                None => match if_exists(opener.open_file(dir, path)) {
                    Ok(Some(file)) => LiveState::read(file, format).at("read", &at)?,
                    // What became of it shows when the directory is listed again.
                    Ok(None) => continue,
                    Err(error) if is_another_kind(&error) => LiveState::Unreadable,
                    Err(error) => return Err(error).at("open", &at),
                },
            };
            if state != LiveState::None {
                found.push((&**path, state));
            }
        }
        Ok(found)
    }

    /// Returns whether a directory is another one, or a deployment wrote something into it
    /// meanwhile, or may have: what cannot be read may have changed if there was something.
    ///
    /// # Errors
    ///
    /// There was no descriptor or memory left to look.
    pub(crate) fn has_changed(&self, dir: &Dir) -> Result<bool> {
        match listed(dir) {
            Ok((id, left)) => {
                let is_same = |file: &Node| self.files.get(&file.path) == Some(&file.identity);
                Ok(id != self.id
                    || left.files.len() != self.files.len()
                    || !left.files.iter().all(is_same)
                    || left.links.into_iter().collect::<BTreeMap<_, _>>() != self.links)
            }
            Err(Error::Io { cause, .. }) if is_exhausted(&cause) => Err(exhausted(dir, cause)),
            Err(_) => Ok(!self.is_empty()),
        }
    }
}

impl Seen for Quiet {
    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.links.is_empty()
    }

    fn knows_file(&self, path: &Path, now: Identity) -> bool {
        let seen = self.files.get(path);
        seen.is_some_and(|seen| seen.has_same_content(now))
    }

    fn knows_link(&self, path: &Path) -> bool {
        self.links.contains_key(path)
    }
}

fn exhausted(dir: &Dir, cause: io::Error) -> Error {
    Error::Io {
        action: "read",
        path: dir.path().to_owned(),
        cause,
    }
}

/// Returns which directory it is, and what deployments left in it.
fn listed(dir: &Dir) -> Result<(FileId, Left)> {
    let tree = FileTree::stored(dir)?;
    Ok((tree.id, tree.divide(|_, _| false).deployment))
}

/// Returns which directory it is that a killed process left, and what deployments left in it.
fn listed_leftover(dir: &Dir, is_swap: bool) -> Result<(FileId, Left)> {
    let id = dir.attributes().at("read", dir.path())?.id;
    let left = Left::in_leftover(dir, is_swap).at("read", dir.path())?;
    Ok((id, left))
}
