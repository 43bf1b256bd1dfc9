//! Reading a file that others replace, and telling whether they did.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;

use super::FileId;
use super::{dangling_link, if_exists, lstat, stat};
use crate::error::{AtPath, Error, Result};
use crate::memory;

/// As many links as Linux follows in one path.
const MAX_LINKS: usize = 40;

/// The identity of one state of a file: a replaced file has another
/// inode, one that was written in place another time or size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Self {
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl From<&rustix::fs::Stat> for Identity {
    #[allow(clippy::unnecessary_cast, reason = "the widths differ between systems")]
    fn from(stat: &rustix::fs::Stat) -> Self {
        Identity {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }
}

impl Identity {
    /// Returns which file it is of.
    pub(crate) fn file(self) -> FileId {
        (self.device, self.inode)
    }

    /// Returns whether it is of the same file with the same content, whatever became of its
    /// names and mode.
    pub(crate) fn has_same_content(self, other: Self) -> bool {
        let changed = other.changed;
        Identity { changed, ..self } == other
    }

    /// Returns when it was written, renamed or given another mode last, since 1970;
    /// never less than that.
    pub(crate) fn last_change(&self) -> Duration {
        let since = |(seconds, nanos): (i64, i64)| {
            Duration::new(
                u64::try_from(seconds).unwrap_or_default(),
                u32::try_from(nanos).unwrap_or_default(),
            )
        };
        since(self.modified).max(since(self.changed))
    }

    /// The identity of what is at a path now; `None` if nothing does.
    pub(crate) fn of(path: &Path) -> Result<Option<Self>> {
        let found = lstat(path).at("read", path)?;
        Ok(found.map(|metadata| Identity::from(&metadata)))
    }
}

/// A file as it was at one moment.
pub(crate) struct WholeFile {
    pub(crate) bytes: Vec<u8>,
    pub(crate) identity: Identity,
    pub(crate) metadata: Metadata,
}

/// A regular file that is open for reading.
pub(crate) struct Opened {
    file: File,
    /// Taken before reading: what is written into the file from now on makes
    /// the identity differ.
    metadata: Metadata,
}

impl Opened {
    /// Opens a regular file; `None` if there is none.
    ///
    /// # Errors
    ///
    /// I/O errors, and [`Error::NotAFile`] at once for anything that could block
    /// or never end.
    pub(crate) fn at(path: &Path) -> Result<Option<Self>> {
        // Without O_NONBLOCK, opening a FIFO would wait for a writer.
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW).bits();
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags as i32)
            .open(path);
        let Some(file) = if_exists(opened).at("open", path)? else {
            return Ok(None);
        };
        let metadata = file.metadata().at("read", path)?;
        require_regular(path, &metadata)?;
        Ok(Some(Opened { file, metadata }))
    }

    /// Returns the length when it was opened, in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.metadata.len()
    }

    /// Reads from an offset on as much as fits, or less.
    pub(crate) fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(bytes, offset)
    }

    /// Returns whether nothing was written into it since it was opened. That another file was put
    /// in its place, which changes its ctime, does not matter to a reader.
    pub(crate) fn is_unchanged(&self) -> bool {
        let written = |it: &Metadata| (it.len(), it.mtime(), it.mtime_nsec());
        let now = self.file.metadata();
        now.is_ok_and(|now| written(&now) == written(&self.metadata))
    }

    fn read_whole(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let len = usize::try_from(self.len()).unwrap_or(usize::MAX);
        bytes
            .try_reserve_exact(len)
            .map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        (&self.file).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Returns what a path named when it was opened.
    pub(crate) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Returns the file, to copy parts of it.
    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

/// Reads a whole regular file; `None` if there is none.
///
/// # Errors
///
/// Those of [`Opened::at`], and that it cannot be read.
pub(crate) fn read(path: &Path) -> Result<Option<WholeFile>> {
    Opened::at(path)?
        .map(|opened| WholeFile::of(&opened, path))
        .transpose()
}

impl WholeFile {
    /// Reads the whole of a file that is open. `path` is its name in errors.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub(crate) fn of(opened: &Opened, path: &Path) -> Result<Self> {
        // Once for the text, and once for what is made of it.
        memory::require(opened.len().saturating_mul(2)).at("read", path)?;
        Ok(WholeFile {
            bytes: opened.read_whole().at("read", path)?,
            identity: Identity::from(&opened.metadata),
            metadata: opened.metadata.clone(),
        })
    }
}

/// Reads a whole regular file; `None` if there is none, or one that is longer than
/// `most` bytes.
///
/// # Errors
///
/// As [`read`].
pub(crate) fn read_up_to(path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
    let Some(opened) = Opened::at(path)?.filter(|opened| opened.len() <= most) else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    let len = usize::try_from(opened.len()).unwrap_or(usize::MAX);
    let reserved = bytes.try_reserve_exact(len);
    reserved
        .map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))
        .and_then(|()| opened.file.take(most).read_to_end(&mut bytes))
        .at("read", path)?;
    Ok(Some(bytes))
}

/// Follows the links at the end of a path, so that a linked file is replaced
/// where it really lies and the link stays. What is found there, if anything,
/// is a regular file.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf> {
    let mut resolved = path.to_owned();
    for _ in 0..MAX_LINKS {
        match lstat(&resolved).at("open", path)? {
            Some(metadata) if metadata.is_symlink() => {
                let target = fs::read_link(&resolved).at("read the link", &resolved)?;
                resolved = match resolved.parent() {
                    Some(parent) => parent.join(target),
                    None => target,
                };
            }
            Some(metadata) => {
                require_regular(path, &metadata)?;
                return Ok(resolved);
            }
            None => return Ok(resolved),
        }
    }
    Err(io::Error::from(rustix::io::Errno::LOOP)).at("open", path)
}

/// Finds the link that makes a path, itself a link to a file, lead into a directory
/// that does not exist, and where that link leads; `None` for every other path.
pub(crate) fn link_to_missing_dir(path: &Path) -> Result<Option<(PathBuf, PathBuf)>> {
    if !lstat(path)
        .at("read", path)?
        .is_some_and(|found| found.is_symlink())
    {
        return Ok(None);
    }
    let file = resolve(path)?;
    let dir = file.parent().unwrap_or(Path::new("/"));
    if stat(dir).at("read", dir)?.is_some() {
        return Ok(None);
    }
    if let Some(found) = dangling_link(dir).at("read", dir)? {
        return Ok(Some(found));
    }
    let target = fs::read_link(path).at("read the link", path)?;
    Ok(Some((path.to_owned(), target)))
}

/// Refuses what is not a regular file, by its name.
pub(super) fn require_regular(path: &Path, metadata: &Metadata) -> Result<()> {
    let kind = metadata.file_type();
    let found = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(Error::NotAFile {
        path: path.to_owned(),
        found,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_to_where_the_file_lies_or_would_lie() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("real"), "x").unwrap();
        symlink("real", at("one")).unwrap();
        symlink(at("one"), at("two")).unwrap();
        symlink("absent", at("dangling")).unwrap();
        symlink("loop", at("loop")).unwrap();
        assert_eq!(resolve(&at("two")).unwrap(), at("real"));
        assert_eq!(resolve(&at("dangling")).unwrap(), at("absent"));
        assert_eq!(resolve(&at("absent")).unwrap(), at("absent"));
        let error = resolve(&at("loop")).unwrap_err().to_string();
        assert!(error.contains("symbolic link"), "{error}");
    }

    #[test]
    fn what_could_block_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        // Without `mknodat`, which not every system has.
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        for path in [fifo.as_path(), dir.path(), Path::new("/dev/zero")] {
            assert!(
                matches!(read(path), Err(Error::NotAFile { .. })),
                "{path:?}"
            );
            assert!(
                matches!(resolve(path), Err(Error::NotAFile { .. })),
                "{path:?}"
            );
        }
    }

    #[test]
    fn an_open_file_is_changed_by_who_writes_into_it_and_not_by_who_replaces_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "one").unwrap();
        let opened = Opened::at(&path).unwrap().unwrap();
        fs::write(dir.path().join("other"), "other").unwrap();
        fs::rename(dir.path().join("other"), &path).unwrap();
        assert!(opened.is_unchanged());
        let opened = Opened::at(&path).unwrap().unwrap();
        fs::write(&path, "longer than before").unwrap();
        assert!(!opened.is_unchanged());
    }

    #[test]
    fn a_file_that_was_replaced_or_written_has_another_identity() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        assert_eq!(Identity::of(&path).unwrap(), None);
        fs::write(&path, "one").unwrap();
        let first = read(&path).unwrap().unwrap().identity;
        assert_eq!(Identity::of(&path).unwrap(), Some(first));
        fs::write(dir.path().join("other"), "one").unwrap();
        fs::rename(dir.path().join("other"), &path).unwrap();
        assert_ne!(Identity::of(&path).unwrap(), Some(first));
    }
}
