//! The entries of a document: where each and its fields stand.
//!
//! A large array is scanned from several places at once. Where an element might
//! start is guessed; each part is then scanned up to the guess for the next one
//! and counts only if the part before it ended exactly there. So the result is
//! that of one pass from the start, errors included, whatever was guessed.

use super::EntrySpans;
use crate::fields::Field;
use crate::json::{Kind, Scanner, Span, SyntaxError, decode};
use crate::parallel;

/// An array of this many bytes, or less, is scanned in one part.
const PART: usize = 1 << 20;

/// How far behind a place an element is looked for, in bytes.
const LOOK: usize = 1 << 16;

/// What stands before the fields of an entry in the form that Go writes. They
/// are whole tokens, so that a text which has them needs no closer look.
pub(super) const GO_FORM: [(&str, Field); 8] = [
    ("{\n      \"reference\": ", Field::Reference),
    (",\n      \"repository\": ", Field::Repository),
    (",\n      \"tag\": ", Field::Tag),
    (",\n      \"type\": ", Field::Type),
    (",\n      \"digest\": ", Field::Digest),
    (",\n      \"size\": ", Field::Size),
    (",\n      \"createdAt\": ", Field::CreatedAt),
    (",\n      \"cachePath\": ", Field::CachePath),
];

/// What stands behind the last field of an entry in that form.
pub(super) const GO_END: &str = "\n    }";

/// Scans the array of entries that comes next, on all cores if it is large.
/// `key` is its name, for errors.
pub(super) fn entries<'t>(
    text: &'t str,
    scanner: &mut Scanner<'t>,
    key: &str,
) -> Result<(Vec<EntrySpans>, Span), SyntaxError> {
    let parts = match (text.len() - scanner.offset()) / PART {
        0 => 1,
        many => many.min(parallel::width()),
    };
    entries_in(text, scanner, key, parts)
}

/// As [`entries`], in so many parts.
fn entries_in<'t>(
    text: &'t str,
    scanner: &mut Scanner<'t>,
    key: &str,
    parts: usize,
) -> Result<(Vec<EntrySpans>, Span), SyntaxError> {
    let start = scanner.offset();
    let Some(first) = scanner.first_element()? else {
        return Ok((Vec::new(), start..scanner.offset()));
    };
    let left = text.len() - first;
    let guess = |part| element_behind(text, first + left / parts * part);
    let guesses = (1..parts).filter_map(guess);
    let mut starts: Vec<usize> = [first].into_iter().chain(guesses).collect();
    starts.dedup();
    let ends = starts.iter().skip(1).copied().chain([usize::MAX]);
    let ranges: Vec<(usize, usize)> = starts.iter().copied().zip(ends).collect();
    let scanned = parallel::map(ranges.clone(), |(from, until)| {
        Part::scan(text, key, from, until)
    });

    let mut entries = Vec::new();
    let mut at = first;
    for ((from, until), part) in ranges.into_iter().zip(scanned) {
        let part = match at {
            _ if at == from => part,
            // An element of the part before reaches into this one.
            _ if at < until => Part::scan(text, key, at, until),
            _ => continue,
        };
        let Part { mut spans, end } = part;
        if entries.is_empty() {
            entries = spans;
        } else {
            entries.append(&mut spans);
        }
        match end? {
            End::OfArray(end) => {
                *scanner = Scanner::at(text, end);
                return Ok((entries, start..end));
            }
            End::Before(next) => at = next,
        }
    }
    // The last part has no end but that of the array.
    Err(scanner.error("expected `]`"))
}

/// Where a part of the array ended.
enum End {
    /// Before an element.
    Before(usize),
    /// Behind the closing bracket.
    OfArray(usize),
}

/// Elements of the array, one behind the other.
struct Part {
    spans: Vec<EntrySpans>,
    end: Result<End, SyntaxError>,
}

impl Part {
    /// Scans from an element to the first one at or behind `until`.
    fn scan(text: &str, key: &str, from: usize, until: usize) -> Self {
        let mut scanner = Scanner::at(text, from);
        let mut spans = Vec::new();
        let end = scanner.elements(until, |scanner| {
            spans.push(entry(text, scanner, key)?);
            Ok::<_, SyntaxError>(())
        });
        let at = scanner.offset();
        let end = end.map(|is_closed| match is_closed {
            true => End::OfArray(at),
            false => End::Before(at),
        });
        Part { spans, end }
    }
}

/// A place about or behind `at` where an entry might start.
fn element_behind(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let window = &bytes[at..bytes.len().min(at + LOOK)];
    let key = b"\"reference\"";
    let found = window.windows(key.len()).position(|bytes| bytes == key)?;
    let before = bytes[..at + found].trim_ascii_end();
    before.ends_with(b"{").then(|| before.len() - 1)
}

/// An entry, which is an object.
pub(super) fn entry(
    text: &str,
    scanner: &mut Scanner<'_>,
    key: &str,
) -> Result<EntrySpans, SyntaxError> {
    let kind = scanner.kind()?;
    if kind != Kind::Object {
        let found = kind.describe();
        return Err(scanner.error(format!(
            "expected the elements of `{key}` to be objects, found {found}"
        )));
    }
    let (start, escapes) = (scanner.offset(), scanner.escapes());
    let mut values: [Span; 8] = Default::default();
    let is_go_form = scanner.skip(GO_FORM[0].0);
    if is_go_form {
        values[0] = scanner.value()?;
        for (tokens, field) in &GO_FORM[1..] {
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
