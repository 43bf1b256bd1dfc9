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
use std::fs::File;
use std::io::{ErrorKind, Seek};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use rustix::process::{Flock, FlockType, fcntl_getlk};

use super::DeployedBy;
use super::live::{LiveState, ReadState};
use crate::content::file_tree::{FileTree, Left, Node, Opener};
use crate::content::residue::{StateFormat, can_be_live};
use crate::error::{AtPath, Error, Result};
use crate::store::{
    Dir, FileId, Identity, attributes_of, if_exists, is_another_kind, is_unsupported, uninterrupted,
};

/// Held locks on the state files of a directory.
///
/// OpenTofu and Terraform lock a state file with POSIX `fcntl(F_SETLK)` while they plan or
/// apply. A process loses such a lock when it closes any descriptor of the file, so that a
/// locked file is not opened again until the locks are released.
#[derive(Debug, Default)]
pub(crate) struct StateLocks(Vec<LockedFile>);

#[derive(Debug)]
struct LockedFile {
    path: PathBuf,
    id: FileId,
    file: File,
}

impl StateLocks {
    /// Locks the state files of OpenTofu in a directory.
    ///
    /// # Errors
    ///
    /// [`Error::AtWork`] if another process holds such a lock or replaced a file since it
    /// was listed, and that a file cannot be opened or locked, so that this is not known.
    pub(crate) fn acquire(dir: &Dir, left: &Left) -> Result<Self> {
        let mut opener = Opener::default();
        let mut locks = Vec::new();
        for file in &left.files {
            if can_be_live(&file.path) != Some(StateFormat::OpenTofu) {
                continue;
            }
            let at = dir.path_of(&file.path);
            let opened = match opener.open_writable(dir, &file.path) {
                // A lock for reading keeps those that write out too.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
                    ) =>
                {
                    let opened = opener.open_file(dir, &file.path);
                    opened.map(|file| (file, FlockOperation::NonBlockingLockShared))
                }
                opened => opened.map(|file| (file, FlockOperation::NonBlockingLockExclusive)),
            };
            let Some((opened, operation)) = if_exists(opened).at("open", &at)? else {
                continue;
            };
            let id = attributes_of(&opened).at("read", &at)?.id;
            if id != file.identity.file() {
                return Err(Error::AtWork { path: at });
            }
            match uninterrupted(|| Ok(rustix::fs::fcntl_lock(&opened, operation)?)) {
                Ok(()) => {}
                Err(error)
                    if matches!(
                        Errno::from_io_error(&error),
                        Some(Errno::AGAIN | Errno::ACCESS)
                    ) =>
                {
                    return Err(Error::AtWork { path: at });
                }
                // There, OpenTofu has no lock either.
                Err(error) if is_unsupported(&error) => {}
                Err(error) => return Err(error).at("lock", &at),
            }
            locks.push(LockedFile {
                path: file.path.clone(),
                id,
                file: opened,
            });
        }
        Ok(StateLocks(locks))
    }

    /// Returns the open file of a path that is locked.
    pub(crate) fn file(&self, path: &Path) -> Option<&File> {
        let mut locked = self.0.iter();
        locked.find(|it| it.path == path).map(|it| &it.file)
    }

    /// Returns whether nothing is locked.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the open file of a file that is locked, whatever its name is.
    pub(crate) fn file_of(&self, id: FileId) -> Option<&File> {
        let mut locked = self.0.iter();
        locked.find(|it| it.id == id).map(|it| &it.file)
    }

    /// Refuses a directory that has state files now which are not the locked ones.
    fn require_all(&self, dir: &Dir, left: &Left) -> Result<()> {
        let locked: BTreeMap<&Path, FileId> = self.0.iter().map(|it| (&*it.path, it.id)).collect();
        let mut files = left.files.iter();
        let other = files.find(|file| {
            can_be_live(&file.path) == Some(StateFormat::OpenTofu)
                && locked.get(&*file.path) != Some(&file.identity.file())
        });
        match other {
            None => Ok(()),
            Some(file) => Err(Error::AtWork {
                path: dir.path_of(&file.path),
            }),
        }
    }
}

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
    fn lacks_some_of(&self, dir: &Dir) -> bool {
        match listed(dir) {
            Ok((_, left)) => {
                let mut files = left.files.iter();
                let mut links = left.links.iter();
                !files.all(|file| self.knows_file(&file.path, file.identity))
                    || !links.all(|(path, _)| self.knows_link(path))
            }
            Err(_) => !self.is_empty(),
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
        let (id, mut left) = listed(dir)?;
        let locks = StateLocks::acquire(dir, &left)?;
        if !locks.is_empty() {
            // A deployment may have ended between the list and the lock.
            (_, left) = listed(dir)?;
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
        self.locks.0.len()
    }

    /// Returns the live state in the directory, read under the locks.
    ///
    /// # Errors
    ///
    /// Something cannot be read, so that it may be live.
    pub(crate) fn live(&self, dir: &Dir) -> Result<Vec<DeployedBy>> {
        let mut opener = Opener::default();
        let mut found = Vec::new();
        for path in self.files.keys() {
            let Some(format) = can_be_live(path) else {
                continue;
            };
            let at = dir.path_of(path);
            let opened;
            let mut file = match self.locks.file(path) {
                // To open it again would release the lock.
                Some(locked) => locked,
                None => match if_exists(opener.open_file(dir, path)) {
                    Ok(Some(file)) => {
                        opened = file;
                        &opened
                    }
                    // What became of it shows when the directory is listed again.
                    Ok(None) => continue,
                    Err(error) if is_another_kind(&error) => {
                        found.extend(DeployedBy::state(path, LiveState::Unreadable));
                        continue;
                    }
                    Err(error) => return Err(error).at("open", &at),
                },
            };
            let read = file.rewind().and_then(|()| {
                ReadState::of(file, format, path, |backup| opener.open_file(dir, backup))
            });
            let read = read.at("read", &at)?;
            found.extend(DeployedBy::state(&read.path, read.state));
        }
        let links = self.links.keys().filter(|path| can_be_live(path).is_some());
        found.extend(links.filter_map(|path| DeployedBy::state(path, LiveState::Unreadable)));
        Ok(found)
    }

    /// Returns whether a directory is another one, or a deployment wrote something into it
    /// meanwhile, or may have: what cannot be read may have changed if there was something.
    pub(crate) fn has_changed(&self, dir: &Dir) -> bool {
        match listed(dir) {
            Ok((id, left)) => {
                let is_same = |file: &Node| self.files.get(&file.path) == Some(&file.identity);
                id != self.id
                    || left.files.len() != self.files.len()
                    || !left.files.iter().all(is_same)
                    || left.links.into_iter().collect::<BTreeMap<_, _>>() != self.links
            }
            Err(_) => !self.is_empty(),
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
