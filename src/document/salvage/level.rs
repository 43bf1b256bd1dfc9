//! The state of an object or an array while it is open.

use super::SPACE;
use super::found::Place;
use crate::document::index::known_field;
use crate::fields::Field;
use crate::json::{Span, ValueKind, decode};

/// The least number of letters that tell what a key was whose beginning is missing.
const END_OF_KEY: usize = 3;

/// The fields that every version of cldctl writes. An object that has them all
/// is an entry, even where other things are expected.
const ALWAYS_WRITTEN: u8 = bit(Field::Reference)
    | bit(Field::Repository)
    | bit(Field::Tag)
    | bit(Field::Size)
    | bit(Field::CreatedAt)
    | bit(Field::CachePath);

const fn bit(field: Field) -> u8 {
    1 << field as u8
}

/// The key before a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    None,
    /// These two hold the entries, the second one in the older form.
    Artifacts,
    Components,
    Version,
    Known(Field),
    Other,
}

impl Key {
    /// Returns the key that a literal is.
    pub(super) fn of(literal: &str) -> Self {
        if let Some(field) = known_field(literal) {
            return Key::Known(field);
        }
        match decode(literal).as_deref() {
            Some("artifacts") => Key::Artifacts,
            Some("components") => Key::Components,
            Some("version") => Key::Version,
            _ => Key::Other,
        }
    }

    /// Returns the key at the end of a text if nothing else in it could be read. Where
    /// its beginning is missing, its end may tell what it was.
    pub(super) fn at_end_of(text: &str) -> Self {
        let key = text.trim_end_matches(SPACE).strip_suffix(':');
        let key = key.and_then(|key| key.trim_end_matches(SPACE).strip_suffix('"'));
        let Some(key) = key else {
            return Key::None;
        };
        let before = key.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let name = &key[before.len()..];
        let is_whole = before.ends_with('"');
        let is = |key: &str| match is_whole {
            true => key == name,
            false => name.len() >= END_OF_KEY && key.ends_with(name),
        };
        let field = Field::ALL.into_iter().find(|field| is(field.name()));
        match field {
            _ if is("artifacts") => Key::Artifacts,
            _ if is("components") => Key::Components,
            Some(field) => Key::Known(field),
            None => Key::Other,
        }
    }

    /// Returns whether entries are expected behind it.
    pub(super) fn holds_entries(self) -> bool {
        matches!(self, Key::Artifacts | Key::Components)
    }
}

/// An object or an array that was entered and not left.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) start: usize,
    pub(super) kind: ValueKind,
    /// Of an object: its own place. Of an array: that of its elements.
    pub(super) place: Place,
    /// The key before the value that comes next.
    pub(super) key: Key,
    /// Its keys that are fields of an entry.
    fields: u8,
    /// The number of its keys that contain entries.
    pub(super) lists: usize,
    pub(super) has_version: bool,
    /// Its reference, if that is a string.
    pub(super) reference: Option<Span>,
    pub(super) has_cache_path: bool,
    /// Of a list of entries: where something else is in it, and how often.
    pub(super) misfit: Option<(usize, ValueKind)>,
    pub(super) misfits: usize,
}

impl Level {
    pub(super) fn new(start: usize, kind: ValueKind, place: Place) -> Self {
        Level {
            start,
            kind,
            place,
            key: Key::None,
            fields: 0,
            lists: 0,
            has_version: false,
            reference: None,
            has_cache_path: false,
            misfit: None,
            misfits: 0,
        }
    }

    /// Takes note of a key. Of keys that are there twice the last one counts, so that a
    /// reference which stood before is returned.
    pub(super) fn pass_key(&mut self, key: Key) -> Option<Span> {
        self.key = key;
        self.lists += usize::from(key.holds_entries());
        self.has_version |= key == Key::Version;
        if let Key::Known(field) = key {
            self.fields |= bit(field);
        }
        let is_reference = key == Key::Known(Field::Reference);
        self.reference.take_if(|_| is_reference)
    }

    /// Takes note of an element that is no entry, if this is a list of entries.
    pub(super) fn pass_misfit(&mut self, at: usize, kind: ValueKind) {
        if self.is_list() {
            self.misfit.get_or_insert((at, kind));
            self.misfits += 1;
        }
    }

    pub(super) fn is_list(&self) -> bool {
        self.kind == ValueKind::Array && self.place == Place::Element
    }

    pub(super) fn is_object(&self) -> bool {
        self.kind == ValueKind::Object
    }

    pub(super) fn has(&self, field: Field) -> bool {
        self.fields & bit(field) != 0
    }

    /// Returns whether this has all the fields that cldctl always writes.
    pub(super) fn is_full(&self) -> bool {
        self.reference.is_some() && self.fields & ALWAYS_WRITTEN == ALWAYS_WRITTEN
    }

    /// Returns whether an object without a reference was an entry, by its other
    /// fields.
    pub(super) fn is_like_an_entry(&self) -> bool {
        self.is_object() && self.place == Place::Free && self.fields != 0 && self.lists == 0
    }
}

/// Returns the place of a value inside of another one, or of nothing that could be
/// read, but for the key before it.
pub(super) fn place(kind: ValueKind, outer: Option<&Level>, before: Key) -> Place {
    let (outer, key) = match outer {
        None => (Place::Free, before),
        Some(level) => (level.place, level.key),
    };
    match (key, outer) {
        (Key::Artifacts | Key::Components, _) if kind == ValueKind::Array => Place::Element,
        (Key::Other | Key::Version, _) | (_, Place::Member) => Place::Member,
        (Key::None, Place::Element) if kind == ValueKind::Object => Place::Element,
        // No field of an entry holds such a value, so that it is not its own.
        _ => Place::Free,
    }
}
