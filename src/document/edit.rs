//! Changes to a document, applied to its text.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use super::Document;
use super::go_form::{self, VERSION};
use super::index::Layout;
use crate::json::Span;

/// The changes to a document. Entries are named by their place in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edit {
    replaced: BTreeMap<usize, String>,
    removed: BTreeSet<usize>,
    appended: Vec<String>,
    clears: bool,
}

impl Edit {
    /// Puts another text in the place of an entry.
    pub(crate) fn replace(&mut self, index: usize, entry: String) {
        self.replaced.insert(index, entry);
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, index: usize) {
        self.removed.insert(index);
    }

    /// Puts a new entry at the end.
    pub(crate) fn append(&mut self, entry: String) {
        self.appended.push(entry);
    }

    /// Takes all entries out, and writes the version that cldctl's `Clear`
    /// writes.
    pub(crate) fn clear() -> Self {
        Edit {
            clears: true,
            ..Edit::default()
        }
    }

    /// Returns the entries that this takes out or replaces, of a document of `count`.
    pub(crate) fn changed(&self, count: usize) -> impl Iterator<Item = usize> {
        let (all, some) = if self.clears {
            (0..count, None)
        } else {
            (0..0, Some(self.removed.iter().chain(self.replaced.keys())))
        };
        all.chain(some.into_iter().flatten().copied())
    }

    /// Returns the entries that this takes out or replaces, in their order, where it does
    /// not take all out.
    fn changed_in_order(&self) -> impl Iterator<Item = usize> {
        let mut removed = self.removed.iter().copied().peekable();
        let mut replaced = self.replaced.keys().copied().peekable();
        std::iter::from_fn(move || match (removed.peek(), replaced.peek()) {
            (Some(a), Some(b)) if a < b => removed.next(),
            // An entry that is both is removed.
            (Some(a), Some(b)) if a == b => {
                replaced.next();
                removed.next()
            }
            (Some(_), None) => removed.next(),
            _ => replaced.next(),
        })
    }

    /// Returns whether this takes an entry out or replaces it.
    pub(crate) fn changes(&self, index: usize) -> bool {
        self.is_removed(index) || self.replaced.contains_key(&index)
    }

    /// Returns whether this takes an entry out.
    pub(crate) fn is_removed(&self, index: usize) -> bool {
        self.clears || self.removed.contains(&index)
    }
}

/// A part of the text that an edit results in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A part of the document that stays as it is.
    Kept(Span),
    New(String),
}

/// The parts of a document that an edit needs.
pub(super) trait Editable {
    /// Why the text of the document cannot be read.
    type Error;

    fn layout(&self) -> &Layout;

    fn version(&self) -> Option<Span>;

    /// Returns how many entries it has.
    fn count(&self) -> usize;

    /// Returns where an entry is.
    fn entry_span(&self, index: usize) -> Span;

    /// Returns where the comma behind an entry is, which is not the last one.
    fn comma_after(&self, index: usize) -> usize;

    /// Returns whether a part of the document is just this text.
    fn has_at(&self, span: Span, text: &str) -> Result<bool, Self::Error>;

    /// Returns the text with the edit applied, in pieces to be written one behind the
    /// other; `None` if that changes nothing. What stays is not copied.
    fn pieces(&self, edit: &Edit) -> Result<Option<Vec<Piece>>, Self::Error> {
        let array = || array_of(&edit.appended, edit.clears);
        let splices = match self.layout() {
            Layout::Array(span) => self.array_splices(span, edit),
            Layout::Null(span) => Vec::from_iter(array().map(|text| Splice {
                span: span.clone(),
                text,
            })),
            &Layout::NoArtifacts {
                end_of_members: end,
            } => Vec::from_iter(array().map(|array| Splice {
                span: end..end,
                text: go_form::appended_member("\"artifacts\"", &array),
            })),
            Layout::Nothing | Layout::Components => {
                return Ok(array().map(|array| {
                    let members = [("\"version\"", VERSION), ("\"artifacts\"", &*array)];
                    vec![Piece::New(go_form::document(&members))]
                }));
            }
        };
        self.spliced(splices, edit.clears)
    }

    /// Returns the end of the text.
    fn len(&self) -> usize;

    /// Returns the text with these parts replaced, and the version too if it is to be
    /// written again.
    fn spliced(
        &self,
        mut splices: Vec<Splice>,
        new_version: bool,
    ) -> Result<Option<Vec<Piece>>, Self::Error> {
        if new_version && let Some(span) = self.version() {
            splices.push(Splice {
                span,
                text: VERSION.to_owned(),
            });
            splices.sort_by_key(|splice| splice.span.start);
        }
        let mut pieces = Vec::with_capacity(2 * splices.len() + 1);
        let mut taken = 0;
        for Splice { span, text } in splices {
            if self.has_at(span.clone(), &text)? {
                continue;
            }
            pieces.push(Piece::Kept(taken..span.start));
            pieces.push(Piece::New(text));
            taken = span.end;
        }
        if pieces.is_empty() {
            return Ok(None);
        }
        pieces.push(Piece::Kept(taken..self.len()));
        Ok(Some(pieces))
    }

    /// Returns the splices inside of the array. Each entry owns the white space before
    /// it and the comma behind it, but for the last entry that stays: its comma
    /// goes, and the white space before the closing bracket stays.
    fn array_splices(&self, array: &Span, edit: &Edit) -> Vec<Splice> {
        let count = self.count();
        if count == 0 && edit.appended.is_empty() {
            return Vec::new();
        }
        let last_kept = (0..count).rev().find(|&index| !edit.is_removed(index));
        let Some(last_kept) = last_kept else {
            return vec![Splice {
                span: array.clone(),
                text: go_form::array(&edit.appended),
            }];
        };

        let mut splices = Vec::new();
        for index in edit
            .changed_in_order()
            .take_while(|&index| index <= last_kept)
        {
            if edit.is_removed(index) {
                let start = match index.checked_sub(1) {
                    None => array.start + 1,
                    Some(before) => self.comma_after(before) + 1,
                };
                splices.push(Splice {
                    span: start..self.comma_after(index) + 1,
                    text: String::new(),
                });
            } else if let Some(text) = edit.replaced.get(&index) {
                splices.push(Splice {
                    span: self.entry_span(index),
                    text: text.clone(),
                });
            }
        }
        let end_of_kept = self.entry_span(last_kept).end;
        let end_of_all = self.entry_span(count - 1).end;
        if last_kept + 1 < count || !edit.appended.is_empty() {
            splices.push(Splice {
                span: end_of_kept..end_of_all,
                text: go_form::appended(&edit.appended),
            });
        }
        splices
    }
}

/// A new text for a part of the document.
pub(super) struct Splice {
    span: Span,
    text: String,
}

impl Editable for Document {
    type Error = Infallible;

    fn layout(&self) -> &Layout {
        &self.index.layout
    }

    fn version(&self) -> Option<Span> {
        self.index.version.clone()
    }

    fn count(&self) -> usize {
        self.index.entries.len()
    }

    fn entry_span(&self, index: usize) -> Span {
        self.index.entries[index].span()
    }

    fn comma_after(&self, index: usize) -> usize {
        let end = self.entry_span(index).end;
        // Between two elements there are only white space and one comma.
        let gap = &self.text[end..self.index.entries[index + 1].start];
        end + gap.find(',').unwrap_or_default()
    }

    fn has_at(&self, span: Span, text: &str) -> Result<bool, Infallible> {
        Ok(self.text[span] == *text)
    }

    fn len(&self) -> usize {
        self.text.len()
    }
}

impl Document {
    /// Returns the text with the edit applied, in pieces; `None` if that changes nothing.
    pub(crate) fn pieces(&self, edit: &Edit) -> Option<Vec<Piece>> {
        let Ok(pieces) = Editable::pieces(self, edit);
        pieces
    }

    /// Returns a piece of the text with an edit applied.
    pub(crate) fn text_of<'t>(&'t self, piece: &'t Piece) -> &'t str {
        match piece {
            Piece::Kept(span) => &self.text[span.clone()],
            Piece::New(text) => text,
        }
    }

    /// Returns the text with the edit applied, in one piece; `None` if that changes
    /// nothing.
    #[cfg(test)]
    pub(crate) fn edited(&self, edit: &Edit) -> Option<String> {
        let pieces = self.pieces(edit)?;
        Some(pieces.iter().map(|piece| self.text_of(piece)).collect())
    }
}

/// Returns an array of entries; `None` where there is nothing to write.
fn array_of(entries: &[String], even_if_empty: bool) -> Option<String> {
    (even_if_empty || !entries.is_empty()).then(|| go_form::array(entries))
}
