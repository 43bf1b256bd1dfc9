//! Changing one file safely while others read and write it.
//!
//! The order is: lock, read, decide, commit. It is written once, in [`transact`].
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

pub(crate) mod descriptors;
mod dir;
mod disk;
mod file;
pub(crate) mod file_system;
mod fs;
mod lock;
mod mount;
#[cfg(feature = "archive")]
mod new_file;
mod part;
mod permissions;
mod temp_file;
mod transaction;
mod wait;
mod walk;

pub(crate) use dir::{Attributes, Dir, FileId, Kind, attributes_of, is, is_another_kind};
pub(crate) use disk::{Disk, sync_contents};
pub(crate) use file::{
    Identity, Opened, WholeFile, link_to_missing_dir, read, read_up_to, resolve,
};
pub(crate) use fs::{
    begin_writeback, dangling_link, if_exists, is_exhausted, is_unsupported, lstat, read_dir, stat,
    sync, sync_file, uninterrupted,
};
use lock::Lock;
pub(crate) use lock::{DirLock, cannot_lock};
pub(crate) use mount::{MountId, is_mounted_below};
#[cfg(feature = "archive")]
pub(crate) use new_file::{NewFile, is_new_file, sweep_new_files, sync_dir};
pub(crate) use part::Part;
pub(crate) use permissions::{Owner, set_mode};
pub(crate) use temp_file::{leftovers, sweep_all};
pub(crate) use transaction::{Guard, Locked, NewText, transact, wait_until_free};
pub(crate) use wait::LockWait;
pub(crate) use walk::{Step, Walk};
