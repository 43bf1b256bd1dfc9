//! Whatever a text holds: it is read or refused, as serde_json does, and nothing
//! panics.

use super::*;
use crate::document::generated;
use crate::json::oracle::{Members, elements};
use proptest::prelude::*;
use proptest::sample::select;

/// A change to a damaged text.
#[derive(Clone, Debug)]
enum Damage {
    Cut(usize),
    Remove(usize, usize),
    Insert(usize, &'static [u8]),
    Overwrite(usize, u8),
    /// Behind the whole text, its end once more: a longer one was there before.
    Tail(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let pieces: Vec<&'static [u8]> = vec![
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\"",
        b"\\",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"null",
        b"\xed\xa0\x80",
        b"1e",
        b"-",
        b"\\u",
        b"\n",
        b"{}",
        b"[]",
        b"\"artifacts\":",
        b"\xc3",
    ];
    prop_oneof![
        any::<usize>().prop_map(Damage::Cut),
        (any::<usize>(), 1..9_usize).prop_map(|(at, len)| Damage::Remove(at, len)),
        (any::<usize>(), select(pieces)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Damage::Overwrite(at, byte)),
        any::<usize>().prop_map(Damage::Tail),
    ]
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let len = bytes.len() + 1;
        match *self {
            Damage::Cut(at) => bytes.truncate(at % len),
            Damage::Remove(at, count) => {
                let start = at % len;
                bytes.drain(start..(start + count).min(len - 1));
            }
            Damage::Insert(at, piece) => {
                let at = at % len;
                bytes.splice(at..at, piece.iter().copied());
            }
            Damage::Overwrite(at, byte) => {
                if let Some(there) = bytes.get_mut(at % len) {
                    *there = byte;
                }
            }
            Damage::Tail(at) => {
                let tail = bytes[at % len..].to_vec();
                bytes.extend(tail);
            }
        }
    }
}

/// Asks a document for all that it can tell, and changes it in every way.
/// What it becomes can be read, by us and by serde_json.
fn exercise(document: &Document) {
    for entry in document.entries() {
        let _ = (entry.to_entry(), entry.unknown_members());
        let _ = entry.unreadable_fields().count();
    }
    document.foreign_version();
    let count = document.entries().len();
    let new = || "{\"reference\":\"new\"}".to_owned();
    let mut edits = vec![Edit::clear(), with(|edit| edit.append(new()))];
    for index in 0..count {
        edits.push(with(|edit| edit.remove(index)));
        edits.push(with(|edit| edit.replace(index, new())));
    }
    for edit in &edits {
        let Some(text) = document.edited(edit) else {
            continue;
        };
        let members = Members::of(&text);
        let entries = elements(members.last("artifacts").unwrap());
        let again = Document::parse(text.clone()).unwrap();
        let texts: Vec<_> = again.entries().map(|entry| entry.text()).collect();
        assert_eq!(texts, entries);
    }
}

/// Checks the outcomes of reading the file's bytes as the registry and as the
/// legacy one. Only what serde_json takes too is read.
fn read(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    for parse in [Document::parse, Document::parse_legacy] {
        match parse(text.to_owned()) {
            Ok(document) => {
                assert!(is_json, "{text:?} is no JSON");
                exercise(&document);
            }
            Err(error) => assert!(error.line >= 1 && error.column >= 1, "{error}"),
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        read(&bytes);
    }

    /// Row 58: on damaged texts.
    #[test]
    fn a_damaged_registry_is_read_or_refused(
        text in generated::registry(),
        damages in proptest::collection::vec(damage(), 1..4),
    ) {
        let mut bytes = text.into_bytes();
        for damage in damages {
            damage.apply(&mut bytes);
            read(&bytes);
        }
    }

    #[test]
    fn what_can_be_read_is_never_refused(text in generated::registry()) {
        for parse in [Document::parse, Document::parse_legacy] {
            let document = parse(text.clone()).unwrap();
            exercise(&document);
        }
    }
}
