//! What a directory holds, by the rules of importing or as it is stored.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use walkdir::{DirEntry, WalkDir};

use crate::error::{AtPath, Error, Result};
use crate::store::{Identity, uninterrupted};

/// Directories that cldctl leaves out of the cache, besides everything whose
/// name starts with a dot. Source: `copyDirectory` in cldctl.
const LEFT_OUT: [&str; 4] = ["node_modules", "__pycache__", ".terraform", ".pulumi"];

/// Set-user-ID and set-group-ID: never taken over.
const SET_ID_BITS: u32 = 0o6000;
const OWNER_ALL: u32 = 0o700;

/// The directories and files of a tree, at one moment.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Each before what is in it; the first one is the tree's own.
    pub(crate) dirs: Vec<Node>,
    pub(crate) files: Vec<Node>,
    /// The links of a stored tree, each with where it leads.
    pub(crate) links: Vec<(PathBuf, PathBuf)>,
    /// The things of a stored tree that are none of these, such as sockets.
    pub(crate) others: Vec<PathBuf>,
    /// How many names were left out by the rules of importing.
    pub(crate) left_out: usize,
}

/// A directory or a file.
#[derive(Debug)]
pub(crate) struct Node {
    /// From the top of the tree; empty for the tree itself.
    pub(crate) path: PathBuf,
    /// Where it lies; for a link to a file, that file.
    pub(crate) source: PathBuf,
    /// The permissions it has in the cache.
    pub(crate) mode: u32,
    /// Of a file, in bytes.
    pub(crate) len: u64,
    /// What it was when it was seen.
    pub(crate) identity: Identity,
}

impl Node {
    fn new(path: PathBuf, source: PathBuf, metadata: &Metadata) -> Self {
        let mode = metadata.mode() & 0o7777 & !SET_ID_BITS;
        let (mode, len) = if metadata.is_dir() {
            (mode | OWNER_ALL, 0)
        } else {
            (mode, metadata.len())
        };
        Node {
            path,
            source,
            mode,
            len,
            identity: Identity::from(metadata),
        }
    }

    /// Refuses a node that is no longer what was seen.
    pub(crate) fn require_unchanged(&self) -> Result<()> {
        match Identity::of(&self.source)? {
            Some(identity) if identity == self.identity => Ok(()),
            _ => Err(self.changed()),
        }
    }

    pub(crate) fn changed(&self) -> Error {
        Error::ContentChanged {
            path: self.source.clone(),
        }
    }
}

impl Tree {
    /// The tree that importing a directory brings into the cache. With
    /// `all_files`, nothing is left out.
    ///
    /// # Errors
    ///
    /// I/O errors, and [`Error::UnsafeContent`] for what cannot be stored: a
    /// link that does not lead to a file of the tree, a socket, pipe or device.
    pub(crate) fn to_import(dir: &Path, all_files: bool) -> Result<Self> {
        uninterrupted_walk(|| Self::to_import_once(dir, all_files))
    }

    fn to_import_once(dir: &Path, all_files: bool) -> Result<Self> {
        let mut tree = Tree::default();
        let mut walk = WalkDir::new(dir).into_iter();
        while let Some(entry) = walk.next() {
            let entry = entry.map_err(|error| walk_error(dir, error))?;
            if !all_files && entry.depth() > 0 && is_left_out(&entry) {
                tree.left_out += 1;
                if entry.file_type().is_dir() {
                    walk.skip_current_dir();
                }
            } else if entry.file_type().is_symlink() {
                let node = linked_file(dir, &entry)?;
                tree.files.push(node);
            } else {
                tree.push(dir, &entry)?;
            }
        }
        Ok(tree)
    }

    /// The tree that lies in the cache. Links are not followed, and are none of
    /// its files, as with `find -type f`.
    pub(crate) fn stored(dir: &Path) -> Result<Self> {
        uninterrupted_walk(|| Self::stored_once(dir))
    }

    fn stored_once(dir: &Path) -> Result<Self> {
        let mut tree = Tree::default();
        for entry in WalkDir::new(dir).follow_root_links(false) {
            let entry = entry.map_err(|error| walk_error(dir, error))?;
            if entry.file_type().is_dir() || entry.file_type().is_file() {
                tree.push(dir, &entry)?;
            } else if entry.file_type().is_symlink() {
                let target = fs::read_link(entry.path()).at("read the link", entry.path())?;
                tree.links.push((relative(dir, &entry), target));
            } else {
                tree.others.push(relative(dir, &entry));
            }
        }
        Ok(tree)
    }

    /// The sum of the files' lengths, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.files
            .iter()
            .fold(0, |sum: u64, file| sum.saturating_add(file.len))
    }

    /// Refuses a tree in which something is no longer what was seen.
    pub(crate) fn require_unchanged(&self) -> Result<()> {
        let mut nodes = self.dirs.iter().chain(&self.files);
        nodes.try_for_each(Node::require_unchanged)
    }

    /// Whether two trees have the same directories and files with the same
    /// modes and lengths; what is in the files is not looked at.
    pub(crate) fn has_the_shape_of(&self, other: &Tree) -> bool {
        fn shape(nodes: &[Node]) -> Vec<(&Path, u32, u64)> {
            let mut shape: Vec<_> = nodes
                .iter()
                .map(|node| (node.path.as_path(), node.mode, node.len))
                .collect();
            shape.sort_unstable();
            shape
        }
        fn sorted(links: &[(PathBuf, PathBuf)]) -> Vec<&(PathBuf, PathBuf)> {
            let mut links: Vec<_> = links.iter().collect();
            links.sort_unstable();
            links
        }
        self.others.len() == other.others.len()
            && sorted(&self.links) == sorted(&other.links)
            && shape(&self.dirs) == shape(&other.dirs)
            && shape(&self.files) == shape(&other.files)
    }

    fn push(&mut self, top: &Path, entry: &DirEntry) -> Result<()> {
        let metadata = entry.metadata().map_err(|error| walk_error(top, error))?;
        let node = Node::new(relative(top, entry), entry.path().to_owned(), &metadata);
        let kind = metadata.file_type();
        let special = if kind.is_dir() {
            self.dirs.push(node);
            return Ok(());
        } else if kind.is_file() {
            self.files.push(node);
            return Ok(());
        } else if kind.is_fifo() {
            "it is a pipe"
        } else if kind.is_socket() {
            "it is a socket"
        } else if kind.is_symlink() {
            // It was something else when the directory was read.
            return Err(node.changed());
        } else {
            "it is a device"
        };
        Err(refused(&node.source, special))
    }
}

fn is_left_out(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let kind = entry.file_type();
    name.as_bytes().starts_with(b".")
        || (kind.is_dir() || kind.is_symlink()) && LEFT_OUT.iter().any(|left_out| name == *left_out)
}

/// The file that a link in the tree leads to, under the link's name.
fn linked_file(top: &Path, entry: &DirEntry) -> Result<Node> {
    let link = entry.path();
    let target = match uninterrupted(|| fs::canonicalize(link)) {
        Ok(target) => target,
        Err(error) if leads_nowhere(&error) => {
            return Err(refused(link, "it is a link to nothing"));
        }
        Err(error) => return Err(error).at("follow the link", link),
    };
    if !target.starts_with(top) {
        return Err(refused(link, "it is a link that leaves the directory"));
    }
    let metadata = fs::symlink_metadata(&target).at("read", &target)?;
    if metadata.is_dir() {
        return Err(refused(link, "it is a link to a directory"));
    }
    if !metadata.is_file() {
        return Err(refused(link, "it is a link to something that is no file"));
    }
    Ok(Node::new(relative(top, entry), target, &metadata))
}

/// When something in a tree changed last: its content, its mode or its name.
pub(crate) fn newest_change(dir: &Path) -> Result<SystemTime> {
    let mut newest = UNIX_EPOCH;
    for entry in WalkDir::new(dir).follow_root_links(false) {
        let metadata = entry.and_then(|entry| entry.metadata());
        let metadata = metadata.map_err(|error| walk_error(dir, error))?;
        for (seconds, nanos) in [
            (metadata.mtime(), metadata.mtime_nsec()),
            (metadata.ctime(), metadata.ctime_nsec()),
        ] {
            let since = Duration::new(
                u64::try_from(seconds).unwrap_or_default(),
                u32::try_from(nanos).unwrap_or_default(),
            );
            newest = newest.max(UNIX_EPOCH + since);
        }
    }
    Ok(newest)
}

/// Whether a link leads to what does not exist, through what is no directory,
/// or in a circle.
fn leads_nowhere(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let nowhere = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP].map(Errno::raw_os_error);
    error
        .raw_os_error()
        .is_some_and(|code| nowhere.contains(&code))
}

fn relative(top: &Path, entry: &DirEntry) -> PathBuf {
    entry
        .path()
        .strip_prefix(top)
        .unwrap_or(entry.path())
        .to_owned()
}

fn refused(path: &Path, reason: &str) -> Error {
    Error::UnsafeContent {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Begins again with a tree when a signal cut off the opening of a directory in
/// it, which cannot be done again within the walk.
fn uninterrupted_walk(mut walk: impl FnMut() -> Result<Tree>) -> Result<Tree> {
    loop {
        match walk() {
            Err(Error::Io { cause, .. }) if cause.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn walk_error(top: &Path, error: walkdir::Error) -> Error {
    let path = error.path().unwrap_or(top).to_owned();
    let source = error
        .into_io_error()
        .unwrap_or_else(|| io::Error::from(rustix::io::Errno::LOOP));
    // What was listed a moment ago is gone.
    if source.kind() == io::ErrorKind::NotFound && path != top {
        return Error::ContentChanged { path };
    }
    Error::Io {
        action: "read",
        path,
        cause: source,
    }
}

#[cfg(test)]
mod tests;
