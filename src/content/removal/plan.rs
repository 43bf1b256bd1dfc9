//! What is to become of the content of entries that are removed.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::{ContentOutcome, RemoveOptions, Removed, stored_bytes};
use crate::content::Cache;
use crate::content::cache_root::{CacheRoot, Trashed, id_of};
use crate::content::deletion::refuse_mounts;
use crate::content::deployed::{Deployed, DeployedBy, Quiet};
use crate::content::ownership::{Ownership, own_key};
use crate::content::progress::ProgressGuard;
use crate::content::workdir::WorkDir;
use crate::document::{Edit, EntryRef, OpenDocument};
use crate::error::{Error, Result};
use crate::fields::Field;
use crate::reference::{CacheKey, Reference};
use crate::store::{FileId, Kind, lstat};

/// Looks at the content of the entries that are selected to go, and returns what is to
/// become of it; the refused ones last.
pub(super) fn observe(
    cache: &Cache,
    document: &OpenDocument,
    selected: &Edit,
    root: Option<&CacheRoot>,
    options: RemoveOptions,
) -> Result<Vec<PlannedRemoval>> {
    let mut refused = Vec::new();
    let mut edit = Cow::Borrowed(selected);
    loop {
        let planned = plan(cache, document, &edit, root, options, Locks::Held)?;
        let (stay, mut go): (Vec<_>, Vec<_>) =
            planned.into_iter().partition(PlannedRemoval::is_refused);
        if stay.is_empty() {
            go.extend(refused);
            return Ok(go);
        }
        // What stays may have directories of what else was to go, so look again.
        edit = Cow::Owned(without_refused(document, edit.into_owned(), &stay)?);
        refused.extend(stay);
    }
}

/// Decides what goes: what is selected, but for the entries that are refused.
pub(super) fn without_refused(
    document: &OpenDocument,
    selected: Edit,
    planned: &[PlannedRemoval],
) -> Result<Edit> {
    let stay: HashSet<(&str, &str)> = planned
        .iter()
        .filter(|planned| planned.is_refused())
        .map(|planned| (&*planned.reference, &*planned.path))
        .collect();
    if stay.is_empty() {
        return Ok(selected);
    }
    let mut rest = Edit::default();
    for (index, (reference, path)) in removed_by(&selected, document)? {
        if !stay.contains(&(&*reference, &*path)) {
            rest.remove(index);
        }
    }
    Ok(rest)
}

/// Returns the entries that an edit removes, each with its place, reference and path.
fn removed_by(edit: &Edit, document: &OpenDocument) -> Result<Vec<(usize, (String, String))>> {
    let removed = edit.changed(document.len());
    let removed = removed.filter(|&index| edit.is_removed(index)).collect();
    document.pick_at(&removed, |entry| {
        let path = entry.text_of(Field::CachePath);
        (entry.reference().into_owned(), path.into_owned())
    })
}

/// An artifact on its way out.
pub(super) struct PlannedRemoval {
    reference: String,
    /// Where its content lies, as the entry has it.
    path: String,
    outcome: Planned,
    /// What became of its directory, once it was moved out of the way.
    trashed: Option<Result<Trashed>>,
}

/// What is to be done with the content of an entry.
enum Planned {
    /// It is in the entry's own directory, and is deleted; in that no deployment is at
    /// work.
    Delete(CacheKey, Option<Quiet>),
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

    pub(super) fn move_to_trash(&mut self, root: &CacheRoot) {
        if let Planned::Delete(key, quiet) = &self.outcome {
            let name = OsStr::new(key.as_str());
            self.trashed = Some(root.move_to_trash(name, quiet.as_ref()));
        }
    }

    /// Returns how many descriptors it holds.
    pub(super) fn descriptors(&self) -> usize {
        let moved = matches!(self.trashed, Some(Ok(Trashed::Moved(_))));
        let quiet = match &self.outcome {
            Planned::Delete(_, quiet) => quiet.as_ref(),
            _ => None,
        };
        usize::from(moved) + quiet.map_or(0, Quiet::descriptors)
    }

    /// Deletes what was moved out of the way now, and releases its descriptors.
    pub(super) fn delete_early(&mut self, root: &CacheRoot) {
        let bytes = self.bytes(root);
        self.trashed = match self.trashed.take() {
            Some(Ok(Trashed::Moved(trash))) => {
                let quiet = self.take_quiet();
                let deleted = delete_moved(trash, quiet.as_ref(), Path::new(&self.path));
                Some(deleted.map(|()| Trashed::Deleted { bytes }))
            }
            trashed => trashed,
        };
    }

    fn take_quiet(&mut self) -> Option<Quiet> {
        match &mut self.outcome {
            Planned::Delete(_, quiet) => quiet.take(),
            _ => None,
        }
    }

    /// Returns what deleting would come to.
    pub(super) fn preview(self, root: Option<&CacheRoot>) -> Removed {
        let bytes = match (&self.outcome, root) {
            (Planned::Delete(key, _), Some(root)) => {
                stored_bytes(root.dir(), key.as_str().as_ref())
            }
            _ => 0,
        };
        self.into_removed(|path| ContentOutcome::Deleted { path, bytes })
    }

    /// Returns how many bytes there are to delete.
    pub(super) fn bytes(&self, root: &CacheRoot) -> u64 {
        match &self.trashed {
            Some(Ok(Trashed::Moved(trash))) => stored_bytes(root.dir(), trash.name()),
            Some(Ok(Trashed::Deleted { bytes })) => *bytes,
            _ => 0,
        }
    }

    /// Deletes what was moved out of the way.
    pub(super) fn delete(mut self, bytes: u64, deleting: &ProgressGuard) -> Removed {
        let trashed = self.trashed.take();
        // The locks of state are held until the end of the deletion.
        let quiet = self.take_quiet();
        self.into_removed(|path| {
            let deleted = match trashed {
                Some(Ok(Trashed::Moved(trash))) => delete_moved(trash, quiet.as_ref(), &path),
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
            Planned::Delete(..) => deleted(path),
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

/// Whether the state in directories is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Locks {
    /// It is, until the directories are deleted.
    Held,
    /// It is only looked at, because nothing is deleted.
    None,
}

/// Returns what an edit removes, and what is to become of the content.
pub(super) fn plan(
    cache: &Cache,
    document: &OpenDocument,
    edit: &Edit,
    root: Option<&CacheRoot>,
    options: RemoveOptions,
    locks: Locks,
) -> Result<Vec<PlannedRemoval>> {
    let mut planned: Vec<PlannedRemoval> = Vec::new();
    let mut seen = HashSet::new();
    let removed = removed_by(edit, document)?;
    let mut planner = Planner {
        deployed: match options.deployed {
            true => None,
            false => Some(OnceCell::new()),
        },
        cache,
        document,
        edit,
        root,
        removed: &removed,
        locks,
        taken: HashSet::new(),
        ownership: None,
    };
    for (_, (reference, path)) in &removed {
        // The same reference twice is one artifact, unless its paths differ.
        if !seen.insert((reference, path)) {
            continue;
        }
        // For all of them before the first lock on state, which to open and close the same
        // file would release.
        let outcome = planner.require_not_deployed(reference, path);
        planned.push(PlannedRemoval {
            reference: reference.clone(),
            path: path.clone(),
            outcome: planned_or_refused(outcome.map(|()| Planned::Kept))?,
            trashed: None,
        });
    }
    if !options.keep_content {
        for planned in planned.iter_mut().filter(|it| !it.is_refused()) {
            let outcome = planner.outcome(&planned.reference, &planned.path);
            planned.outcome = planned_or_refused(outcome)?;
        }
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

/// Returns what becomes of content, which stays if that cannot be found out.
///
/// # Errors
///
/// [`Error::Interrupted`], which stops all.
fn planned_or_refused(outcome: Result<Planned>) -> Result<Planned> {
    match outcome {
        Err(interrupted @ Error::Interrupted { .. }) => Err(interrupted),
        outcome => Ok(outcome.unwrap_or_else(Planned::Refused)),
    }
}

/// Decides what becomes of content.
struct Planner<'d> {
    cache: &'d Cache,
    /// What is deployed, once that was asked; `None` if it does not matter.
    deployed: Option<OnceCell<Deployed<'d>>>,
    document: &'d OpenDocument,
    edit: &'d Edit,
    root: Option<&'d CacheRoot>,
    /// The entries that go: their places, references and paths.
    removed: &'d [(usize, (String, String))],
    locks: Locks,
    /// The directories that go.
    taken: HashSet<FileId>,
    /// What the entries that stay own, once that was asked.
    ownership: Option<Ownership<'d>>,
}

impl Planner<'_> {
    /// Refuses an artifact that is deployed.
    fn require_not_deployed(&self, reference: &str, path: &str) -> Result<()> {
        let Some(deployed) = &self.deployed else {
            return Ok(());
        };
        let unknown = |error: Error| {
            error.hiding_deployments_of(reference, |path| self.is_of_another(path, reference))
        };
        let deployed = match deployed.get() {
            Some(deployed) => deployed,
            None => {
                let read = Deployed::read(self.cache).map_err(unknown)?;
                deployed.get_or_init(|| read)
            }
        };
        let by = deployed.of(reference, path).map_err(unknown)?;
        refuse_deployed(reference, path, by)
    }

    /// Returns whether a path is in a directory of the cache that an artifact does not have.
    fn is_of_another(&self, path: &Path, reference: &str) -> bool {
        let below = self.root.map(|root| path.strip_prefix(root.path()));
        let dir = below.and_then(std::result::Result::ok);
        let dir = dir.and_then(|below| below.iter().next());
        let own = Reference::parse(reference).ok().map(|it| it.cache_key());
        dir.is_some_and(|dir| own.is_none_or(|own| dir != own.as_str()))
    }

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
            let keys = self.removed.iter().filter_map(|(_, (reference, _))| {
                Some(Reference::parse(reference).ok()?.cache_key())
            });
            let keys: Vec<CacheKey> = keys.collect();
            let names: Vec<&str> = keys.iter().map(CacheKey::as_str).collect();
            let stays = |index, _: &EntryRef<'_>| !self.edit.is_removed(index);
            self.ownership = Some(Ownership::of_names(root, self.document, &names, stays)?);
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
                let dir = root.open_dir(name)?;
                let mut quiet = match self.locks {
                    Locks::Held => Quiet::require(&dir)?,
                    Locks::None => Quiet::look(&dir)?,
                };
                if self.deployed.is_some() {
                    // A deployment may have ended since the state was read without the lock.
                    refuse_deployed(reference, path, quiet.live(&dir)?)?;
                } else {
                    quiet = quiet.with_state();
                }
                let quiet = (self.locks == Locks::Held).then_some(quiet);
                return Ok(Planned::Delete(key, quiet));
            }
            Some(_) => {}
        }
        Ok(Planned::Delete(key, None))
    }
}

/// Deletes a directory that was moved out of the way from a path.
fn delete_moved(trash: WorkDir, quiet: Option<&Quiet>, path: &Path) -> Result<()> {
    match quiet {
        Some(quiet) => trash.delete_seen(quiet, path),
        None => trash.delete(),
    }
}

/// Refuses an artifact that something deploys.
fn refuse_deployed(reference: &str, path: &str, by: Vec<DeployedBy>) -> Result<()> {
    match by.is_empty() {
        true => Ok(()),
        false => Err(Error::Deployed {
            reference: reference.to_owned(),
            path: path.into(),
            by,
        }),
    }
}
