//! Directories of the cache root that belong to a running process: staging and
//! trash.
//!
//! A process holds a lock on each of its own, so that `prune` can tell what a
//! killed one left from what a living one is working on.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::error::{AtPath, Result};
use crate::store::{self, DirLock};

/// How many random characters stand in the name.
const RANDOM: usize = 12;

/// A directory that vanishes with all that is in it when it is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    /// None once it is deleted, or left.
    dir: Option<PathBuf>,
    path: PathBuf,
    _lock: DirLock,
}

impl Scratch {
    /// A new empty directory whose name is `prefix` and something random.
    pub(crate) fn new(root: &Path, prefix: &str) -> Result<Self> {
        loop {
            let path = tempfile::Builder::new()
                .prefix(prefix)
                .rand_bytes(RANDOM)
                .tempdir_in(root)
                .at("create a directory in", root)?
                .keep();
            // Between being created and locked it may have been taken for a
            // leftover.
            match DirLock::shared(&path) {
                Ok(Some(lock)) => {
                    return Ok(Scratch {
                        dir: Some(path.clone()),
                        path,
                        _lock: lock,
                    });
                }
                Ok(None) => {
                    let _ = fs::remove_dir(&path);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let _ = fs::remove_dir(&path);
                    return Err(error).at("lock", &path);
                }
            }
        }
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves what is there when this is dropped.
    pub(crate) fn leave(&mut self) {
        self.dir = None;
    }

    /// Deletes what is there now: the directory, or what was exchanged for it.
    pub(crate) fn delete(mut self) -> io::Result<()> {
        self.dir.take().map_or(Ok(()), |dir| delete(&dir))
    }

    /// Whether a name in the cache root is that of a scratch directory.
    pub(crate) fn is_name(name: &OsStr, prefix: &str) -> bool {
        name.to_str()
            .and_then(|name| name.strip_prefix(prefix))
            .is_some_and(|random| {
                random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
            })
    }

    /// A lock on a directory that no living process works in. As long as it is
    /// held, none begins to.
    pub(crate) fn abandoned(dir: &Path) -> Option<DirLock> {
        DirLock::exclusive(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(dir) = self.dir.take() {
            // What stays is found by its name.
            let _ = delete(&dir);
        }
    }
}

/// Deletes a directory with all that is in it, or a file or a link itself.
fn delete(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return fs::remove_file(path);
    }
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_deletable(path);
            fs::remove_dir_all(path)
        }
        result => result,
    }
}

/// Refuses a tree in which another file system is mounted: deleting the tree
/// would delete what lies there.
pub(crate) fn refuse_mounts(tree: &Path) -> io::Result<()> {
    store::uninterrupted(|| refuse_mounts_once(tree))
}

fn refuse_mounts_once(tree: &Path) -> io::Result<()> {
    let own = mount_of(tree)?;
    for entry in WalkDir::new(tree).follow_root_links(false) {
        let entry = match entry.map_err(io_error) {
            Err(error) if is_closed_or_gone(&error) => continue,
            entry => entry?,
        };
        if entry.file_type().is_dir() && mount_of(entry.path())? != own {
            return Err(io::Error::other("another file system is mounted in it"));
        }
    }
    Ok(())
}

fn io_error(error: walkdir::Error) -> io::Error {
    let error = error.into_io_error();
    error.unwrap_or_else(|| rustix::io::Errno::LOOP.into())
}

/// Whether a directory is one that deleting comes to no more than looking does:
/// it is gone, or nobody may look into it.
fn is_closed_or_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound
    )
}

/// What tells one mount from another. Linux knows mounts of one file system
/// apart since 5.8.
fn mount_of(path: &Path) -> io::Result<(u64, u64)> {
    let device = fs::symlink_metadata(path)?.dev();
    #[cfg(target_os = "linux")]
    let mount = {
        use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        statx(CWD, path, flags, StatxFlags::MNT_ID).map_or(0, |found| found.stx_mnt_id)
    };
    #[cfg(not(target_os = "linux"))]
    let mount = 0;
    Ok((device, mount))
}

/// Gives all directories of a tree the permissions that moving and deleting them
/// takes, as far as they lack them. What cannot be given shows when they are
/// deleted. Links are not followed.
pub(crate) fn make_deletable(tree: &Path) {
    let mut dirs = vec![tree.to_owned()];
    while let Some(dir) = dirs.pop() {
        let Ok(metadata) = fs::symlink_metadata(&dir) else {
            continue;
        };
        if !metadata.is_dir() {
            continue;
        }
        let mode = metadata.permissions().mode();
        if mode & 0o700 != 0o700 {
            let _ = fs::set_permissions(&dir, fs::Permissions::from_mode(mode | 0o700));
        }
        let entries = store::read_dir(&dir).into_iter().flatten().flatten();
        dirs.extend(entries.map(|entry| entry.path()));
    }
}

/// Opens a directory, to sync what is written into its file system from now on.
pub(crate) fn handle(dir: &Path) -> Result<File> {
    File::open(dir).at("open", dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_directory_is_in_use_until_it_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(root.path(), ".staging:").unwrap();
        let path = scratch.path().to_owned();
        assert!(Scratch::abandoned(&path).is_none());
        drop(scratch);
        assert!(!path.exists());

        let mut left = Scratch::new(root.path(), ".staging:").unwrap();
        left.leave();
        let path = left.path().to_owned();
        drop(left);
        assert!(path.exists() && Scratch::abandoned(&path).is_some());
    }

    #[test]
    fn what_was_exchanged_for_the_directory_is_deleted_whatever_it_is() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("target");
        fs::create_dir(&target).unwrap();
        for make in [
            (|path: &Path| fs::write(path, "").unwrap()) as fn(&Path),
            |path| std::os::unix::fs::symlink(path.with_file_name("target"), path).unwrap(),
        ] {
            let scratch = Scratch::new(root.path(), ".staging:").unwrap();
            let path = scratch.path().to_owned();
            fs::remove_dir(&path).unwrap();
            make(&path);
            scratch.delete().unwrap();
            assert!(fs::symlink_metadata(&path).is_err() && target.exists());
        }
    }
}
