//! References that an operand without an entry may have been meant for.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::document::{Document, EntryRef, OpenDocument};
use crate::error::Result;
use crate::escape::is_unsafe;
use crate::reference::ReferenceParts;

/// A registry of more entries is not searched, because that would take longer than the
/// command.
const MAX_COMPARED: usize = 10_000;

/// No more references are kept, in case that a pass over the registry begins again: each
/// of its entries is seen twice then.
const MAX_KEPT: usize = 3 * MAX_COMPARED;

/// Longer names are not compared, in bytes.
const MAX_LENGTH: usize = 255;

/// How similar a name has to be to be suggested, of 1.
const MIN_SIMILARITY: f64 = 0.6;

/// The references of a registry, or the first of too many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// One behind the other, because an allocation for each would take longer.
    text: String,
    ends: Vec<usize>,
}

impl Names {
    /// Returns a count of the references that all parts of a pass keep.
    pub(super) fn counter() -> AtomicUsize {
        AtomicUsize::new(0)
    }

    /// Keeps the reference of an entry, unless there are too many already.
    pub(super) fn push(&mut self, count: &AtomicUsize, entry: &EntryRef<'_>) {
        if count.load(Ordering::Relaxed) < MAX_KEPT {
            count.fetch_add(1, Ordering::Relaxed);
            self.add(&entry.reference());
        }
    }

    /// Returns the references in a document.
    pub(crate) fn of(document: &Document) -> Self {
        let mut names = Names::default();
        for entry in document.entries().take(MAX_KEPT) {
            names.add(&entry.reference());
        }
        names
    }

    /// Returns the references in a document that is being changed.
    ///
    /// # Errors
    ///
    /// The document cannot be read.
    pub(super) fn of_open(document: &OpenDocument) -> Result<Self> {
        let count = Names::counter();
        let parts = document.fold(|names: &mut Names, _, entry| names.push(&count, entry))?;
        Ok(parts.into_iter().collect())
    }

    fn add(&mut self, name: &str) {
        self.text.push_str(name);
        self.ends.push(self.text.len());
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        let spans = starts.zip(&self.ends);
        spans.map(|(start, &end)| &self.text[start..end])
    }

    /// Returns the reference that is most like an operand, if one is similar enough.
    pub(crate) fn similar(&self, operand: &str) -> Option<&str> {
        if operand.len() > MAX_LENGTH || self.ends.len() > MAX_COMPARED {
            return None;
        }
        // It may have been added since it was not found, and what is shown escaped
        // cannot be typed.
        let others = self
            .iter()
            .filter(|name| *name != operand && !name.contains(is_unsafe));
        others
            .filter(|name| name.len() <= MAX_LENGTH)
            .map(|name| (similarity(name, operand), name))
            .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .map(|(_, name)| name)
    }
}

impl FromIterator<Names> for Names {
    /// Joins the references in parts of a registry.
    fn from_iter<T: IntoIterator<Item = Names>>(parts: T) -> Self {
        let mut parts = parts.into_iter();
        let mut all = parts.next().unwrap_or_default();
        for part in parts {
            let start = all.text.len();
            all.text.push_str(&part.text);
            all.ends.extend(part.ends.iter().map(|end| start + end));
        }
        all
    }
}

/// Returns how much an operand is like a reference, or like its end, because people leave
/// out the host and the organisation.
fn similarity(reference: &str, operand: &str) -> f64 {
    let parts = ReferenceParts::of(reference);
    let tagged = reference.rsplit('/').next().unwrap_or_default();
    let name = parts.repository.rsplit('/').next().unwrap_or_default();
    [reference, tagged, name]
        .map(|candidate| strsim::normalized_damerau_levenshtein(candidate, operand))
        .into_iter()
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(references: &[&str]) -> Names {
        let mut names = Names::default();
        references.iter().for_each(|name| names.add(name));
        names
    }

    #[test]
    fn the_most_similar_reference_is_found_in_any_part() {
        let parts = [
            names(&["ghcr.io/acme/app:v1"]),
            names(&[]),
            names(&["web:v1", "web:v2"]),
        ];
        let all: Names = parts.into_iter().collect();
        assert_eq!(
            all.similar("ghcr.io/acme/app:v9"),
            Some("ghcr.io/acme/app:v1")
        );
        assert_eq!(all.similar("ap"), Some("ghcr.io/acme/app:v1"));
        assert_eq!(all.similar("web:v1"), Some("web:v2"));
        assert_eq!(all.similar("nothing like it"), None);
    }

    #[test]
    fn a_name_that_cannot_be_typed_is_not_suggested() {
        assert_eq!(names(&["web:v\u{1b}"]).similar("web:v1"), None);
        let long = "x".repeat(MAX_LENGTH + 1);
        assert_eq!(names(&[&long]).similar(&long[1..]), None);
    }

    #[test]
    fn of_too_many_references_none_is_suggested() {
        let many = vec!["web:v1"; MAX_COMPARED];
        assert_eq!(names(&many).similar("web:v2"), Some("web:v1"));
        let more = vec!["web:v1"; MAX_COMPARED + 1];
        assert_eq!(names(&more).similar("web:v2"), None);
    }
}
