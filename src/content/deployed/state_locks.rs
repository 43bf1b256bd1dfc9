//! The locks that OpenTofu and Terraform hold on state while they are at work.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::content::file_tree::{Left, Opener};
use crate::content::residue::{StateFormat, can_be_live};
use crate::error::{AtPath, Error, Result};
use crate::store::{Dir, FileId, attributes_of, if_exists, is_unsupported, uninterrupted};

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
    /// `None` only while it is dropped.
    file: Option<Arc<File>>,
}

/// The files that this process has locked. One that has a name in several directories is
/// opened once: to close another descriptor of it would release the lock for all.
static HELD: Mutex<BTreeMap<FileId, Weak<File>>> = Mutex::new(BTreeMap::new());

fn all_held() -> MutexGuard<'static, BTreeMap<FileId, Weak<File>>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        let mut held = all_held();
        // It is closed before another thread can find that it is not held.
        self.file = None;
        if held.get(&self.id).is_some_and(|it| it.strong_count() == 0) {
            held.remove(&self.id);
        }
    }
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
            let mut held = all_held();
            let id = file.identity.file();
            if let Some(known) = held.get(&id).and_then(Weak::upgrade) {
                locks.push(LockedFile {
                    path: file.path.clone(),
                    id,
                    file: Some(known),
                });
                continue;
            }
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
            if attributes_of(&opened).at("read", &at)?.id != id {
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
            let opened = Arc::new(opened);
            held.insert(id, Arc::downgrade(&opened));
            locks.push(LockedFile {
                path: file.path.clone(),
                id,
                file: Some(opened),
            });
        }
        Ok(StateLocks(locks))
    }

    /// Returns the open file of a path that is locked.
    pub(crate) fn file(&self, path: &Path) -> Option<&File> {
        let mut locked = self.0.iter();
        locked.find(|it| it.path == path)?.file.as_deref()
    }

    /// Returns the open file of a file that this process has locked, in whichever directory.
    pub(crate) fn held(id: FileId) -> Option<Arc<File>> {
        all_held().get(&id).and_then(Weak::upgrade)
    }

    /// Returns how many files are locked.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether nothing is locked.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the open file of a file that is locked, whatever its name is.
    pub(crate) fn file_of(&self, id: FileId) -> Option<&File> {
        let mut locked = self.0.iter();
        locked.find(|it| it.id == id)?.file.as_deref()
    }

    /// Refuses a directory that has state files now which are not the locked ones.
    pub(super) fn require_all(&self, dir: &Dir, left: &Left) -> Result<()> {
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
