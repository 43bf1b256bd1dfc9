//! Artifacts on their way out, and what is to become of their content.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::claims::{Claims, own_key};
use super::progress::{Observed, Ongoing, Work};
use super::root::{CacheRoot, Identity, identity_of};
use super::scratch::Scratch;
use super::tree::Tree;
use crate::document::{Document, Edit};
use crate::error::{AtPath, Error, Result};
use crate::fields::Field;
use crate::reference::CacheKey;

/// An artifact that was removed, or would be.
#[derive(Debug)]
#[non_exhaustive]
pub struct Removed {
    /// Its reference.
    pub reference: String,
    /// What became of its content.
    pub content: Fate,
}

/// What becomes of the content of a removed entry.
#[derive(Debug)]
#[non_exhaustive]
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
    /// It could not be deleted, and what is left is out of the cache's way; or
    /// it stays, as the system did not tell whether another entry has it too.
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
    trash: Option<Result<Option<Scratch>>>,
    /// The sum of the lengths of the files in there, once it was weighed.
    bytes: u64,
}

/// What is to be done with the content of an entry.
enum Place {
    /// Its own directory, which goes.
    Own(PathBuf, CacheKey),
    Absent,
    Kept,
    Shared(PathBuf, String),
    Foreign(PathBuf),
    /// It may be another entry's too; the system did not tell.
    Unknown(PathBuf, Error),
}

impl Place {
    fn fate(self) -> Fate {
        match self {
            Place::Own(..) | Place::Absent => Fate::Absent,
            Place::Kept => Fate::Kept,
            Place::Shared(path, with) => Fate::Shared { path, with },
            Place::Foreign(path) => Fate::Foreign { path },
            Place::Unknown(path, error) => Fate::Failed { path, error },
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

    /// How many bytes there are to delete.
    fn weigh(&mut self) -> u64 {
        if let (Place::Own(_, key), Some(Ok(Some(trash)))) = (&self.place, &self.trash) {
            self.bytes = stored_bytes(&trash.path().join(key.as_str()));
        }
        self.bytes
    }

    /// Deletes what was moved out of the way and [weighed](Self::weigh).
    fn delete(self, deleting: &Ongoing) -> Removed {
        let bytes = self.bytes;
        let content = match (self.place, self.trash) {
            (Place::Own(path, _), Some(Ok(Some(trash)))) => {
                let deleted = trash.delete().at("delete", &path);
                deleting.advance(bytes);
                match deleted {
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

/// Deletes all content that was moved out of the way.
pub(super) fn delete(mut doomed: Vec<Doomed>, progress: &Observed) -> Vec<Removed> {
    let total = doomed.iter_mut().map(Doomed::weigh).sum();
    let deleting = progress.begin(Work::Deleting, total);
    let doomed = doomed.into_iter();
    doomed.map(|doomed| doomed.delete(&deleting)).collect()
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
    let mut fates = Fates::new(document, edit, root);
    let entries = document.entries().enumerate();
    for (_, entry) in entries.filter(|(index, _)| edit.is_removed(*index)) {
        let reference = entry.reference().into_owned();
        let path = entry.text_of(Field::CachePath).into_owned();
        // The same reference twice is one artifact, unless its paths differ.
        if !seen.insert((reference.clone(), path.clone())) {
            continue;
        }
        let place = if keep {
            Place::Kept
        } else {
            fates.place(&reference, &path)
        };
        doomed.push(Doomed {
            reference,
            place,
            trash: None,
            bytes: 0,
        });
    }
    // What one entry may not take goes all the same with the one that owns it.
    for doomed in &mut doomed {
        if let Place::Foreign(path) = &doomed.place
            && identity_of(path).is_some_and(|identity| fates.taken.contains(&identity))
        {
            doomed.place = Place::Absent;
        }
    }
    doomed
}

/// Decides what becomes of content.
struct Fates<'d> {
    document: &'d Document,
    edit: &'d Edit,
    root: Option<&'d CacheRoot>,
    /// The directories that go.
    taken: HashSet<Identity>,
    /// The claims of the entries that stay, once somebody asked.
    claims: Option<Claims<'d>>,
}

impl<'d> Fates<'d> {
    fn new(document: &'d Document, edit: &'d Edit, root: Option<&'d CacheRoot>) -> Self {
        Fates {
            document,
            edit,
            root,
            taken: HashSet::new(),
            claims: None,
        }
    }

    fn place(&mut self, reference: &str, path: &str) -> Place {
        let named = PathBuf::from(path);
        // Of what does not exist there is nothing to say.
        if path.is_empty() || fs::symlink_metadata(&named).is_err() {
            return Place::Absent;
        }
        let own = self
            .root
            .and_then(|root| Some((root, own_key(root, reference, path)?)));
        let Some((root, key)) = own else {
            return Place::Foreign(named);
        };
        let claims = self.claims.get_or_insert_with(|| {
            let entries = self.document.entries().enumerate();
            let stays = entries.filter(|(index, _)| !self.edit.is_removed(*index));
            Claims::of(root, stays.map(|(_, entry)| entry))
        });
        match claims.on(&key) {
            Ok(None) => {}
            Ok(Some(other)) => return Place::Shared(named, other.to_owned()),
            Err(error) => return Place::Unknown(named, error),
        }
        // Two entries of one key have one directory, which goes once.
        let dir = root.dir_of(&key);
        let is_link = fs::symlink_metadata(&dir).is_ok_and(|metadata| metadata.is_symlink());
        match identity_of(&dir).filter(|_| !is_link) {
            Some(identity) if !self.taken.insert(identity) => Place::Absent,
            _ => Place::Own(named, key),
        }
    }
}

/// How much there is to free. What cannot be read is not counted.
fn stored_bytes(dir: &Path) -> u64 {
    match fs::symlink_metadata(dir) {
        Ok(metadata) if metadata.is_dir() => Tree::stored(dir).map_or(0, |tree| tree.bytes()),
        _ => 0,
    }
}
