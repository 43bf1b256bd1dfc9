//! Changes to a document, applied to its text.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::Document;
use super::go_form::{self, VERSION};
use super::index::Layout;
use crate::json::Span;

/// What is to change in a document. Entries are named by their place in it.
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

    /// The entries that this takes out or replaces.
    pub(crate) fn changed<'a>(
        &'a self,
        document: &'a Document,
    ) -> impl Iterator<Item = usize> + 'a {
        let (all, some) = if self.clears {
            (0..document.index.entries.len(), None)
        } else {
            (0..0, Some(self.removed.iter().chain(self.replaced.keys())))
        };
        all.chain(some.into_iter().flatten().copied())
    }

    /// Whether this takes an entry out or replaces it.
    pub(crate) fn changes(&self, index: usize) -> bool {
        self.is_removed(index) || self.replaced.contains_key(&index)
    }

    /// Whether this takes an entry out.
    pub(crate) fn is_removed(&self, index: usize) -> bool {
        self.clears || self.removed.contains(&index)
    }
}

/// A new text for a part of the document.
struct Splice {
    span: Span,
    text: String,
}

impl Document {
    /// The text with the edit applied, in pieces to be written one behind the
    /// other; `None` if that changes nothing. What stays is not copied.
    pub(crate) fn pieces(&self, edit: &Edit) -> Option<Vec<Cow<'_, str>>> {
        let splices = match &self.index.layout {
            Layout::Array(span) => self.array_splices(span, edit),
            Layout::Null(span) => array_of(&edit.appended, edit.clears)
                .map(|text| Splice {
                    span: span.clone(),
                    text,
                })
                .into_iter()
                .collect(),
            &Layout::NoArtifacts {
                end_of_members: end,
            } => array_of(&edit.appended, edit.clears)
                .map(|array| Splice {
                    span: end..end,
                    text: go_form::appended_member("\"artifacts\"", &array),
                })
                .into_iter()
                .collect(),
            Layout::Nothing | Layout::Components => {
                let array = array_of(&edit.appended, edit.clears)?;
                let members = [("\"version\"", VERSION), ("\"artifacts\"", &*array)];
                return Some(vec![go_form::document(&members).into()]);
            }
        };
        self.spliced(splices, edit.clears)
    }

    /// The text with these parts replaced, and the version too if it is to be
    /// written anew.
    fn spliced(&self, mut splices: Vec<Splice>, new_version: bool) -> Option<Vec<Cow<'_, str>>> {
        if new_version && let Some(span) = &self.index.version {
            splices.push(Splice {
                span: span.clone(),
                text: VERSION.to_owned(),
            });
            splices.sort_by_key(|splice| splice.span.start);
        }
        splices.retain(|splice| self.text[splice.span.clone()] != splice.text);
        if splices.is_empty() {
            return None;
        }
        let mut pieces = Vec::with_capacity(2 * splices.len() + 1);
        let mut taken = 0;
        for splice in splices {
            pieces.push(self.text[taken..splice.span.start].into());
            pieces.push(splice.text.into());
            taken = splice.span.end;
        }
        pieces.push(self.text[taken..].into());
        Some(pieces)
    }

    /// The text with the edit applied, in one piece.
    #[cfg(test)]
    pub(crate) fn edited(&self, edit: &Edit) -> Option<String> {
        self.pieces(edit).map(|pieces| pieces.concat())
    }

    /// The splices inside of the array. Each entry owns the white space before
    /// it and the comma behind it, but for the last entry that stays: its comma
    /// goes, and the white space before the closing bracket stays.
    fn array_splices(&self, array: &Span, edit: &Edit) -> Vec<Splice> {
        let count = self.index.entries.len();
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
        for index in 0..=last_kept {
            if edit.is_removed(index) {
                let start = if index == 0 {
                    array.start + 1
                } else {
                    self.comma_after(index - 1) + 1
                };
                splices.push(Splice {
                    span: start..self.comma_after(index) + 1,
                    text: String::new(),
                });
            } else if let Some(text) = edit.replaced.get(&index) {
                splices.push(Splice {
                    span: self.index.entries[index].span(),
                    text: text.clone(),
                });
            }
        }
        let end_of_kept = self.index.entries[last_kept].span().end;
        let end_of_all = self.index.entries[count - 1].span().end;
        if last_kept + 1 < count || !edit.appended.is_empty() {
            splices.push(Splice {
                span: end_of_kept..end_of_all,
                text: go_form::appended(&edit.appended),
            });
        }
        splices
    }

    /// Where the comma behind an entry stands that is not the last one.
    fn comma_after(&self, index: usize) -> usize {
        let end = self.index.entries[index].span().end;
        // Between two elements there are only white space and one comma.
        let gap = &self.text[end..self.index.entries[index + 1].start];
        end + gap.find(',').unwrap_or_default()
    }
}

/// Returns an array of entries; `None` where there is nothing to write.
fn array_of(entries: &[String], even_if_empty: bool) -> Option<String> {
    (even_if_empty || !entries.is_empty()).then(|| go_form::array(entries))
}
