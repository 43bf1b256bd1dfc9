//! The files below a directory, read from the disk and written to it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An item at a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Item {
    Dir(u32),
    File(Arc<Vec<u8>>, u32),
    Link(OsString),
}

/// All items below a directory, by their relative paths.
pub(super) type Tree = BTreeMap<PathBuf, Item>;

/// Reads the items below a directory.
pub(super) fn read(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut left = vec![PathBuf::new()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(root.join(&dir)).unwrap() {
            let path = dir.join(entry.unwrap().file_name());
            let metadata = fs::symlink_metadata(root.join(&path)).unwrap();
            let mode = metadata.permissions().mode() & 0o7777;
            let item = if metadata.is_dir() {
                left.push(path.clone());
                Item::Dir(mode)
            } else if metadata.is_symlink() {
                Item::Link(fs::read_link(root.join(&path)).unwrap().into())
            } else {
                Item::File(Arc::new(fs::read(root.join(&path)).unwrap()), mode)
            };
            tree.insert(path, item);
        }
    }
    tree
}

/// Makes a directory contain exactly this tree.
pub(super) fn write(root: &Path, tree: &Tree) {
    fs::remove_dir_all(root).unwrap();
    fs::create_dir(root).unwrap();
    for (path, item) in tree {
        let path = root.join(path);
        match item {
            Item::Dir(_) => fs::create_dir(&path).unwrap(),
            Item::File(data, mode) => {
                fs::write(&path, &**data).unwrap();
                fs::set_permissions(&path, Permissions::from_mode(*mode)).unwrap();
            }
            Item::Link(target) => symlink(target, &path).unwrap(),
        }
    }
    // Modes of directories are set last, because they may forbid writing.
    for (path, item) in tree {
        if let Item::Dir(mode) = item {
            fs::set_permissions(root.join(path), Permissions::from_mode(*mode)).unwrap();
        }
    }
}

/// Returns the item at a path and those below it, by their relative paths.
pub(super) fn below<'t>(tree: &'t Tree, path: &Path) -> BTreeMap<&'t Path, &'t Item> {
    let items = tree.range(path.to_owned()..);
    let items = items.map_while(|(at, item)| Some((at.strip_prefix(path).ok()?, item)));
    items.collect()
}
