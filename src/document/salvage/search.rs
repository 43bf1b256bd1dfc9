//! Finds the objects of a text that may be damaged anywhere.
//!
//! No quote tells whether it opens a string or closes one, if one before it may
//! be missing. So each bracket is tried as the start of a value, unless a value
//! that was tried before passed it as one of its own brackets. At most two such
//! values can pass the same byte, one inside of a string and one outside: a byte
//! that both pass inside, or both outside, is passed in the same way from then
//! on, and so it was passed before. The search is linear therefore, and finds
//! every object that is whole, whatever is around it.
//!
//! That an object is found which begins inside of a string does no harm. Only
//! what has a key of an entry is of interest, and to such a value the key would
//! be bare letters.

use super::Lost;
use super::encoding::{UNREADABLE, UNREADABLE_HERE};
use super::found::{Found, Marks, Object, Place, Root, Torn};
use super::level::{Key, Level, place};
use crate::error::{Error, Result};
use crate::fields::Field;
use crate::interrupt::Interrupt;
use crate::json::{Scanner, Span, SyntaxError, ValueKind, Visitor};

/// The deepest nesting of values: Go reads nothing that is nested deeper than
/// 10,000 levels, and two are around an entry.
const DEEPEST: usize = 9_998;

/// The number of brackets that are passed between two looks at the interrupt.
const LOOK: usize = 1 << 14;

/// Searches a whole text.
pub(super) fn search(text: &str, interrupt: &Interrupt) -> Result<Found> {
    let is_bracket = |byte: &u8| matches!(byte, b'{' | b'[');
    let mut search = Search {
        text,
        interrupt,
        interrupted: None,
        entered: 0,
        first: text.bytes().position(|byte| is_bracket(&byte)),
        before: Key::None,
        open: Vec::new(),
        found: Found {
            passed: Marks::new(text.len()),
            ..Found::default()
        },
    };
    let mut at = 0;
    while let Some(distance) = text.as_bytes()[at..].iter().position(is_bracket) {
        at += distance;
        if search.found.passed.has(at) {
            at += 1;
            continue;
        }
        search.before = Key::at_end_of(&text[..at]);
        search.found.note_list(search.before);
        match Scanner::at(text, at).walk(&mut search) {
            // It is JSON, so that no entry begins inside of its strings.
            Ok(span) => {
                at = span.end;
                search.found.values.push(span);
            }
            Err(error) => {
                search.tear(&error);
                at += 1;
            }
        }
        if let Some(error) = search.interrupted {
            return Err(error);
        }
    }
    let mut found = search.found;
    found
        .objects
        .sort_unstable_by_key(|object| object.span.start);
    found.roots.sort_unstable_by_key(|root| root.span.start);
    Ok(found)
}

struct Search<'t> {
    text: &'t str,
    interrupt: &'t Interrupt,
    interrupted: Option<Error>,
    /// The number of brackets that were passed.
    entered: usize,
    /// The place of the first bracket.
    first: Option<usize>,
    /// The text before the value that is tried.
    before: Key,
    /// The objects and arrays that were entered and not left.
    open: Vec<Level>,
    found: Found,
}

impl Visitor for Search<'_> {
    fn enter(&mut self, kind: ValueKind, at: usize) -> Result<(), SyntaxError> {
        let refused = |reason: &str| SyntaxError {
            offset: at,
            reason: reason.to_owned(),
        };
        self.entered += 1;
        if self.entered.is_multiple_of(LOOK)
            && let Err(error) = self.interrupt.check()
        {
            self.interrupted = Some(error);
            return Err(refused("interrupted"));
        }
        if self.open.len() == DEEPEST {
            return Err(refused("nested too deeply for cldctl"));
        }
        self.found.passed.set(at);
        let place = place(kind, self.open.last(), self.before);
        if let Some(outer) = self.open.last_mut()
            && kind == ValueKind::Array
        {
            outer.pass_misfit(at, kind);
        }
        self.open.push(Level::new(at, kind, place));
        Ok(())
    }

    fn key(&mut self, span: Span) {
        let key = Key::of(&self.text[span.clone()]);
        let Some(level) = self.open.last_mut() else {
            return;
        };
        if let Some(replaced) = level.pass_key(key) {
            self.found.misfits.push(Lost {
                reference: Some(replaced),
                offset: level.start,
                reason: "another `reference` follows in the same object".to_owned(),
            });
        }
        if matches!(key, Key::Known(_)) {
            self.found.passed.set(span.start);
        }
        if level.place != Place::Member {
            self.found.note_list(key);
        }
    }

    fn scalar(&mut self, kind: ValueKind, value: Span) {
        let is_outermost = self.open.len() == 1;
        let Some(level) = self.open.last_mut() else {
            return;
        };
        match level.key {
            Key::None => level.pass_misfit(value.start, kind),
            Key::Known(Field::Reference) if kind == ValueKind::String => {
                level.reference = Some(value)
            }
            Key::Known(Field::CachePath) => level.has_cache_path |= kind == ValueKind::String,
            key if key.holds_entries() && is_outermost && kind != ValueKind::Null => {
                self.found.misfits.push(Lost {
                    reference: None,
                    offset: value.start,
                    reason: format!("{} is in place of the list", kind.describe()),
                });
            }
            _ => {}
        }
    }

    fn leave(&mut self, end: usize) {
        let Some(level) = self.open.pop() else {
            return;
        };
        self.found.note_misfits(&level);
        let is_root = self.is_root(&level, true);
        if is_root {
            self.found.roots.push(self.root(&level, end, true));
        }
        if level.is_object() && (level.reference.is_some() || level.place == Place::Element) {
            self.found.objects.push(Object {
                span: level.start..end,
                place: level.place,
                depth: self.open.len(),
                is_full: level.is_full(),
                reference: level.reference,
            });
        } else if level.is_like_an_entry() && !is_root {
            self.found.misfits.push(Lost {
                reference: None,
                offset: level.start,
                reason: "it has no `reference` and is not in a list".to_owned(),
            });
        }
    }
}

impl Search<'_> {
    /// Takes note of what is open where a value stops being JSON.
    fn tear(&mut self, error: &SyntaxError) {
        let reason = match self.text.as_bytes().get(error.offset) {
            Some(&byte) if char::from(byte) == UNREADABLE => UNREADABLE_HERE,
            _ => &*error.reason,
        };
        let mut is_in_entry = false;
        let levels: Vec<Level> = self.open.drain(..).collect();
        for (depth, level) in levels.iter().enumerate() {
            self.found.note_misfits(level);
            let is_root = depth == 0 && self.is_root(level, false);
            if is_root {
                self.found.roots.push(self.root(level, error.offset, false));
            }
            let is_entry = match is_in_entry {
                // It was a part of that one, unless it names another.
                true => level.reference.is_some(),
                false => {
                    level.has(Field::Reference)
                        || level.is_object() && level.place == Place::Element
                        || level.is_like_an_entry() && !is_root
                }
            };
            if is_entry {
                is_in_entry = true;
                self.found.torn.push(Torn {
                    span: level.start..error.offset,
                    reference: level.reference.clone(),
                    is_identified: level.reference.is_some() || level.has_cache_path,
                    reason: reason.to_owned(),
                });
            }
        }
    }

    /// Returns whether an object that nothing is around is the root of a document. One
    /// that is whole and has nothing but a version may be anything.
    fn is_root(&self, level: &Level, is_whole: bool) -> bool {
        self.open.is_empty()
            && level.is_object()
            && level.place == Place::Free
            && (level.lists > 0
                || !level.has(Field::Reference)
                    && (self.first == Some(level.start) || level.has_version && !is_whole))
    }

    fn root(&self, level: &Level, end: usize, is_whole: bool) -> Root {
        Root {
            span: level.start..end,
            is_whole,
            is_first: self.first == Some(level.start),
            lists: level.lists,
            has_version: level.has_version,
            has_reference: level.has(Field::Reference),
        }
    }
}

impl Found {
    /// Takes note of a key that holds entries.
    fn note_list(&mut self, key: Key) {
        self.has_artifacts |= key == Key::Artifacts;
        self.has_components |= key == Key::Components;
    }

    /// Takes note of what is in a list of entries and is none.
    fn note_misfits(&mut self, level: &Level) {
        let Some((offset, kind)) = level.misfit else {
            return;
        };
        let kind = kind.describe();
        let reason = match level.misfits {
            1 => format!("{kind} is not an entry"),
            many => format!(
                "{kind} is not an entry, nor are {} others in the list",
                many - 1
            ),
        };
        self.misfits.push(Lost {
            reference: None,
            offset,
            reason,
        });
    }
}
