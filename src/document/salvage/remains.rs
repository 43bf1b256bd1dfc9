//! Finds what is left of entries that are not whole, so that each is named.

use super::encoding::{UNREADABLE, UNREADABLE_HERE};
use super::found::{Found, Marks, Torn};
use super::{Lost, SPACE};
use crate::fields::Field;
use crate::json::{Scanner, Span, ValueKind};

/// The part of an entry whose beginning is missing.
struct Remnant {
    /// From its first whole key on, up to its bracket if that is there.
    span: Span,
    /// Behind the last bracket before it.
    from: usize,
    is_closed: bool,
    reference: Option<Span>,
    /// True if what is there of it tells which entry it was.
    is_identified: bool,
}

/// Names what is left of entries that are not saved. `gaps` are the parts of the
/// text between those that are saved; `lost` is what is known to be lost already.
///
/// What is left of an entry is not lost if another copy of it is saved whole.
pub(super) fn name(text: &str, found: &Found, gaps: &[Gap], saved: &[&str], lost: &mut Vec<Lost>) {
    let copies = Copies::new(saved);
    let mut torn: Vec<&Torn> = found.torn.iter().collect();
    torn.retain(|torn| !torn.is_identified || !copies.begin_with(&text[torn.span.clone()]));
    // Where they stop being readable, for what may be their other ends.
    let mut ends: Vec<usize> = torn.iter().map(|torn| torn.span.end).collect();
    ends.sort_unstable();
    lost.extend(torn.iter().map(|torn| Lost {
        reference: torn.reference.clone(),
        offset: torn.span.start,
        reason: torn.reason.clone(),
    }));
    for gap in gaps {
        for remnant in remnants(text, gap, &found.passed) {
            // The rest of an entry that is named, as far as anything tells.
            let end = ends.get(ends.partition_point(|end| *end < remnant.from));
            let is_rest = end.is_some_and(|end| *end <= remnant.span.start);
            let is_saved = remnant.is_closed
                && remnant.is_identified
                && copies.end_with(&text[remnant.span.clone()]);
            if !is_saved && (!is_rest || remnant.reference.is_some()) {
                lost.push(Lost {
                    reference: remnant.reference,
                    offset: remnant.span.start,
                    reason: "its beginning is missing".to_owned(),
                });
            }
        }
    }
    let mut offsets: Vec<usize> = lost.iter().map(|lost| lost.offset).collect();
    offsets.sort_unstable();
    for gap in gaps {
        let next = offsets.partition_point(|offset| *offset < gap.span.start);
        let is_named = offsets.get(next).is_some_and(|at| *at < gap.span.end);
        let hole = (!is_named).then(|| hole(text, gap)).flatten();
        lost.extend(hole.map(|(offset, reason)| Lost {
            reference: None,
            offset,
            reason: reason.to_owned(),
        }));
    }
}

/// A part of the text between those that are saved.
pub(super) struct Gap {
    pub(super) span: Span,
    /// True if an entry is before it, and behind it.
    pub(super) is_behind_entry: bool,
    pub(super) is_before_entry: bool,
}

/// Finds a place beside an entry where another one is missing, and why.
fn hole(text: &str, gap: &Gap) -> Option<(usize, &'static str)> {
    let is_between = |c: char| SPACE.contains(&c) || c == ',';
    let inside = &text[gap.span.clone()];
    if gap.is_behind_entry {
        let rest = inside.trim_start_matches(is_between);
        let at = gap.span.end - rest.len();
        if rest.starts_with(UNREADABLE) {
            return Some((at, UNREADABLE_HERE));
        }
        if rest.is_empty() && at == text.len() && inside.contains(',') {
            return Some((at, "the file ends where another entry was to follow"));
        }
    }
    let rest = inside.trim_end_matches(is_between);
    let is_before = gap.is_before_entry && rest.ends_with(UNREADABLE);
    is_before.then(|| {
        let run = rest.trim_end_matches(UNREADABLE);
        (gap.span.start + run.len(), UNREADABLE_HERE)
    })
}

/// Finds the remnants in a gap. A key that was passed belongs to an object that was
/// found, and to no remnant.
fn remnants(text: &str, gap: &Gap, passed: &Marks) -> Vec<Remnant> {
    let bytes = &text.as_bytes()[..gap.span.end];
    let is_mark = |byte: &u8| matches!(byte, b'"' | b'{' | b'}');
    let mut remnants = Vec::new();
    let mut current: Option<Remnant> = None;
    // Behind the last bracket, and how many are open since the remnant began.
    let (mut from, mut depth) = (gap.span.start, 0);
    let mut at = gap.span.start;
    while let Some(distance) = bytes[at..].iter().position(is_mark) {
        let mark = at + distance;
        at = mark + 1;
        match bytes[mark] {
            b'{' => (from, depth) = (at, depth + 1),
            b'}' => {
                from = at;
                if current.is_some() && depth > 0 {
                    depth -= 1;
                } else if let Some(mut remnant) = current.take() {
                    remnant.span.end = at;
                    remnant.is_closed = true;
                    remnants.push(remnant);
                }
            }
            _ if passed.has(mark) => remnants.extend(current.take()),
            _ if bytes[..mark].ends_with(b"\\") => {}
            _ => {
                let Some((field, end)) = key_at(text, mark) else {
                    continue;
                };
                // One that runs into what is saved is none.
                let value = string_at(text, end).filter(|value| value.end <= bytes.len());
                at = value.as_ref().map_or(end, |value| value.end);
                let reference = value.clone().filter(|_| field == Field::Reference);
                let is_another =
                    |remnant: &mut Remnant| reference.is_some() && remnant.reference.is_some();
                remnants.extend(current.take_if(is_another));
                let remnant = current.get_or_insert_with(|| {
                    depth = 0;
                    Remnant {
                        span: mark..at,
                        from,
                        is_closed: false,
                        reference: None,
                        is_identified: false,
                    }
                });
                remnant.span.end = at;
                let identifies = matches!(field, Field::Reference | Field::CachePath);
                remnant.is_identified |= identifies && value.is_some();
                remnant.reference = remnant.reference.take().or(reference);
            }
        }
    }
    remnants.extend(current);
    remnants
}

/// Returns the field whose key is at a place, and where its value has to begin.
fn key_at(text: &str, at: usize) -> Option<(Field, usize)> {
    let literal = &text[at + 1..];
    Field::ALL.into_iter().find_map(|field| {
        let behind = literal.strip_prefix(field.name())?.strip_prefix('"')?;
        let value = behind.trim_start_matches(SPACE).strip_prefix(':')?;
        Some((field, text.len() - value.len()))
    })
}

/// Returns the string at a place, or behind white space there.
fn string_at(text: &str, at: usize) -> Option<Span> {
    let mut scanner = Scanner::at(text, at);
    let is_string = scanner.kind() == Ok(ValueKind::String);
    is_string.then(|| scanner.value().ok()).flatten()
}

/// Saved entries, ordered by their beginnings and by their ends.
struct Copies<'t> {
    by_beginning: Vec<&'t str>,
    by_end: Vec<&'t str>,
}

impl<'t> Copies<'t> {
    fn new(saved: &[&'t str]) -> Self {
        let mut by_beginning = saved.to_vec();
        by_beginning.sort_unstable();
        let mut by_end = saved.to_vec();
        by_end.sort_unstable_by(|a, b| a.bytes().rev().cmp(b.bytes().rev()));
        Copies {
            by_beginning,
            by_end,
        }
    }

    fn begin_with(&self, part: &str) -> bool {
        let next = self.by_beginning.partition_point(|text| *text < part);
        let next = self.by_beginning.get(next);
        next.is_some_and(|text| text.starts_with(part))
    }

    fn end_with(&self, part: &str) -> bool {
        let is_less = |text: &&str| text.bytes().rev().lt(part.bytes().rev());
        let next = self.by_end.get(self.by_end.partition_point(is_less));
        next.is_some_and(|text| text.ends_with(part))
    }
}
