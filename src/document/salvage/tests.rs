use super::*;
use proptest::prelude::*;

fn entry(reference: &str, size: i64) -> String {
    format!(
        "{{\n      \"reference\": \"{reference}\",\n      \"type\": \"component\",\n      \"size\": {size}\n    }}"
    )
}

fn document(entries: &[String]) -> String {
    format!(
        "{{\n  \"version\": \"v2\",\n  \"artifacts\": [\n    {}\n  ]\n}}",
        entries.join(",\n    ")
    )
}

fn numbered(count: usize) -> Vec<String> {
    (0..count)
        .map(|n| entry(&format!("app:{n}"), 1 << n))
        .collect()
}

#[test]
fn a_document_that_was_cut_off_keeps_all_entries_before_the_cut() {
    let entries = numbered(4);
    let whole = document(&entries);
    for cut in 0..whole.len() {
        let saved = salvage(&whole.as_bytes()[..cut]);
        let complete = entries.iter().filter(|entry| whole[..cut].contains(*entry));
        let complete: Vec<String> = complete.cloned().collect();
        assert_eq!(saved.entries, complete.len(), "{cut}");
        let expected = match complete.as_slice() {
            [] => "{\n  \"version\": \"v2\",\n  \"artifacts\": []\n}".to_owned(),
            complete => document(complete),
        };
        assert_eq!(saved.text, expected, "{cut}");
    }
}

#[test]
fn a_cut_entry_is_named() {
    let whole = document(&numbered(3));
    let cut = whole.find("\"size\": 4").unwrap();
    let lost = salvage(&whole.as_bytes()[..cut]).lost;
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert_eq!(lost[0].reference.as_deref(), Some("app:2"));
    assert_eq!(lost[0].cause.line, 14);
}

#[test]
fn entries_of_a_longer_document_behind_a_shorter_one_are_added_to_it() {
    let longer = document(&numbered(6));
    let mut entries = numbered(2);
    entries.push(entry("other:1", 5));
    let shorter = document(&entries);
    let torn = format!("{shorter}{}", &longer[shorter.len()..]);
    let saved = salvage(torn.as_bytes());
    // The one that begins under the shorter document is not whole.
    let behind = numbered(6).into_iter().skip(4);
    entries.extend(behind);
    assert_eq!(saved.text, document(&entries));
    assert_eq!(saved.entries, 5);
}

#[test]
fn of_two_entries_of_a_reference_that_of_the_whole_document_stays() {
    let whole = document(&[entry("a:1", 1)]);
    let same = salvage(format!("{whole}\n, {}", entry("a:1", 1)).as_bytes());
    assert_eq!((same.text.as_str(), same.lost.len()), (whole.as_str(), 0));
    let other = salvage(format!("{whole}\n, {}", entry("a:1", 2)).as_bytes());
    assert_eq!(other.text, whole);
    assert_eq!(other.lost[0].reference.as_deref(), Some("a:1"));
}

#[test]
fn what_stands_around_a_whole_document_goes() {
    let whole = "{\"version\": \"v1\", \"x\": [1], \"artifacts\": [{\"reference\": \"a:1\"}]}";
    for (before, behind) in [
        ("\u{feff}", ""),
        ("", "\0\0\0"),
        ("", "x"),
        ("", "{}"),
        ("", "]\n}"),
    ] {
        let saved = salvage(format!("{before}{whole}{behind}").as_bytes());
        assert_eq!(
            (saved.text.as_str(), saved.entries),
            (whole, 1),
            "{behind:?}"
        );
        assert_eq!(saved.lost, []);
    }
}

#[test]
fn damage_in_the_middle_costs_what_it_stands_in() {
    let mut bytes = document(&numbered(5)).into_bytes();
    let at = bytes
        .windows(5)
        .position(|bytes| bytes == b"app:2")
        .unwrap();
    bytes[at] = 0xff;
    let saved = salvage(&bytes);
    let others = [0, 1, 3, 4].map(|n| numbered(5)[n].clone());
    assert_eq!(saved.text, document(&others));
    bytes[at..at + 100].fill(0);
    assert!((1..4).contains(&salvage(&bytes).entries));
}

#[test]
fn other_members_stay_in_their_places() {
    let text = "{\"a\": {\"b\": [{\"reference\": \"no:1\", \"type\": \"\"}]}, \"version\": \"v1\", \
                \"components\": [{\"reference\": \"a:1\"}], \"z\": 1, \"torn\": ";
    let saved = salvage(text.as_bytes());
    assert_eq!(
        saved.text,
        "{\n  \"a\": {\"b\": [{\"reference\": \"no:1\", \"type\": \"\"}]},\n  \"version\": \"v1\",\n  \
         \"components\": [\n    {\"reference\": \"a:1\"}\n  ],\n  \"z\": 1\n}"
    );
}

#[test]
fn elements_that_are_no_entries_are_told() {
    let saved = salvage(b"{\"artifacts\": [1, {\"reference\": \"a:1\"}, null]}");
    assert_eq!(saved.entries, 1);
    let reasons: Vec<_> = saved
        .lost
        .iter()
        .map(|loss| loss.cause.reason.as_str())
        .collect();
    assert_eq!(reasons, ["a number is no entry", "null is no entry"]);
}

#[test]
fn what_is_no_document_at_all_is_searched_too() {
    let list = format!("[{}, {}]", entry("a:1", 1), entry("b:1", 1));
    assert_eq!(salvage(list.as_bytes()).entries, 2);
    for nothing in ["", "\0\0\0\0", "1", "\"{}\"", "[]", "x"] {
        let saved = salvage(nothing.as_bytes());
        assert_eq!(saved.entries, 0, "{nothing:?}");
        assert!(Document::parse(saved.text).is_ok(), "{nothing:?}");
    }
}

#[test]
fn any_nesting_ends_in_time() {
    for unit in [
        "[",
        "{\"a\":",
        "[{\"a\":",
        "{\"a\":[",
        "[{\"reference\":\"x\",\"tag\":",
    ] {
        let saved = salvage(unit.repeat(20_000).as_bytes());
        assert!(Document::parse(saved.text).is_ok());
    }
}

proptest! {
    #[test]
    fn whatever_the_bytes_are_a_document_comes_of_them(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                &b"{"[..], b"}", b"[", b"]", b",", b":", b"\"artifacts\"", b"\"version\"", b"\"v2\"",
                b"{\"reference\": \"a:1\", \"tag\": \"1\"}", b"\"reference\": \"b:1\"", b"1", b"\xff", b"\0",
                b"\xef\xbb\xbf", b"\"x\"", b" ", b"\\", b"\"artifacts\": [", b"null",
            ]),
            0..24,
        )
    ) {
        let saved = salvage(&pieces.concat());
        let document = Document::parse(saved.text.clone());
        prop_assert!(document.is_ok(), "{:?}", saved.text);
        prop_assert_eq!(document.unwrap().entries().len(), saved.entries);
    }
}
