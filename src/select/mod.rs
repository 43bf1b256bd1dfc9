//! Chooses entries: patterns, filters, order.
//!
//! ```
//! use cldctl_registry::select::{Selection, SortKey};
//! use cldctl_registry::{Cache, Home};
//!
//! # let dir = tempfile::tempdir()?;
//! let cache = Cache::open(Home::at(dir.path())?)?;
//! let mut selection = Selection::default();
//! selection.filters.push("until=30d".parse()?);
//! selection.filters.push("size>10MB".parse()?);
//!
//! let mut old = cache.select(&selection)?.entries;
//! SortKey::Size.sort(&mut old);
//! for entry in old {
//!     println!("{}", entry.reference());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod filter;
mod near_miss;
mod pass;
mod ready;
mod retention;
mod size;
pub(crate) mod sort;
mod time;

pub use crate::error::UnusableFilter;
pub use filter::{CACHE_STATES, Filter, InvalidFilter, KEYS};
pub use size::{InvalidSize, parse_size};
pub use sort::SortKey;

pub(crate) use retention::{Candidate, Retention, select_expired};

use std::borrow::Cow;
use std::convert::Infallible;
use std::str::FromStr;

use chrono::{DateTime, FixedOffset};
use wildmatch::WildMatch;

use crate::content::{Cache, Contents};
use crate::document::{Document, EntryRef, StoredEntry};
use crate::entry::ArtifactType;
use crate::error::Result;
use crate::fields::Field;
use crate::timestamp;
use ready::ReadyFilters;

/// The demands that an entry has to meet to be chosen: by default, none.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Selection {
    /// At least one has to match, if there are any.
    pub patterns: Vec<Pattern>,
    /// All have to hold, but equalities of one key are alternatives.
    pub filters: Vec<Filter>,
    /// The type that an entry has to have.
    pub artifact_type: Option<ArtifactType>,
}

/// The entries that a selection chooses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selected {
    /// The entries, in the order of the file.
    pub entries: Vec<StoredEntry>,
    /// The patterns that match no entry, although wider ones would.
    pub near_misses: Vec<NearMiss>,
    /// The version of the registry, as it is in the file, if it is one that this
    /// library does not write.
    pub foreign_version: Option<String>,
}

/// A pattern that matches no entry, although a wider one would.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NearMiss {
    /// The pattern.
    pub pattern: String,
    /// The pattern with a `*` before and after it, which chooses some entries.
    pub wider: String,
}

impl Cache {
    /// Returns the entries that a selection chooses. Of a registry in the form that Go
    /// writes, nothing else is held in memory, unless a filter names an artifact.
    ///
    /// # Errors
    ///
    /// As [`Registry::list`](crate::Registry::list),
    /// [`Error::UnusableFilter`](crate::Error::UnusableFilter), and for filters on the
    /// cache or on deployments, that the system does not say what they ask for.
    pub fn select(&self, selection: &Selection) -> Result<Selected> {
        let named = self.read_named(selection)?;
        let chooser = selection.resolve(named.as_ref(), &timestamp::now())?;
        let contents = self.contents();
        let pass = chooser.pass(
            self.registry(),
            &contents,
            |chosen: &mut Vec<_>, entry, is_chosen| {
                if is_chosen {
                    chosen.push(StoredEntry::from(*entry));
                }
            },
        )?;
        match contents.take_failure() {
            Some(error) => Err(error),
            None => Ok(Selected {
                entries: pass.parts.into_iter().flatten().collect(),
                near_misses: pass.near_misses,
                foreign_version: pass.foreign_version,
            }),
        }
    }
}

impl Selection {
    /// Returns the artifacts that filters compare with, which have to be found first.
    pub(crate) fn operands(&self) -> Vec<&str> {
        self.filters.iter().filter_map(Filter::operand).collect()
    }

    /// Returns true if it depends on what is deployed.
    #[cfg(feature = "cli")]
    pub(crate) fn asks_for_deployed(&self) -> bool {
        self.filters.iter().any(Filter::asks_for_deployed)
    }

    /// Makes the selection ready to be held against entries. The document has the
    /// artifacts that filters name; none is needed if they name none.
    pub(crate) fn resolve<'a>(
        &'a self,
        document: Option<&'a Document>,
        now: &DateTime<FixedOffset>,
    ) -> Result<Chooser<'a>> {
        Ok(Chooser {
            selection: self,
            filters: ReadyFilters::new(&self.filters, document, now)?,
            document,
        })
    }

    /// Returns the places of the entries that are chosen, in the order of the document.
    pub(crate) fn choose(
        &self,
        document: &Document,
        contents: &Contents<'_>,
        now: &DateTime<FixedOffset>,
    ) -> Result<Vec<usize>> {
        let chooser = self.resolve(Some(document), now)?;
        let entries = document.entries().enumerate();
        let chosen = entries.filter(|(_, entry)| chooser.chooses(entry, contents));
        let chosen = chosen.map(|(index, _)| index).collect();
        match contents.take_failure() {
            None => Ok(chosen),
            Some(error) => Err(error),
        }
    }
}

/// A selection that is ready to be held against entries.
pub(crate) struct Chooser<'a> {
    selection: &'a Selection,
    filters: ReadyFilters<'a>,
    /// The registry, if it was read to find the artifacts that filters name.
    document: Option<&'a Document>,
}

impl Chooser<'_> {
    /// Returns whether an entry meets all demands.
    pub(crate) fn chooses(&self, entry: &EntryRef<'_>, contents: &Contents<'_>) -> bool {
        let patterns = &self.selection.patterns;
        let matches = |pattern: &Pattern| pattern.matches(entry);
        (patterns.is_empty() || patterns.iter().any(matches))
            && self.passes_filters(entry, contents)
    }

    /// Returns whether an entry meets all demands but those of the patterns.
    fn passes_filters(&self, entry: &EntryRef<'_>, contents: &Contents<'_>) -> bool {
        let artifact_type = self.selection.artifact_type.as_ref();
        artifact_type.is_none_or(|wanted| entry.text_of(Field::Type) == wanted.as_str())
            && self.filters.match_entry(entry, contents)
    }
}

/// A glob on the repository, or on `repository:tag` if its last part has a
/// colon. `*` stands for any text, slashes too, and `?` for one character.
///
/// ```
/// use cldctl_registry::select::{Pattern, Selection};
///
/// let mut selection = Selection::default();
/// selection.patterns.push(Pattern::new("ghcr.io/acme/*"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    text: String,
    glob: WildMatch,
    /// The glob with a `*` before and after it.
    wider: WildMatch,
    with_tag: bool,
}

impl FromStr for Pattern {
    type Err = Infallible;

    /// Never fails, because any text is a pattern.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Pattern::new(text))
    }
}

/// Returns a glob with a `*` before and after it.
fn widened(glob: &str) -> String {
    format!("*{}*", glob.trim_matches('*'))
}

impl Pattern {
    /// Creates the pattern of a text.
    pub fn new(text: &str) -> Self {
        let last_part = text.rsplit('/').next().unwrap_or_default();
        Pattern {
            text: text.to_owned(),
            glob: WildMatch::new(text),
            wider: WildMatch::new(&widened(text)),
            with_tag: last_part.contains(':'),
        }
    }

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
