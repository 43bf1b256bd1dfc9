//! The orders that a list can have.

use std::borrow::Cow;

use chrono::DateTime;

use crate::document::{EntryRef, StoredEntry};
use crate::fields::Field;
use crate::parallel;
use crate::timestamp;

/// The orders that a list of artifacts can have. Those that are equal are ordered by
/// reference; those without a readable value come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SortKey {
    /// The newest first.
    Created,
    /// By reference, in the order of bytes.
    Reference,
    /// By repository, in the order of bytes.
    Repository,
    /// By tag, in the order of bytes.
    Tag,
    /// By type, in the order of bytes.
    Type,
    /// The largest first.
    Size,
}

impl SortKey {
    /// All orders.
    pub const ALL: [SortKey; 6] = [
        SortKey::Created,
        SortKey::Reference,
        SortKey::Repository,
        SortKey::Tag,
        SortKey::Type,
        SortKey::Size,
    ];

    /// Returns the name of the order.
    pub fn as_str(self) -> &'static str {
        match self {
            SortKey::Created => "created",
            SortKey::Reference => "reference",
            SortKey::Repository => "repository",
            SortKey::Tag => "tag",
            SortKey::Type => "type",
            SortKey::Size => "size",
        }
    }

    /// Sorts entries; those of one reference keep their order.
    ///
    /// ```
    /// use cldctl_registry::select::SortKey;
    /// # use cldctl_registry::{ArtifactEntry, ArtifactType, Reference, Registry};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let registry = Registry::open(dir.path().join("artifacts.json"))?;
    /// # let now = chrono::Utc::now().fixed_offset();
    /// # for name in ["web:v1", "app:v2"] {
    /// #     let reference = Reference::parse(name)?;
    /// #     registry.add(ArtifactEntry::new(&reference, ArtifactType::Component, now, ""))?;
    /// # }
    /// let mut entries = registry.list_stored()?;
    /// SortKey::Reference.sort(&mut entries);
    /// assert_eq!(entries[0].reference(), "app:v2");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sort(self, entries: &mut Vec<StoredEntry>) {
        let keyed = std::mem::take(entries).into_iter().enumerate();
        let mut keyed: Vec<_> = keyed
            .map(|(place, entry)| {
                let (rank, text) = rank(self, &entry.as_entry_ref());
                let names = (text.into_owned(), entry.reference().into_owned());
                ((rank, names, place), entry)
            })
            .collect();
        parallel::sort_unstable_by(&mut keyed, |(a, _), (b, _)| a.cmp(b));
        entries.extend(keyed.into_iter().map(|(_, entry)| entry));
    }
}

/// Where an entry comes in a list: one that has no readable value comes last.
pub(crate) type Rank = (i64, u32);

/// Behind that of any text: none starts with bytes of this kind.
const LAST: Rank = (i64::MAX, u32::MAX);

/// Returns what an entry is sorted by: first the rank, then the text.
pub(crate) fn rank<'d>(key: SortKey, entry: &EntryRef<'d>) -> (Rank, Cow<'d, str>) {
    // The complement turns the order round, and every number has one.
    let newest_first = |time: DateTime<_>| (!time.timestamp(), !time.timestamp_subsec_nanos());
    let largest_first = |size: i64| (!size, 0);
    let by_text = |field| {
        let text = entry.text_of(field);
        (
            if text.is_empty() {
                LAST
            } else {
                start_of(&text)
            },
            text,
        )
    };
    let rank = match key {
        SortKey::Created => {
            let time = entry.created_at().ok().flatten();
            time.filter(timestamp::is_known).map(newest_first)
        }
        SortKey::Size => entry.size().ok().flatten().map(largest_first),
        SortKey::Reference => return by_text(Field::Reference),
        SortKey::Repository => return by_text(Field::Repository),
        SortKey::Tag => return by_text(Field::Tag),
        SortKey::Type => return by_text(Field::Type),
    };
    (rank.unwrap_or(LAST), "".into())
}

/// The order of texts, as far as their first twelve bytes decide it.
fn start_of(text: &str) -> Rank {
    let mut start = [0; 12];
    let len = text.len().min(start.len());
    start[..len].copy_from_slice(&text.as_bytes()[..len]);
    let [a, b, c, d, e, f, g, h, rest @ ..] = start;
    // Of signed numbers, those with the highest bit come first.
    let first = i64::from_be_bytes([a ^ 0x80, b, c, d, e, f, g, h]);
    (first, u32::from_be_bytes(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    #[test]
    fn the_largest_and_the_newest_come_first_and_what_has_no_value_last() {
        let order = |key: SortKey, field: &str, values: &[&str]| {
            let entries = values
                .iter()
                .map(|value| format!("{{\"{field}\":{value}}}"));
            let entries: Vec<_> = entries.collect();
            let document = format!("{{\"artifacts\":[{}]}}", entries.join(","));
            let document = Document::parse(document).unwrap();
            let ranks: Vec<_> = document.entries().map(|entry| rank(key, &entry)).collect();
            assert!(ranks.is_sorted(), "{ranks:?}");
        };
        order(
            SortKey::Size,
            "size",
            &[
                "9223372036854775807",
                "1",
                "0",
                "-1",
                "-9223372036854775808",
                "1.5",
            ],
        );
        order(
            SortKey::Created,
            "createdAt",
            &[
                "\"9999-12-31T23:59:59.999999999Z\"",
                "\"2026-03-01T00:00:00.000000001Z\"",
                "\"2026-03-01T01:00:00+01:00\"",
                "\"1969-12-31T23:59:59.5Z\"",
                "\"1969-12-31T23:59:59Z\"",
                "\"0001-01-01T00:00:00.5Z\"",
                "\"0000-01-01T00:00:00Z\"",
                "\"0001-01-01T01:00:00+01:00\"",
                "null",
            ],
        );
        order(
            SortKey::Tag,
            "tag",
            &[
                "\"a\"",
                "\"ab\"",
                "\"abcdefghijkl\"",
                "\"abcdefghijklm\"",
                "\"abcdefghijz\"",
                "\"~\"",
                "\"é\"",
                "\"\u{10ffff}\u{10ffff}\u{10ffff}\"",
                "\"\"",
            ],
        );
    }
}
