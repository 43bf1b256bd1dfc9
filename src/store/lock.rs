//! The lock that makes changes take turns. This is the only file that uses fs4.
//!
//! It is an advisory `flock` on a sidecar file that is never deleted, because deleting
//! it would allow two locks, one on the old inode and one on the new. If another
//! program deletes it, a waiter notices and starts over, and a holder notices before it
//! commits. The kernel releases the lock of a process that dies.
//!
//! A lock needs no permission but to open the file, so only users who may change the
//! registry can open it.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use fs4::{FileExt, TryLockError};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::dir::Dir;
use super::file::require_regular;
use super::wait::LockWait;
use super::{Owner, file_system, if_exists, is_unsupported, lstat, set_mode, uninterrupted};
use crate::error::{AtPath, Error, Result};

/// Returns the error for a failed lock: its file system cannot lock, or this attempt
/// failed.
pub(crate) fn cannot_lock(path: &Path, cause: io::Error) -> Error {
    let path = path.to_owned();
    let has_no_lock = Errno::from_io_error(&cause) == Some(Errno::NOLCK);
    if has_no_lock || is_unsupported(&cause) {
        Error::LockUnsupported {
            file_system: file_system::name_of(&path),
            path,
            cause,
        }
    } else {
        Error::Io {
            action: "lock",
            path,
            cause,
        }
    }
}

/// A held lock. Dropping it releases it.
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Acquires the lock, waiting until the limit.
    ///
    /// # Errors
    ///
    /// [`Error::LockTimeout`], [`Error::Interrupted`], [`Error::LockUnsupported`], or
    /// the lock file cannot be opened or is not a regular file.
    pub(crate) fn acquire(path: &Path, wait: &LockWait<'_>) -> Result<Self> {
        let mut pauses = wait.pauses();
        loop {
            if let Some(lock) = Self::try_acquire(path)? {
                return Ok(lock);
            }
            pauses.pause(path)?;
        }
    }

    /// Acquires the lock if it is free.
    pub(crate) fn try_acquire(path: &Path) -> Result<Option<Self>> {
        let file = open(path)?;
        let is_locked = try_uninterrupted(|| FileExt::try_lock(&file));
        if !is_locked.map_err(|cause| cannot_lock(path, cause))? {
            return Ok(None);
        }
        let lock = Lock {
            file,
            path: path.to_owned(),
        };
        // The file may have been deleted between opening and locking.
        Ok(lock.is_current()?.then_some(lock))
    }

    /// Returns whether the lock is held, as far as the system says: nothing is created
    /// to find out, and a lock file that cannot be opened counts as free.
    pub(crate) fn is_held(path: &Path) -> bool {
        let Ok(file) = uninterrupted(|| options().open(path)) else {
            return false;
        };
        // A share keeps a change off for an instant, which its first pauses outlast.
        matches!(
            try_uninterrupted(|| FileExt::try_lock_shared(&file)),
            Ok(false)
        )
    }

    /// Returns whether the path still names the locked file.
    pub(crate) fn is_current(&self) -> Result<bool> {
        let locked = self.file.metadata().at("read", &self.path)?;
        let here = lstat(&self.path).at("read", &self.path)?;
        Ok(here.is_some_and(|here| (here.dev(), here.ino()) == (locked.dev(), locked.ino())))
    }
}

/// A lock on an open directory, which processes that work in it share.
#[derive(Debug)]
pub(crate) struct DirLock {
    _dir: File,
}

impl DirLock {
    /// Acquires a share of the lock; `None` if another process is about to delete the
    /// directory. The caller checks that the directory still has its name.
    pub(crate) fn shared(dir: &Dir) -> io::Result<Option<Self>> {
        let file = dir.try_clone()?.into_file();
        let is_locked = try_uninterrupted(|| FileExt::try_lock_shared(&file))?;
        Ok(is_locked.then_some(DirLock { _dir: file }))
    }

    /// Acquires the exclusive lock; `None` if another process has a share of it.
    pub(crate) fn exclusive(dir: &Dir) -> io::Result<Option<Self>> {
        let file = dir.try_clone()?.into_file();
        let is_locked = try_uninterrupted(|| FileExt::try_lock(&file))?;
        Ok(is_locked.then_some(DirLock { _dir: file }))
    }
}

/// Acquires the lock on an open file, until it is closed; returns false if another process
/// has it.
#[cfg(feature = "archive")]
pub(super) fn try_lock(file: &File) -> io::Result<bool> {
    try_uninterrupted(|| FileExt::try_lock(file))
}

/// Tries to lock; returns false if another process has the lock.
fn try_uninterrupted(lock: impl Fn() -> std::result::Result<(), TryLockError>) -> io::Result<bool> {
    uninterrupted(|| match lock() {
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) => Ok(false),
        Ok(()) => Ok(true),
    })
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lock").field(&self.path).finish()
    }
}

/// Opens the lock file, or creates it.
fn open(path: &Path) -> Result<File> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let dir = uninterrupted(|| fs::metadata(dir)).at("read", dir)?;
    loop {
        let existing = open_existing(path)?;
        let is_new = existing.is_none();
        let file = match existing {
            Some(file) => Some(file),
            None => create(path, &dir)?,
        };
        if let Some(file) = file {
            let set = set_mode_of_lock(&file, &dir, is_new);
            set.at("set the mode of", path)?;
            return Ok(file);
        }
    }
}

/// Opens the lock file; `None` if it does not exist.
fn open_existing(path: &Path) -> Result<Option<File>> {
    let opened = match options().write(true).open(path) {
        // Another user may have created it; on most file systems a lock needs no
        // permission to write.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            options().open(path).map_err(|_| error)
        }
        result => result,
    };
    match if_exists(opened) {
        Ok(Some(file)) => {
            require_regular(path, &file.metadata().at("read", path)?)?;
            Ok(Some(file))
        }
        Ok(None) => Ok(None),
        Err(error) => {
            if let Ok(metadata) = path.symlink_metadata() {
                require_regular(path, &metadata)?;
            }
            Err(error).at("open the lock file", path)
        }
    }
}

/// Creates the lock file; `None` if another process has just created it.
fn create(path: &Path, dir: &Metadata) -> Result<Option<File>> {
    let mut options = options();
    options.write(true).create_new(true).mode(mode_for(dir));
    let file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        result => result.at("create the lock file", path)?,
    };
    // When root works in a user's home, or a user in a directory of a group, the others
    // must still be able to lock.
    let owner = Owner::from(&file.metadata().at("read", path)?);
    let owner = match (rustix::process::geteuid().is_root(), is_shared(dir)) {
        (true, _) => Some(Owner::from(dir)),
        (false, true) => Some(owner.in_the_group_of(dir)),
        (false, false) => None,
    };
    if let Some(owner) = owner {
        owner.give(&file).at("set the owner of", path)?;
    }
    Ok(Some(file))
}

/// Allows exactly those users to lock who may change the directory, because anyone else
/// could hold the lock for ever. The lock file of an earlier version allows everyone.
fn set_mode_of_lock(file: &File, dir: &Metadata, is_new: bool) -> io::Result<()> {
    let lock = file.metadata()?;
    let is_owned_alike = dir.uid() == lock.uid() || dir.uid() == 0;
    let is_for_its_group = !is_shared(dir) || dir.gid() == lock.gid();
    let mode = match is_owned_alike && is_for_its_group {
        true => mode_for(dir),
        // The file could not be given to the owner or group of the directory, so it has
        // to be open to all, or they could not lock.
        false if is_new => 0o666,
        false => return Ok(()),
    };
    // A file with content or with another name was put here by a user of the directory,
    // and must not be opened to all of them.
    if lock.len() > 0 || lock.nlink() != 1 {
        return Ok(());
    }
    match set_mode(file, mode) {
        // It belongs to another user.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        result => result,
    }
}

/// Returns the mode of a lock file that belongs to the owner and group of its
/// directory: users who may write in the directory may read and write the file.
fn mode_for(dir: &Metadata) -> u32 {
    let write = dir.mode() & 0o022;
    0o600 | write | write << 1
}

/// Returns whether the group of a directory may change it.
fn is_shared(dir: &Metadata) -> bool {
    dir.mode() & 0o020 != 0
}

/// Returns options that open the lock file without following a link, and without
/// waiting for anything but a file.
fn options() -> OpenOptions {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags);
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::Interrupt;
    use std::cell::Cell;
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, Instant};

    fn wait<'a>(
        milliseconds: u64,
        notice: &'a dyn Fn(&Path),
        interrupt: &'a Interrupt,
    ) -> LockWait<'a> {
        LockWait {
            limit: Duration::from_millis(milliseconds),
            since: Instant::now(),
            notice,
            interrupt,
        }
    }

    #[test]
    fn a_held_lock_cannot_be_acquired_and_a_released_one_can() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert!(!Lock::is_held(&path) && !path.exists());
        let held = Lock::try_acquire(&path).unwrap().unwrap();
        assert!(Lock::try_acquire(&path).unwrap().is_none());
        assert!(Lock::is_held(&path));
        drop(held);
        assert!(!Lock::is_held(&path));
        assert!(Lock::try_acquire(&path).unwrap().is_some());
        assert!(path.exists());
    }

    #[test]
    fn a_waiter_reports_the_lock_once_and_gives_up_in_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let _held = Lock::try_acquire(&path).unwrap().unwrap();
        let noticed = Cell::new(0);
        let notice = |named: &Path| {
            assert_eq!(named, path);
            noticed.set(noticed.get() + 1);
        };
        let interrupt = Interrupt::default();
        let error = Lock::acquire(&path, &wait(600, &notice, &interrupt)).unwrap_err();
        assert!(matches!(error, Error::LockTimeout { .. }), "{error}");
        assert_eq!(noticed.get(), 1);
    }

    #[test]
    fn a_deleted_lock_file_does_not_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let old = Lock::try_acquire(&path).unwrap().unwrap();
        assert!(old.is_current().unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!old.is_current().unwrap());
        let new = Lock::try_acquire(&path).unwrap().unwrap();
        assert!(new.is_current().unwrap() && !old.is_current().unwrap());
    }

    #[test]
    fn a_touched_lock_file_still_locks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = Lock::try_acquire(&path).unwrap().unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        fs::hard_link(&path, dir.path().join("other")).unwrap();
        assert!(held.is_current().unwrap());
    }

    #[test]
    fn exactly_the_users_who_may_write_in_the_directory_may_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let mode = || fs::metadata(&path).unwrap().mode() & 0o7777;
        for (of_dir, expected) in [
            (0o700, 0o600),
            (0o755, 0o600),
            (0o775, 0o660),
            (0o2770, 0o660),
            (0o1777, 0o666),
            (0o702, 0o606),
        ] {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(of_dir)).unwrap();
            let _ = fs::remove_file(&path);
            drop(Lock::try_acquire(&path).unwrap().unwrap());
            assert_eq!(mode(), expected, "{of_dir:o}");
            // Earlier versions created it with this mode.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            drop(Lock::try_acquire(&path).unwrap().unwrap());
            assert_eq!(mode(), expected, "{of_dir:o}");
        }
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::hard_link(&path, dir.path().join("other")).unwrap();
        drop(Lock::try_acquire(&path).unwrap().unwrap());
        assert_eq!(
            mode(),
            0o644,
            "the file may belong elsewhere under its other name"
        );
        fs::remove_file(dir.path().join("other")).unwrap();
        fs::write(&path, "a text").unwrap();
        drop(Lock::try_acquire(&path).unwrap().unwrap());
        assert_eq!(mode(), 0o644, "it is not a lock file");
    }

    #[test]
    fn a_lock_path_that_is_not_a_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        for path in [link.as_path(), dir.path()] {
            let error = Lock::try_acquire(path).unwrap_err();
            assert!(matches!(error, Error::NotAFile { .. }), "{error}");
        }
        assert!(!target.exists());
    }

    #[test]
    fn an_interrupt_ends_the_wait() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let _held = Lock::try_acquire(&path).unwrap().unwrap();
        let interrupt = Interrupt::default();
        interrupt.raise(15);
        let error = Lock::acquire(&path, &wait(60_000, &|_| (), &interrupt)).unwrap_err();
        assert!(
            matches!(error, Error::Interrupted { signal: 15 }),
            "{error}"
        );
    }
}
