//! Removing artifacts: the entry first, then its content.

mod plan;
mod request;

use std::ffi::OsStr;
use std::path::PathBuf;

pub use request::{ChosenPlan, ChosenRemoval, NamedRemoval};

use plan::{Locks, PlannedRemoval};

use super::Cache;
use super::cache_root::CacheRoot;
use super::cleanup::{Cleanup, Leftovers};
use super::file_tree::FileTree;
use super::progress::{Operation, ProgressObserver};
use crate::document::{Edit, OpenDocument};
use crate::error::{Error, Result};
use crate::registry::Update;
use crate::store::{Dir, Guard, Locked, descriptors};

/// An artifact that was removed, or would be.
#[derive(Debug)]
#[non_exhaustive]
pub struct Removed {
    /// Its reference.
    pub reference: String,
    /// What became of its content.
    pub content: ContentOutcome,
}

/// What becomes of the content of a removed entry.
#[derive(Debug)]
#[non_exhaustive]
pub enum ContentOutcome {
    /// It is deleted.
    #[non_exhaustive]
    Deleted {
        /// The directory.
        path: PathBuf,
        /// The sum of its files' lengths.
        bytes: u64,
    },
    /// There was none.
    Absent,
    /// It stays, as was asked.
    Kept,
    /// It stays: another entry's key or path names the same directory.
    #[non_exhaustive]
    Shared {
        /// The directory.
        path: PathBuf,
        /// The reference of the other entry.
        with: String,
    },
    /// It stays: the directory is not the entry's own.
    #[non_exhaustive]
    Foreign {
        /// The directory, as the entry names it.
        path: PathBuf,
    },
    /// It stays, and so does the entry: the artifact is [deployed](Error::Deployed), a
    /// deployment [is at work](Error::AtWork), another file system is mounted in the
    /// directory, or the system does not say whose it is.
    #[non_exhaustive]
    Refused {
        /// The directory, as the entry names it.
        path: PathBuf,
        /// Why.
        error: Error,
    },
    /// It could not be deleted, or not all of it.
    #[non_exhaustive]
    Failed {
        /// The directory.
        path: PathBuf,
        /// Why not.
        error: Error,
    },
}

/// Chooses what to remove from a document.
type Choose<'s> = dyn FnMut(&OpenDocument) -> Result<Edit> + 's;

/// How artifacts are removed: by default, with their content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoveOptions {
    /// Leaves all content where it is.
    pub keep_content: bool,
    /// Removes artifacts that are deployed too, with the state of their deployments. Without
    /// it they are refused.
    pub deployed: bool,
}

impl RemoveOptions {
    /// Returns options that leave all content where it is.
    #[must_use]
    pub fn keeping_content() -> Self {
        RemoveOptions {
            keep_content: true,
            ..RemoveOptions::default()
        }
    }
}

/// What is to be removed and how.
pub(super) struct RemovalPlan<'s> {
    /// Chooses the entries; called again when the registry changed meanwhile.
    pub(super) select: &'s mut Choose<'s>,
    pub(super) options: RemoveOptions,
}

impl Cache {
    /// Removes all entries with exactly this reference, and their content.
    /// Empty if there is none.
    ///
    /// # Errors
    ///
    /// Those of every change. Content that cannot be deleted is no error; its
    /// [`ContentOutcome`] says so.
    pub fn remove(&self, reference: &str) -> Result<Vec<Removed>> {
        let mut select = |document: &OpenDocument| {
            let mut edit = Edit::default();
            let found = document.find(|entry| (entry.reference() == reference).then_some(()))?;
            found.iter().for_each(|&(index, ())| edit.remove(index));
            Ok(edit)
        };
        self.remove_selected(RemovalPlan {
            select: &mut select,
            options: RemoveOptions::default(),
        })
    }

    /// Removes what a plan selects. The entries go in one change; entries of
    /// the same reference are one artifact.
    pub(super) fn remove_selected(&self, plan: RemovalPlan<'_>) -> Result<Vec<Removed>> {
        let removal = self.registry().update(|document| {
            let selected = (plan.select)(document)?;
            let root = open_root(self, plan.options)?;
            // Where nothing is selected, the registry may not be locked.
            if let Some(root) = &root
                && selected.changed(document.len()).next().is_some()
            {
                // Otherwise the next change would bring the content back without its entry.
                root.undo_interrupted_swaps()?;
            }
            let planned = plan::observe(self, document, &selected, root.as_ref(), plan.options)?;
            let edit = plan::without_refused(document, selected, &planned)?;
            let cleanup = Cleanup::after(self, document, &edit, None)?;
            Ok(Update::guarded(
                edit,
                Removal {
                    root,
                    planned,
                    cleanup,
                },
            ))
        })?;
        // The registry is free again; deleting may take its time.
        let Trash {
            root,
            planned,
            leftovers,
        } = removal;
        let removed = delete_all(planned, root.as_ref(), &self.progress);
        self.progress
            .during(Operation::Deleting, || leftovers.delete(self));
        Ok(removed)
    }

    /// Returns what removing by an edit of this document would come to.
    pub(super) fn would_remove(
        &self,
        document: &OpenDocument,
        edit: &Edit,
        options: RemoveOptions,
    ) -> Result<Vec<Removed>> {
        let root = open_root(self, options)?;
        let planned = plan::plan(self, document, edit, root.as_ref(), options, Locks::None)?;
        Ok(planned
            .into_iter()
            .map(|planned| planned.preview(root.as_ref()))
            .collect())
    }
}

/// Opens the cache root, unless all content is to stay.
fn open_root(cache: &Cache, options: RemoveOptions) -> Result<Option<CacheRoot>> {
    match options.keep_content {
        true => Ok(None),
        false => cache.root(),
    }
}

/// Moves content out of the way once the entries are gone.
struct Removal<'c> {
    root: Option<CacheRoot>,
    planned: Vec<PlannedRemoval>,
    cleanup: Cleanup<'c>,
}

/// What was moved out of the way, to be deleted.
struct Trash {
    root: Option<CacheRoot>,
    planned: Vec<PlannedRemoval>,
    leftovers: Leftovers,
}

impl Guard for Removal<'_> {
    type Value = Trash;

    fn prepare(&mut self, _locked: &Locked<'_>) -> Result<()> {
        self.cleanup.sweep_manifests()?;
        match &self.root {
            Some(root) => self.cleanup.recover(root),
            None => Ok(()),
        }
    }

    fn committed(mut self, durable: bool) -> Trash {
        // Should the power fail now, the entries may be back; so their content
        // stays. `prune` finds it if they are not.
        if durable && let Some(root) = &self.root {
            move_all_to_trash(&mut self.planned, root);
        }
        Trash {
            leftovers: self.cleanup.committed(durable),
            root: self.root,
            planned: self.planned,
        }
    }
}

/// Moves the content of entries that are gone out of the way, to be deleted when the
/// registry is free again.
fn move_all_to_trash(planned: &mut [PlannedRemoval], root: &CacheRoot) {
    // What is moved stays open until then. Where the limit of descriptors is low, some of it
    // is deleted now, so that enough are left for all else.
    let limit = descriptors::limit() / 2;
    let mut held: usize = planned.iter().map(PlannedRemoval::descriptors).sum();
    for planned in planned {
        held -= planned.descriptors();
        planned.move_to_trash(root);
        if held + planned.descriptors() > limit {
            planned.delete_early(root);
        }
        held += planned.descriptors();
    }
}

/// Deletes all content that was moved out of the way.
fn delete_all(
    planned: Vec<PlannedRemoval>,
    root: Option<&CacheRoot>,
    progress: &ProgressObserver,
) -> Vec<Removed> {
    let bytes: Vec<u64> = planned
        .iter()
        .map(|planned| root.map_or(0, |root| planned.bytes(root)))
        .collect();
    let total = bytes.iter().fold(0, |sum: u64, it| sum.saturating_add(*it));
    let deleting = progress.begin(Operation::Deleting, total);
    let planned = planned.into_iter().zip(bytes);
    planned
        .map(|(planned, bytes)| planned.delete(bytes, &deleting))
        .collect()
}

/// Returns how much there is to free. What cannot be read does not count.
pub(super) fn stored_bytes(root: &Dir, name: &OsStr) -> u64 {
    let tree = root.open_dir(name).map(|dir| FileTree::stored(&dir));
    tree.ok()
        .and_then(Result::ok)
        .map_or(0, |tree| tree.bytes())
}
