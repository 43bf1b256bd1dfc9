//! The orders that a list can have.

use std::borrow::Cow;

use chrono::{DateTime, FixedOffset};
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

/// What an entry is sorted by: first the number, then the text. An entry that has
/// no readable value comes last.
pub(in crate::cli) fn rank<'d>(key: SortKey, entry: &EntryView<'d>) -> (i128, Cow<'d, str>) {
    const LAST: i128 = i128::MAX;
    let largest_first = |number: Option<i128>| (number.map_or(LAST, |number| -number), "".into());
    let by_text = |field| {
        let text = entry.text_of(field);
        (if text.is_empty() { LAST } else { 0 }, text)
    };
    match key {
        SortKey::Created => largest_first(entry.created_at().ok().flatten().map(nanoseconds)),
        SortKey::Size => largest_first(entry.size().ok().flatten().map(i128::from)),
        SortKey::Reference => by_text(Field::Reference),
        SortKey::Repository => by_text(Field::Repository),
        SortKey::Tag => by_text(Field::Tag),
        SortKey::Type => by_text(Field::Type),
    }
}

/// Since 1970. Any time of the years 0 to 9999 fits.
fn nanoseconds(time: DateTime<FixedOffset>) -> i128 {
    i128::from(time.timestamp()) * 1_000_000_000 + i128::from(time.timestamp_subsec_nanos())
}
