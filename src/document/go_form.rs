//! The form that Go's `json.MarshalIndent` gives a registry: two spaces a level, and
//! the eight fields of an entry in their order.
//!
//! What is written, and what is recognized at a glance when it is read, is here.

use crate::entry::{ArtifactEntry, ArtifactType};
use crate::error::Error;
use crate::fields::Field;
use crate::json::go_string;
use crate::timestamp;

/// The version of a new document, as a JSON value.
pub(super) const VERSION: &str = "\"v2\"";

/// Precedes the first entry of a document without unknown members.
pub(super) const HEAD: &str = "{\n  \"version\": \"v2\",\n  \"artifacts\": [\n    ";

/// Precedes the values of an entry. They are whole tokens, so that a text which has
/// them needs no closer look.
pub(super) const BEFORE_VALUES: [(&str, Field); 8] = [
    ("{\n      \"reference\": ", Field::Reference),
    (",\n      \"repository\": ", Field::Repository),
    (",\n      \"tag\": ", Field::Tag),
    (",\n      \"type\": ", Field::Type),
    (",\n      \"digest\": ", Field::Digest),
    (",\n      \"size\": ", Field::Size),
    (",\n      \"createdAt\": ", Field::CreatedAt),
    (",\n      \"cachePath\": ", Field::CachePath),
];

/// Ends an entry.
pub(super) const END_OF_ENTRY: &str = "\n    }";

/// Precedes an entry up to its first value, and is nowhere else in a document of
/// this form: what lies deeper is set in further, and no string has a line break.
pub(super) const BEFORE_REFERENCE: &str = "\n    {\n      \"reference\": ";

/// Separates two entries.
pub(super) const BETWEEN_ENTRIES: &str = ",\n    ";

/// Follows the last entry, up to the bracket that closes the array.
pub(super) const BEFORE_END_OF_ARRAY: &str = "\n  ";

/// Follows the array of entries of a document without unknown members.
pub(super) const TAIL: &str = "\n}";

/// Follows the last entry of such a document.
pub(super) const END: &str = "\n  ]\n}";

/// Separates two members of the root.
const BETWEEN_MEMBERS: &str = ",\n  ";

/// Returns an array of entries.
pub(super) fn array(entries: &[impl AsRef<str>]) -> String {
    let Some((first, others)) = entries.split_first() else {
        return "[]".to_owned();
    };
    format!(
        "[\n    {}{}{BEFORE_END_OF_ARRAY}]",
        first.as_ref(),
        appended(others)
    )
}

/// Returns what is inserted behind an entry to append others.
pub(super) fn appended(entries: &[impl AsRef<str>]) -> String {
    let mut text = String::new();
    for entry in entries {
        text.push_str(BETWEEN_ENTRIES);
        text.push_str(entry.as_ref());
    }
    text
}

/// Returns what is inserted behind a member of the root to append another one.
pub(super) fn appended_member(key: &str, value: &str) -> String {
    format!("{BETWEEN_MEMBERS}{key}: {value}")
}

/// Returns a document of these members, keys and values in JSON.
pub(super) fn document(members: &[(&str, &str)]) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|(key, value)| format!("{key}: {value}"))
        .collect();
    format!("{{\n  {}{TAIL}", members.join(BETWEEN_MEMBERS))
}

/// Returns a JSON string.
pub(super) fn string(text: &str) -> String {
    let mut literal = String::new();
    go_string(&mut literal, text);
    literal
}

/// The eight fields of an entry as JSON values.
pub(super) struct FieldTexts {
    pub(super) reference: String,
    pub(super) repository: String,
    pub(super) tag: String,
    pub(super) artifact_type: String,
    pub(super) digest: Option<String>,
    pub(super) size: String,
    pub(super) created_at: String,
    pub(super) cache_path: String,
}

impl FieldTexts {
    /// Returns an entry of these fields and, behind them, unknown ones.
    pub(super) fn entry(&self, unknown: &[(&str, &str)]) -> String {
        let known = [
            (Field::Reference, Some(&self.reference)),
            (Field::Repository, Some(&self.repository)),
            (Field::Tag, Some(&self.tag)),
            (Field::Type, Some(&self.artifact_type)),
            (Field::Digest, self.digest.as_ref()),
            (Field::Size, Some(&self.size)),
            (Field::CreatedAt, Some(&self.created_at)),
            (Field::CachePath, Some(&self.cache_path)),
        ];
        let known = known
            .into_iter()
            .filter_map(|(field, value)| Some(format!("\"{}\": {}", field.name(), value?)));
        let unknown = unknown.iter().map(|(key, value)| format!("{key}: {value}"));
        let members: Vec<String> = known.chain(unknown).collect();
        format!("{{\n      {}\n    }}", members.join(",\n      "))
    }
}

impl ArtifactEntry {
    /// Encodes the entry for `artifacts.json`: the eight fields in their order, then
    /// `unknown` fields, each a key and a value in JSON.
    ///
    /// # Errors
    ///
    /// A time that Go cannot read back, or a negative size.
    pub(crate) fn encode(&self, unknown: &[(&str, &str)]) -> Result<String, Error> {
        let time = match &self.created_at {
            None => timestamp::ZERO.to_owned(),
            Some(time) => {
                timestamp::format(time).ok_or_else(|| Error::UnwritableTime(time.to_rfc3339()))?
            }
        };
        let size = self.size.unwrap_or_default();
        if size < 0 {
            return Err(Error::NegativeSize(size));
        }
        let string = |text: Option<&str>| string(text.unwrap_or_default());
        let digest = self.digest.as_deref().filter(|digest| !digest.is_empty());
        Ok(FieldTexts {
            reference: string(self.reference.as_deref()),
            repository: string(self.repository.as_deref()),
            tag: string(self.tag.as_deref()),
            artifact_type: string(self.artifact_type.as_ref().map(ArtifactType::as_str)),
            digest: digest.map(|digest| string(Some(digest))),
            size: size.to_string(),
            created_at: string(Some(&time)),
            cache_path: string(self.cache_path.as_deref()),
        }
        .entry(unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::Reference;
    use chrono::DateTime;

    fn entry() -> ArtifactEntry {
        let reference = Reference::parse("ghcr.io/org/app:v1&2").unwrap();
        let time = timestamp::parse("2026-03-01T00:00:00+00:00").unwrap();
        ArtifactEntry::new(&reference, ArtifactType::Component, time, "/c/x")
    }

    #[test]
    fn an_entry_is_written_as_go_writes_it() {
        let expected = r#"{
      "reference": "ghcr.io/org/app:v1\u00262",
      "repository": "ghcr.io/org/app",
      "tag": "v1\u00262",
      "type": "component",
      "size": 0,
      "createdAt": "2026-03-01T00:00:00Z",
      "cachePath": "/c/x",
      "x": [1,  2]
    }"#;
        assert_eq!(entry().encode(&[("\"x\"", "[1,  2]")]).unwrap(), expected);
    }

    #[test]
    fn fields_that_were_never_set_are_written_as_go_writes_them() {
        let text = ArtifactEntry::default().encode(&[]).unwrap();
        assert!(
            text.contains("\"createdAt\": \"0001-01-01T00:00:00Z\""),
            "{text}"
        );
        assert!(text.contains("\"size\": 0"), "{text}");
        assert!(!text.contains("digest"), "{text}");
    }

    #[test]
    fn an_entry_that_cldctl_cannot_read_is_not_written() {
        let negative = ArtifactEntry {
            size: Some(-1),
            ..entry()
        };
        assert!(matches!(negative.encode(&[]), Err(Error::NegativeSize(-1))));
        let leap = DateTime::parse_from_rfc3339("2016-12-31T23:59:60Z").unwrap();
        let leap = ArtifactEntry {
            created_at: Some(leap),
            ..entry()
        };
        assert!(matches!(leap.encode(&[]), Err(Error::UnwritableTime(_))));
    }

    #[test]
    fn what_is_recognized_is_what_is_written() {
        let entries: Vec<String> = [Some("sha256:00".to_owned()), None]
            .into_iter()
            .map(|digest| ArtifactEntry { digest, ..entry() }.encode(&[]).unwrap())
            .collect();
        let array = array(&entries);
        let text = document(&[("\"version\"", VERSION), ("\"artifacts\"", &array)]);
        let inner = text.strip_prefix(HEAD).unwrap();
        let inner = inner.strip_suffix(TAIL).unwrap().strip_suffix(']').unwrap();
        let inner = inner.strip_suffix(BEFORE_END_OF_ARRAY).unwrap();
        assert_eq!(END, format!("{BEFORE_END_OF_ARRAY}]{TAIL}"));
        assert_eq!(inner, entries.join(BETWEEN_ENTRIES));
        assert_eq!(text.matches(BEFORE_REFERENCE).count(), 2);
        for (tokens, field) in BEFORE_VALUES {
            let count = if field == Field::Digest { 1 } else { 2 };
            assert_eq!(text.matches(tokens).count(), count, "{tokens}");
        }
    }
}
