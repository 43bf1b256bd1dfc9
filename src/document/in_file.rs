//! A document that stays in its file.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::edit::Editable;
use super::go_form::{BETWEEN_ENTRIES, END};
use super::index::{self, Layout, array_of_go_form, version_of_go_form};
use super::stream::{self, ReadAt, read_all};
use super::{Document, EntryRef};
use crate::error::{AtPath, Error, Result};
use crate::json::{ParseError, Scanner, Span};
use crate::memory;

/// A document in the form that Go writes: only the places of its entries are in
/// memory.
pub(crate) struct InFile {
    source: Arc<dyn ReadAt + Send>,
    path: PathBuf,
    len: usize,
    /// Where the entries start. Each ends where [`BETWEEN_ENTRIES`] and the next one
    /// follow.
    starts: Vec<u64>,
    /// The hash of the reference of each entry, so that an entry is found by its
    /// reference without another pass.
    references: Vec<u32>,
    layout: Layout,
    whole: OnceLock<Document>,
}

impl InFile {
    /// Finds the entries of a file. `None` if it has another form than Go writes, or is
    /// damaged. `path` is its name in errors.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub(crate) fn index(source: Arc<dyn ReadAt + Send>, path: PathBuf) -> io::Result<Option<Self>> {
        let Ok(len) = usize::try_from(source.len()) else {
            return Ok(None);
        };
        let note = |part: &mut (Vec<u64>, Vec<u32>), offset, entry: &EntryRef<'_>| {
            part.0.push(offset);
            part.1.push(hash(&entry.reference()));
        };
        let Some(parts) = stream::fold(&*source, note)? else {
            return Ok(None);
        };
        let (starts, references): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        Ok(Some(InFile {
            starts: starts.concat(),
            references: references.concat(),
            layout: Layout::Array(array_of_go_form(len)),
            source,
            path,
            len,
            whole: OnceLock::new(),
        }))
    }

    /// Returns the places of the entries that may have this reference: those of the same
    /// hash.
    pub(super) fn candidates(&self, reference: &str) -> BTreeSet<usize> {
        let hash = hash(reference);
        let hashes = self.references.iter().enumerate();
        let same = hashes.filter(|(_, other)| **other == hash);
        same.map(|(index, _)| index).collect()
    }

    /// Returns its name in errors.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Calls `visit` with each entry and its place, as
    /// [`OpenDocument::fold`](super::OpenDocument::fold) does.
    pub(super) fn fold<S: Default + Send>(
        &self,
        visit: impl Fn(&mut S, usize, &EntryRef<'_>) + Send + Sync,
    ) -> io::Result<Vec<S>> {
        #[derive(Default)]
        struct Part<S> {
            state: S,
            /// The place of the next entry, after the first one.
            next: Option<usize>,
            is_other: bool,
        }
        let parts = stream::fold_from(
            &*self.source,
            &self.starts,
            |part: &mut Part<S>, offset, entry| {
                let first = || self.starts.partition_point(|&start| start < offset);
                let index = part.next.unwrap_or_else(first);
                part.next = Some(index + 1);
                match self.starts.get(index) == Some(&offset) {
                    true => visit(&mut part.state, index, entry),
                    false => part.is_other = true,
                }
            },
        )?;
        let parts = parts.filter(|parts| {
            let ends = parts.iter().map(|part| part.next);
            let is_whole = ends.last() == Some(Some(self.starts.len()));
            is_whole && !parts.iter().any(|part| part.is_other)
        });
        let parts = parts.ok_or_else(changed)?;
        Ok(parts.into_iter().map(|part| part.state).collect())
    }

    /// Reads one entry, and returns what `look` makes of it; `None` if there is none at
    /// this place.
    pub(super) fn look<T>(
        &self,
        index: usize,
        look: impl FnOnce(&EntryRef<'_>) -> T,
    ) -> io::Result<Option<T>> {
        if index >= self.starts.len() {
            return Ok(None);
        }
        let text = self.read(self.entry_span(index))?;
        let mut scanner = Scanner::new(&text);
        let found = index::entry(&text, &mut scanner, "artifacts").map_err(|_| changed())?;
        Ok(Some(look(&EntryRef::new(&text, &found))))
    }

    /// Reads all of it into memory, where it stays.
    pub(super) fn whole(&self) -> Result<&Document> {
        if let Some(document) = self.whole.get() {
            return Ok(document);
        }
        let path = &self.path;
        // Once for the text, and once for what is made of it.
        memory::require(2 * self.len as u64).at("read", path)?;
        let text = self.read(0..self.len).at("read", path)?;
        let document = Document::parse(text).map_err(|cause: ParseError| Error::Corrupt {
            path: path.clone(),
            cause,
        })?;
        if document.entries().len() != self.starts.len() {
            return Err(changed()).at("read", path);
        }
        Ok(self.whole.get_or_init(|| document))
    }

    fn read(&self, span: Span) -> io::Result<String> {
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(span.len())
            .map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        bytes.resize(span.len(), 0);
        match read_all(&*self.source, &mut bytes, span.start as u64)? {
            read if read == span.len() => String::from_utf8(bytes).map_err(|_| changed()),
            _ => Err(changed()),
        }
    }
}

/// The error of a file that has other entries than were found in it.
fn changed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "another process changed it meanwhile",
    )
}

impl Editable for InFile {
    type Error = io::Error;

    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn version(&self) -> Option<Span> {
        Some(version_of_go_form())
    }

    fn count(&self) -> usize {
        self.starts.len()
    }

    fn entry_span(&self, index: usize) -> Span {
        let start = |&start: &u64| start as usize;
        let end = match self.starts.get(index + 1).map(start) {
            Some(next) => next - BETWEEN_ENTRIES.len(),
            None => self.len - END.len(),
        };
        start(&self.starts[index])..end
    }

    fn comma_after(&self, index: usize) -> usize {
        self.entry_span(index).end
    }

    fn has_at(&self, span: Span, text: &str) -> io::Result<bool> {
        Ok(span.len() == text.len() && self.read(span)? == text)
    }

    fn len(&self) -> usize {
        self.len
    }
}

/// Returns a hash of a reference; different references may have the same.
#[expect(
    clippy::cast_possible_truncation,
    reason = "any bits of a hash are a hash"
)]
fn hash(reference: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    reference.hash(&mut hasher);
    hasher.finish() as u32
}
