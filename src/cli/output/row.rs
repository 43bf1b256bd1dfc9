//! The fields of an entry as they are shown on a terminal.

use std::borrow::Cow;

use chrono::{DateTime, FixedOffset};

use super::units;
use crate::digest::digest_hex;
use crate::document::EntryRef;
use crate::escape::escape_display;
use crate::fields::Field;
use crate::timestamp;

/// The number of hex digits of a digest that is shown short.
const SHORT_HEX: usize = 12;

/// An entry as people see it. What it does not have, or has in a form that
/// cannot be read, is empty.
pub(in crate::cli) struct Row<'e, 'd> {
    pub(in crate::cli) entry: &'e EntryRef<'d>,
    /// The time that ages are counted from.
    pub(in crate::cli) now: &'e DateTime<FixedOffset>,
    /// True if it is deployed; `None` if that is not shown.
    pub(in crate::cli) deployed: Option<bool>,
}

impl<'d> Row<'_, 'd> {
    /// Returns a field that is a string.
    pub(in crate::cli) fn text(&self, field: Field) -> Cow<'d, str> {
        let text = self.entry.text_of(field);
        match escape_display(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(escaped) => escaped.into(),
        }
    }

    /// Returns the digest, if it is one: all of it, or its first hex digits.
    pub(in crate::cli) fn id(&self, whole: bool) -> Cow<'d, str> {
        let digest = self.entry.text_of(Field::Digest);
        let Some(hex) = digest_hex(&digest) else {
            return Cow::default();
        };
        let start = digest.len() - hex.len();
        match digest {
            whole_digest if whole => whole_digest,
            Cow::Borrowed(digest) => digest[start..start + SHORT_HEX].into(),
            Cow::Owned(digest) => digest[start..start + SHORT_HEX].to_owned().into(),
        }
    }

    /// Returns the size in bytes.
    pub(in crate::cli) fn size_bytes(&self) -> Option<i64> {
        self.entry.size().ok().flatten()
    }

    /// Returns the size in a unit that fits it.
    pub(in crate::cli) fn size(&self) -> String {
        self.size_bytes().map(units::size).unwrap_or_default()
    }

    /// Returns the age; `-` for the time that Go writes if it is unknown.
    pub(in crate::cli) fn created_since(&self) -> String {
        match self.entry.created_at() {
            Ok(Some(time)) if timestamp::is_known(&time) => units::ago(&time, self.now),
            Ok(Some(_)) => "-".to_owned(),
            _ => String::new(),
        }
    }
}
