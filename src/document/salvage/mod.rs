//! Recovers the intact entries of a corrupt document.
//!
//! There is one way for all damage: every object that is whole is found, whatever
//! is around it ([`search`]); those that are entries are chosen ([`choice`]);
//! what is left of others is named ([`remains`]); and a document is written of the
//! entries, byte for byte, and of the members of documents that are whole
//! ([`rewrite`]). Time and memory grow with the text and not with its nesting.

mod choice;
mod encoding;
mod found;
mod level;
mod nesting;
mod remains;
mod rewrite;
mod search;

use std::collections::HashSet;

use super::index::Index;
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::json::{LineIndex, ParseError, Span, decode};
use choice::Choice;
use found::{Found, Object, Root};
use remains::Gap;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The white space of JSON.
const SPACE: [char; 4] = [' ', '\n', '\r', '\t'];

/// The recovered part of a corrupt document.
#[derive(Clone, Debug)]
pub(crate) struct Salvaged {
    /// A document that can be read.
    pub(crate) text: String,
    /// The number of entries that it contains.
    pub(crate) entries: usize,
    /// The entries that it does not contain, as far as anything tells of them, in
    /// the order of the corrupt document.
    pub(crate) lost: Vec<Loss>,
}

/// An entry that could not be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    /// The reference, if that much of it was there.
    pub(crate) reference: Option<String>,
    /// Its place, and what is wrong with it.
    pub(crate) cause: ParseError,
}

/// A loss before its place is known in lines.
#[derive(Clone, Debug)]
struct Lost {
    /// The literal of the reference.
    reference: Option<Span>,
    offset: usize,
    reason: String,
}

/// Recovers the intact entries of a corrupt document. `None` if nothing in it
/// shows that it was a registry.
///
/// # Errors
///
/// That it was interrupted.
pub(crate) fn salvage(bytes: &[u8], interrupt: &Interrupt) -> Result<Option<Salvaged>> {
    let text = &*encoding::decode(bytes);
    if text
        .chars()
        .all(|c| c.is_ascii_whitespace() || c == BYTE_ORDER_MARK)
    {
        return Ok(Some(Salvaged {
            text: rewrite::document(text, &[], &[], "artifacts"),
            entries: 0,
            lost: Vec::new(),
        }));
    }
    let found = search::search(text, interrupt)?;
    let is_document = |root: &&Root| is_document(text, root);
    let whole: Vec<Root> = found.roots.iter().filter(is_document).cloned().collect();
    let Choice { saved, mut lost } = choice::choose(text, &found, &whole);
    interrupt.check()?;

    let (document, entries) = write(text, &found, &saved, &whole);
    lost.extend(misfits(text, &found, &saved, &whole));
    let gaps = gaps(text, &saved, &whole);
    remains::name(text, &found, &gaps, &entries, &mut lost);
    interrupt.check()?;

    if entries.is_empty() && lost.is_empty() {
        let is_of_registry = |root: &Root| root.lists > 0 || root.has_version;
        if !found.roots.iter().any(is_of_registry) {
            return Ok(None);
        }
        lost.extend(unread(text, &found.roots, &gaps).map(|offset| Lost {
            reference: None,
            offset,
            reason: "no entry can be read, here or before".to_owned(),
        }));
    }
    Ok(Some(Salvaged {
        text: document,
        entries: entries.len(),
        lost: in_lines(text, lost),
    }))
}

/// Finds something in a text without entries that was not read: what is left of a
/// document, or of anything else in JSON beside one that is whole.
fn unread(text: &str, roots: &[Root], gaps: &[Gap]) -> Option<usize> {
    let is_left = |root: &&Root| !is_document(text, root);
    let left = roots.iter().find(is_left).map(|root| root.span.end);
    let token = |gap: &Gap| {
        let inside = &text[gap.span.clone()];
        Some(gap.span.start + inside.find(['"', '[', ']', '{', '}'])?)
    };
    left.or_else(|| gaps.iter().find_map(token))
}

/// Returns whether an object can be read as a document with one list of entries.
fn is_document(text: &str, root: &Root) -> bool {
    let is_readable = |text| Index::of(text, "artifacts").is_ok();
    root.is_whole && root.lists == 1 && !root.has_reference && is_readable(&text[root.span.clone()])
}

/// Writes the document, and returns the entries in it. A single document that is
/// whole stays as it is; else one of several entries that are the same is written.
fn write<'t>(
    text: &'t str,
    found: &Found,
    saved: &[&Object],
    whole: &[Root],
) -> (String, Vec<&'t str>) {
    let text_of = |entry: &&Object| &text[entry.span.clone()];
    if let ([document], [_]) = (whole, &*found.roots) {
        let document = document.span.clone();
        if saved
            .iter()
            .all(|entry| document.contains(&entry.span.start))
        {
            let entries = saved.iter().map(text_of).collect();
            return (text[document].to_owned(), entries);
        }
    }
    let mut known = HashSet::new();
    let entries = saved.iter().filter(|entry| {
        // Without a reference, two may be the same and yet not one.
        known.insert(text_of(entry)) || entry.reference.is_none()
    });
    let entries: Vec<&str> = entries.map(text_of).collect();
    let key = match found.has_components && !found.has_artifacts {
        true => "components",
        false => "artifacts",
    };
    let document = rewrite::document(text, &found.roots, &entries, key);
    (document, entries)
}

/// Returns what is in the place of entries and of their references, unless it belongs
/// to what is saved.
fn misfits(text: &str, found: &Found, saved: &[&Object], whole: &[Root]) -> Vec<Lost> {
    let text_of = |span: &Option<Span>| span.clone().map(|span| &text[span]);
    let is_saved = |lost: &Lost| {
        let next = saved.partition_point(|entry| entry.span.start <= lost.offset);
        let entry = next.checked_sub(1).and_then(|index| saved.get(index));
        entry.is_some_and(|entry| match entry.span.start == lost.offset {
            true => text_of(&entry.reference) == text_of(&lost.reference),
            false => lost.offset < entry.span.end,
        })
    };
    let is_lost =
        |lost: &&Lost| choice::containing(whole, lost.offset).is_none() && !is_saved(lost);
    found.misfits.iter().filter(is_lost).cloned().collect()
}

/// Returns the parts of the text between the entries and the documents that are whole.
fn gaps(text: &str, saved: &[&Object], whole: &[Root]) -> Vec<Gap> {
    let entries = saved.iter().map(|entry| (entry.span.clone(), true));
    let outside = entries.filter(|(span, _)| choice::containing(whole, span.start).is_none());
    let documents = whole.iter().map(|root| (root.span.clone(), false));
    let mut covered: Vec<(Span, bool)> = outside.chain(documents).collect();
    covered.sort_unstable_by_key(|(span, _)| span.start);
    let mut gaps = Vec::with_capacity(covered.len() + 1);
    let (mut start, mut is_behind_entry) = (0, false);
    for (span, is_entry) in covered.into_iter().chain([(text.len()..text.len(), false)]) {
        gaps.push(Gap {
            span: start..span.start,
            is_behind_entry,
            is_before_entry: is_entry,
        });
        (start, is_behind_entry) = (span.end, is_entry);
    }
    gaps
}

/// Returns the losses in the order of the text, with their places in lines.
fn in_lines(text: &str, mut lost: Vec<Lost>) -> Vec<Loss> {
    lost.sort_by_key(|lost| lost.offset);
    let mut places = LineIndex::new(text.as_bytes());
    let lost = lost.into_iter().map(|lost| {
        let literal = lost.reference.map(|span| &text[span]);
        Loss {
            reference: literal.and_then(decode).map(|text| text.into_owned()),
            cause: places.error(lost.offset, lost.reason),
        }
    });
    lost.collect()
}

#[cfg(test)]
mod tests;
