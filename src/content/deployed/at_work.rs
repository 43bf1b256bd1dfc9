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

use rustix::process::{Flock, FlockType, fcntl_getlk};

use super::DeployedBy;
use super::live::{LiveState, ReadState};
use super::state_locks::StateLocks;
use crate::content::file_tree::{FileTree, Left, Node, Opener};
use crate::content::residue::{StateFormat, can_be_live};
use crate::error::{AtPath, Error, Result};
use crate::store::{
    Dir, FileId, Identity, if_exists, is_another_kind, is_exhausted, is_unsupported, uninterrupted,
};

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
    /// [`Error::AtWork`], and I/O errors.
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
        Ok(Quiet::new(id, left, locks))
    }

    /// Looks at a directory without a lock, for a preview: one that is held for a moment could
    /// refuse a deployment that begins just then.
    ///
    /// # Errors
    ///
    /// As [`require`](Self::require).
    pub(crate) fn look(dir: &Dir) -> Result<Self> {
        let (id, left) = listed(dir)?;
        require_free(dir, &left)?;
        Ok(Quiet::new(id, left, StateLocks::default()))
    }

    /// Returns what deployments left in a directory that a killed process left, without
    /// keeping OpenTofu out of it. Only for commands that change nothing.
    ///
    /// # Errors
    ///
    /// I/O errors.
    pub(crate) fn unlocked_in_leftover(dir: &Dir, is_swap: bool) -> Result<Self> {
        let (id, left) = listed_leftover(dir, is_swap)?;
        Ok(Quiet::new(id, left, StateLocks::default()))
    }

    fn new(id: FileId, left: Left, locks: StateLocks) -> Self {
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
        let links = links.map(|path| ReadState {
            path: path.clone(),
            state: LiveState::Unreadable,
        });
        let found = files.chain(links);
        Ok(found
            .filter_map(|read| DeployedBy::state(&read.path, read.state))
            .collect())
    }

    /// Returns the files with live state, read under the locks.
    ///
    /// # Errors
    ///
    /// Something cannot be read, so that it may be live.
    pub(crate) fn live_files(&self, dir: &Dir) -> Result<Vec<ReadState>> {
        let mut opener = Opener::default();
        let mut found = Vec::new();
        for (path, seen) in &self.files {
            let Some(format) = can_be_live(path) else {
                continue;
            };
            let at = dir.path_of(path);
            let held = StateLocks::held(seen.file());
            let opened;
            let mut file = match &held {
                // To open it again would release the lock.
                Some(locked) => &**locked,
                None => match if_exists(opener.open_file(dir, path)) {
                    Ok(Some(file)) => {
                        opened = file;
                        &opened
                    }
                    // What became of it shows when the directory is listed again.
                    Ok(None) => continue,
                    Err(error) if is_another_kind(&error) => {
                        found.push(ReadState {
                            path: path.clone(),
                            state: LiveState::Unreadable,
                        });
                        continue;
                    }
                    Err(error) => return Err(error).at("open", &at),
                },
            };
            let read = file.rewind().and_then(|()| {
                ReadState::of(file, format, path, |backup| opener.open_file(dir, backup))
            });
            let read = read.at("read", &at)?;
            if read.state != LiveState::None {
                found.push(read);
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

/// Refuses a directory in which another process has locked a state file.
fn require_free(dir: &Dir, left: &Left) -> Result<()> {
    let mut opener = Opener::default();
    for file in &left.files {
        if can_be_live(&file.path) != Some(StateFormat::OpenTofu) {
            continue;
        }
        let at = dir.path_of(&file.path);
        let opened = if_exists(opener.open_file(dir, &file.path)).at("open", &at)?;
        let Some(opened) = opened else {
            continue;
        };
        let lock = Flock::from(FlockType::WriteLock);
        match uninterrupted(|| Ok(fcntl_getlk(&opened, &lock)?)) {
            Ok(None) => {}
            Ok(Some(_)) => return Err(Error::AtWork { path: at }),
            Err(error) if is_unsupported(&error) => {}
            Err(error) => return Err(error).at("lock", &at),
        }
    }
    Ok(())
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
