//! Removing artifacts: the entry first, then its content.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::Cache;
use super::claims::{Claims, own_key};
use super::manifest::Manifests;
use super::root::CacheRoot;
use super::tree::Tree;
use crate::document::{Document, Edit};
use crate::entry::Field;
use crate::error::{AtPath, Error, Result};
use crate::reference::CacheKey;
use crate::registry::Change;

/// An artifact that was removed, or would be.
#[derive(Debug)]
pub struct Removed {
    /// Its reference.
    pub reference: String,
    /// What became of its content.
    pub content: Fate,
}

/// What becomes of the content of a removed entry.
#[derive(Debug)]
pub enum Fate {
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
    /// It could not be deleted; what is left is out of the cache's way.
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
    /// [`Fate`] says so.
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
            doomed: Vec::new(),
            retired: Vec::new(),
            plan,
        };
        let outcome = self.registry().update(&mut change);
        // The registry is free again; deleting may take its time.
        let removed = change.doomed.into_iter().map(Doomed::delete).collect();
        outcome.map(|()| removed)
    }

    /// What [`remove_selected`](Self::remove_selected) would do now.
    #[cfg(feature = "cli")]
    pub(crate) fn would_remove(&self, plan: RemovalPlan<'_>) -> Result<Vec<Removed>> {
        let document = self.registry().load()?;
        let edit = (plan.select)(&document)?;
        let root = CacheRoot::open(self.home())?;
        let doomed = doom(&document, &edit, root.as_ref(), plan.keep_content);
        doomed
            .into_iter()
            .map(|doomed| {
                let content = match doomed.place {
                    Place::Own(path, key) => {
                        let dir = root.as_ref().map(|root| root.dir_of(&key));
                        let bytes = dir.map_or(0, |dir| stored_bytes(&dir));
                        Fate::Deleted { path, bytes }
                    }
                    other => other.fate(),
                };
                Ok(Removed {
                    reference: doomed.reference,
                    content,
                })
            })
            .collect()
    }
}

struct Removal<'c, 's> {
    cache: &'c Cache,
    plan: RemovalPlan<'s>,
    root: Option<CacheRoot>,
    doomed: Vec<Doomed>,
    retired: Vec<String>,
}

impl Change for Removal<'_, '_> {
    fn edit(&mut self, document: &Document) -> Result<Edit> {
        (self.plan.select)(document)
    }

    fn before_commit(&mut self, document: &Document, edit: &Edit) -> Result<()> {
        self.root = CacheRoot::open(self.cache.home())?;
        if let Some(root) = &self.root {
            root.mend_swaps()?;
        }
        self.doomed = doom(document, edit, self.root.as_ref(), self.plan.keep_content);
        self.retired = Manifests::retired_by(document, edit, None);
        Ok(())
    }

    fn roll_back(&mut self) {
        self.doomed.clear();
    }

    fn after_commit(&mut self, durable: bool) {
        // Should the power fail now, the entries may be back; so their content
        // stays. `prune` finds it if they are not.
        if !durable {
            self.doomed.clear();
            return;
        }
        for doomed in &mut self.doomed {
            if let (Place::Own(_, key), Some(root)) = (&doomed.place, &self.root) {
                doomed.trash = Some(root.discard(key));
            }
        }
        self.cache.manifests.retire(&self.retired);
    }
}

/// An artifact on its way out.
struct Doomed {
    reference: String,
    place: Place,
    /// Where its content was moved to, once it was.
    trash: Option<Result<Option<TempDir>>>,
}

/// What is to be done with the content of an entry.
enum Place {
    /// Its own directory, which goes.
    Own(PathBuf, CacheKey),
    Absent,
    Kept,
    Shared(PathBuf, String),
    Foreign(PathBuf),
}

impl Place {
    fn fate(self) -> Fate {
        match self {
            Place::Own(..) | Place::Absent => Fate::Absent,
            Place::Kept => Fate::Kept,
            Place::Shared(path, with) => Fate::Shared { path, with },
            Place::Foreign(path) => Fate::Foreign { path },
        }
    }
}

impl Doomed {
    fn delete(self) -> Removed {
        let content = match (self.place, self.trash) {
            (Place::Own(path, key), Some(Ok(Some(trash)))) => {
                let bytes = stored_bytes(&trash.path().join(key.as_str()));
                match trash.close().at("delete", &path) {
                    Ok(()) => Fate::Deleted { path, bytes },
                    Err(error) => Fate::Failed { path, error },
                }
            }
            (Place::Own(path, _), Some(Err(error))) => Fate::Failed { path, error },
            (place, _) => place.fate(),
        };
        Removed {
            reference: self.reference,
            content,
        }
    }
}

/// What the edit removes, and what is to become of the content.
fn doom(document: &Document, edit: &Edit, root: Option<&CacheRoot>, keep: bool) -> Vec<Doomed> {
    let mut doomed: Vec<Doomed> = Vec::new();
    let mut seen = HashSet::new();
    let mut taken = HashSet::new();
    let mut claims = None;
    let removed = document
        .entries()
        .enumerate()
        .filter(|(index, _)| edit.is_removed(*index));
    for (_, entry) in removed {
        let reference = entry.reference().into_owned();
        let path = entry
            .string(Field::CachePath)
            .ok()
            .flatten()
            .unwrap_or_default();
        // The same reference twice is one artifact, unless its paths differ.
        if !seen.insert((reference.clone(), path.clone().into_owned())) {
            continue;
        }
        let place = if keep {
            Place::Kept
        } else if path.is_empty() {
            Place::Absent
        } else {
            match root.map(|root| (root, own_key(root, &reference, &path))) {
                Some((root, Some(key))) => {
                    let (dir, named) = (root.dir_of(&key), PathBuf::from(&*path));
                    let stays = || {
                        document
                            .entries()
                            .enumerate()
                            .filter(|(i, _)| !edit.is_removed(*i))
                    };
                    // Two entries of one key have one directory.
                    if taken.contains(&key) || fs::symlink_metadata(&dir).is_err() {
                        Place::Absent
                    } else {
                        let claims = claims.get_or_insert_with(|| {
                            Claims::of(root, stays().map(|(_, entry)| entry))
                        });
                        match claims.on(&key) {
                            Some(other) => Place::Shared(named, other.to_owned()),
                            None => {
                                taken.insert(key.clone());
                                Place::Own(named, key)
                            }
                        }
                    }
                }
                // Of what does not exist there is nothing to say.
                _ if fs::symlink_metadata(&*path).is_err() => Place::Absent,
                _ => Place::Foreign(PathBuf::from(&*path)),
            }
        };
        doomed.push(Doomed {
            reference,
            place,
            trash: None,
        });
    }
    doomed
}

/// How much there is to free. What cannot be read is not counted.
fn stored_bytes(dir: &std::path::Path) -> u64 {
    match fs::symlink_metadata(dir) {
        Ok(metadata) if metadata.is_dir() => Tree::stored(dir).map_or(0, |tree| tree.bytes()),
        _ => 0,
    }
}
