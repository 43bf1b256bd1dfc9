//! A registry file as serde_json reads it, and what is expected of its entries.

use crate::document::generated::VERSIONS;
use crate::entry::ArtifactEntry;
use crate::fields::Field;
use crate::json::oracle::{Members, elements, place};
use crate::timestamp;

/// The value that is expected at the place of an entry.
#[derive(Clone, Debug)]
pub(super) enum Expected {
    /// The same bytes.
    Kept(String),
    /// The entry of an older form, in the form of today.
    Converted(String),
    /// The eight fields of this one, and then the unknown ones of another.
    Written(Box<ArtifactEntry>, String),
}

/// A registry file, read by serde_json.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    /// The members besides the entries, in order.
    pub(super) others: Vec<(String, String)>,
    pub(super) entries: Vec<String>,
    /// True if the next change converts it.
    pub(super) is_older: bool,
    /// True if the version is one that may not be written.
    pub(super) is_foreign: bool,
}

impl Stored {
    pub(super) fn read(text: &str, is_legacy: bool) -> Self {
        let members = Members::of(text);
        let array = |key| members.last(key).filter(|value| value.starts_with('['));
        let artifacts = array("artifacts").filter(|_| !is_legacy);
        let is_older = is_legacy || artifacts.is_none() && array("components").is_some();
        let entries = artifacts.or_else(|| array("components"));
        let mut others: Vec<_> = members
            .iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        if is_older {
            others.retain(|(key, _)| !matches!(&**key, "version" | "artifacts" | "components"));
        } else if let Some(at) = others.iter().rposition(|(key, _)| key == "artifacts") {
            others.remove(at);
        } else if others.is_empty() {
            others.push(("version".to_owned(), "\"v2\"".to_owned()));
        }
        if is_older {
            others.insert(0, ("version".to_owned(), "\"v2\"".to_owned()));
        }
        Stored {
            others,
            entries: entries
                .map(elements)
                .unwrap_or_default()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            is_older,
            is_foreign: members
                .last("version")
                .is_some_and(|it| !VERSIONS.contains(&it)),
        }
    }

    /// Returns the entries that are expected when nothing is changed but, perhaps, the
    /// form.
    pub(super) fn expected(&self) -> Vec<Expected> {
        let form = if self.is_older {
            Expected::Converted
        } else {
            Expected::Kept
        };
        self.entries.iter().cloned().map(form).collect()
    }
}

/// The reference of an entry, empty where there is none to read.
pub(super) fn reference_of(entry: &str) -> String {
    let literal = Members::of(entry).last("reference");
    literal
        .and_then(|literal| serde_json::from_str(literal).ok())
        .unwrap_or_default()
}

fn unknown(entry: &str) -> Vec<(String, String)> {
    let members = Members::of(entry);
    let known = |key: &str| Field::ALL.into_iter().any(|field| field.name() == key);
    members
        .iter()
        .filter(|(key, _)| !known(key))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The known fields of an entry in the form in which they are written.
fn written(entry: &ArtifactEntry) -> Vec<(String, String)> {
    let text = entry.encode(&[]).unwrap();
    let members = Members::of(&text);
    members
        .iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[track_caller]
pub(super) fn check(entry: &str, expected: &Expected) {
    let members = Members::of(entry);
    let all: Vec<_> = members
        .iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    match expected {
        Expected::Kept(text) => assert_eq!(entry, text),
        Expected::Written(new, old) => {
            assert_eq!(all, [written(new), unknown(old)].concat());
        }
        Expected::Converted(old) => {
            assert!(
                all.ends_with(&unknown(old)),
                "{entry} has its unknown fields last"
            );
            assert_eq!(unknown(entry), unknown(old));
            for field in Field::ALL {
                check_converted(field, entry, old);
            }
        }
    }
}

/// A field of an older form: what can be read says the same, what is not there
/// is what Go writes for it, and what cannot be read stays as it is.
#[track_caller]
fn check_converted(field: Field, new: &str, old: &str) {
    let raw = |entry| {
        let value = Members::of(entry).last(field.name());
        value.filter(|&value| value != "null").map(str::to_owned)
    };
    let (old, new) = (raw(old), raw(new));
    let string = |raw: &String| serde_json::from_str::<String>(raw).ok();
    let number = |raw: &String| raw.parse::<i64>().ok();
    let time = |raw: &String| timestamp::parse(&string(raw)?);
    let is_readable = |raw: &String| match field {
        Field::Size => number(raw).is_some(),
        Field::CreatedAt => time(raw).is_some(),
        _ => string(raw).is_some(),
    };
    if old.as_ref().is_some_and(|raw| !is_readable(raw)) {
        assert_eq!(new, old, "{field:?}");
        return;
    }
    match field {
        Field::Size => {
            let old = old.unwrap_or("0".to_owned());
            assert_eq!(new.as_ref().and_then(number), number(&old));
        }
        Field::CreatedAt => {
            let old = old.unwrap_or(format!("\"{}\"", timestamp::ZERO));
            assert_eq!(new.as_ref().and_then(time), time(&old));
        }
        _ => {
            let default = match field {
                Field::Type => Some("component".to_owned()),
                Field::Digest => None,
                _ => Some(String::new()),
            };
            let old = old
                .as_ref()
                .and_then(string)
                .filter(|text| !text.is_empty());
            assert_eq!(new.as_ref().and_then(string), old.or(default), "{field:?}");
        }
    }
}

/// Returns the text before the array of entries, and after it.
pub(super) fn around(text: &str) -> Option<(&str, &str)> {
    let array = Members::of(text)
        .last("artifacts")
        .filter(|&value| value != "null")?;
    let place = place(text, array);
    Some((&text[..place.start], &text[place.end..]))
}
