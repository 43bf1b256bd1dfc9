//! Where the parts of a document are: its version, its entries and their fields.

use std::ops::Range;

use super::go_form::{BEFORE_VALUES, HEAD, TAIL};
use super::stream;
use crate::fields::Field;
use crate::json::{Scanner, Span, SyntaxError, ValueKind, decode};

/// A text of this many bytes is worth more than one thread: in parts, it is copied through
/// windows and checked once more. Unit tests try both ways on small texts.
const LARGE: usize = if cfg!(test) { 1 << 20 } else { 8 << 20 };

/// The places of the parts of a document.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// In the order of the text.
    pub(super) entries: Vec<EntrySpans>,
    pub(super) layout: Layout,
    pub(super) version: Option<Span>,
}

/// Where the entries are in a document.
#[derive(Clone, Debug, Default)]
pub(super) enum Layout {
    /// `"artifacts": [ … ]`, the span from bracket to bracket.
    Array(Span),
    /// `"artifacts": null`, the span of the null.
    Null(Span),
    /// An object with other members only; new ones go to its end, where the
    /// last of them ends.
    NoArtifacts { end_of_members: usize },
    /// `null` or `{}`: nothing to keep.
    #[default]
    Nothing,
    /// Under the v1 key `components`.
    Components,
}

/// Where an entry and its known fields are. Fields are relative to the
/// entry, in 32 bits: a registry of 100,000 entries is held in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EntrySpans {
    pub(super) start: usize,
    pub(super) len: u32,
    /// True if each field that is to be a string is one that is spelled without
    /// escapes, or null, or missing.
    pub(super) is_plain: bool,
    /// Each field's start and length; no value has the length 0.
    pub(super) fields: [(u32, u32); 8],
}

impl EntrySpans {
    pub(super) fn span(&self) -> Range<usize> {
        self.start..self.start + self.len as usize
    }
}

impl Index {
    /// Finds the parts of a text whose entries are under `main_key`, or under
    /// `components` where that is missing or null.
    ///
    /// # Errors
    ///
    /// The text is no document.
    pub(super) fn of(text: &str, main_key: &str) -> Result<Self, SyntaxError> {
        if text.len() >= LARGE
            && main_key == "artifacts"
            && let Some(index) = Index::of_go_form(text)
        {
            return Ok(index);
        }
        let mut index = Index::default();
        let mut scanner = Scanner::new(text);
        match scanner.kind()? {
            ValueKind::Null => {
                scanner.value()?;
            }
            ValueKind::Object => index.root(text, &mut scanner, main_key)?,
            other => {
                let found = other.describe();
                return Err(scanner.error(format!("expected an object, found {found}")));
            }
        }
        scanner.end()?;
        Ok(index)
    }

    /// Finds the parts of a text in the form that Go writes, on all cores; `None` for any
    /// other text.
    pub(super) fn of_go_form(text: &str) -> Option<Self> {
        let visit = |entries: &mut Vec<EntrySpans>, offset: u64, entry: &super::EntryRef<'_>| {
            entries.push(entry.spans_at(offset as usize));
        };
        let mut parts = stream::fold(text.as_bytes(), visit).ok()??.into_iter();
        let mut entries = parts.next()?;
        parts.for_each(|mut part| entries.append(&mut part));
        Some(Index {
            entries,
            layout: Layout::Array(array_of_go_form(text.len())),
            version: Some(version_of_go_form()),
        })
    }

    /// The root object. Of members with the same key the last one counts.
    fn root(
        &mut self,
        text: &str,
        scanner: &mut Scanner<'_>,
        main_key: &str,
    ) -> Result<(), SyntaxError> {
        let mut artifacts = None;
        let mut components = None;
        let mut end_of_members = None;
        scanner.object::<SyntaxError>(|scanner, key| {
            let key = decode(&text[key]);
            let span = match key.as_deref() {
                Some("artifacts") => {
                    let found = entries(text, scanner, "artifacts")?;
                    let span = found.span.clone();
                    artifacts = Some(found);
                    span
                }
                // Beside `artifacts` this is a key like any other, and its
                // value may be anything.
                Some("components") => {
                    let span = scanner.value()?;
                    components = Some(span.clone());
                    span
                }
                Some("version") => {
                    let span = scanner.value()?;
                    self.version = Some(span.clone());
                    span
                }
                _ => scanner.value()?,
            };
            end_of_members = Some(span.end);
            Ok(())
        })?;

        let legacy = main_key == "components";
        let artifacts = artifacts.filter(|_| !legacy);
        if let Some(Entries {
            span,
            list: Some(list),
        }) = artifacts
        {
            self.entries = list;
            self.layout = Layout::Array(span);
            return Ok(());
        }
        if let Some(span) = components {
            let found = entries(text, &mut Scanner::at(text, span.start), "components")?;
            if let Some(list) = found.list {
                self.entries = list;
                self.layout = Layout::Components;
                return Ok(());
            }
        }
        self.layout = match (artifacts, end_of_members) {
            (Some(Entries { span, .. }), _) => Layout::Null(span),
            (None, Some(end_of_members)) => Layout::NoArtifacts { end_of_members },
            (None, None) => Layout::Nothing,
        };
        Ok(())
    }
}

/// Returns where the array of entries is in a document of this length in the form that
/// Go writes.
pub(super) fn array_of_go_form(len: usize) -> Span {
    HEAD.find('[').unwrap_or_default()..len - TAIL.len()
}

/// Returns where the version is in a document in the form that Go writes.
pub(super) fn version_of_go_form() -> Span {
    let end = HEAD.find(',').unwrap_or_default();
    HEAD.find(": ").unwrap_or_default() + 2..end
}

/// The value of a key that holds entries.
struct Entries {
    span: Span,
    /// None if the value is null.
    list: Option<Vec<EntrySpans>>,
}

/// The value of `artifacts` or `components`: an array of objects, or null.
fn entries(text: &str, scanner: &mut Scanner<'_>, key: &str) -> Result<Entries, SyntaxError> {
    match scanner.kind()? {
        ValueKind::Null => Ok(Entries {
            span: scanner.value()?,
            list: None,
        }),
        ValueKind::Array => {
            let start = scanner.offset();
            let mut list = Vec::new();
            scanner.array::<SyntaxError>(|scanner| {
                list.push(entry(text, scanner, key)?);
                Ok(())
            })?;
            Ok(Entries {
                span: start..scanner.offset(),
                list: Some(list),
            })
        }
        other => {
            let found = other.describe();
            Err(scanner.error(format!("expected `{key}` to be an array, found {found}")))
        }
    }
}

/// An entry, which is an object.
pub(super) fn entry(
    text: &str,
    scanner: &mut Scanner<'_>,
    key: &str,
) -> Result<EntrySpans, SyntaxError> {
    let kind = scanner.kind()?;
    if kind != ValueKind::Object {
        let found = kind.describe();
        return Err(scanner.error(format!(
            "expected the elements of `{key}` to be objects, found {found}"
        )));
    }
    let (start, escapes) = (scanner.offset(), scanner.escapes());
    let mut values: [Span; 8] = Default::default();
    let is_go_form = scanner.skip(BEFORE_VALUES[0].0);
    if is_go_form {
        values[0] = scanner.value()?;
        for (tokens, field) in &BEFORE_VALUES[1..] {
            if scanner.skip(tokens) {
                values[*field as usize] = scanner.value()?;
            }
        }
    }
    let member = |scanner: &mut Scanner<'_>, key: Span| {
        let field = known_field(&text[key]);
        let value = scanner.value()?;
        if let Some(field) = field {
            values[field as usize] = value;
        }
        Ok::<_, SyntaxError>(())
    };
    if is_go_form {
        scanner.rest_of_object(member)?;
    } else {
        scanner.object(member)?;
    }
    let end = scanner.offset();
    let small = |value: usize| {
        u32::try_from(value).map_err(|_| SyntaxError {
            offset: start,
            reason: "an entry of more than 4 GiB".to_owned(),
        })
    };
    let len = small(end - start)?;
    let is_string = |value: &Span| {
        let first = text.as_bytes().get(value.start);
        value.is_empty() || matches!(first, Some(b'"' | b'n'))
    };
    let strings = [0, 1, 2, 3, 4, 6, 7].map(|field| &values[field]);
    let is_plain = scanner.escapes() == escapes && strings.into_iter().all(is_string);
    Ok(EntrySpans {
        start,
        len,
        is_plain,
        // Smaller than the length of the entry, which was small enough.
        fields: values.map(|value| match value.is_empty() {
            true => (0, 0),
            false => ((value.start - start) as u32, value.len() as u32),
        }),
    })
}

/// The field that a key, given as a literal, names.
pub(super) fn known_field(key: &str) -> Option<Field> {
    // Spelled without escapes, as all but hostile files spell them, the key is
    // compared as it is.
    let decoded;
    let name = if key.contains('\\') {
        decoded = decode(key)?;
        &*decoded
    } else {
        &key[1..key.len() - 1]
    };
    Field::ALL.into_iter().find(|field| field.name() == name)
}
