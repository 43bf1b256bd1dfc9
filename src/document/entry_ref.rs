//! Entries as they are in the text, decoded on demand.

use std::borrow::Cow;

use chrono::{DateTime, FixedOffset};

use super::go_form::{BEFORE_VALUES, END_OF_ENTRY};
use super::index::{EntrySpans, known_field};
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::fields::Field;
use crate::json::{Members, decode, go_string};
use crate::reference::UNTAGGED;
use crate::timestamp;

/// A field that holds something else than the field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// The value of a field: nothing (missing or null), a value, or something that
/// cannot be read.
pub(crate) type FieldValue<T> = Result<Option<T>, Unreadable>;

impl AsRef<str> for EntryRef<'_> {
    fn as_ref(&self) -> &str {
        self.text
    }
}

/// An entry of a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryRef<'d> {
    text: &'d str,
    spans: &'d EntrySpans,
}

/// An entry of the registry as it is in the file, unknown fields included.
///
/// ```
/// use cldctl_registry::{ArtifactEntry, ArtifactType, Reference, Registry};
///
/// # let dir = tempfile::tempdir()?;
/// # let registry = Registry::open(dir.path().join("artifacts.json"))?;
/// # let reference = Reference::parse("app:v1")?;
/// # let now = chrono::Utc::now().fixed_offset();
/// # registry.add(ArtifactEntry::new(&reference, ArtifactType::Component, now, ""))?;
/// for entry in registry.list_stored()? {
///     assert!(entry.json().starts_with('{'));
///     assert_eq!(entry.to_entry().tag.as_deref(), Some("v1"));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    text: String,
    spans: EntrySpans,
}

impl StoredEntry {
    /// Returns the entry as it is in the file: a JSON object, to the byte.
    pub fn json(&self) -> &str {
        &self.text
    }

    /// Returns the reference, empty where there is none to read.
    pub fn reference(&self) -> Cow<'_, str> {
        self.as_entry_ref().reference()
    }

    /// Returns the entry with its fields read; those that this library does not know are
    /// left out.
    pub fn to_entry(&self) -> ArtifactEntry {
        self.as_entry_ref().to_entry()
    }

    /// Returns whether a field has something that cldctl cannot read, for which it rejects
    /// the whole registry.
    pub fn is_unreadable(&self) -> bool {
        self.as_entry_ref().is_unreadable()
    }

    pub(crate) fn as_entry_ref(&self) -> EntryRef<'_> {
        EntryRef::new(&self.text, &self.spans)
    }
}

impl From<EntryRef<'_>> for StoredEntry {
    fn from(entry: EntryRef<'_>) -> Self {
        let spans = EntrySpans {
            start: 0,
            ..entry.spans.clone()
        };
        StoredEntry {
            text: entry.text.to_owned(),
            spans,
        }
    }
}

impl<'d> EntryRef<'d> {
    pub(super) fn new(document: &'d str, spans: &'d EntrySpans) -> Self {
        EntryRef {
            text: &document[spans.span()],
            spans,
        }
    }

    /// The entry as it is in the file.
    pub(crate) fn text(&self) -> &'d str {
        self.text
    }

    /// Returns where the entry and its fields are in a text in which it starts here.
    pub(super) fn spans_at(&self, start: usize) -> EntrySpans {
        EntrySpans {
            start,
            ..self.spans.clone()
        }
    }

    /// A field as it is in the file, null included.
    pub(crate) fn raw(&self, field: Field) -> Option<&'d str> {
        let (start, len) = self.spans.fields[field as usize];
        let raw = self.text.get(start as usize..start as usize + len as usize);
        raw.filter(|raw| !raw.is_empty())
    }

    /// A field that is a string.
    pub(crate) fn string(&self, field: Field) -> FieldValue<Cow<'d, str>> {
        match self.raw(field) {
            None | Some("null") => Ok(None),
            Some(raw) if self.spans.is_plain => Ok(Some(raw[1..raw.len() - 1].into())),
            Some(raw) => decode(raw).map(Some).ok_or(Unreadable),
        }
    }

    /// Returns whether a field is just this string.
    pub(crate) fn has(&self, field: Field, text: &str) -> bool {
        let inner = |raw: &'d str| raw.strip_prefix('"')?.strip_suffix('"');
        match self.raw(field).and_then(inner) {
            None => false,
            // As nearly all are, and so are spelled without escapes.
            Some(inner) if inner.len() == text.len() => inner == text && !text.contains('\\'),
            Some(inner) if inner.len() < text.len() => false,
            Some(_) => self
                .string(field)
                .is_ok_and(|value| value.as_deref() == Some(text)),
        }
    }

    /// A field that is a string, empty where there is none to read.
    pub(crate) fn text_of(&self, field: Field) -> Cow<'d, str> {
        self.string(field).ok().flatten().unwrap_or_default()
    }

    /// The reference, empty where there is none to read.
    pub(crate) fn reference(&self) -> Cow<'d, str> {
        self.text_of(Field::Reference)
    }

    /// The size: a JSON number that Go can read as an `int64`.
    pub(crate) fn size(&self) -> FieldValue<i64> {
        match self.raw(Field::Size) {
            None | Some("null") => Ok(None),
            Some(raw) => raw.parse().map(Some).map_err(|_| Unreadable),
        }
    }

    /// The time: an RFC 3339 string that Go can read.
    pub(crate) fn created_at(&self) -> FieldValue<DateTime<FixedOffset>> {
        match self.string(Field::CreatedAt)? {
            None => Ok(None),
            Some(text) => timestamp::parse(&text).map(Some).ok_or(Unreadable),
        }
    }

    /// Returns whether this is an artifact without repository and tag of its own.
    pub(crate) fn is_untagged(&self) -> bool {
        let is_none = |field| self.text_of(field) == UNTAGGED;
        is_none(Field::Repository) || is_none(Field::Tag)
    }

    /// The fields that hold something that cldctl cannot read.
    pub(crate) fn unreadable_fields(&self) -> impl Iterator<Item = Field> {
        let entry = *self;
        Field::ALL.into_iter().filter(move |&field| match field {
            Field::Size => entry.size().is_err(),
            Field::CreatedAt => entry.created_at().is_err(),
            _ => entry.string(field).is_err(),
        })
    }

    /// Returns whether there is a field that holds something that cldctl cannot read.
    pub(crate) fn is_unreadable(&self) -> bool {
        Field::ALL.into_iter().any(|field| match field {
            Field::Size => self.size().is_err(),
            Field::CreatedAt => self.created_at().is_err(),
            _ => !self.spans.is_plain && self.string(field).is_err(),
        })
    }

    /// The members of an entry that has the form which Go gives it, known fields
    /// alone and each at most once, as they are in the file. None for any other
    /// entry, and where a value is an object or an array.
    pub(crate) fn in_go_form(&self) -> Option<impl Iterator<Item = &'d str>> {
        let mut at = 0;
        let mut found = [None; 8];
        for (tokens, field) in BEFORE_VALUES {
            let (start, len) = self.spans.fields[field as usize];
            if len == 0 {
                continue;
            }
            let (start, end) = (start as usize, (start + len) as usize);
            let is_next = start == at + tokens.len() && self.text[at..].starts_with(tokens);
            if !is_next || self.text[start..].starts_with(['{', '[']) {
                return None;
            }
            // Before the value come the key, its quotes, a colon and a blank.
            let key = start - (field.name().len() + 4);
            found[field as usize] = Some(&self.text[key..end]);
            at = end;
        }
        // What comes first opens the object.
        let is_whole = found[0].is_some() && self.text[at..] == *END_OF_ENTRY;
        is_whole.then(|| found.into_iter().flatten())
    }

    /// The members that are no known fields, as key and value in JSON, in their
    /// order.
    pub(crate) fn unknown_members(&self) -> Vec<(&'d str, &'d str)> {
        Members::of(self.text)
            .filter(|(key, _)| known_field(key).is_none())
            .collect()
    }

    /// Returns the text of the entry with another `cachePath`, and all else as it
    /// is; `None` if it has none.
    pub(crate) fn with_cache_path(&self, path: &str) -> Option<String> {
        let (start, len) = self.spans.fields[Field::CachePath as usize];
        let (start, end) = (start as usize, (start + len) as usize);
        let mut text = self.text.get(..start)?.to_owned();
        go_string(&mut text, path);
        text.push_str(self.text.get(end..)?);
        (len > 0).then_some(text)
    }

    /// The entry with its fields read.
    pub(crate) fn to_entry(self) -> ArtifactEntry {
        let string = |field| self.string(field).ok().flatten().map(Cow::into_owned);
        ArtifactEntry {
            reference: string(Field::Reference),
            repository: string(Field::Repository),
            tag: string(Field::Tag),
            artifact_type: string(Field::Type).map(|name| ArtifactType::from(name.as_str())),
            digest: string(Field::Digest),
            size: self.size().ok().flatten(),
            created_at: self.created_at().ok().flatten(),
            cache_path: string(Field::CachePath),
        }
    }
}
