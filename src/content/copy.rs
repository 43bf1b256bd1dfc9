//! Copying a tree into the cache, and making it survive a power loss.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::file_tree::{FileTree, Node, Opener};
use super::hash::{Piece, Reader, each_file};
use super::manifest::{FileHash, Manifest};
use super::progress::ProgressGuard;
use crate::error::{AtPath, Result};
use crate::interrupt::Interrupt;
use crate::store::{Dir, Owner, set_mode};

/// The mode of what is being written: private until it is complete.
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_DIR: u32 = 0o700;

/// Copies a tree into an existing empty directory and hashes what it copies.
/// Holes of sparse files stay holes.
///
/// # Errors
///
/// I/O errors, and [`ContentChanged`](crate::Error::ContentChanged) if a file
/// or a directory is no longer what was seen.
pub(super) fn copy(
    tree: &FileTree,
    from: &Dir,
    to: &Dir,
    owner: Option<Owner>,
    interrupt: &Interrupt,
    ongoing: &ProgressGuard,
) -> Result<Manifest> {
    let copying = Copying {
        tree,
        from,
        to,
        owner,
        interrupt,
        ongoing,
    };
    copying.create_dirs()?;
    let manifest = each_file(
        tree,
        || (Reader::new(), Opener::default()),
        |(reader, opener), file| copying.file(file, reader, opener),
    )?;
    copying.create_links()?;
    tree.require_dirs_unchanged(from)?;
    copying.set_modes()?;
    Ok(manifest)
}

struct Copying<'c> {
    tree: &'c FileTree,
    from: &'c Dir,
    to: &'c Dir,
    owner: Option<Owner>,
    interrupt: &'c Interrupt,
    ongoing: &'c ProgressGuard,
}

impl Copying<'_> {
    fn create_dirs(&self) -> Result<()> {
        let mut opener = Opener::default();
        for dir in &self.tree.dirs {
            if !dir.path.as_os_str().is_empty() {
                let created = opener
                    .parent_of(self.to, &dir.path)
                    .and_then(|(parent, name)| parent.create_dir(name, PRIVATE_DIR));
                created.at("create the directory", &self.at(&dir.path))?;
            }
        }
        Ok(())
    }

    fn file(&self, file: &Node, reader: &mut Reader, opener: &mut Opener) -> Result<FileHash> {
        let at = self.at(&file.path);
        let created = opener
            .parent_of(self.to, &file.path)
            .and_then(|(parent, name)| parent.create_file(name, PRIVATE_FILE));
        let copy = created.at("create", &at)?;
        let mut ends_in_hole = false;
        let hash = reader.read(self.tree, file, self.from, self.interrupt, |piece, len| {
            ends_in_hole = matches!(piece, Piece::Hole);
            if let Piece::Data(bytes, offset) = piece {
                copy.write_all_at(bytes, offset).at("write", &at)?;
            }
            self.ongoing.advance(len);
            Ok(())
        })?;
        if ends_in_hole {
            copy.set_len(file.len).at("write", &at)?;
        }
        self.finish(&copy, file.mode, &at)?;
        Ok(hash)
    }

    fn create_links(&self) -> Result<()> {
        let mut opener = Opener::default();
        for (path, target) in &self.tree.links {
            let created = opener
                .parent_of(self.to, path)
                .and_then(|(parent, name)| parent.create_link(target, name));
            created.at("create the link", &self.at(path))?;
        }
        Ok(())
    }

    fn set_modes(&self) -> Result<()> {
        for dir in &self.tree.dirs {
            let at = self.at(&dir.path);
            let opened = self.to.open_beneath(&dir.path).at("open", &at)?;
            self.finish(&opened.into_file(), dir.mode, &at)?;
        }
        Ok(())
    }

    /// Gives what is complete its owner and its mode.
    fn finish(&self, copy: &File, mode: u32, at: &Path) -> Result<()> {
        if let Some(owner) = self.owner {
            owner.give(copy).at("set the owner of", at)?;
        }
        set_mode(copy, mode).at("set the mode of", at)
    }

    fn at(&self, path: &Path) -> std::path::PathBuf {
        self.to.path_of(path)
    }
}

/// Makes a tree survive a power loss. `opened` is a directory of the same file
/// system that was opened before the tree was written.
///
/// # Errors
///
/// What could not be written; Linux says so since 5.8, for what failed after
/// `opened` was opened.
pub(crate) fn sync(tree: &Dir, opened: &Dir) -> Result<()> {
    // One call for the file system instead of one for each file.
    #[cfg(target_os = "linux")]
    match crate::store::uninterrupted(|| Ok(rustix::fs::syncfs(opened)?)) {
        Err(error) if crate::store::is_unsupported(&error) => {}
        synced => return synced.at("sync", tree.path()),
    }
    let _ = opened;
    sync_each(tree)
}

/// Makes a tree survive a power loss, file by file.
///
/// On macOS `fsync` leaves what it writes in the cache of the disk, and a call that
/// empties that cache takes long, so only the last one does, for all files at once.
fn sync_each(tree: &Dir) -> Result<()> {
    use crate::store::{Kind, Step, Walk};
    let mut walk = tree
        .try_clone()
        .and_then(Walk::through)
        .at("sync", tree.path())?;
    while let Some(step) = walk.next().at("sync", tree.path())? {
        let Step::Name(name, listed) = step else {
            continue;
        };
        let at = tree.path_of(walk.path().join(&name));
        match walk.dir().kind_of(&name, listed).at("sync", &at)? {
            Kind::Dir => walk
                .enter(name, |dir| {
                    rustix::fs::fsync(dir).map_err(std::io::Error::from)
                })
                .at("sync", &at)?,
            Kind::File => walk
                .dir()
                .open_file(&name)
                .and_then(|file| Ok(rustix::fs::fsync(file)?))
                .at("sync", &at)?,
            _ => {}
        }
    }
    tree.try_clone()
        .and_then(|tree| crate::store::sync(&tree.into_file()))
        .at("sync", tree.path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::hash::hash;
    use crate::content::rules::Rules;
    use crate::error::Error;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::PathBuf;

    fn source() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(dir.path()).unwrap();
        let (from, to) = (top.join("from"), top.join("to"));
        fs::create_dir_all(from.join("empty")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("file"), "text").unwrap();
        fs::set_permissions(from.join("file"), Permissions::from_mode(0o4751)).unwrap();
        fs::set_permissions(from.join("empty"), Permissions::from_mode(0o2050)).unwrap();
        (dir, from, to)
    }

    fn to_import(from: &Path) -> (FileTree, Dir) {
        let dir = Dir::open(from).unwrap();
        let tree = FileTree::to_import(&dir, &Rules::default(), None).unwrap();
        (tree, dir)
    }

    fn copied(from: &Path, to: &Path) -> Result<Manifest> {
        let (tree, dir) = to_import(from);
        let to = Dir::open(to).unwrap();
        copy(
            &tree,
            &dir,
            &to,
            None,
            &Interrupt::default(),
            &ProgressGuard::default(),
        )
    }

    fn hashed(tree: &FileTree, dir: &Dir) -> Result<Manifest> {
        hash(tree, dir, &Interrupt::default(), &ProgressGuard::default())
    }

    #[test]
    fn a_copy_has_the_same_layout_and_hash_but_no_set_id_bits() {
        let (_dir, from, to) = source();
        let manifest = copied(&from, &to).unwrap();
        let dir = Dir::open(&to).unwrap();
        let stored = FileTree::stored(&dir).unwrap();
        assert!(stored.same_layout(&to_import(&from).0, true));
        assert_eq!(hashed(&stored, &dir).unwrap(), manifest);
        let mode = |name| fs::metadata(to.join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("file"), mode("empty")), (0o751, 0o750));
    }

    #[test]
    fn holes_of_sparse_files_stay_holes() {
        const LONG: u64 = 64 << 20;
        let (_dir, from, to) = source();
        for (name, data) in [("begin", 0), ("middle", LONG / 2), ("none", LONG)] {
            let file = fs::File::create(from.join(name)).unwrap();
            file.set_len(LONG).unwrap();
            if data < LONG {
                file.write_all_at(b"data", data).unwrap();
            }
        }
        let manifest = copied(&from, &to).unwrap();
        for name in ["begin", "middle", "none"] {
            let copy = fs::metadata(to.join(name)).unwrap();
            assert_eq!(copy.len(), LONG);
            assert!(copy.blocks() * 512 < LONG / 2, "{name}: {}", copy.blocks());
            assert_eq!(
                fs::read(to.join(name)).unwrap(),
                fs::read(from.join(name)).unwrap()
            );
        }
        let dir = Dir::open(&to).unwrap();
        let stored = FileTree::stored(&dir).unwrap();
        assert_eq!(hashed(&stored, &dir).unwrap(), manifest);
    }

    #[test]
    fn content_that_changes_while_it_is_read_is_refused() {
        let changes: [fn(&Path); 5] = [
            |from| fs::write(from.join("file"), "longer text").unwrap(),
            |from| fs::remove_file(from.join("file")).unwrap(),
            |from| fs::write(from.join("another"), "").unwrap(),
            |from| fs::remove_dir(from.join("empty")).unwrap(),
            |from| {
                fs::remove_file(from.join("file")).unwrap();
                std::os::unix::fs::symlink("/etc/passwd", from.join("file")).unwrap();
            },
        ];
        for change in changes {
            let (_dir, from, to) = source();
            let (tree, dir) = to_import(&from);
            change(&from);
            let to = Dir::open(&to).unwrap();
            let (interrupt, ongoing) = (Interrupt::default(), ProgressGuard::default());
            let error = copy(&tree, &dir, &to, None, &interrupt, &ongoing).unwrap_err();
            assert!(matches!(error, Error::ContentChanged { .. }), "{error}");
            assert!(hashed(&tree, &dir).is_err());
        }
    }

    #[test]
    fn an_interrupt_stops_the_copy() {
        let (_dir, from, to) = source();
        let interrupt = Interrupt::default();
        interrupt.raise(2);
        let (tree, dir) = to_import(&from);
        let to = Dir::open(&to).unwrap();
        let error = copy(
            &tree,
            &dir,
            &to,
            None,
            &interrupt,
            &ProgressGuard::default(),
        )
        .unwrap_err();
        assert!(matches!(error, Error::Interrupted { signal: 2 }), "{error}");
    }
}
