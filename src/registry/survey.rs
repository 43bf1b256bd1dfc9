//! Reading what is wanted of the entries, and no more.

use std::io;

use super::Registry;
use crate::document::{self, Document, EntryRef, ReadAt};
use crate::error::AtPath;
use crate::error::Result;
use crate::memory;
use crate::store::{self, Opened};

/// What holds something of each entry takes no more than this many times the size of the
/// registry.
const TIMES_SIZE: u64 = 3;

/// What came of a look at all entries.
pub(crate) struct Scanned<S> {
    /// What was made of them, in the order of the file.
    pub(crate) parts: Vec<S>,
    /// The version, if it is one that we do not write.
    pub(crate) foreign_version: Option<String>,
}

impl Registry {
    /// Calls `visit` with each entry, in the order of the file within each part;
    /// parts are worked on at once. Otherwise this is as [`load`](Self::load),
    /// but the registry is not held in memory.
    pub(crate) fn survey<S: Default + Send>(
        &self,
        visit: impl Fn(&mut S, &EntryRef<'_>) + Send + Sync,
    ) -> Result<Scanned<S>> {
        self.survey_or(Self::load, visit)
    }

    /// As [`survey`](Self::survey), of the registry as it is at this moment, as
    /// [`peek`](Self::peek) reads it.
    pub(crate) fn survey_at_once<S: Default + Send>(
        &self,
        visit: impl Fn(&mut S, &EntryRef<'_>) + Send + Sync,
    ) -> Result<Scanned<S>> {
        self.survey_or(Self::peek, visit)
    }

    /// Fails unless there is memory for three times the size of the registry: for what
    /// holds something of each entry.
    ///
    /// # Errors
    ///
    /// As of reading a file that is too large.
    pub(crate) fn require_memory(&self) -> Result<()> {
        if !memory::is_limited() {
            return Ok(());
        }
        let Some(found) = store::stat(&self.path).at("read", &self.path)? else {
            return Ok(());
        };
        memory::require(found.len().saturating_mul(TIMES_SIZE)).at("read", &self.path)
    }

    fn survey_or<S: Default + Send>(
        &self,
        load: fn(&Self) -> Result<Document>,
        visit: impl Fn(&mut S, &EntryRef<'_>) + Send + Sync,
    ) -> Result<Scanned<S>> {
        if let Some(parts) = self.streamed(&visit)? {
            return Ok(Scanned {
                parts,
                foreign_version: None,
            });
        }
        let document = load(self)?;
        Ok(Scanned {
            parts: document.fold(visit),
            foreign_version: document.foreign_version().map(str::to_owned),
        })
    }

    /// The parts of a registry in the form that Go writes. Whatever keeps us from
    /// streaming it, [`load`](Self::load) will find out and tell.
    fn streamed<S: Default + Send>(
        &self,
        visit: impl Fn(&mut S, &EntryRef<'_>) + Send + Sync,
    ) -> Result<Option<Vec<S>>> {
        let path = store::resolve(&self.path)?;
        let Some(opened) = Opened::at(&path)? else {
            return Ok(None);
        };
        let parts = document::fold(&opened, visit).ok().flatten();
        // Else they could be of two texts.
        Ok(parts.filter(|_| opened.is_unchanged()))
    }
}

impl ReadAt for Opened {
    fn len(&self) -> u64 {
        Opened::len(self)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        Opened::read_at(self, bytes, offset)
    }
}
