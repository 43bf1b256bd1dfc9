//! Removing artifacts: the entry first, then its content.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::Cache;
use super::cache_root::{CacheRoot, Trashed, id_of};
use super::deletion::refuse_mounts;
use super::file_tree::FileTree;
use super::manifest::Manifests;
use super::ownership::{Ownership, own_key};
use super::progress::{Operation, ProgressGuard, ProgressObserver};
use super::workdir::Leftover;
use crate::document::{Document, Edit};
use crate::error::{Error, Result};
use crate::fields::Field;
use crate::reference::CacheKey;
use crate::registry::Change;
use crate::store::{Dir, FileId, Kind, lstat};

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
    Shared {
        /// The directory.
        path: PathBuf,
        /// The reference of the other entry.
        with: String,
    },
    /// It stays: the directory is not the entry's own.
    Foreign {
        /// The directory, as the entry names it.
        path: PathBuf,
    },
    /// It stays, and so does the entry: another file system is mounted in the
    /// directory, or the system does not say whose it is.
    Refused {
        /// The directory, as the entry names it.
        path: PathBuf,
        /// Why.
        error: Error,
    },
    /// It could not be deleted, or not all of it.
    Failed {
        /// The directory.
        path: PathBuf,
        /// Why not.
        error: Error,
    },
}

/// Chooses what to remove from a document.
pub(crate) type Selection<'s> = dyn FnMut(&Document) -> Result<Edit> + 's;

/// What is to be removed and how.
pub(crate) struct RemovalPlan<'s> {
    /// Chooses the entries; called again when the registry changed meanwhile.
    pub(crate) select: &'s mut Selection<'s>,
    /// Leaves all content where it is.
    pub(crate) keep_content: bool,
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
        let mut select = |document: &Document| {
            let mut edit = Edit::default();
            let entries = document.entries().enumerate();
            for (index, _) in entries.filter(|(_, entry)| entry.reference() == reference) {
                edit.remove(index);
            }
            Ok(edit)
        };
        self.remove_selected(RemovalPlan {
            select: &mut select,
            keep_content: false,
        })
    }

    /// Removes what a plan selects. The entries go in one change; entries of
    /// the same reference are one artifact.
    pub(crate) fn remove_selected(&self, plan: RemovalPlan<'_>) -> Result<Vec<Removed>> {
        let mut change = Removal {
            cache: self,
            root: None,
            planned: Vec::new(),
            unreferenced: Vec::new(),
            leftovers: Vec::new(),
            plan,
        };
        let outcome = self.registry().update(&mut change);
        // The registry is free again; deleting may take its time.
        let removed = delete_all(change.planned, change.root.as_ref(), &self.progress);
        let leftovers = change.leftovers;
        self.progress
            .during(Operation::Deleting, || delete_leftovers(leftovers));
        outcome.map(|()| removed)
    }

    /// Returns what removing by an edit of this document would come to.
    pub(crate) fn would_remove(
        &self,
        document: &Document,
        edit: &Edit,
        keep_content: bool,
    ) -> Result<Vec<Removed>> {
        let root = open_root(self, keep_content)?;
        let planned = plan(document, edit, root.as_ref(), keep_content)?;
        Ok(planned
            .into_iter()
            .map(|planned| planned.preview(root.as_ref()))
            .collect())
    }
}

/// Deletes what killed processes left. What cannot be deleted is found by its name
/// another time.
pub(super) fn delete_leftovers(leftovers: Vec<Leftover>) {
    for leftover in leftovers {
        let _ = leftover.delete();
    }
}

/// Opens the cache root, unless all content is to stay.
fn open_root(cache: &Cache, keep_content: bool) -> Result<Option<CacheRoot>> {
    match keep_content {
        true => Ok(None),
        false => cache.root(),
    }
}

struct Removal<'c, 's> {
    cache: &'c Cache,
    plan: RemovalPlan<'s>,
    root: Option<CacheRoot>,
    planned: Vec<PlannedRemoval>,
    unreferenced: Vec<String>,
    /// What killed processes left.
    leftovers: Vec<Leftover>,
}

impl Change for Removal<'_, '_> {
    fn edit(&mut self, document: &Document) -> Result<Edit> {
        let mut edit = (self.plan.select)(document)?;
        let keep_content = self.plan.keep_content;
        self.root = open_root(self.cache, keep_content)?;
        let mut refused = Vec::new();
        loop {
            self.planned = plan(document, &edit, self.root.as_ref(), keep_content)?;
            let (stay, go) = std::mem::take(&mut self.planned)
                .into_iter()
                .partition(PlannedRemoval::is_refused);
            self.planned = go;
            let stay: Vec<PlannedRemoval> = stay;
            if stay.is_empty() {
                break;
            }
            // What stays may have directories of what else was to go.
            edit = without(document, &edit, &stay);
            refused.extend(stay);
        }
        self.planned.extend(refused);
        Ok(edit)
    }

    fn before_commit(&mut self, document: &Document, edit: &Edit) -> Result<()> {
        self.unreferenced = Manifests::unreferenced_after(document, edit, None);
        self.cache.manifests.sweep()?;
        if let Some(root) = &self.root {
            self.leftovers = root.recover()?;
        }
        Ok(())
    }

    fn roll_back(&mut self) {
        self.planned.clear();
    }

    fn after_commit(&mut self, durable: bool) {
        // Should the power fail now, the entries may be back; so their content
        // stays. `prune` finds it if they are not.
        if !durable {
            self.planned.clear();
            return;
        }
        if let Some(root) = &self.root {
            for planned in &mut self.planned {
                planned.move_to_trash(root);
            }
        }
        self.cache.manifests.remove_all(&self.unreferenced);
    }
}

/// Returns an edit that removes what another one does, but for some entries.
fn without(document: &Document, edit: &Edit, stay: &[PlannedRemoval]) -> Edit {
    let stay: HashSet<(&str, &str)> = stay
        .iter()
        .map(|planned| (&*planned.reference, &*planned.path))
        .collect();
    let mut rest = Edit::default();
    let entries = document.entries().enumerate();
    for (index, entry) in entries.filter(|(index, _)| edit.is_removed(*index)) {
        if !stay.contains(&(&*entry.reference(), &*entry.text_of(Field::CachePath))) {
            rest.remove(index);
        }
    }
    rest
}

/// An artifact on its way out.
struct PlannedRemoval {
    reference: String,
    /// Where its content lies, as the entry has it.
    path: String,
    outcome: Planned,
    /// What became of its directory, once it was moved out of the way.
    trashed: Option<Result<Trashed>>,
}

/// What is to be done with the content of an entry.
enum Planned {
    /// It is in the entry's own directory, and is deleted.
    Delete(CacheKey),
    Absent,
    Kept,
    Shared(String),
    Foreign,
    Refused(Error),
}

impl PlannedRemoval {
    fn is_refused(&self) -> bool {
        matches!(self.outcome, Planned::Refused(_))
    }

    fn move_to_trash(&mut self, root: &CacheRoot) {
        if let Planned::Delete(key) = &self.outcome {
            self.trashed = Some(root.move_to_trash(OsStr::new(key.as_str())));
        }
    }

    /// Returns what deleting would come to.
    fn preview(self, root: Option<&CacheRoot>) -> Removed {
        let bytes = match (&self.outcome, root) {
            (Planned::Delete(key), Some(root)) => stored_bytes(root.dir(), key.as_str().as_ref()),
            _ => 0,
        };
        self.into_removed(|path| ContentOutcome::Deleted { path, bytes })
    }

    /// Returns how many bytes there are to delete.
    fn bytes(&self, root: &CacheRoot) -> u64 {
        match &self.trashed {
            Some(Ok(Trashed::Moved(trash))) => stored_bytes(root.dir(), trash.name()),
            Some(Ok(Trashed::Deleted { bytes })) => *bytes,
            _ => 0,
        }
    }

    /// Deletes what was moved out of the way.
    fn delete(mut self, bytes: u64, deleting: &ProgressGuard) -> Removed {
        let trashed = self.trashed.take();
        self.into_removed(|path| {
            let deleted = match trashed {
                Some(Ok(Trashed::Moved(trash))) => trash.delete(),
                Some(Ok(Trashed::Deleted { .. })) => Ok(()),
                Some(Err(error)) => Err(error),
                Some(Ok(Trashed::Nothing)) | None => return ContentOutcome::Absent,
            };
            deleting.advance(bytes);
            match deleted {
                Ok(()) => ContentOutcome::Deleted { path, bytes },
                Err(error) => ContentOutcome::Failed { path, error },
            }
        })
    }

    fn into_removed(self, deleted: impl FnOnce(PathBuf) -> ContentOutcome) -> Removed {
        let path = PathBuf::from(self.path);
        let content = match self.outcome {
            Planned::Delete(_) => deleted(path),
            Planned::Absent => ContentOutcome::Absent,
            Planned::Kept => ContentOutcome::Kept,
            Planned::Shared(with) => ContentOutcome::Shared { path, with },
            Planned::Foreign => ContentOutcome::Foreign { path },
            Planned::Refused(error) => ContentOutcome::Refused { path, error },
        };
        Removed {
            reference: self.reference,
            content,
        }
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

/// Returns what an edit removes, and what is to become of the content.
fn plan(
    document: &Document,
    edit: &Edit,
    root: Option<&CacheRoot>,
    keep_content: bool,
) -> Result<Vec<PlannedRemoval>> {
    let mut planned: Vec<PlannedRemoval> = Vec::new();
    let mut seen = HashSet::new();
    let mut planner = Planner {
        document,
        edit,
        root,
        taken: HashSet::new(),
        ownership: None,
    };
    let entries = document.entries().enumerate();
    for (_, entry) in entries.filter(|(index, _)| edit.is_removed(*index)) {
        let reference = entry.reference().into_owned();
        let path = entry.text_of(Field::CachePath).into_owned();
        // The same reference twice is one artifact, unless its paths differ.
        if !seen.insert((reference.clone(), path.clone())) {
            continue;
        }
        let outcome = match keep_content {
            true => Planned::Kept,
            false => planner
                .outcome(&reference, &path)
                .unwrap_or_else(Planned::Refused),
        };
        planned.push(PlannedRemoval {
            reference,
            path,
            outcome,
            trashed: None,
        });
    }
    // What one entry may not take is removed all the same with the one that owns it.
    for planned in &mut planned {
        if !matches!(planned.outcome, Planned::Foreign) {
            continue;
        }
        match id_of(Path::new(&planned.path)) {
            Ok(Some(id)) if planner.taken.contains(&id) => planned.outcome = Planned::Absent,
            // Nothing here touches it, whatever it is.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(planned)
}

/// Decides what becomes of content.
struct Planner<'d> {
    document: &'d Document,
    edit: &'d Edit,
    root: Option<&'d CacheRoot>,
    /// The directories that go.
    taken: HashSet<FileId>,
    /// What the entries that stay own, once that was asked.
    ownership: Option<Ownership<'d>>,
}

impl Planner<'_> {
    /// Returns what becomes of the content of an entry.
    ///
    /// # Errors
    ///
    /// Why the entry is better not touched.
    fn outcome(&mut self, reference: &str, path: &str) -> Result<Planned> {
        let named = Path::new(path);
        if path.is_empty() {
            return Ok(Planned::Absent);
        }
        let key = match self.root {
            Some(root) => own_key(root, reference, path)?.map(|key| (root, key)),
            None => None,
        };
        let Some((root, key)) = key else {
            // Nothing here touches it, so that nothing depends on what it is.
            return Ok(match lstat(named) {
                Ok(None) => Planned::Absent,
                Ok(Some(_)) | Err(_) => Planned::Foreign,
            });
        };
        if self.ownership.is_none() {
            let entries = self.document.entries().enumerate();
            let stay = entries.filter(|(index, _)| !self.edit.is_removed(*index));
            self.ownership = Some(Ownership::of(root, stay.map(|(_, entry)| entry)));
        }
        let ownership = self.ownership.as_ref().expect("it was made above");
        if let Some(other) = ownership.holder_of(&key)? {
            return Ok(Planned::Shared(other.to_owned()));
        }
        let name = OsStr::new(key.as_str());
        match root.look(name)? {
            None => return Ok(Planned::Absent),
            Some(found) if found.kind == Kind::Dir => {
                // Two entries of one key have one directory, which goes once.
                if !self.taken.insert(found.id) {
                    return Ok(Planned::Absent);
                }
                refuse_mounts(root.dir(), name)?;
            }
            Some(_) => {}
        }
        Ok(Planned::Delete(key))
    }
}

/// Returns how much there is to free. What cannot be read does not count.
pub(super) fn stored_bytes(root: &Dir, name: &OsStr) -> u64 {
    let tree = root.open_dir(name).map(|dir| FileTree::stored(&dir));
    tree.ok()
        .and_then(Result::ok)
        .map_or(0, |tree| tree.bytes())
}
