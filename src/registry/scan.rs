//! Reading the registry: what is wanted of its entries, or the whole of it.

use std::io;

use super::Registry;
use super::load::load;
use crate::document::{self, Document, EntryRef, ReadAt};
use crate::error::AtPath;
use crate::error::Result;
use crate::memory;
use crate::store::{self, Opened};

/// The memory for something of each entry, as a multiple of the size of the registry.
const TIMES_SIZE: u64 = 3;

/// The patience with which the registry is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadMode {
    /// Reads a torn file again for a moment, because cldctl can leave it empty or torn
    /// while it writes, and converts a legacy registry if that is possible without
    /// waiting.
    Patient,
    /// Reads what is there at this moment, for completion, which has no time.
    AtOnce,
}

/// The outcome of a pass over all entries.
pub(crate) struct Scanned<S> {
    /// The outcomes for parts of the registry, in the order of the file.
    pub(crate) parts: Vec<S>,
    /// The version, if it is one that we do not write.
    pub(crate) foreign_version: Option<String>,
}

impl Registry {
    /// Calls `visit` with each entry, in the order of the file within each part; parts
    /// are worked on at once. Unless the file has another form than Go writes, it is not
    /// held in memory.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is no registry.
    pub(crate) fn scan<S: Default + Send>(
        &self,
        mode: ReadMode,
        visit: impl Fn(&mut S, &EntryRef<'_>) + Send + Sync,
    ) -> Result<Scanned<S>> {
        if let Some(parts) = self.streamed(&visit)? {
            return Ok(Scanned {
                parts,
                foreign_version: None,
            });
        }
        let document = self.read(mode)?;
        Ok(Scanned {
            parts: document.fold(visit),
            foreign_version: document.foreign_version().map(str::to_owned),
        })
    }

    /// Reads the whole registry, as patiently as there is time.
    ///
    /// # Errors
    ///
    /// As [`scan`](Self::scan).
    pub(crate) fn load(&self) -> Result<Document> {
        self.read(ReadMode::Patient)
    }

    fn read(&self, mode: ReadMode) -> Result<Document> {
        let path = store::resolve(&self.path)?;
        let loaded = load(&path, &self.legacy_path(), mode)?;
        if loaded.is_legacy && mode == ReadMode::Patient {
            self.convert_legacy(&path);
        }
        loaded.document.into_whole()
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

    /// Returns the parts of a registry in the form that Go writes. Why any other cannot be
    /// streamed, [`read`](Self::read) finds out and reports.
    fn streamed<S: Default + Send>(
        &self,
        visit: impl Fn(&mut S, &EntryRef<'_>) + Send + Sync,
    ) -> Result<Option<Vec<S>>> {
        let path = store::resolve(&self.path)?;
        let Some(opened) = Opened::at(&path)? else {
            return Ok(None);
        };
        let parts = document::fold(&opened, |state, _, entry| visit(state, entry))
            .ok()
            .flatten();
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
