//! `artifacts.json` as text: read without loss, edited in place.
//!
//! A [`Document`] keeps the text it was read from and knows where its entries
//! and their fields stand. An [`Edit`] replaces, removes and appends entries by
//! splicing that text, so that everything it was not asked to change keeps its
//! bytes: other entries, unknown fields, `version`, white space. On a file in
//! the form that Go writes, the result is what cldctl would have written.

mod edit;
mod legacy;
mod view;

use std::ops::Range;

pub(crate) use edit::Edit;
pub(crate) use view::EntryView;

use crate::entry::Field;
use crate::json::{Kind, Scanner, Span, SyntaxError, decode};

/// The version that is written for a new document.
const VERSION: &str = "\"v2\"";

/// A registry document and where its parts stand.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    text: String,
    entries: Vec<EntrySpans>,
    form: Form,
    version: Option<Span>,
}

/// Where the entries stand in the document.
#[derive(Clone, Debug)]
enum Form {
    /// `"artifacts": [ … ]`, the span from bracket to bracket.
    Array(Span),
    /// `"artifacts": null`, the span of the null.
    Null(Span),
    /// An object with other members only; new ones go to its end, where the
    /// last of them ends.
    NoArtifacts { end_of_members: usize },
    /// `null` or `{}`: nothing to keep.
    Nothing,
    /// Under the v1 key `components`.
    Components,
}

/// Where an entry and its known fields stand. Fields are relative to the
/// entry, in 32 bits: a registry of 100,000 entries is held in memory.
#[derive(Clone, Debug)]
struct EntrySpans {
    start: usize,
    len: u32,
    fields: [Option<(u32, u32)>; 8],
}

impl EntrySpans {
    fn span(&self) -> Range<usize> {
        self.start..self.start + self.len as usize
    }
}

/// A text that is no registry: not JSON, or of the wrong shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct ParseError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub reason: String,
}

impl ParseError {
    /// An error at an offset in bytes into a text of any encoding.
    pub(crate) fn at(text: &[u8], offset: usize, reason: impl Into<String>) -> Self {
        let before = &text[..offset.min(text.len())];
        let line_start = before
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(0, |at| at + 1);
        ParseError {
            line: before.iter().filter(|&&b| b == b'\n').count() + 1,
            column: String::from_utf8_lossy(&before[line_start..])
                .chars()
                .count()
                + 1,
            reason: reason.into(),
        }
    }
}

impl Document {
    /// A registry without entries, as cldctl writes it.
    pub(crate) fn empty() -> Self {
        Document {
            text: "null".to_owned(),
            entries: Vec::new(),
            form: Form::Nothing,
            version: None,
        }
    }

    /// Reads an `artifacts.json`. One in the v1 form is converted; the
    /// conversion is in memory until a change is written.
    pub(crate) fn parse(text: String) -> Result<Self, ParseError> {
        match Self::scan(text, "artifacts")? {
            document if matches!(document.form, Form::Components) => Ok(document.converted()),
            document => Ok(document),
        }
    }

    /// Reads a legacy `components.json` and converts it.
    pub(crate) fn parse_legacy(text: String) -> Result<Self, ParseError> {
        Self::scan(text, "components").map(|document| document.converted())
    }

    /// The whole text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The entries in the order of the file.
    pub(crate) fn entries(&self) -> impl ExactSizeIterator<Item = EntryView<'_>> {
        self.entries
            .iter()
            .map(|spans| EntryView::new(&self.text, spans))
    }

    /// One entry, by its place in [`entries`](Self::entries).
    pub(crate) fn entry(&self, index: usize) -> Option<EntryView<'_>> {
        self.entries
            .get(index)
            .map(|spans| EntryView::new(&self.text, spans))
    }

    /// The version, if it is one that we do not write: above v2, or no string
    /// of the form that cldctl uses.
    pub(crate) fn foreign_version(&self) -> Option<&str> {
        let raw = &self.text[self.version.clone()?];
        let known = decode(raw).is_some_and(|version| {
            version.is_empty()
                || version
                    .strip_prefix('v')
                    .and_then(|number| number.parse::<u32>().ok())
                    .is_some_and(|number| number <= 2)
        });
        (!known).then_some(raw)
    }

    /// Scans a document whose entries stand under `key`, or under `components`
    /// where that is missing or null.
    fn scan(text: String, key: &'static str) -> Result<Self, ParseError> {
        match Scan::run(&text, key) {
            Ok(Scan {
                entries,
                form,
                version,
                ..
            }) => Ok(Document {
                text,
                entries,
                form,
                version,
            }),
            Err(error) => Err(ParseError::at(text.as_bytes(), error.offset, error.reason)),
        }
    }
}

/// One pass over a document.
struct Scan<'t> {
    text: &'t str,
    entries: Vec<EntrySpans>,
    form: Form,
    version: Option<Span>,
}

impl<'t> Scan<'t> {
    fn run(text: &'t str, main_key: &str) -> Result<Self, SyntaxError> {
        let mut scan = Scan {
            text,
            entries: Vec::new(),
            form: Form::Nothing,
            version: None,
        };
        let mut scanner = Scanner::new(text);
        match scanner.kind()? {
            Kind::Null => {
                scanner.value()?;
            }
            Kind::Object => scan.root(&mut scanner, main_key)?,
            other => {
                let found = other.describe();
                return Err(scanner.error(format!("expected an object, found {found}")));
            }
        }
        scanner.end()?;
        Ok(scan)
    }

    /// The root object. Of members with the same key the last one counts.
    fn root(&mut self, scanner: &mut Scanner<'t>, main_key: &str) -> Result<(), SyntaxError> {
        let mut artifacts = None;
        let mut components = None;
        let mut end_of_members = None;
        scanner.object::<SyntaxError>(|scanner, key| {
            let key = decode(&self.text[key]);
            let span = match key.as_deref() {
                Some(key @ ("artifacts" | "components")) => {
                    let mut entries = Vec::new();
                    let (span, is_array) = self.artifacts(scanner, key, &mut entries)?;
                    let found = Some((span.clone(), is_array, entries));
                    if key == "artifacts" {
                        artifacts = found;
                    } else {
                        components = found;
                    }
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
        self.form = match (artifacts, components, end_of_members) {
            (Some((span, true, entries)), ..) if !legacy => {
                self.entries = entries;
                Form::Array(span)
            }
            (_, Some((_, true, entries)), _) => {
                self.entries = entries;
                Form::Components
            }
            (Some((span, ..)), ..) if !legacy => Form::Null(span),
            (.., Some(end_of_members)) => Form::NoArtifacts { end_of_members },
            (.., None) => Form::Nothing,
        };
        Ok(())
    }

    /// The value of `artifacts` or `components`: an array of objects, or null.
    fn artifacts(
        &self,
        scanner: &mut Scanner<'t>,
        key: &str,
        entries: &mut Vec<EntrySpans>,
    ) -> Result<(Span, bool), SyntaxError> {
        match scanner.kind()? {
            Kind::Null => scanner.value().map(|span| (span, false)),
            Kind::Array => scanner
                .array(|scanner| {
                    entries.push(self.entry(scanner, key)?);
                    Ok(())
                })
                .map(|span| (span, true)),
            other => {
                let found = other.describe();
                Err(scanner.error(format!("expected `{key}` to be an array, found {found}")))
            }
        }
    }

    fn entry(&self, scanner: &mut Scanner<'t>, key: &str) -> Result<EntrySpans, SyntaxError> {
        let kind = scanner.kind()?;
        if kind != Kind::Object {
            let found = kind.describe();
            return Err(scanner.error(format!(
                "expected the elements of `{key}` to be objects, found {found}"
            )));
        }
        let mut values: [Option<Span>; 8] = Default::default();
        let span = scanner.object::<SyntaxError>(|scanner, key| {
            let field = known_field(&self.text[key]);
            let value = scanner.value()?;
            if let Some(field) = field {
                values[field as usize] = Some(value);
            }
            Ok(())
        })?;
        let small = |value: usize| {
            u32::try_from(value).map_err(|_| SyntaxError {
                offset: span.start,
                reason: "an entry of more than 4 GiB".to_owned(),
            })
        };
        let mut fields = [None; 8];
        for (field, value) in fields.iter_mut().zip(values) {
            if let Some(value) = value {
                *field = Some((small(value.start - span.start)?, small(value.len())?));
            }
        }
        Ok(EntrySpans {
            start: span.start,
            len: small(span.len())?,
            fields,
        })
    }
}

/// The field that a key, given as a literal, names.
fn known_field(key: &str) -> Option<Field> {
    // Spelled without escapes, as all but hostile files spell them, the key is
    // compared as it stands.
    let decoded;
    let name = if key.contains('\\') {
        decoded = decode(key)?;
        &*decoded
    } else {
        &key[1..key.len() - 1]
    };
    Field::ALL.into_iter().find(|field| field.name() == name)
}

#[cfg(test)]
mod tests;
