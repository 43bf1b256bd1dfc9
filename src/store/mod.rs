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
mod file;
mod lock;

pub(crate) use commit::{Prepared, Published, leftovers, sweep, sweep_all};
pub(crate) use file::{
    Identity, Opened, Snapshot, create_dir_durably, read, resolve, sync_dir, sync_parents,
};
pub(crate) use lock::{DirLock, Lock, Patience};

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
