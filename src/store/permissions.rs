//! The modes and owners of created files and directories.
//!
//! Not every file system has them: vfat, exfat, ntfs, network file systems and FUSE may
//! refuse to change modes and owners that they make up. That is no reason to refuse a
//! change.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use super::file_system::has_modes;
use super::fs::{is_unsupported, stat, uninterrupted};

/// The bits of a mode that can be set.
const MODE: u32 = 0o7777;

/// Sets the mode of a file or directory, unless it has that mode.
///
/// # Errors
///
/// The system refuses, on a file system that has modes.
pub(crate) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    if file.metadata()?.mode() & MODE == mode & MODE {
        return Ok(());
    }
    let permissions = Permissions::from_mode(mode & MODE);
    match uninterrupted(|| file.set_permissions(permissions.clone())) {
        Err(error) if is_refused(&error) && !has_modes(file, &error) => Ok(()),
        result => result,
    }
}

/// The user and the group that own a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(super) uid: u32,
    gid: u32,
}

impl From<&Metadata> for Owner {
    fn from(metadata: &Metadata) -> Self {
        Owner {
            uid: metadata.uid(),
            gid: metadata.gid(),
        }
    }
}

impl From<&rustix::fs::Stat> for Owner {
    fn from(stat: &rustix::fs::Stat) -> Self {
        Owner {
            uid: stat.st_uid,
            gid: stat.st_gid,
        }
    }
}

impl Owner {
    /// Returns the owner for what root creates in a directory: that of the directory
    /// or, if it is missing, of its nearest existing parent.
    ///
    /// `None` for every other user, who cannot give anything away, and if the owner is
    /// root itself.
    pub(crate) fn for_root_in(dir: &Path) -> io::Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        for dir in dir.ancestors() {
            if let Some(found) = stat(dir)? {
                let (owner, gid) = (Owner::from(&found), rustix::process::getegid());
                let is_own = owner.uid == 0 && owner.gid == gid.as_raw();
                return Ok((!is_own).then_some(owner));
            }
        }
        Ok(None)
    }

    /// Returns the same user with the group of a directory.
    pub(crate) fn in_the_group_of(self, dir: &Metadata) -> Self {
        Owner {
            gid: dir.gid(),
            ..self
        }
    }

    /// Gives a file or directory to this owner as far as permitted: to both the user
    /// and the group, to the group alone, or to neither.
    ///
    /// # Errors
    ///
    /// The system fails for another reason than a refusal.
    pub(crate) fn give(self, file: &File) -> io::Result<()> {
        if Owner::from(&file.metadata()?) == self {
            return Ok(());
        }
        for uid in [Some(self.uid), None] {
            match uninterrupted(|| fchown(file, uid, Some(self.gid))) {
                Err(error) if is_refused(&error) => {}
                result => return result,
            }
        }
        Ok(())
    }
}

/// Returns whether the system refuses to change a mode or an owner, because this user
/// may not or the file system cannot. A user or group without a number in this user
/// namespace, as in a container, is an invalid argument.
fn is_refused(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied || is_unsupported(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(file: &File) -> u32 {
        file.metadata().unwrap().mode() & MODE
    }

    #[test]
    fn a_mode_is_changed_only_if_it_differs() {
        let file = tempfile::tempfile().unwrap();
        for wanted in [0o600, 0o664, 0o444, 0o100_640] {
            set_mode(&file, wanted).unwrap();
            let changed = file.metadata().unwrap().ctime_nsec();
            set_mode(&file, wanted).unwrap();
            assert_eq!(mode(&file), wanted & MODE);
            assert_eq!(file.metadata().unwrap().ctime_nsec(), changed);
        }
    }

    #[test]
    fn a_new_file_gets_the_owner_of_the_nearest_directory() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        if !rustix::process::geteuid().is_root() {
            assert_eq!(Owner::for_root_in(&deep).unwrap(), None);
            return;
        }
        assert_eq!(
            Owner::for_root_in(&deep).unwrap(),
            None,
            "root owns it already"
        );
        std::os::unix::fs::chown(dir.path(), Some(1234), Some(5678)).unwrap();
        let owner = Owner::for_root_in(&deep).unwrap().unwrap();
        let file = tempfile::tempfile().unwrap();
        owner.give(&file).unwrap();
        assert_eq!(Owner::from(&file.metadata().unwrap()), owner);
        assert_eq!((owner.uid, owner.gid), (1234, 5678));
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(Owner::for_root_in(&deep).unwrap(), None);
    }
}
