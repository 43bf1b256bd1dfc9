//! Open directories, and safe access to everything below them.
//!
//! Other users may write below the directories that this program reads, fills and
//! empties. A path that was checked can point elsewhere a moment later; an open
//! descriptor cannot. So everything below an open directory is reached one name at a
//! time, from the descriptor of the directory that contains it, and no symbolic link is
//! ever followed on the way. A [`Dir`] knows its path for messages alone.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self as sys, AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::mount::{MountId, mount_of};
use super::{Identity, Owner, uninterrupted};

const DIR: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
/// Opening must neither follow a link nor wait, for example for the other end of a
/// FIFO.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Device and inode: the identity of a file or directory under any name.
pub(crate) type FileId = (u64, u64);

/// The kind of file that a name refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    File,
    Dir,
    Link,
    Fifo,
    Socket,
    Device,
}

impl Kind {
    /// Returns `None` if the file system does not report kinds in listings.
    fn of(kind: FileType) -> Option<Self> {
        Some(match kind {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Dir,
            FileType::Symlink => Kind::Link,
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            FileType::CharacterDevice | FileType::BlockDevice => Kind::Device,
            _ => return None,
        })
    }
}

/// The attributes of a file or directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    pub(crate) kind: Kind,
    /// The permission bits, with set-user-ID, set-group-ID and sticky.
    pub(crate) mode: u32,
    /// The length in bytes.
    pub(crate) len: u64,
    /// The allocated disk space in bytes.
    pub(crate) allocated: u64,
    /// The number of names that it has.
    pub(crate) names: u64,
    pub(crate) id: FileId,
    pub(crate) owner: Owner,
    /// The identity of this state, which a later change makes differ.
    pub(crate) identity: Identity,
}

impl From<&sys::Stat> for Attributes {
    #[allow(clippy::unnecessary_cast, reason = "the widths differ between systems")]
    fn from(stat: &sys::Stat) -> Self {
        // POSIX: `st_blocks` counts units that Linux and macOS both define as
        // 512 bytes.
        const BLOCK: u64 = 512;
        let kind = FileType::from_raw_mode(stat.st_mode as _);
        Attributes {
            kind: Kind::of(kind).unwrap_or(Kind::Device),
            mode: stat.st_mode as u32 & 0o7777,
            len: u64::try_from(stat.st_size).unwrap_or_default(),
            allocated: u64::try_from(stat.st_blocks)
                .unwrap_or_default()
                .saturating_mul(BLOCK),
            names: stat.st_nlink as u64,
            id: (stat.st_dev as u64, stat.st_ino as u64),
            owner: Owner::from(stat),
            identity: Identity::from(stat),
        }
    }
}

/// An open directory.
#[derive(Debug)]
pub(crate) struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

impl Dir {
    /// Opens a directory by a path that the caller trusts: links in it are followed.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let fd = uninterrupted(|| Ok(sys::open(path, DIR, Mode::empty())?))?;
        Ok(Dir {
            fd,
            path: path.to_owned(),
        })
    }

    /// Opens the same directory again.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Dir {
            fd: self.fd.try_clone()?,
            path: self.path.clone(),
        })
    }

    /// Returns the open directory as a file, to change its mode, owner or lock.
    pub(crate) fn into_file(self) -> File {
        File::from(self.fd)
    }

    /// Gives the directory to an owner, as far as permitted.
    pub(crate) fn give_to(&self, owner: Owner) -> io::Result<()> {
        owner.give(&self.try_clone()?.into_file())
    }

    /// Returns the path that it was opened by, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of a name in it, for messages.
    pub(crate) fn path_of(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Opens a directory in it.
    pub(crate) fn open_dir(&self, name: &OsStr) -> io::Result<Self> {
        let flags = DIR | OFlags::NOFOLLOW;
        Ok(Dir {
            fd: uninterrupted(|| Ok(sys::openat(&self.fd, name, flags, Mode::empty())?))?,
            path: self.path_of(name),
        })
    }

    /// Opens a directory at any depth below it. `path` is relative, without `..`, and
    /// no part of it may be a link.
    pub(crate) fn open_beneath(&self, path: &Path) -> io::Result<Self> {
        if let Some(fd) = self.open_beneath_at_once(path) {
            let path = self.path_of(path);
            return fd.map(|fd| Dir { fd, path });
        }
        let mut dir = self.try_clone()?;
        for part in path.components() {
            match part {
                Component::CurDir => {}
                Component::Normal(name) => dir = dir.open_dir(name)?,
                _ => return Err(Errno::XDEV.into()),
            }
        }
        Ok(dir)
    }

    /// Opens the directory in one system call; `None` if the system cannot.
    #[cfg(target_os = "linux")]
    fn open_beneath_at_once(&self, path: &Path) -> Option<io::Result<OwnedFd>> {
        use rustix::fs::ResolveFlags;
        if path.as_os_str().is_empty() {
            return None;
        }
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let opened =
            uninterrupted(|| Ok(sys::openat2(&self.fd, path, DIR, Mode::empty(), resolve)?));
        // Linux before 5.6 lacks the call, filters of system calls refuse it, a path
        // can be too long for it, and a concurrent rename elsewhere can make it fail.
        let by_hand = [Errno::NOSYS, Errno::PERM, Errno::NAMETOOLONG, Errno::AGAIN];
        match opened {
            Err(error) if by_hand.iter().any(|errno| is(&error, *errno)) => None,
            opened => Some(opened),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn open_beneath_at_once(&self, _path: &Path) -> Option<io::Result<OwnedFd>> {
        None
    }

    /// Opens the directory that contains it.
    pub(crate) fn open_parent(&self) -> io::Result<Self> {
        let fd = uninterrupted(|| Ok(sys::openat(&self.fd, "..", DIR, Mode::empty())?))?;
        let path = self.path.parent().unwrap_or(&self.path).to_owned();
        Ok(Dir { fd, path })
    }

    /// Opens a file in it for reading. The caller checks that it is a regular file.
    pub(crate) fn open_file(&self, name: &OsStr) -> io::Result<File> {
        let fd = uninterrupted(|| Ok(sys::openat(&self.fd, name, FILE, Mode::empty())?))?;
        Ok(File::from(fd))
    }

    /// Opens a file in it for reading and writing.
    pub(crate) fn open_writable(&self, name: &OsStr) -> io::Result<File> {
        let flags = FILE.difference(OFlags::RDONLY) | OFlags::RDWR;
        let fd = uninterrupted(|| Ok(sys::openat(&self.fd, name, flags, Mode::empty())?))?;
        Ok(File::from(fd))
    }

    /// Gives what has a name in it a second name, in another directory of the same file
    /// system. A symbolic link itself gets it.
    pub(crate) fn link(&self, name: &OsStr, to: &Dir, new_name: &OsStr) -> io::Result<()> {
        let flags = AtFlags::empty();
        uninterrupted(|| Ok(sys::linkat(&self.fd, name, &to.fd, new_name, flags)?))
    }

    /// Creates a new file in it for writing.
    pub(crate) fn create_file(&self, name: &OsStr, mode: u32) -> io::Result<File> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_bits_truncate(mode as _);
        let fd = uninterrupted(|| Ok(sys::openat(&self.fd, name, flags, mode)?))?;
        Ok(File::from(fd))
    }

    /// Creates a new directory in it.
    pub(crate) fn create_dir(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        let mode = Mode::from_bits_truncate(mode as _);
        uninterrupted(|| Ok(sys::mkdirat(&self.fd, name, mode)?))
    }

    /// Creates a symbolic link in it.
    pub(crate) fn create_link(&self, target: &Path, name: &OsStr) -> io::Result<()> {
        uninterrupted(|| Ok(sys::symlinkat(target, &self.fd, name)?))
    }

    /// Returns the target of a symbolic link in it, as the link stores it.
    pub(crate) fn read_link(&self, name: &OsStr) -> io::Result<PathBuf> {
        let target = uninterrupted(|| Ok(sys::readlinkat(&self.fd, name, Vec::new())?))?;
        Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    /// Returns the attributes of a name in it, without following a link.
    pub(crate) fn attributes_of(&self, name: &OsStr) -> io::Result<Attributes> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let stat = uninterrupted(|| Ok(sys::statat(&self.fd, name, flags)?))?;
        Ok(Attributes::from(&stat))
    }

    /// Returns the attributes of the directory itself.
    pub(crate) fn attributes(&self) -> io::Result<Attributes> {
        attributes_of(self)
    }

    /// Returns the names in it, each with its kind if the file system reports it.
    pub(crate) fn names(&self) -> io::Result<Vec<(OsString, Option<Kind>)>> {
        uninterrupted(|| {
            let mut names = Vec::new();
            for entry in sys::Dir::read_from(&self.fd)? {
                let entry = entry?;
                let name = OsStr::from_bytes(entry.file_name().to_bytes());
                if name != "." && name != ".." {
                    names.push((name.to_owned(), Kind::of(entry.file_type())));
                }
            }
            Ok(names)
        })
    }

    /// Returns the kind of a name in it, asking the system if the listing did not
    /// report it.
    pub(crate) fn kind_of(&self, name: &OsStr, listed: Option<Kind>) -> io::Result<Kind> {
        match listed {
            Some(kind) => Ok(kind),
            None => self.attributes_of(name).map(|found| found.kind),
        }
    }

    /// Removes a file or a link in it.
    pub(crate) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        uninterrupted(|| Ok(sys::unlinkat(&self.fd, name, AtFlags::empty())?))
    }

    /// Removes an empty directory in it.
    pub(crate) fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        uninterrupted(|| Ok(sys::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)?))
    }

    /// Renames a name in it, replacing what POSIX lets a rename replace.
    pub(crate) fn rename(&self, name: &OsStr, to: &Dir, new_name: &OsStr) -> io::Result<()> {
        uninterrupted(|| Ok(sys::renameat(&self.fd, name, &to.fd, new_name)?))
    }

    /// Renames a name in it: with `NOREPLACE` only if the new name is free, with
    /// `EXCHANGE` by exchanging the two names. Not every file system can.
    pub(crate) fn rename_with(
        &self,
        name: &OsStr,
        to: &Dir,
        new_name: &OsStr,
        flags: RenameFlags,
    ) -> io::Result<()> {
        uninterrupted(|| Ok(sys::renameat_with(&self.fd, name, &to.fd, new_name, flags)?))
    }

    /// Gives a directory in it the permissions that its owner needs to empty it, if it
    /// lacks them; opening it would need some of them already. A directory that is a
    /// mount point is not changed.
    pub(crate) fn grant_owner(&self, name: &OsStr) -> io::Result<()> {
        let found = self.attributes_of(name)?;
        if found.kind != Kind::Dir || found.mode & OWNER_ALL == OWNER_ALL {
            return Ok(());
        }
        self.chmod_unopened(name, found)
    }

    /// Changes the directory that was looked at, even if its name now refers to
    /// another, through a descriptor that gives no access to it.
    #[cfg(target_os = "linux")]
    fn chmod_unopened(&self, name: &OsStr, found: Attributes) -> io::Result<()> {
        use std::os::fd::AsRawFd;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = uninterrupted(|| Ok(sys::openat(&self.fd, name, flags, Mode::empty())?))?;
        if attributes_of(&fd)?.id != found.id {
            return Err(Errno::STALE.into());
        }
        if mount_of(&fd)? != self.mount()? {
            return Err(Errno::XDEV.into());
        }
        // `fchmod` refuses such a descriptor; its entry in /proc leads to exactly the
        // same directory.
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let mode = Mode::from_bits_truncate(found.mode | OWNER_ALL);
        uninterrupted(|| Ok(sys::chmodat(sys::CWD, &path, mode, AtFlags::empty())?))
    }

    #[cfg(not(target_os = "linux"))]
    fn chmod_unopened(&self, name: &OsStr, found: Attributes) -> io::Result<()> {
        if found.id.0 != self.attributes()?.id.0 {
            return Err(Errno::XDEV.into());
        }
        let mode = Mode::from_bits_truncate((found.mode | OWNER_ALL) as _);
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        uninterrupted(|| Ok(sys::chmodat(&self.fd, name, mode, flags)?))
    }

    /// Refuses a directory in which this user may not remove anything: the user lacks
    /// the permission and could not grant it.
    pub(crate) fn require_writable(&self) -> io::Result<()> {
        let access = sys::Access::WRITE_OK | sys::Access::EXEC_OK;
        let uid = rustix::process::geteuid();
        let owner = uninterrupted(|| Ok(sys::fstat(&self.fd)?))?.st_uid;
        if uid.is_root() || uid.as_raw() == owner {
            return Ok(());
        }
        uninterrupted(|| Ok(sys::accessat(&self.fd, ".", access, AtFlags::empty())?))
    }

    /// Returns how many bytes its file system has left for this user.
    #[cfg(feature = "archive")]
    pub(crate) fn free_bytes(&self) -> io::Result<u64> {
        let found = uninterrupted(|| Ok(sys::fstatvfs(&self.fd)?))?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// Returns the identity of its mount.
    pub(crate) fn mount(&self) -> io::Result<MountId> {
        mount_of(self)
    }
}

/// The permissions that the owner of a directory needs for any operation in it.
const OWNER_ALL: u32 = 0o700;

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Returns the attributes of an open file or directory.
pub(crate) fn attributes_of(file: &impl AsFd) -> io::Result<Attributes> {
    let stat = uninterrupted(|| Ok(sys::fstat(file)?))?;
    Ok(Attributes::from(&stat))
}

/// Returns whether an error has this number.
pub(crate) fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

/// Returns whether opening a directory or file failed because the name refers to
/// another kind of file: for example to a link that replaced it.
pub(crate) fn is_another_kind(error: &io::Error) -> bool {
    [Errno::LOOP, Errno::NOTDIR, Errno::ISDIR, Errno::MLINK]
        .iter()
        .any(|errno| is(error, *errno))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn name(name: &str) -> &OsStr {
        OsStr::new(name)
    }

    #[test]
    fn nothing_below_a_directory_is_reached_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("top/a/b")).unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/file"), "").unwrap();
        symlink("../outside", dir.path().join("top/link")).unwrap();
        symlink("../../outside", dir.path().join("top/a/link")).unwrap();
        let top = Dir::open(&dir.path().join("top")).unwrap();
        assert!(top.open_beneath(Path::new("a/b")).is_ok());
        for path in ["link", "a/link", "../outside", "a/../../outside", "/tmp"] {
            assert!(top.open_beneath(Path::new(path)).is_err(), "{path}");
        }
        let error = top.open_dir(name("link")).unwrap_err();
        assert!(is_another_kind(&error), "{error}");
        symlink("outside/file", dir.path().join("top/file")).unwrap();
        let error = top.open_file(name("file")).unwrap_err();
        assert!(is_another_kind(&error), "{error}");
        assert_eq!(
            top.attributes_of(name("link")).unwrap().kind,
            Kind::Link,
            "a link is not followed"
        );
    }

    #[test]
    fn a_closed_directory_gets_its_owners_permissions_and_a_link_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &str| {
            let metadata = fs::metadata(dir.path().join(path)).unwrap();
            metadata.permissions().mode() & 0o7777
        };
        for name in ["closed", "victim"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            let closed = fs::Permissions::from_mode(0o050);
            fs::set_permissions(dir.path().join(name), closed).unwrap();
        }
        symlink("victim", dir.path().join("link")).unwrap();
        let top = Dir::open(dir.path()).unwrap();
        top.grant_owner(name("closed")).unwrap();
        top.grant_owner(name("link")).unwrap();
        assert_eq!((mode("closed"), mode("victim")), (0o750, 0o050));
    }
}
