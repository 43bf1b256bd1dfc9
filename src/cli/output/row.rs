//! What is shown of an entry, ready for a terminal.

use chrono::{DateTime, FixedOffset};

use super::units;
use crate::digest::{SHORT_HEX, digest_hex};
use crate::document::EntryView;
use crate::escape::visible;
use crate::fields::Field;

/// An entry as people see it. What it does not have, or has in a form that
/// cannot be read, is empty.
pub(in crate::cli) struct Row<'e, 'd> {
    pub(in crate::cli) entry: &'e EntryView<'d>,
    /// What ages are counted from.
    pub(in crate::cli) now: &'e DateTime<FixedOffset>,
}

impl Row<'_, '_> {
    /// A field that is a string.
    pub(in crate::cli) fn text(&self, field: Field) -> String {
        let text = self.entry.string(field).ok().flatten().unwrap_or_default();
        visible(&text).into_owned()
    }

    /// The first digits of the digest, if it is one.
    pub(in crate::cli) fn id(&self) -> String {
        let digest = self
            .entry
            .string(Field::Digest)
            .ok()
            .flatten()
            .unwrap_or_default();
        digest_hex(&digest).map_or_else(String::new, |hex| hex[..SHORT_HEX].to_owned())
    }

    /// The whole digest, if it is one.
    pub(in crate::cli) fn whole_id(&self) -> String {
        let digest = self
            .entry
            .string(Field::Digest)
            .ok()
            .flatten()
            .unwrap_or_default();
        digest_hex(&digest).map_or_else(String::new, |_| digest.to_string())
    }

    /// The size in bytes.
    pub(in crate::cli) fn size_bytes(&self) -> Option<i64> {
        self.entry.size().ok().flatten()
    }

    /// The size in a unit that fits it.
    pub(in crate::cli) fn size(&self) -> String {
        self.size_bytes().map(units::size).unwrap_or_default()
    }

    /// How long ago it was made.
    pub(in crate::cli) fn created_since(&self) -> String {
        let time = self.entry.created_at().ok().flatten();
        time.map(|time| units::ago(&time, self.now))
            .unwrap_or_default()
    }
}
