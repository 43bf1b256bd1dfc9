//! Conversion of the older forms: `components.json`, and an `artifacts.json`
//! whose entries are under `components`.

use super::go_form::{self, FieldTexts, VERSION};
use super::{Document, EntryRef};
use crate::escape::escape_display;
use crate::fields::Field;
use crate::json::{Members, decode};
use crate::timestamp;

impl Document {
    /// The document in the form of today: version v2, the entries as cldctl
    /// writes them, then unknown members. What a field holds that cannot be
    /// read is carried over as it is.
    pub(super) fn converted(&self) -> Document {
        let entries: Vec<String> = self
            .entries()
            .map(|entry| converted_entry(&entry))
            .collect();
        let array = go_form::array(&entries);
        let mut members = vec![("\"version\"", VERSION), ("\"artifacts\"", &*array)];
        members.extend(self.unknown_members());
        let text = go_form::document(&members);
        let document =
            Document::scan(text, "artifacts").expect("what was just written is a document");
        Document {
            original_version: self.foreign_version().map(str::to_owned),
            is_converted: true,
            ..document
        }
    }

    /// Finds what cldctl cannot read in a document of the form of today. One such value
    /// costs it the whole registry.
    pub(crate) fn unreadable_for_cldctl(&self) -> Option<UnreadableValue> {
        let members = self.unknown_members().into_iter();
        let mut odd = members
            .filter(|(key, value)| match folded(key).as_str() {
                "version" => !is_string(value),
                "artifacts" => !value.starts_with('[') && *value != "null",
                _ => false,
            })
            .map(|(key, _)| key.trim_matches('"').to_owned());
        if let Some(key) = odd.next() {
            return Some(UnreadableValue {
                entry: None,
                field: key,
                more: 0,
            });
        }
        let entries = self.entries().enumerate();
        let mut found = entries.filter_map(|(index, entry)| {
            let field = unreadable_field(&entry)?;
            Some((index, entry.reference().into_owned(), field))
        });
        let (index, reference, field) = found.next()?;
        let name = match reference.is_empty() {
            true => format!("number {}", index + 1),
            false => format!("`{}`", escape_display(&reference)),
        };
        Some(UnreadableValue {
            entry: Some(name),
            field,
            more: found.count(),
        })
    }

    /// The members of the root besides the version and the entries.
    fn unknown_members(&self) -> Vec<(&str, &str)> {
        let is_known = |key: &str| {
            decode(key).is_some_and(|key| matches!(&*key, "version" | "artifacts" | "components"))
        };
        Members::of(&self.text)
            .filter(|(key, _)| !is_known(key))
            .collect()
    }
}

/// A value that cldctl cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnreadableValue {
    /// The entry that has it, by its reference or its number; `None` if it is a member
    /// of the root.
    pub(crate) entry: Option<String>,
    /// Its key.
    pub(crate) field: String,
    /// The number of further entries that have such values.
    pub(crate) more: usize,
}

/// The key of the first value of an entry that cldctl cannot read.
fn unreadable_field(entry: &EntryRef<'_>) -> Option<String> {
    let known = Field::ALL.into_iter().find(|&field| {
        let raw = entry.raw(field);
        raw.is_some_and(|raw| !is_readable(field, raw))
    });
    let unknown = || {
        let members = entry.unknown_members().into_iter();
        let mut odd = members.filter(|(key, value)| {
            let key = folded(key);
            let mut fields = Field::ALL.into_iter();
            let field = fields.find(|field| field.name().to_ascii_lowercase() == key);
            field.is_some_and(|field| !is_readable(field, value))
        });
        odd.next().map(|(key, _)| key.trim_matches('"').to_owned())
    };
    known.map(|field| field.name().to_owned()).or_else(unknown)
}

/// Returns whether Go reads a value into a field.
fn is_readable(field: Field, raw: &str) -> bool {
    raw == "null"
        || match field {
            Field::Size => raw.parse::<i64>().is_ok(),
            // Go takes what is between the quotes as it is, escapes too.
            Field::CreatedAt => raw
                .strip_prefix('"')
                .and_then(|raw| raw.strip_suffix('"'))
                .is_some_and(|time| timestamp::parse(time).is_some()),
            _ => is_string(raw),
        }
}

fn is_string(raw: &str) -> bool {
    raw.starts_with('"') || raw == "null"
}

/// A key as Go compares it with those that it knows where none is the same: without
/// regard to case, nor to the two letters beyond ASCII that have an s and a k as their
/// other case.
fn folded(key: &str) -> String {
    let key = decode(key).unwrap_or_default();
    let letters = key.chars().map(|letter| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    });
    letters.collect()
}

/// An entry in the form of today. Fields that are missing are written as Go
/// writes what was never set; an artifact without a type is a component.
fn converted_entry(entry: &EntryRef<'_>) -> String {
    let string = |field: Field, default: &str| match entry.string(field) {
        Ok(Some(text)) if text.is_empty() => go_form::string(default),
        Ok(Some(text)) => go_form::string(&text),
        Ok(None) => go_form::string(default),
        Err(_) => entry.raw(field).unwrap_or("\"\"").to_owned(),
    };
    let no_digest = entry
        .string(Field::Digest)
        .is_ok_and(|digest| digest.is_none_or(|digest| digest.is_empty()));
    FieldTexts {
        reference: string(Field::Reference, ""),
        repository: string(Field::Repository, ""),
        tag: string(Field::Tag, ""),
        artifact_type: string(Field::Type, "component"),
        digest: (!no_digest).then(|| string(Field::Digest, "")),
        size: match entry.size() {
            Ok(size) => size.unwrap_or_default().to_string(),
            Err(_) => entry.raw(Field::Size).unwrap_or("0").to_owned(),
        },
        created_at: match entry.created_at() {
            Ok(None) => go_form::string(timestamp::ZERO),
            // Go reads any number of digits and offsets of -00:00, and writes
            // the time in its own form.
            Ok(Some(time)) => match timestamp::format(&time) {
                Some(text) => go_form::string(&text),
                None => string(Field::CreatedAt, ""),
            },
            Err(_) => entry.raw(Field::CreatedAt).unwrap_or("\"\"").to_owned(),
        },
        cache_path: string(Field::CachePath, ""),
    }
    .entry(&entry.unknown_members())
}
