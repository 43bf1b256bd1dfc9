//! Listing the files and directories of a tree, as they are at one moment.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::refusal::unreadable;
use super::rules;
use crate::error::{AtPath, Error, Result};
use crate::memory;
use crate::store::{
    Attributes, Dir, FileId, Identity, Kind, Step, Walk, if_exists, is_another_kind,
};

mod divide;
mod import;
mod leftover;
mod opener;

pub(crate) use divide::{Divided, Left};
pub(crate) use opener::Opener;

/// The directories and files of a tree, at one moment.
#[derive(Debug)]
pub(crate) struct FileTree {
    /// The path of the tree's own directory, for messages.
    path: PathBuf,
    /// The identity of that directory.
    pub(crate) id: FileId,
    /// The directories, each before those that it contains; the first one is the tree's
    /// own.
    pub(crate) dirs: Vec<Node>,
    pub(crate) files: Vec<Node>,
    /// The links of a stored tree, each with its target.
    pub(crate) links: Vec<(PathBuf, PathBuf)>,
    /// All else that a stored tree contains, such as sockets.
    pub(crate) others: Vec<PathBuf>,
    /// The files that importing left out.
    pub(crate) left_out: LeftOut,
    /// The disk space that is allocated, in bytes, links and directories included.
    pub(crate) allocated: u64,
}

/// The files that importing left out, besides what the caller excluded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// The number of hidden and generated files and directories.
    pub names: usize,
    /// The files that a deployment wrote, by their path from the imported directory:
    /// state, and inputs that may contain secrets.
    pub deployment: Vec<PathBuf>,
}

/// A directory or a file.
#[derive(Debug)]
pub(crate) struct Node {
    /// The path from the top of the tree; empty for the tree itself.
    pub(crate) path: PathBuf,
    /// The path without links, if it is reached through a link: from the top, or
    /// absolute if it lies outside.
    real: Option<PathBuf>,
    /// The permissions that it gets in the cache.
    pub(crate) mode: u32,
    /// The length of a file, in bytes.
    pub(crate) len: u64,
    /// True if less disk is allocated than the file is long.
    pub(crate) is_sparse: bool,
    /// The identity that it had when it was seen.
    pub(crate) identity: Identity,
}

impl Node {
    fn new(path: PathBuf, real: Option<PathBuf>, found: &Attributes) -> Self {
        let is_dir = found.kind == Kind::Dir;
        Node {
            path,
            real,
            mode: rules::stored_mode(found.kind, found.mode),
            len: if is_dir { 0 } else { found.len },
            is_sparse: !is_dir && found.allocated < found.len,
            identity: found.identity,
        }
    }

    fn real(&self) -> &Path {
        self.real.as_deref().unwrap_or(&self.path)
    }
}

impl FileTree {
    /// Reads the tree that lies in the cache. Links are not followed, and are
    /// none of its files, as with `find -type f`.
    pub(crate) fn stored(top: &Dir) -> Result<Self> {
        let mut tree = FileTree::new(top)?;
        let walk = top.try_clone().and_then(Walk::through);
        let mut walk = walk.at("read", top.path())?;
        while let Some(step) = walk.next().at("read", top.path())? {
            let Step::Name(name, listed) = step else {
                continue;
            };
            tree.require_memory()?;
            let path = walk.path().join(&name);
            let at = top.path_of(&path);
            let kind = walk.dir().kind_of(&name, listed);
            if gone_is_changed(kind, &at)? == Kind::Dir {
                if walk.depth() >= rules::MAX_STORED_DEPTH {
                    return Err(unreadable(at, "it is nested too deeply"));
                }
                let entered = walk.enter(name, |dir| {
                    let found = dir.attributes()?;
                    tree.push_dir(path, None, &found);
                    io::Result::Ok(())
                });
                gone_is_changed(entered, &at)?;
                continue;
            }
            let found = gone_is_changed(walk.dir().attributes_of(&name), &at)?;
            tree.allocated = tree.allocated.saturating_add(found.allocated);
            match found.kind {
                Kind::File => tree.files.push(Node::new(path, None, &found)),
                Kind::Link => {
                    let target = gone_is_changed(walk.dir().read_link(&name), &at)?;
                    tree.links.push((path, target));
                }
                // It was none when its directory was listed.
                Kind::Dir => return Err(Error::ContentChanged { path: at }),
                _ => tree.others.push(path),
            }
        }
        Ok(tree)
    }

    fn new(top: &Dir) -> Result<Self> {
        let found = top.attributes().at("read", top.path())?;
        let mut tree = FileTree {
            path: top.path().to_owned(),
            id: found.id,
            dirs: Vec::new(),
            files: Vec::new(),
            links: Vec::new(),
            others: Vec::new(),
            left_out: LeftOut::default(),
            allocated: 0,
        };
        tree.push_dir(PathBuf::new(), None, &found);
        Ok(tree)
    }

    /// Fails if the tree is about to need more memory than there is, while there is still
    /// enough to report that.
    fn require_memory(&self) -> Result<()> {
        /// The memory of a node with its path, its hash and its line of the manifest.
        const NODE: u64 = 1024;
        let nodes = self.files.len() + self.dirs.len();
        if nodes < 1024 || !nodes.is_power_of_two() {
            return Ok(());
        }
        // As much again, because the next check is at twice as many nodes.
        memory::require(2 * NODE * nodes as u64).at("read", &self.path)
    }

    fn push_dir(&mut self, path: PathBuf, real: Option<PathBuf>, found: &Attributes) {
        self.allocated = self.allocated.saturating_add(found.allocated);
        self.dirs.push(Node::new(path, real, found));
    }

    /// Refuses a directory that is not the tree's own.
    pub(crate) fn require_top(&self, dir: Dir) -> Result<Dir> {
        let found = dir.attributes().at("read", &self.path)?;
        match found.id == self.id {
            true => Ok(dir),
            false => Err(Error::ContentChanged {
                path: self.path.clone(),
            }),
        }
    }

    /// Returns the path of a node for messages: where it really lies.
    pub(crate) fn shown(&self, node: &Node) -> PathBuf {
        self.path.join(node.real())
    }

    /// Returns the sum of the files' lengths, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.files
            .iter()
            .fold(0, |sum: u64, file| sum.saturating_add(file.len))
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// [`Error::ContentChanged`] if it is no longer what was seen, and I/O errors.
    pub(crate) fn open(&self, file: &Node, top: &Dir, opener: &mut Opener) -> Result<fs::File> {
        let at = self.shown(file);
        let opened = opener.open_file(top, file.real());
        let opened = gone_is_changed(opened, &at)?;
        self.require_same(file, &opened)?;
        Ok(opened)
    }

    /// Refuses an open file that is no longer what was seen.
    pub(crate) fn require_same(&self, node: &Node, opened: &fs::File) -> Result<()> {
        let found = crate::store::attributes_of(opened).at("read", &self.shown(node))?;
        match found.identity == node.identity {
            true => Ok(()),
            false => Err(self.changed(node)),
        }
    }

    pub(crate) fn changed(&self, node: &Node) -> Error {
        Error::ContentChanged {
            path: self.shown(node),
        }
    }

    /// Returns the time since 1970 of the last change of a content, a mode or a name.
    pub(crate) fn newest_change(&self) -> Duration {
        let nodes = self.dirs.iter().chain(&self.files);
        let newest = nodes.map(|node| node.identity.last_change()).max();
        newest.unwrap_or_default()
    }

    /// Refuses a tree in which something is no longer what was seen.
    pub(crate) fn require_unchanged(&self, top: &Dir) -> Result<()> {
        let mut opener = Opener::default();
        let mut nodes = self.dirs.iter().chain(&self.files);
        nodes.try_for_each(|node| self.require_node_unchanged(node, top, &mut opener))
    }

    /// Refuses a tree in which a directory is no longer what was seen.
    pub(crate) fn require_dirs_unchanged(&self, top: &Dir) -> Result<()> {
        let mut opener = Opener::default();
        let mut nodes = self.dirs.iter();
        nodes.try_for_each(|node| self.require_node_unchanged(node, top, &mut opener))
    }

    fn require_node_unchanged(&self, node: &Node, top: &Dir, opener: &mut Opener) -> Result<()> {
        let found = gone_is_changed(opener.attributes_of(top, node.real()), &self.shown(node))?;
        match found.identity == node.identity {
            true => Ok(()),
            false => Err(self.changed(node)),
        }
    }

    /// Returns the paths of the directories, files and links.
    pub(crate) fn paths(&self) -> HashSet<(&Path, Kind)> {
        let dirs = self.dirs.iter().map(|dir| (&*dir.path, Kind::Dir));
        let files = self.files.iter().map(|file| (&*file.path, Kind::File));
        let links = self.links.iter().map(|(path, _)| (&**path, Kind::Link));
        dirs.chain(files).chain(links).collect()
    }

    /// Returns the files in the byte order of their paths.
    pub(crate) fn files_by_path(&self) -> Vec<&Node> {
        by_path(&self.files)
    }

    /// Returns whether two trees have the same directories and files with the
    /// same modes and lengths, and the same links. What the files contain is not
    /// compared.
    pub(crate) fn same_layout(&self, other: &FileTree) -> bool {
        let same = |own: &[Node], others: &[Node]| {
            own.len() == others.len()
                && by_path(own)
                    .iter()
                    .zip(by_path(others))
                    .all(|(a, b)| (a.len, a.mode, &a.path) == (b.len, b.mode, &b.path))
        };
        fn sorted(links: &[(PathBuf, PathBuf)]) -> Vec<&(PathBuf, PathBuf)> {
            let mut links: Vec<_> = links.iter().collect();
            links.sort_unstable();
            links
        }
        self.others.len() == other.others.len()
            && same(&self.dirs, &other.dirs)
            && same(&self.files, &other.files)
            && sorted(&self.links) == sorted(&other.links)
    }
}

fn by_path(nodes: &[Node]) -> Vec<&Node> {
    let mut nodes: Vec<_> = nodes.iter().collect();
    nodes.sort_unstable_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
    nodes
}

/// Returns what was found of something that was listed a moment ago. If it is missing
/// now, or is of another kind, the tree changed meanwhile.
fn gone_is_changed<T>(found: io::Result<T>, at: &Path) -> Result<T> {
    let changed = || Error::ContentChanged {
        path: at.to_owned(),
    };
    match found {
        Err(error) if is_another_kind(&error) => Err(changed()),
        found => if_exists(found).at("read", at)?.ok_or_else(changed),
    }
}

#[cfg(test)]
mod tests;
