//! `artifacts.json` as text: read without loss, edited in place.
//!
//! A [`Document`] keeps the text it was read from and knows where its entries
//! and their fields are. An [`Edit`] replaces, removes and appends entries by
//! splicing that text, so that everything it was not asked to change keeps its
//! bytes: other entries, unknown fields, `version`, white space. On a file in
//! the form that Go writes, the result is what cldctl would have written.

mod edit;
mod entry_json;
mod entry_ref;
#[cfg(test)]
pub(crate) mod generated;
mod go_form;
mod in_file;
mod index;
mod legacy;
mod open;
mod salvage;
mod stream;

pub(crate) use edit::{Edit, Piece};
pub(crate) use entry_ref::EntryRef;
pub use entry_ref::StoredEntry;
pub(crate) use in_file::InFile;
pub(crate) use legacy::UnreadableValue;
pub(crate) use open::OpenDocument;
pub(crate) use salvage::{Salvaged, salvage};
pub(crate) use stream::{ReadAt, fold};

use crate::json::{ParseError, decode};
use crate::parallel;
use index::{EntrySpans, Index, Layout};

/// The number of entries that are worth a thread, if little is done with each.
const MANY: usize = 4096;

/// A registry document and the places of its parts.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    text: String,
    index: Index,
    /// A foreign version that the text was made from and does not have itself.
    original_version: Option<String>,
    /// True if the text was made from an older form.
    is_converted: bool,
}

impl Document {
    /// A registry without entries, as cldctl writes it.
    pub(crate) fn empty() -> Self {
        Document {
            text: "null".to_owned(),
            index: Index::default(),
            original_version: None,
            is_converted: false,
        }
    }

    /// Reads an `artifacts.json`. One in the v1 form is converted; the
    /// conversion is in memory until a change is written.
    pub(crate) fn parse<T: Into<String>>(text: T) -> Result<Self, ParseError> {
        match Self::scan(text.into(), "artifacts")? {
            document if matches!(document.index.layout, Layout::Components) => {
                Ok(document.converted())
            }
            document => Ok(document),
        }
    }

    /// Reads a legacy `components.json` and converts it.
    pub(crate) fn parse_legacy<T: Into<String>>(text: T) -> Result<Self, ParseError> {
        Self::scan(text.into(), "components").map(|document| document.converted())
    }

    /// Returns whether the text was made from an older form, which cldctl reads in
    /// another way, or not at all.
    pub(crate) fn is_converted(&self) -> bool {
        self.is_converted
    }

    /// The whole text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The entries in the order of the file.
    pub(crate) fn entries(&self) -> impl ExactSizeIterator<Item = EntryRef<'_>> {
        self.index
            .entries
            .iter()
            .map(|spans| EntryRef::new(&self.text, spans))
    }

    /// One entry, by its place in [`entries`](Self::entries).
    pub(crate) fn entry(&self, index: usize) -> Option<EntryRef<'_>> {
        self.index
            .entries
            .get(index)
            .map(|spans| EntryRef::new(&self.text, spans))
    }

    /// Calls `visit` with each entry, in the order of the file within each part;
    /// parts are worked on at once. Returns what came of them, in their order.
    pub(crate) fn fold<S: Default + Send>(
        &self,
        visit: impl Fn(&mut S, &EntryRef<'_>) + Send + Sync,
    ) -> Vec<S> {
        self.fold_indexed(|state, _, entry| visit(state, entry))
    }

    /// As [`fold`](Self::fold), with the places of the entries.
    pub(crate) fn fold_indexed<S: Default + Send>(
        &self,
        visit: impl Fn(&mut S, usize, &EntryRef<'_>) + Send + Sync,
    ) -> Vec<S> {
        let parts = self.index.entries.chunks(MANY).enumerate().collect();
        parallel::map(parts, |(part, spans): (usize, &[EntrySpans])| {
            let mut state = S::default();
            for (index, spans) in (part * MANY..).zip(spans) {
                visit(&mut state, index, &EntryRef::new(&self.text, spans));
            }
            state
        })
    }

    /// The version, if it is one that we do not write: above v2, or no string
    /// of the form that cldctl uses.
    pub(crate) fn foreign_version(&self) -> Option<&str> {
        if let Some(version) = &self.original_version {
            return Some(version);
        }
        let raw = &self.text[self.index.version.clone()?];
        is_foreign(raw).then_some(raw)
    }

    /// Scans a document whose entries are under `key`, or under `components`
    /// where that is missing or null.
    fn scan(text: String, key: &'static str) -> Result<Self, ParseError> {
        match Index::of(&text, key) {
            Ok(index) => Ok(Document {
                index,
                original_version: None,
                is_converted: false,
                text,
            }),
            Err(error) => Err(ParseError::at(text.as_bytes(), error.offset, error.reason)),
        }
    }
}

/// Returns whether a version, as it is in a document, is one that we do not write.
fn is_foreign(version: &str) -> bool {
    let is_known = decode(version).is_some_and(|version| {
        version.is_empty()
            || version
                .strip_prefix('v')
                .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|number| number.parse::<u32>().ok())
                .is_some_and(|number| number <= 2)
    });
    !is_known
}

#[cfg(test)]
mod tests;
