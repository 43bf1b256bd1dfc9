//! Keeps OpenTofu out of a directory while it is replaced or removed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::content::file_tree::{FileTree, Left, Opener};
use crate::content::residue::{StateFormat, can_be_live};
use crate::error::{AtPath, Error, Result};
use crate::store::{Dir, Identity, if_exists, is_unsupported, uninterrupted};

/// Held locks on the state files of a directory.
///
/// OpenTofu and Terraform lock a state file with POSIX `fcntl(F_SETLK)` while they plan or
/// apply. A process loses such a lock when it closes any descriptor of the file, so that a
/// locked file is not opened again until the locks are released.
#[derive(Debug, Default)]
pub(crate) struct StateLocks(Vec<(PathBuf, File)>);

impl StateLocks {
    /// Locks the state files of OpenTofu in a directory.
    ///
    /// # Errors
    ///
    /// [`Error::AtWork`] if another process holds such a lock, and that a file cannot be
    /// opened or locked, so that this is not known.
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
            match uninterrupted(|| Ok(rustix::fs::fcntl_lock(&opened, operation)?)) {
                Ok(()) => locks.push((file.path.clone(), opened)),
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
        }
        Ok(StateLocks(locks))
    }

    /// Returns the open file of a path that is locked.
    pub(crate) fn file(&self, path: &Path) -> Option<&File> {
        let mut locked = self.0.iter();
        locked.find(|(it, _)| it == path).map(|(_, file)| file)
    }
}

/// A directory that OpenTofu keeps out of while this lives, with what deployments left in
/// it then.
#[derive(Debug)]
pub(crate) struct Quiet {
    dir: Dir,
    seen: Seen,
    _locks: StateLocks,
}

/// The files and the links that deployments left, each as it was or with its target.
type Seen = (BTreeMap<PathBuf, Identity>, BTreeMap<PathBuf, PathBuf>);

impl Quiet {
    /// Locks what OpenTofu would lock in a directory.
    ///
    /// # Errors
    ///
    /// [`Error::AtWork`], and I/O errors.
    pub(crate) fn require(dir: Dir) -> Result<Self> {
        let left = FileTree::stored(&dir)?.divide(|_, _| false).deployment;
        let locks = StateLocks::acquire(&dir, &left)?;
        Ok(Quiet {
            dir,
            seen: seen(left),
            _locks: locks,
        })
    }

    /// Returns whether a deployment wrote something meanwhile, or may have: what cannot be
    /// read may have changed if there was something.
    pub(crate) fn has_changed(&self) -> bool {
        let now = FileTree::stored(&self.dir).map(|tree| tree.divide(|_, _| false).deployment);
        match now {
            Ok(left) => seen(left) != self.seen,
            Err(_) => self.seen != Seen::default(),
        }
    }
}

fn seen(left: Left) -> Seen {
    let files = left
        .files
        .into_iter()
        .map(|file| (file.path, file.identity));
    (files.collect(), left.links.into_iter().collect())
}
