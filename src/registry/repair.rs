//! Repairs a registry file, as far as that needs no guess.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::Registry;
use super::backup::Backup;
use super::load::{Loaded, load, parse};
use super::scan::ReadMode;
use crate::document::{Document, Edit, Salvaged, salvage};
use crate::error::{AtPath, Error, Result};
use crate::json::ParseError;
use crate::store::{self, Locked, NewText, WholeFile};

/// The outcome of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repaired {
    /// Where the file lies as it was before.
    pub copy: PathBuf,
    /// The damage that was repaired.
    pub damage: Damage,
}

/// The damage of a registry file, and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// It could not be read. Its intact entries are saved, byte for byte.
    #[non_exhaustive]
    Unparsable {
        /// The reason that it could not be read.
        cause: ParseError,
        /// The number of entries that were saved.
        saved: usize,
        /// The entries that could not be saved, as far as anything is left of them,
        /// in the order of the file.
        lost: Vec<LostEntry>,
    },
    /// Entries stood in it more than once, all their copies the same to the
    /// byte. One of each is left.
    #[non_exhaustive]
    Duplicates {
        /// Their references.
        references: Vec<String>,
    },
}

/// An entry that could not be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostEntry {
    /// Its reference, if that much of it was there.
    pub reference: Option<String>,
    /// Its place in the copy, and what is wrong with it.
    pub cause: ParseError,
}

impl Registry {
    /// Repairs the file as far as that needs no guess: one that cannot be read keeps
    /// its intact entries, byte for byte; of copies of an entry one stays. The
    /// original is kept beside the new file under the name
    /// `artifacts.json.corrupt-<time>`. Returns `None` if there is nothing to repair;
    /// then nothing is written.
    ///
    /// # Errors
    ///
    /// Those of every change; [`Error::Corrupt`] for a legacy registry, which is
    /// never written; [`Error::NothingRecovered`] for a file that nothing shows to be
    /// a registry.
    pub fn repair(&self) -> Result<Option<Repaired>> {
        let path = store::resolve(self.path())?;
        if store::lstat(&path).at("open", &path)?.is_none() {
            // Nothing is locked or created for what is not there.
            return self.load().map(|_| None);
        }
        self.transact(&path, |locked| self.attempt_repair(locked))
    }

    /// Attempts a repair under the lock.
    fn attempt_repair(&self, locked: &Locked<'_>) -> Result<ControlFlow<Option<Repaired>>> {
        let path = locked.path();
        let (read, like, text, damage) = match load(path, &self.legacy_path(), ReadMode::Patient) {
            Ok(loaded) => {
                let document = loaded.document.whole()?;
                let Some((edit, references)) = without_copies(document) else {
                    return locked.unchanged(loaded.file, || None);
                };
                loaded.require_writable(path)?;
                let pieces = document.pieces(&edit).unwrap_or_default();
                loaded.require_readable(path, &pieces)?;
                let text = pieces.iter().map(|piece| document.text_of(piece));
                let text = text.collect();
                let damage = Damage::Duplicates { references };
                (loaded.file, loaded.like, text, damage)
            }
            Err(Error::Corrupt { path: at, .. }) if at == path => {
                let Some(file) = store::read(path)? else {
                    return Ok(ControlFlow::Continue(()));
                };
                let bytes = file.bytes.clone();
                let Err(Error::Corrupt { cause, .. }) = parse(bytes, path, Document::parse) else {
                    // By now it can be read.
                    return Ok(ControlFlow::Continue(()));
                };
                let path = path.to_owned();
                let Some(salvaged) = salvage(&file.bytes, &self.interrupt)? else {
                    return Err(Error::NothingRecovered { path, cause });
                };
                let Salvaged {
                    text,
                    entries: saved,
                    lost,
                } = salvaged;
                require_writable(&path, &file, &text)?;
                let lost = lost.into_iter().map(|loss| LostEntry {
                    reference: loss.reference,
                    cause: loss.cause,
                });
                let lost = lost.collect();
                let damage = Damage::Unparsable { cause, saved, lost };
                let WholeFile {
                    identity, metadata, ..
                } = file;
                (Some(identity), Some(metadata), text, damage)
            }
            Err(error) => return Err(error),
        };
        let text = NewText {
            parts: [text.as_bytes()],
            like: like.as_ref(),
        };
        Ok(match locked.commit(read, Some(text), Backup::default())? {
            ControlFlow::Break(copy) => {
                ControlFlow::Break(copy.map(|copy| Repaired { copy, damage }))
            }
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
        })
    }
}

/// Refuses what every change refuses, for a file that cannot be read.
fn require_writable(path: &Path, file: &WholeFile, text: &str) -> Result<()> {
    let document = Document::parse(text).map_err(|cause| Error::Corrupt {
        path: path.to_owned(),
        cause,
    })?;
    let like = Some(file.metadata.clone());
    Loaded::in_memory(document, Some(file.identity), like).require_writable(path)
}

/// The document with one of each entry that is in it several times, all the
/// same to the byte, and their references. None if there is no such entry.
fn without_copies(document: &Document) -> Option<(Edit, Vec<String>)> {
    let mut first: HashMap<_, (_, bool)> = HashMap::new();
    for entry in document.entries() {
        match first.entry(entry.reference()) {
            Entry::Vacant(place) => {
                place.insert((entry.text(), true));
            }
            Entry::Occupied(mut place) => {
                let (text, are_same) = place.get_mut();
                *are_same &= *text == entry.text();
            }
        }
    }
    let mut edit = Edit::default();
    let mut references = Vec::new();
    let mut seen = HashMap::new();
    for (index, entry) in document.entries().enumerate() {
        let reference = entry.reference();
        let are_same = first.get(&reference).is_some_and(|(_, same)| *same);
        // Without a reference it is not known whether they are the same artifact.
        if !reference.is_empty() && are_same {
            let count: &mut usize = seen.entry(reference.clone()).or_default();
            *count += 1;
            if *count == 2 {
                references.push(reference.into_owned());
            }
            if *count > 1 {
                edit.remove(index);
            }
        }
    }
    (!references.is_empty()).then_some((edit, references))
}
