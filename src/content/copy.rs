//! Reading the files of a tree: to copy them, and to hash them.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use super::manifest::{FileHash, Manifest};
use super::progress::Ongoing;
use super::tree::{Node, Tree};
use crate::error::{AtPath, Result};
use crate::interrupt::Interrupt;
use crate::parallel;
use crate::store::Identity;

/// How much of a file is held in memory by each thread, in bytes.
const BUFFER: usize = 256 * 1024;

/// Copies a tree into an existing empty directory and hashes what it copies.
///
/// # Errors
///
/// I/O errors, and [`ContentChanged`](crate::Error::ContentChanged) if a file
/// or a directory is no longer what was seen.
pub(super) fn copy(
    tree: &Tree,
    to: &Path,
    interrupt: &Interrupt,
    ongoing: &Ongoing,
) -> Result<Manifest> {
    for dir in &tree.dirs {
        if !dir.path.as_os_str().is_empty() {
            let copy = to.join(&dir.path);
            DirBuilder::new()
                .mode(0o700)
                .create(&copy)
                .at("create the directory", &copy)?;
        }
    }
    let manifest = each_file(tree, interrupt, |file, buffer| {
        let path = to.join(&file.path);
        let mut copy = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .at("create", &path)?;
        let hash = read(file, buffer, interrupt, |bytes| {
            copy.write_all(bytes).at("write", &path)?;
            ongoing.advance(bytes.len() as u64);
            Ok(())
        })?;
        copy.set_permissions(Permissions::from_mode(file.mode))
            .at("set the mode of", &path)?;
        Ok(hash)
    })?;
    for (path, target) in &tree.links {
        let copy = to.join(path);
        symlink(target, &copy).at("create the link", &copy)?;
    }
    for dir in &tree.dirs {
        dir.require_unchanged()?;
        let copy = to.join(&dir.path);
        fs::set_permissions(&copy, Permissions::from_mode(dir.mode))
            .at("set the mode of", &copy)?;
    }
    Ok(manifest)
}

/// Hashes a tree where it lies.
///
/// # Errors
///
/// As [`copy`].
pub(super) fn hash(tree: &Tree, interrupt: &Interrupt, ongoing: &Ongoing) -> Result<Manifest> {
    let manifest = each_file(tree, interrupt, |file, buffer| {
        read(file, buffer, interrupt, |bytes| {
            ongoing.advance(bytes.len() as u64);
            Ok(())
        })
    })?;
    tree.dirs.iter().try_for_each(Node::require_unchanged)?;
    Ok(manifest)
}

/// Makes a tree survive a power loss. `opened` is a directory of the same file
/// system, opened before the tree was written.
///
/// # Errors
///
/// What could not be written; Linux tells since 5.8, for what failed after
/// `opened` was.
pub(crate) fn sync(tree: &Path, opened: &File) -> Result<()> {
    // One call for the file system instead of one for each file.
    #[cfg(target_os = "linux")]
    return rustix::fs::syncfs(opened).at("sync", tree);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = opened;
        for entry in walkdir::WalkDir::new(tree) {
            let entry = entry.map_err(io::Error::from).at("read", tree)?;
            let synced = File::open(entry.path()).and_then(|file| file.sync_all());
            synced.at("sync", entry.path())?;
        }
        Ok(())
    }
}

/// Hashes files, each for itself: one that cannot be read, or that changes
/// meanwhile, does not keep the others from it.
///
/// # Errors
///
/// Only [`Interrupted`](crate::Error::Interrupted).
pub(super) fn hash_each(
    files: Vec<&Node>,
    interrupt: &Interrupt,
    ongoing: &Ongoing,
) -> Result<Vec<Result<FileHash>>> {
    parallel::try_map_with(files, new_buffer, |buffer, file| {
        interrupt.check()?;
        let hash = read(file, buffer, interrupt, |bytes| {
            ongoing.advance(bytes.len() as u64);
            Ok(())
        });
        interrupt.check().map(|()| hash)
    })
}

/// Calls `work` for each file, on all cores.
fn each_file(
    tree: &Tree,
    interrupt: &Interrupt,
    work: impl Fn(&Node, &mut [u8]) -> Result<FileHash> + Send + Sync,
) -> Result<Manifest> {
    let files: Vec<&Node> = tree.files.iter().collect();
    let hashes = parallel::try_map_with(files, new_buffer, |buffer, file: &Node| {
        interrupt.check()?;
        let hash = work(file, buffer)?;
        Ok((file.path.as_os_str().as_bytes().to_owned(), hash))
    });
    hashes.map(Manifest::of)
}

fn new_buffer() -> Vec<u8> {
    vec![0; BUFFER]
}

/// Reads a file once, from its start to its end, and hashes it.
fn read(
    file: &Node,
    buffer: &mut [u8],
    interrupt: &Interrupt,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<FileHash> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(&file.source);
    let mut source = match opened {
        Ok(source) => source,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(file.changed()),
        Err(error) => return Err(error).at("open", &file.source),
    };
    let is_unchanged = |source: &File| -> Result<bool> {
        let metadata = source.metadata().at("read", &file.source)?;
        Ok(Identity::from(&metadata) == file.identity)
    };
    if !is_unchanged(&source)? {
        return Err(file.changed());
    }
    let mut hasher = Sha256::new();
    let mut len = 0;
    loop {
        let read = match source.read(buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).at("read", &file.source),
        };
        interrupt.check()?;
        hasher.update(&buffer[..read]);
        each(&buffer[..read])?;
        len += read as u64;
    }
    if len != file.len || !is_unchanged(&source)? {
        return Err(file.changed());
    }
    Ok(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::path::PathBuf;

    fn source() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("empty")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("file"), "text").unwrap();
        fs::set_permissions(from.join("file"), Permissions::from_mode(0o4751)).unwrap();
        fs::set_permissions(from.join("empty"), Permissions::from_mode(0o2050)).unwrap();
        (dir, from, to)
    }

    #[test]
    fn a_copy_has_the_same_shape_and_hash_but_no_set_id_bits() {
        let (_dir, from, to) = source();
        let tree = Tree::to_import(&from, false).unwrap();
        let manifest = copy(&tree, &to, &Interrupt::default(), &Ongoing::default()).unwrap();
        let stored = Tree::stored(&to).unwrap();
        assert!(stored.has_the_shape_of(&tree));
        assert_eq!(
            hash(&stored, &Interrupt::default(), &Ongoing::default()).unwrap(),
            manifest
        );
        let mode = |name| fs::metadata(to.join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("file"), mode("empty")), (0o751, 0o750));
    }

    #[test]
    fn content_that_changes_while_it_is_read_is_refused() {
        let changes: [fn(&Path); 4] = [
            |from| fs::write(from.join("file"), "longer text").unwrap(),
            |from| fs::remove_file(from.join("file")).unwrap(),
            |from| fs::write(from.join("another"), "").unwrap(),
            |from| fs::remove_dir(from.join("empty")).unwrap(),
        ];
        for change in changes {
            let (_dir, from, to) = source();
            let tree = Tree::to_import(&from, false).unwrap();
            change(&from);
            let error = copy(&tree, &to, &Interrupt::default(), &Ongoing::default()).unwrap_err();
            assert!(matches!(error, Error::ContentChanged { .. }), "{error}");
            assert!(hash(&tree, &Interrupt::default(), &Ongoing::default()).is_err());
        }
    }

    #[test]
    fn an_interrupt_stops_the_copy() {
        let (_dir, from, to) = source();
        let interrupt = Interrupt::default();
        interrupt.raise(2);
        let tree = Tree::to_import(&from, false).unwrap();
        let error = copy(&tree, &to, &interrupt, &Ongoing::default()).unwrap_err();
        assert!(matches!(error, Error::Interrupted { signal: 2 }), "{error}");
    }
}
