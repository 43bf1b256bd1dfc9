//! The orders that a list can have.

use std::borrow::Cow;
use std::cmp::Reverse;

use clap::ValueEnum;

use crate::document::EntryView;
use crate::fields::Field;

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortKey {
    /// The newest first
    Created,
    /// A to Z
    Reference,
    /// A to Z
    Repository,
    /// A to Z
    Tag,
    /// A to Z
    Type,
    /// The largest first
    Size,
}

/// Sorts entries. Those that have no readable value come last; those of the
/// same value are sorted by reference.
pub(in crate::cli) fn sort(entries: &mut [EntryView<'_>], key: SortKey, reverse: bool) {
    fn by_text<'d>(entry: &EntryView<'d>, field: Field) -> (bool, Cow<'d, str>) {
        let text = entry.text_of(field);
        (text.is_empty(), text)
    }
    match key {
        SortKey::Created => crate::registry::sort_newest_first(entries),
        SortKey::Size => entries
            .sort_by_cached_key(|entry| (Reverse(entry.size().ok().flatten()), entry.reference())),
        SortKey::Reference => entries.sort_by_cached_key(|entry| by_text(entry, Field::Reference)),
        SortKey::Repository => sort_by_field(entries, Field::Repository, by_text),
        SortKey::Tag => sort_by_field(entries, Field::Tag, by_text),
        SortKey::Type => sort_by_field(entries, Field::Type, by_text),
    }
    if reverse {
        entries.reverse();
    }
}

fn sort_by_field<'d>(
    entries: &mut [EntryView<'d>],
    field: Field,
    key: fn(&EntryView<'d>, Field) -> (bool, Cow<'d, str>),
) {
    entries.sort_by_cached_key(|entry| (key(entry, field), entry.reference()));
}
