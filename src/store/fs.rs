//! System calls that the standard library does not complete: they are repeated after a
//! signal, and their errors are read exactly.

use std::fs::{self, File, Metadata, ReadDir};
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// Repeats a system call that a signal interrupted (POSIX `EINTR`). The standard
/// library does so for reads, writes and opens, but not for every call.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Returns `None` if the path does not exist.
///
/// Only `ENOENT` and `ENOTDIR` say that a path does not exist.
///
/// # Errors
///
/// Any other error, such as `EACCES`, `EIO` or `ESTALE`: it does not say what exists,
/// so it must never count as "there is none".
pub(crate) fn if_exists<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Returns the metadata at a path, without following a link; `None` if nothing exists
/// there.
pub(crate) fn lstat(path: &Path) -> io::Result<Option<Metadata>> {
    if_exists(uninterrupted(|| fs::symlink_metadata(path)))
}

/// Returns the metadata at a path, following links; `None` if nothing exists there.
pub(crate) fn stat(path: &Path) -> io::Result<Option<Metadata>> {
    if_exists(uninterrupted(|| fs::metadata(path)))
}

/// Finds the dangling link that makes a path missing, and its target; `None` if the
/// missing part is not a link.
pub(crate) fn dangling_link(path: &Path) -> io::Result<Option<(PathBuf, PathBuf)>> {
    for path in path.ancestors() {
        match lstat(path)? {
            None => {}
            Some(found) if found.is_symlink() && stat(path)?.is_none() => {
                let target = if_exists(fs::read_link(path))?;
                return Ok(target.map(|target| (path.to_owned(), target)));
            }
            Some(_) => break,
        }
    }
    Ok(None)
}

/// Asks the system to begin to write to disk what was appended to a file from an offset
/// on, so that the disk works while more is read and hashed, and a later sync has less to
/// wait for. A refusal is ignored, because the sync writes what is left.
pub(crate) fn begin_writeback(file: &File, from: u64) {
    // Linux writes back what is dirty before it could drop what is not needed; what is
    // being written stays in memory. rustix has no `sync_file_range`.
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(file, from, None, rustix::fs::Advice::DontNeed);
    #[cfg(not(target_os = "linux"))]
    let _ = (file, from);
}

/// Returns whether the system had no descriptor or memory left, which tells nothing about
/// the file.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}

/// Returns whether an error says that the system or the file system does not support
/// the call.
pub(crate) fn is_unsupported(error: &io::Error) -> bool {
    // The errors are compared by number, because `ErrorKind::Unsupported` covers only
    // some of them, and which ones depends on the system. On Linux the middle two are
    // the same.
    let unknown = [Errno::INVAL, Errno::NOTSUP, Errno::OPNOTSUPP, Errno::NOSYS];
    Errno::from_io_error(error).is_some_and(|errno| unknown.contains(&errno))
}

/// Writes the content of a file or directory through to the disk.
///
/// A failed sync must never be repeated: the system may have dropped the data, and
/// would report success the second time.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    match file.sync_all() {
        // `sync_all` uses F_FULLFSYNC on macOS, which not every file system supports.
        #[cfg(target_vendor = "apple")]
        Err(error)
            if is_unsupported(&error) || Errno::from_io_error(&error) == Some(Errno::NOTTY) =>
        {
            uninterrupted(|| rustix::fs::fsync(file).map_err(io::Error::from))
        }
        result => result,
    }
}

/// Makes the content of a file survive a power loss.
pub(crate) fn sync_file(path: &Path) -> io::Result<()> {
    sync(&uninterrupted(|| File::open(path))?)
}

/// Opens a directory to read its names, repeating the call as the standard library does
/// not.
pub(crate) fn read_dir(dir: &Path) -> io::Result<ReadDir> {
    uninterrupted(|| fs::read_dir(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_errors_mean_that_nothing_exists() {
        let answer = |errno: Errno| if_exists::<()>(Err(errno.into()));
        assert!(matches!(if_exists(Ok(1)), Ok(Some(1))));
        for errno in [Errno::NOENT, Errno::NOTDIR] {
            assert!(matches!(answer(errno), Ok(None)), "{errno}");
        }
        for errno in [
            Errno::ACCESS,
            Errno::PERM,
            Errno::IO,
            Errno::STALE,
            Errno::LOOP,
            Errno::NOMEM,
            Errno::MFILE,
            Errno::NAMETOOLONG,
        ] {
            let error = answer(errno).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(errno.raw_os_error()));
        }
    }

    #[test]
    fn unsupported_calls_are_recognized_by_number() {
        for errno in [Errno::INVAL, Errno::NOTSUP, Errno::OPNOTSUPP, Errno::NOSYS] {
            assert!(is_unsupported(&errno.into()), "{errno}");
        }
        for errno in [Errno::IO, Errno::PERM, Errno::ACCESS, Errno::EXIST] {
            assert!(!is_unsupported(&errno.into()), "{errno}");
        }
        assert!(!is_unsupported(&io::Error::other("invalid argument")));
    }

    #[test]
    fn a_path_through_a_file_or_a_dangling_link_does_not_exist() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), "").unwrap();
        std::os::unix::fs::symlink("absent", at("link")).unwrap();
        assert!(lstat(&at("file/below")).unwrap().is_none());
        assert!(stat(&at("absent")).unwrap().is_none());
        assert!(stat(&at("link")).unwrap().is_none());
        assert!(lstat(&at("link")).unwrap().is_some());
        std::os::unix::fs::symlink("loop", at("loop")).unwrap();
        assert!(stat(&at("loop")).is_err());
    }
}
