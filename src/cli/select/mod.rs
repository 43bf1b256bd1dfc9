//! Choosing entries: patterns, filters, order.

mod filter;
mod near_miss;
mod resolved;
mod retention;
mod sort;

pub(crate) use filter::Filter;
pub(super) use filter::{CACHED, KEYS};
pub(super) use near_miss::NearMisses;
pub(super) use retention::{Candidate, Retention, select_expired};
pub(crate) use sort::SortKey;
pub(super) use sort::{Rank, rank};

use std::borrow::Cow;
use std::convert::Infallible;
use std::str::FromStr;

use chrono::{DateTime, FixedOffset};
use wildmatch::WildMatch;

use crate::content::Contents;
use crate::document::{Document, EntryRef};
use crate::entry::ArtifactType;
use crate::fields::Field;
use resolved::Resolved;

use super::exit::Failure;

/// What an entry must be to be chosen.
#[derive(Debug, Default)]
pub(super) struct Selection<'a> {
    /// At least one has to match, if there are any.
    pub(super) patterns: &'a [Pattern],
    /// All have to, but equalities of one key are alternatives.
    pub(super) filters: &'a [Filter],
    pub(super) artifact_type: Option<&'a ArtifactType>,
}

impl<'a> Selection<'a> {
    /// The artifacts that filters compare times with, as operands.
    pub(super) fn operands(&self) -> Vec<String> {
        let operands = self.filters.iter().filter_map(Filter::operand);
        operands.map(str::to_owned).collect()
    }

    /// Makes the selection ready to be held against entries. The document has the
    /// artifacts that filters name.
    pub(super) fn resolve(
        &'a self,
        document: &Document,
        now: &DateTime<FixedOffset>,
    ) -> Result<Chooser<'a>, Failure> {
        Ok(Chooser {
            selection: self,
            filters: Resolved::new(self.filters, document, now)?,
        })
    }

    /// The places of the entries that are chosen, in the order of the document.
    pub(super) fn choose(
        &self,
        document: &Document,
        contents: &Contents<'_>,
        now: &DateTime<FixedOffset>,
    ) -> Result<Vec<usize>, Failure> {
        let chooser = self.resolve(document, now)?;
        let entries = document.entries().enumerate();
        let chosen = entries.filter(|(_, entry)| chooser.chooses(entry, contents));
        let chosen = chosen.map(|(index, _)| index).collect();
        match contents.take_failure() {
            None => Ok(chosen),
            Some(error) => Err(Failure::of(&error)),
        }
    }
}

/// A selection that is ready to be held against entries.
pub(super) struct Chooser<'a> {
    selection: &'a Selection<'a>,
    filters: Resolved<'a>,
}

impl Chooser<'_> {
    /// Whether an entry is what it must be.
    pub(super) fn chooses(&self, entry: &EntryRef<'_>, contents: &Contents<'_>) -> bool {
        let patterns = self.selection.patterns;
        let matches = |pattern: &Pattern| pattern.matches(entry);
        (patterns.is_empty() || patterns.iter().any(matches))
            && self.passes_filters(entry, contents)
    }

    /// Returns whether an entry is what it must be, patterns aside.
    fn passes_filters(&self, entry: &EntryRef<'_>, contents: &Contents<'_>) -> bool {
        let artifact_type = self.selection.artifact_type;
        artifact_type.is_none_or(|wanted| entry.text_of(Field::Type) == wanted.as_str())
            && self.filters.match_entry(entry, contents)
    }
}

/// A glob on the repository, or on `repository:tag` if its last part has a
/// colon. `*` stands for any text, slashes too, and `?` for one character.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pattern {
    text: String,
    glob: WildMatch,
    /// The glob with a `*` before and after it.
    wider: WildMatch,
    with_tag: bool,
}

impl FromStr for Pattern {
    type Err = Infallible;

    /// Any text is a pattern.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let last_part = text.rsplit('/').next().unwrap_or_default();
        Ok(Pattern {
            text: text.to_owned(),
            glob: WildMatch::new(text),
            wider: WildMatch::new(&widened(text)),
            with_tag: last_part.contains(':'),
        })
    }
}

/// Returns a glob with a `*` before and after it.
fn widened(glob: &str) -> String {
    format!("*{}*", glob.trim_matches('*'))
}

impl Pattern {
    fn matches(&self, entry: &EntryRef<'_>) -> bool {
        self.glob.matches(&self.name_of(entry))
    }

    /// Returns what of an entry the glob is compared with.
    fn name_of<'e>(&self, entry: &'e EntryRef<'_>) -> Cow<'e, str> {
        let repository = entry.text_of(Field::Repository);
        match self.with_tag {
            true => format!("{repository}:{}", entry.text_of(Field::Tag)).into(),
            false => repository,
        }
    }
}
