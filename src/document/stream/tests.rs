use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::document::index::Index;
use crate::document::{Document, generated};

/// A text in memory. A read of it returns no more than some bytes, and how many
/// bytes were read of it.
struct Text<'t>(&'t [u8], usize, AtomicUsize);

impl<'t> Text<'t> {
    fn new(text: &'t [u8], reads: usize) -> Self {
        Text(text, reads, AtomicUsize::new(0))
    }
}

impl ReadAt for Text<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = &self.0[(offset as usize).min(self.0.len())..];
        let len = rest.len().min(bytes.len()).min(self.1);
        bytes[..len].copy_from_slice(&rest[..len]);
        self.2.fetch_add(len, Ordering::Relaxed);
        Ok(len)
    }
}

/// Returns what is seen of an entry.
fn seen(offset: u64, entry: &EntryRef<'_>) -> String {
    let spans = entry.spans_at(offset as usize);
    format!("{} {spans:?} {}", entry.text(), entry.reference())
}

fn streamed(text: &[u8], cut: Cut, reads: usize) -> Option<Vec<String>> {
    let visit = |found: &mut Vec<String>, at, entry: &EntryRef<'_>| found.push(seen(at, entry));
    let parts = fold_in(&Text::new(text, reads), visit, cut).unwrap();
    parts.map(|parts| parts.concat())
}

fn read_whole(text: &str) -> Option<Vec<String>> {
    let document = Document::parse(text.to_owned()).ok()?;
    let spans = document.index.entries.iter();
    let starts = spans.map(|spans| spans.start as u64);
    let entries = starts.zip(document.entries());
    Some(entries.map(|(at, entry)| seen(at, &entry)).collect())
}

/// An entry as Go writes it, perhaps with a field that may trap a reader that starts in
/// its middle.
pub(crate) fn entry() -> impl Strategy<Value = String> {
    let unknown = prop_oneof![
        Just(json!([{"reference": 1}, {"reference": {"reference": []}}])),
        Just(json!("\n    {\n      \"reference\": 1")),
        Just(json!({"é": "日本\u{1f600}"})),
    ];
    let entry = ("[a-z]{0,9}", proptest::option::weighted(0.3, unknown));
    entry.prop_map(|(name, unknown)| {
        let unknown = unknown.map(|value| {
            let value = serde_json::to_string_pretty(&value).unwrap();
            format!(",\n  \"x\": {}", value.replace('\n', "\n  "))
        });
        let unknown = unknown.unwrap_or_default();
        format!("{{\n  \"reference\": \"{name}\",\n  \"size\": 1{unknown}\n}}")
    })
}

/// An entry in another form.
pub(crate) fn odd_entry() -> impl Strategy<Value = String> {
    proptest::sample::select(vec![
        "{}",
        "{\"nested\":\n    {\n      \"reference\": {\n      \"reference\": 0}}}",
        r#"{"text": "{ \"reference\": 1", "digest": "\"reference\""}"#,
    ])
    .prop_map(str::to_owned)
}

pub(crate) fn document(entry: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    proptest::collection::vec(entry, 1..30).prop_map(|entries| {
        let entries: Vec<_> = entries
            .iter()
            .map(|entry| entry.replace('\n', "\n    "))
            .collect();
        format!("{HEAD}{}{END}", entries.join(",\n    "))
    })
}

fn cut() -> impl Strategy<Value = (Cut, usize)> {
    (50..2_000_u64, 1..300_usize, 1..200_usize).prop_map(|(part, window, reads)| {
        let largest = 4096;
        let cut = Cut {
            part,
            window,
            largest,
        };
        (cut, reads)
    })
}

proptest! {
    #[test]
    fn a_document_as_go_writes_it_is_seen_as_when_it_is_read_whole(
        text in document(entry()),
        (cut, reads) in cut(),
    ) {
        let source = Text::new(text.as_bytes(), reads);
        let visit = |found: &mut Vec<String>, at, entry: &EntryRef<'_>| found.push(seen(at, entry));
        let parts = fold_in(&source, visit, cut).unwrap();
        prop_assert_eq!(parts.map(|parts| parts.concat()), read_whole(&text));

        let index = Index::of(&text, "artifacts").unwrap();
        let starts: Vec<u64> = index.entries.iter().map(|spans| spans.start as u64).collect();
        let parts = fold_from_in(&source, &starts, visit, cut).unwrap();
        prop_assert_eq!(parts.map(|parts| parts.concat()), read_whole(&text));
        let at_a_glance = Index::of_go_form(&text).unwrap();
        prop_assert_eq!(format!("{at_a_glance:?}"), format!("{index:?}"));
    }

    #[test]
    fn a_document_of_odd_entries_is_seen_as_when_it_is_read_whole_or_not_at_all(
        text in document(prop_oneof![entry(), odd_entry()]),
        (cut, reads) in cut(),
    ) {
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
        text in document(prop_oneof![entry(), odd_entry()]),
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
    let text = format!("{HEAD}{entries}{END}");
    let cut = Cut {
        part: text.len() as u64 / 5,
        window: 200,
        largest: 200,
    };
    let count = |seen: &mut usize, _, _: &EntryRef<'_>| *seen += 1;
    let parts = fold_in(&Text::new(text.as_bytes(), 77), count, cut).unwrap();
    let parts = parts.unwrap();
    assert_eq!(parts.len(), 5);
    assert!(parts.iter().all(|&seen| seen > 150), "{parts:?}");
    assert_eq!(parts.iter().sum::<usize>(), 1000);
}

/// A text that is no document is refused soon, however many parts there are.
#[test]
fn no_document_is_read_many_times() {
    let decoy = "{\"nested\": [\n    {\n      \"reference\": 1}]}";
    let damaged = "{\n      \"reference\": \"a\"\n    ]";
    let entry = "{\n      \"reference\": \"a\"\n    }";
    for (odd, at) in [(decoy, 0..1000), (damaged, 10..11), (damaged, 999..1000)] {
        let mut entries = vec![entry; 1000];
        entries[at].fill(odd);
        let text = format!("{HEAD}{}{END}", entries.join(",\n    "));
        let source = Text::new(text.as_bytes(), usize::MAX);
        let cut = Cut {
            part: 400,
            window: 200,
            largest: 1 << 20,
        };
        let found = fold_in(&source, |(): &mut (), _, _| (), cut).unwrap();
        assert!(found.is_none());
        let read = source.2.into_inner();
        assert!(read < 3 * text.len(), "{read} of {}", text.len());
    }
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
    let visit = |seen: &mut usize, _, _: &EntryRef<'_>| *seen += 1;
    assert!(fold(&Shorter(Text::new(text.as_bytes(), 100)), visit).is_err());
}

#[test]
fn a_document_that_becomes_longer_meanwhile_is_not_read() {
    struct Longer<'t>(Text<'t>);
    impl ReadAt for Longer<'_> {
        fn len(&self) -> u64 {
            self.0.len() - 1
        }
        fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
            self.0.read_at(bytes, offset)
        }
    }
    let text = format!("{HEAD}{{}}{END}");
    let visit = |seen: &mut usize, _, _: &EntryRef<'_>| *seen += 1;
    let found = fold(&Longer(Text::new(text.as_bytes(), 100)), visit);
    assert!(!matches!(found, Ok(Some(_))));
}
