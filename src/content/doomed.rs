//! Artifacts on their way out, and what is to become of their content.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::claims::{Claims, own_key};
use super::root::{self, CacheRoot};
use super::tree::Tree;
use crate::document::{Document, Edit};
use crate::error::{AtPath, Error, Result};
use crate::fields::Field;
use crate::reference::CacheKey;

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

/// An artifact on its way out.
pub(super) struct Doomed {
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
    /// Moves the content out of the way.
    pub(super) fn discard(&mut self, root: Option<&CacheRoot>) {
        if let (Place::Own(_, key), Some(root)) = (&self.place, root) {
            self.trash = Some(root.discard(key));
        }
    }

    /// What deleting would come to.
    #[cfg(feature = "cli")]
    pub(super) fn preview(self, root: Option<&CacheRoot>) -> Removed {
        let content = match (self.place, root) {
            (Place::Own(path, key), Some(root)) => {
                let bytes = stored_bytes(&root.dir_of(&key));
                Fate::Deleted { path, bytes }
            }
            (place, _) => place.fate(),
        };
        Removed {
            reference: self.reference,
            content,
        }
    }

    /// Deletes what was moved out of the way.
    pub(super) fn delete(self) -> Removed {
        let content = match (self.place, self.trash) {
            (Place::Own(path, key), Some(Ok(Some(trash)))) => {
                let dir = trash.path().join(key.as_str());
                let bytes = stored_bytes(&dir);
                if let Err(error) = fs::remove_dir_all(&dir)
                    && error.kind() == io::ErrorKind::PermissionDenied
                {
                    root::make_deletable(&dir);
                }
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
pub(super) fn doom(
    document: &Document,
    edit: &Edit,
    root: Option<&CacheRoot>,
    keep: bool,
) -> Vec<Doomed> {
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
fn stored_bytes(dir: &Path) -> u64 {
    match fs::symlink_metadata(dir) {
        Ok(metadata) if metadata.is_dir() => Tree::stored(dir).map_or(0, |tree| tree.bytes()),
        _ => 0,
    }
}
