//! The states that a power loss may leave.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::model::{Model, Names, Node, ROOT, set};
use super::tree::{Item, Tree};

/// The result of a power loss for bytes and modes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Data {
    Lost,
    Kept,
    /// The first half of the bytes.
    Half,
    /// The same number of bytes, but all of them zero.
    Zeroed,
    /// The bytes of one file are lost, all others are kept.
    LostIn(usize),
}

impl Model {
    /// Passes every state to `each` that a power loss at this moment may leave. The
    /// same state may be passed more than once.
    pub(super) fn losses(&self, mut each: impl FnMut(Tree)) {
        let mut data = vec![Data::Kept];
        let dirty = self.dirty();
        if !dirty.is_empty() {
            data.extend([Data::Lost, Data::Half, Data::Zeroed]);
        }
        for steps in subsets(self.steps.len()) {
            for data in &data {
                each(self.after(&steps, *data));
            }
        }
        let all = vec![true; self.steps.len()];
        for file in dirty {
            each(self.after(&all, Data::LostIn(file)));
        }
    }

    /// Returns the state with these of the steps that are not synced, and with this
    /// data.
    pub(super) fn after(&self, done: &[bool], data: Data) -> Tree {
        let mut dirs: BTreeMap<usize, Names> = BTreeMap::new();
        for (step, _) in self.steps.iter().zip(done).filter(|(_, done)| **done) {
            for (dir, name, node) in &step.entries {
                let names = dirs
                    .entry(*dir)
                    .or_insert_with(|| self.synced(*dir).clone());
                set(names, name, *node);
            }
        }
        let mut tree = Tree::new();
        let mut left = vec![(PathBuf::new(), ROOT)];
        while let Some((path, node)) = left.pop() {
            let item = match &self.nodes[node] {
                Node::Dir { seen, synced } => {
                    let names = dirs.get(&node).unwrap_or(&synced.0);
                    left.extend(names.iter().map(|(name, node)| (path.join(name), *node)));
                    Item::Dir(if data == Data::Lost { synced.1 } else { seen.1 })
                }
                Node::File { seen, synced } if seen == synced || self.is_ordered(node) => {
                    Item::File(seen.0.clone(), seen.1)
                }
                Node::File { seen, synced } => match data {
                    Data::Lost => Item::File(synced.0.clone(), synced.1),
                    Data::LostIn(file) if file == node => Item::File(synced.0.clone(), seen.1),
                    Data::Kept | Data::LostIn(_) => Item::File(seen.0.clone(), seen.1),
                    Data::Half => {
                        let half = seen.0[..seen.0.len() / 2].to_vec();
                        Item::File(Arc::new(half), seen.1)
                    }
                    Data::Zeroed => Item::File(Arc::new(vec![0; seen.0.len()]), seen.1),
                },
                Node::Link(target) => Item::Link(target.clone()),
            };
            if node != ROOT {
                tree.insert(path, item);
            }
        }
        tree
    }

    /// Returns the files that have a name and something unsynced.
    fn dirty(&self) -> Vec<usize> {
        let is_dirty = |node: &Node| matches!(node, Node::File { seen, synced } if seen != synced);
        let nodes = self.nodes.iter().enumerate();
        let dirty = nodes.filter(|(_, node)| is_dirty(node));
        dirty.map(|(index, _)| index).collect()
    }
}

/// Returns the sets of steps that a power loss may leave: the first ones, all but one,
/// and one alone.
fn subsets(steps: usize) -> BTreeSet<Vec<bool>> {
    let mut subsets = BTreeSet::new();
    for at in 0..=steps {
        subsets.insert((0..steps).map(|step| step < at).collect());
        subsets.insert((0..steps).map(|step| step != at).collect());
        subsets.insert((0..steps).map(|step| step == at).collect());
    }
    subsets
}
