//! A model of a file system: what a process sees of it, and what a power loss cannot
//! take.
//!
//! A file's bytes and mode are on disk after an fsync of the file, a directory's
//! entries after one of the directory, and everything after a `syncfs`. Before that any
//! part may be on disk or not: nothing orders one directory after another, names after
//! the bytes that they name, or half of the bytes after the other. The only assumption
//! is one that every journal guarantees: a rename is done as a whole or not at all,
//! even between two directories.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::losses::Data;
use super::record::Call;
use super::tree::{Item, Tree};

/// The syncs that have an effect; a control disables some.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heeded {
    pub(super) files: bool,
    pub(super) dirs: bool,
}

/// A directory's entries.
pub(super) type Names = BTreeMap<OsString, usize>;

#[derive(Clone)]
pub(super) enum Node {
    Dir {
        seen: (Names, u32),
        synced: (Names, u32),
    },
    File {
        seen: (Arc<Vec<u8>>, u32),
        synced: (Arc<Vec<u8>>, u32),
    },
    Link(OsString),
}

/// Entries of directories that change in one atomic step.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) entries: Entries,
    /// True if another process made it.
    theirs: bool,
}

/// A directory, a name in it, and the node that it names from then on.
pub(super) type Entries = Vec<(usize, OsString, Option<usize>)>;

#[derive(Clone)]
pub(super) struct Model {
    root: PathBuf,
    umask: u32,
    heeded: Heeded,
    pub(super) nodes: Vec<Node>,
    /// The steps that are not synced yet, in order.
    pub(super) steps: Vec<Step>,
    /// True while another process makes the calls.
    theirs: bool,
    /// True if the bytes of another process reach the disk before their name does, as
    /// long as the name is not synced. On xfs and btrfs time does both in this order,
    /// but a sync of the directory writes the name alone.
    is_ordered: bool,
    /// Files that are still written in that order.
    ordered: BTreeSet<usize>,
}

pub(super) const ROOT: usize = 0;

impl Model {
    /// Creates a model of a directory whose content is all synced.
    pub(super) fn of(root: &Path, tree: &Tree, umask: u32, heeded: Heeded) -> Self {
        let empty = (Names::new(), 0o755);
        let mut model = Model {
            root: root.to_owned(),
            umask,
            heeded,
            nodes: vec![Node::Dir {
                seen: empty.clone(),
                synced: empty,
            }],
            steps: Vec::new(),
            theirs: false,
            is_ordered: false,
            ordered: BTreeSet::new(),
        };
        for (path, item) in tree {
            let node = match item {
                Item::Dir(mode) => new_dir(*mode),
                Item::File(data, mode) => Node::File {
                    seen: (data.clone(), *mode),
                    synced: (data.clone(), *mode),
                },
                Item::Link(target) => Node::Link(target.clone()),
            };
            model.insert(&root.join(path), node);
        }
        model.sync_all();
        model
    }

    /// Applies a call of another process, which syncs nothing.
    pub(super) fn make_theirs(&mut self, call: &Call, is_ordered: bool) {
        (self.theirs, self.is_ordered) = (true, is_ordered);
        self.make(call);
        self.theirs = false;
    }

    /// Applies a call.
    pub(super) fn make(&mut self, call: &Call) {
        match call {
            Call::Create(path, mode) => {
                if self.find(path).is_none() {
                    let new = (Arc::default(), mode & !self.umask);
                    self.insert(path, new_file(new));
                }
            }
            Call::Truncate(path, len) => {
                let (data, _) = self.file(path);
                Arc::make_mut(data).resize(*len, 0);
            }
            Call::Write(path, more) => {
                let (data, _) = self.file(path);
                Arc::make_mut(data).extend_from_slice(more);
            }
            Call::WriteAt(path, at, more) => {
                let (data, _) = self.file(path);
                assert_eq!(*at, data.len(), "not at the end of {path:?}");
                Arc::make_mut(data).extend_from_slice(more);
            }
            Call::Mode(path, new) => match self.node(path) {
                Node::Dir { seen, .. } => seen.1 = *new,
                Node::File { seen, .. } => seen.1 = *new,
                Node::Link(_) => {}
            },
            Call::MakeDir(path, mode) => self.insert(path, new_dir(mode & !self.umask)),
            Call::Remove(path) => {
                let (dir, name) = self.place(path);
                self.step(vec![(dir, name, None)]);
            }
            Call::Rename(from, to) => {
                let node = self.find(from).unwrap();
                let (from, to) = (self.place(from), self.place(to));
                self.step(vec![(from.0, from.1, None), (to.0, to.1, Some(node))]);
            }
            Call::Exchange(a, b) => {
                let (at_a, at_b) = (self.find(a), self.find(b));
                let (a, b) = (self.place(a), self.place(b));
                self.step(vec![(a.0, a.1, at_b), (b.0, b.1, at_a)]);
            }
            Call::Link(from, to) => {
                let node = self.find(from).unwrap();
                let (dir, name) = self.place(to);
                self.step(vec![(dir, name, Some(node))]);
            }
            Call::Symlink(target, path) => self.insert(path, Node::Link(target.clone())),
            Call::Sync(path) => {
                let node = self.find(path).unwrap();
                self.sync(node);
            }
            Call::SyncAll(_) => self.sync_all(),
            Call::Report => {}
        }
    }

    /// Returns the tree that the process sees.
    pub(super) fn seen(&self) -> Tree {
        self.after(&vec![true; self.steps.len()], Data::Kept)
    }

    fn sync(&mut self, index: usize) {
        match &mut self.nodes[index] {
            Node::File { seen, synced } if self.heeded.files => *synced = seen.clone(),
            Node::Dir { seen, synced } if self.heeded.dirs => {
                synced.1 = seen.1;
                self.settle(|step| step.entries.iter().any(|(dir, ..)| *dir == index));
            }
            _ => {}
        }
    }

    fn sync_all(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.sync(node));
    }

    /// Writes steps to the disk, after earlier ones with the same names.
    fn settle(&mut self, is_synced: impl Fn(&Step) -> bool) {
        let mut names = BTreeSet::new();
        let mut settled = vec![false; self.steps.len()];
        for (at, step) in self.steps.iter().enumerate().rev() {
            let mut entries = step.entries.iter();
            let again = entries.any(|(dir, name, _)| names.contains(&(*dir, name.clone())));
            if again || is_synced(step) {
                settled[at] = true;
                let entries = step.entries.iter();
                names.extend(entries.map(|(dir, name, _)| (*dir, name.clone())));
            }
        }
        let steps = std::mem::take(&mut self.steps);
        for (step, settled) in steps.into_iter().zip(settled) {
            if !settled {
                self.steps.push(step);
                continue;
            }
            for (dir, name, node) in step.entries {
                if let Node::Dir { synced, .. } = &mut self.nodes[dir] {
                    set(&mut synced.0, &name, node);
                }
                // The name is on disk from now on, with or without its bytes.
                if let Some(node) = node.filter(|_| step.theirs) {
                    self.ordered.remove(&node);
                }
            }
        }
    }

    fn step(&mut self, entries: Entries) {
        for (dir, name, node) in &entries {
            if let Node::Dir { seen, .. } = &mut self.nodes[*dir] {
                set(&mut seen.0, name, *node);
            }
        }
        let theirs = self.theirs;
        self.steps.push(Step { entries, theirs });
    }

    /// Returns whether a file has its bytes if it has its name.
    pub(super) fn is_ordered(&self, file: usize) -> bool {
        self.ordered.contains(&file)
    }

    fn insert(&mut self, path: &Path, node: Node) {
        let (dir, name) = self.place(path);
        self.nodes.push(node);
        let new = self.nodes.len() - 1;
        if self.theirs && self.is_ordered {
            self.ordered.insert(new);
        }
        self.step(vec![(dir, name, Some(new))]);
    }

    /// Returns the directory of a path, and the name in it.
    fn place(&self, path: &Path) -> (usize, OsString) {
        let dir = self.find(path.parent().unwrap());
        let dir = dir.unwrap_or_else(|| panic!("no directory of {path:?}"));
        (dir, path.file_name().unwrap().to_owned())
    }

    /// Returns the node at a path, as the process sees it.
    fn find(&self, path: &Path) -> Option<usize> {
        let mut parts = path.strip_prefix(&self.root).unwrap().iter();
        parts.try_fold(ROOT, |node, name: &OsStr| match &self.nodes[node] {
            Node::Dir { seen, .. } => seen.0.get(name).copied(),
            _ => None,
        })
    }

    fn node(&mut self, path: &Path) -> &mut Node {
        let node = self.find(path);
        &mut self.nodes[node.unwrap_or_else(|| panic!("nothing at {path:?}"))]
    }

    fn file(&mut self, path: &Path) -> &mut (Arc<Vec<u8>>, u32) {
        match self.node(path) {
            Node::File { seen, .. } => seen,
            _ => panic!("no file at {path:?}"),
        }
    }

    pub(super) fn synced(&self, dir: usize) -> &Names {
        match &self.nodes[dir] {
            Node::Dir { synced, .. } => &synced.0,
            _ => panic!("no directory"),
        }
    }
}

pub(super) fn set(names: &mut Names, name: &OsStr, node: Option<usize>) {
    match node {
        Some(node) => names.insert(name.to_owned(), node),
        None => names.remove(name),
    };
}

fn new_dir(mode: u32) -> Node {
    let new = (Names::new(), mode);
    Node::Dir {
        seen: new.clone(),
        synced: new,
    }
}

fn new_file(new: (Arc<Vec<u8>>, u32)) -> Node {
    Node::File {
        seen: new.clone(),
        synced: new,
    }
}
