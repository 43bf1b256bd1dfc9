//! Copying content into staging, and making it survive a power loss.

use std::ffi::OsStr;
use std::io;
use std::sync::Arc;

use super::Cache;
use super::deployed::StateLocks;
use super::file_tree::{Node, Opener};
use super::hash::{Reader, each_file};
use super::inventory::Inventory;
use super::manifest::{FileHash, Manifest};
use super::progress::{Operation, ProgressGuard};
use super::stage::{Staged, Staging};
use crate::error::{AtPath, Error, Result};
use crate::store::Dir;

/// Copies content into staging, and hashes it on the way. Holes of sparse files stay
/// holes.
///
/// # Errors
///
/// I/O errors, and [`ContentChanged`](crate::Error::ContentChanged) if a file
/// or a directory is no longer what was seen.
pub(super) fn copy(cache: &Cache, content: &Inventory) -> Result<Staged> {
    let staging = Staging::begin(cache)?;
    let manifest = copy_into(&staging, cache, content)?;
    staging.finish(Arc::clone(content.tree()), manifest)
}

fn copy_into(staging: &Staging<'_>, cache: &Cache, content: &Inventory) -> Result<Manifest> {
    let (tree, from) = (content.tree(), content.dir());
    let progress = cache.progress.begin(Operation::Copying, tree.bytes());
    let mut opener = Opener::default();
    for dir in &tree.dirs {
        if !dir.path.as_os_str().is_empty() {
            staging.create_dir(&dir.path, &mut opener)?;
        }
    }
    let files = tree.files.iter().collect();
    let manifest = each_file(files, Copier::new, |copier, file: &Node| {
        let hash = copier.file(file, content, staging, &progress)?;
        Ok::<_, Error>((file, hash))
    })?;
    for (path, target) in &tree.links {
        staging.create_link(path, target, &mut opener)?;
    }
    tree.require_dirs_unchanged(from)?;
    for dir in &tree.dirs {
        staging.finish_dir(&dir.path, dir.mode)?;
    }
    Ok(manifest)
}

/// Copies files, one after the other.
struct Copier {
    reader: Reader,
    opener: Opener,
}

impl Copier {
    fn new() -> Self {
        Copier {
            reader: Reader::new(),
            opener: Opener::default(),
        }
    }

    fn file(
        &mut self,
        file: &Node,
        content: &Inventory,
        staging: &Staging<'_>,
        progress: &ProgressGuard,
    ) -> Result<FileHash> {
        let mut copy = staging.create_file(&file.path, &mut self.opener)?;
        let (tree, from) = (content.tree(), content.dir());
        self.reader.read(tree, file, from, |piece| {
            copy.append(piece)?;
            progress.advance(piece.len());
            Ok(())
        })?;
        copy.finish(file.mode)
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
    sync_with_locks(tree, opened, &StateLocks::default())
}

/// Makes a tree survive a power loss as [`sync`] does. Of the files in it, some may be locked
/// under other names.
pub(crate) fn sync_with_locks(tree: &Dir, opened: &Dir, locks: &StateLocks) -> Result<()> {
    // One call for the file system instead of one for each file.
    #[cfg(target_os = "linux")]
    match crate::store::uninterrupted(|| Ok(rustix::fs::syncfs(opened)?)) {
        Err(error) if crate::store::is_unsupported(&error) => {}
        synced => return synced.at("sync", tree.path()),
    }
    let _ = opened;
    sync_each(tree, locks)
}

/// Makes a tree survive a power loss, file by file.
///
/// On macOS `fsync` leaves what it writes in the cache of the disk, and a call that
/// empties that cache takes long, so only the last one does, for all files at once.
fn sync_each(tree: &Dir, locks: &StateLocks) -> Result<()> {
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
            Kind::File => sync_file(walk.dir(), &name, locks).at("sync", &at)?,
            _ => {}
        }
    }
    tree.try_clone()
        .and_then(|tree| crate::store::sync(&tree.into_file()))
        .at("sync", tree.path())
}

fn sync_file(dir: &Dir, name: &OsStr, locks: &StateLocks) -> io::Result<()> {
    // To open a locked file again and close it would release the lock.
    let locked = match locks.is_empty() {
        true => None,
        false => locks.file_of(dir.attributes_of(name)?.id),
    };
    match locked {
        Some(file) => rustix::fs::fsync(file)?,
        None => rustix::fs::fsync(dir.open_file(name)?)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Interrupt;
    use crate::content::hash::hash;
    use crate::content::rules::Rules;
    use crate::home::Home;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
    use std::path::{Path, PathBuf};

    struct Fixture {
        _dir: tempfile::TempDir,
        from: PathBuf,
        cache: Cache,
    }

    impl Fixture {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let top = fs::canonicalize(dir.path()).unwrap();
            let from = top.join("from");
            fs::create_dir_all(from.join("empty")).unwrap();
            fs::write(from.join("file"), "text").unwrap();
            fs::set_permissions(from.join("file"), Permissions::from_mode(0o4751)).unwrap();
            fs::set_permissions(from.join("empty"), Permissions::from_mode(0o2050)).unwrap();
            Fixture {
                cache: Cache::open(Home::at(top.join("home")).unwrap()).unwrap(),
                _dir: dir,
                from,
            }
        }

        fn to_import(&self) -> Inventory {
            let dir = Dir::open(&self.from).unwrap();
            Inventory::to_import(dir, &Rules::default(), None).unwrap()
        }

        /// Expects that no staging is left.
        fn is_clean(&self) {
            let root = self.cache.home().cache_root();
            assert_eq!(fs::read_dir(root).unwrap().count(), 0);
        }
    }

    fn stored(staged: &Staged) -> Inventory {
        Inventory::stored(staged.content.dir().try_clone().unwrap(), None).unwrap()
    }

    fn hashed(content: &Inventory) -> Result<Manifest> {
        hash(content, &Interrupt::default(), &ProgressGuard::default())
    }

    #[test]
    fn a_copy_has_the_same_layout_and_hash_but_no_set_id_bits() {
        let fixture = Fixture::new();
        let staged = copy(&fixture.cache, &fixture.to_import()).unwrap();
        let stored = stored(&staged);
        let imported = fixture.to_import();
        assert!(stored.tree().same_layout(imported.tree()));
        assert_eq!(hashed(&stored).unwrap(), staged.manifest);
        let to = staged.work.as_ref().unwrap().path();
        let mode = |name| fs::metadata(to.join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("file"), mode("empty")), (0o751, 0o750));
        drop(staged);
        fixture.is_clean();
    }

    #[test]
    fn holes_of_sparse_files_stay_holes() {
        const LONG: u64 = 64 << 20;
        let fixture = Fixture::new();
        for (name, data) in [("begin", 0), ("middle", LONG / 2), ("none", LONG)] {
            let file = fs::File::create(fixture.from.join(name)).unwrap();
            file.set_len(LONG).unwrap();
            if data < LONG {
                file.write_all_at(b"data", data).unwrap();
            }
        }
        let staged = copy(&fixture.cache, &fixture.to_import()).unwrap();
        let to = staged.work.as_ref().unwrap().path();
        for name in ["begin", "middle", "none"] {
            let copy = fs::metadata(to.join(name)).unwrap();
            assert_eq!(copy.len(), LONG);
            assert!(copy.blocks() * 512 < LONG / 2, "{name}: {}", copy.blocks());
            assert_eq!(
                fs::read(to.join(name)).unwrap(),
                fs::read(fixture.from.join(name)).unwrap()
            );
        }
        assert_eq!(hashed(&stored(&staged)).unwrap(), staged.manifest);
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
            let fixture = Fixture::new();
            let (content, again) = (fixture.to_import(), fixture.to_import());
            change(&fixture.from);
            let error = copy(&fixture.cache, &content).err().unwrap();
            assert!(matches!(error, Error::ContentChanged { .. }), "{error}");
            assert!(hashed(&again).is_err());
            fixture.is_clean();
        }
    }

    #[test]
    fn an_interrupt_stops_the_copy() {
        let fixture = Fixture::new();
        let interrupt = Interrupt::default();
        let cache = fixture.cache.clone().with_interrupt(interrupt.clone());
        interrupt.raise(2);
        let error = copy(&cache, &fixture.to_import()).err().unwrap();
        assert!(matches!(error, Error::Interrupted { signal: 2 }), "{error}");
        fixture.is_clean();
    }
}
