//! How one file is changed safely while others read and write it.
//!
//! The order is: lock, read, edit, commit. Each step is here as a piece; the
//! order itself stands in [`Registry`](crate::Registry).
//!
//! The lock is taken on a sidecar, never on the file itself: the commit
//! replaces the file, so a lock on it would be a lock on what is about to be
//! thrown away. Readers take no lock, since a rename shows them the old file
//! or the new one, both whole. What is read outside of the lock is never
//! written inside of it.
//!
//! cldctl takes no lock at all. Against it there is only detection: the file's
//! identity is taken when it is read and compared just before the rename. What
//! cldctl reads before our rename and writes after it still undoes ours; no
//! program can prevent that from the outside.

mod commit;

mod dir;
mod file;
mod lock;
mod mount;
mod walk;

pub(crate) use commit::{Prepared, Published, leftovers, sweep, sweep_all};
pub(crate) use dir::{Attributes, Dir, FileId, Kind, attributes_of, is, is_another_kind};
pub(crate) use file::{
    Identity, Opened, Snapshot, create_dir_durably, read, read_up_to, resolve, sync_dir,
    sync_parents,
};
pub(crate) use lock::{DirLock, Lock, Patience};
pub(crate) use mount::{MountId, is_mounted_below};
pub(crate) use walk::{Step, Walk};

use std::fs::{self, ReadDir};
use std::io;
use std::path::Path;

/// Repeats a system call that a signal cut short (POSIX `EINTR`). The standard
/// library does so for reads, writes and opens, but not for every call.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Opens a directory to read its names, which the standard library does not
/// repeat either.
pub(crate) fn read_dir(dir: &Path) -> io::Result<ReadDir> {
    uninterrupted(|| fs::read_dir(dir))
}

/// Returns `None` where the system says that there is no such file or directory.
/// Only ENOENT and ENOTDIR say so; any other error tells nothing about it.
pub(crate) fn if_exists<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    use io::ErrorKind::{NotADirectory, NotFound};
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns whether the system, or the file system, lacks what was asked for.
pub(crate) fn is_unsupported(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, Unsupported};
    matches!(error.kind(), InvalidInput | Unsupported)
}

/// Makes what is in a file survive a power loss.
pub(crate) fn sync_file(path: &Path) -> io::Result<()> {
    uninterrupted(|| fs::File::open(path))?.sync_all()
}
