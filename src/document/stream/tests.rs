use proptest::prelude::*;

use super::*;
use crate::document::{Document, generated};

/// A text in memory, of which a read returns no more than some bytes.
struct Text<'t>(&'t [u8], usize);

impl ReadAt for Text<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = &self.0[(offset as usize).min(self.0.len())..];
        let len = rest.len().min(bytes.len()).min(self.1);
        bytes[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}

/// What is seen of an entry.
fn seen(entry: &EntryView<'_>) -> String {
    format!("{} {:?} {}", entry.text(), entry.size(), entry.reference())
}

fn streamed(text: &[u8], cut: Cut, reads: usize) -> Option<Vec<String>> {
    let visit = |found: &mut Vec<String>, entry: &EntryView<'_>| found.push(seen(entry));
    let parts = fold_in(&Text(text, reads), visit, cut).unwrap();
    parts.map(|parts| parts.concat())
}

fn read_whole(text: &str) -> Option<Vec<String>> {
    let document = Document::parse(text.to_owned()).ok()?;
    Some(document.entries().map(|entry| seen(&entry)).collect())
}

/// An entry as Go writes it, or one that may trap whoever starts in its middle.
fn entry() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-z]{0,9}".prop_map(|name| format!(
            "{{\n      \"reference\": \"{name}\",\n      \"size\": 1,\n      \"cachePath\": \"\"\n    }}"
        )),
        2 => Just("{\"nested\": [{\"reference\": 1}, { \"reference\": 2}]}".to_owned()),
        2 => Just("{\"reference\": {\"reference\": {\"reference\": 0}}}".to_owned()),
        2 => Just(r#"{"text": "{ \"reference\": 1", "digest": "\"reference\""}"#.to_owned()),
        1 => Just("{}".to_owned()),
        1 => Just("{\"é\": \"日本\u{1f600}\"}".to_owned()),
    ]
}

fn document() -> impl Strategy<Value = String> {
    let blank = prop_oneof![8 => Just(" "), 1 => Just(""), 1 => Just("\n      ")];
    (proptest::collection::vec(entry(), 1..30), blank).prop_map(|(entries, blank)| {
        let entries = entries.join(&format!(",\n   {blank}"));
        format!("{HEAD}{entries}\n  ]{TAIL}")
    })
}

fn cut() -> impl Strategy<Value = (Cut, usize)> {
    (50..2_000_u64, 1..300_usize, 1..200_usize)
        .prop_map(|(part, window, reads)| (Cut { part, window }, reads))
}

proptest! {
    #[test]
    fn a_document_as_go_writes_it_is_seen_as_when_it_is_read_whole(
        text in document(),
        (cut, reads) in cut(),
    ) {
        // A wrong guess for the start of a part is noticed.
        if let Some(found) = streamed(text.as_bytes(), cut, reads) {
            prop_assert_eq!(Some(found), read_whole(&text));
        }
        let whole = Cut { part: u64::MAX, ..cut };
        prop_assert_eq!(streamed(text.as_bytes(), whole, reads), read_whole(&text));
    }

    #[test]
    fn of_any_other_document_nothing_is_said_or_the_same(
        text in generated::registry(),
        (cut, reads) in cut(),
    ) {
        if let Some(found) = streamed(text.as_bytes(), cut, reads) {
            prop_assert_eq!(Some(found), read_whole(&text));
        }
    }

    #[test]
    fn of_a_damaged_document_nothing_is_said(
        text in document(),
        damage in proptest::sample::select(vec![&b""[..], b"x", b"]", b"}", b"\"", b",", b"\xff"]),
        at in any::<proptest::sample::Index>(),
        (cut, reads) in cut(),
    ) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        match damage {
            b"" => bytes.truncate(at),
            damage => { bytes.splice(at..at, damage.iter().copied()); }
        }
        let expected = str::from_utf8(&bytes).ok().and_then(read_whole);
        let found = streamed(&bytes, cut, reads);
        prop_assert!(found.is_none() || found == expected);
    }
}

#[test]
fn a_large_document_is_seen_in_parts() {
    let entry = "{\n      \"reference\": \"a\"\n    }";
    let entries = vec![entry; 1000].join(",\n    ");
    let text = format!("{HEAD}{entries}\n  ]{TAIL}");
    let cut = Cut {
        part: text.len() as u64 / 5,
        window: 200,
    };
    let count = |seen: &mut usize, _: &EntryView<'_>| *seen += 1;
    let parts = fold_in(&Text(text.as_bytes(), 77), count, cut).unwrap();
    let parts = parts.unwrap();
    assert_eq!(parts.len(), 5);
    assert!(parts.iter().all(|&seen| seen > 150), "{parts:?}");
    assert_eq!(parts.iter().sum::<usize>(), 1000);
}

#[test]
fn a_document_that_becomes_shorter_meanwhile_is_an_error() {
    struct Shorter<'t>(Text<'t>);
    impl ReadAt for Shorter<'_> {
        fn len(&self) -> u64 {
            self.0.len() + 10
        }
        fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
            self.0.read_at(bytes, offset)
        }
    }
    let text = format!("{HEAD}{{}},\n    {{}}");
    let visit = |seen: &mut usize, _: &EntryView<'_>| *seen += 1;
    assert!(fold(&Shorter(Text(text.as_bytes(), 100)), visit).is_err());
}
