mod splices;

use super::*;
use crate::document::Document;
use proptest::prelude::*;

fn salvage_of(bytes: &[u8]) -> Option<Salvaged> {
    salvage(bytes, &Interrupt::default()).unwrap()
}

#[track_caller]
fn saved(bytes: &[u8]) -> Salvaged {
    salvage_of(bytes).unwrap()
}

/// The references that are named as lost.
fn named(salvaged: &Salvaged) -> Vec<Option<&str>> {
    let lost = salvaged.lost.iter();
    lost.map(|loss| loss.reference.as_deref()).collect()
}

/// An entry as cldctl writes it.
fn entry(reference: &str, size: i64) -> String {
    let (repository, tag) = reference.split_once(':').unwrap();
    format!(
        "{{\n      \"reference\": \"{reference}\",\n      \"repository\": \"{repository}\",\n      \
         \"tag\": \"{tag}\",\n      \"type\": \"component\",\n      \"size\": {size},\n      \
         \"createdAt\": \"2026-02-14T13:03:11-05:00\",\n      \
         \"cachePath\": \"/c/{repository}_{tag}\"\n    }}"
    )
}

fn document(entries: &[String]) -> String {
    let list = match entries {
        [] => "[]".to_owned(),
        entries => format!("[\n    {}\n  ]", entries.join(",\n    ")),
    };
    format!("{{\n  \"version\": \"v2\",\n  \"artifacts\": {list}\n}}")
}

fn numbered(count: usize) -> Vec<String> {
    (0..count)
        .map(|n| entry(&format!("app:{n}"), 1 << n))
        .collect()
}

#[test]
fn a_document_that_was_cut_off_keeps_all_entries_before_the_cut_and_names_the_next() {
    let entries = numbered(4);
    let whole = document(&entries);
    for cut in 1..whole.len() {
        let text = &whole[..cut];
        let Some(salvaged) = salvage_of(text.as_bytes()) else {
            assert!(!text.contains("\"version\""), "{cut}");
            continue;
        };
        let complete: Vec<String> = entries
            .iter()
            .filter(|entry| text.contains(*entry))
            .cloned()
            .collect();
        assert_eq!(salvaged.text, document(&complete), "{cut}");
        assert_eq!(salvaged.entries, complete.len(), "{cut}");
        let next = format!("app:{}", complete.len());
        let is_named = named(&salvaged).contains(&Some(&next));
        assert_eq!(is_named, text.contains(&format!("\"{next}\"")), "{cut}");
        // Behind a comma another entry was to follow, behind a bracket none had to.
        let is_all = text.trim_end().ends_with(['}', ']']) && !complete.is_empty();
        assert_eq!(salvaged.lost.is_empty(), is_all, "{cut}");
    }
}

#[test]
fn a_torn_entry_is_named_with_its_place() {
    let whole = document(&numbered(3));
    let cut = whole.find("\"size\": 4").unwrap();
    let lost = saved(&whole.as_bytes()[..cut]).lost;
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert_eq!(lost[0].reference.as_deref(), Some("app:2"));
    assert_eq!(
        lost[0].cause.to_string(),
        "line 22, column 5: unexpected end of the file"
    );
}

#[test]
fn entries_of_a_longer_document_behind_a_shorter_one_are_added_to_it() {
    let longer = document(&numbered(6));
    let mut entries = numbered(2);
    entries.push(entry("other:1", 5));
    let shorter = document(&entries);
    let salvaged = saved(format!("{shorter}{}", &longer[shorter.len()..]).as_bytes());
    // The one that begins under the shorter document is not whole.
    entries.extend(numbered(6).split_off(4));
    assert_eq!(salvaged.text, document(&entries));
    assert_eq!(named(&salvaged), [Some("app:3")]);
    assert_eq!(salvaged.lost[0].cause.reason, "its beginning is missing");
}

#[test]
fn both_of_two_entries_of_a_reference_are_saved_and_one_of_two_that_are_the_same() {
    let whole = document(&[entry("a:1", 1)]);
    let same = saved(format!("{whole}\n, {}", entry("a:1", 1)).as_bytes());
    assert_eq!((same.text, same.lost), (whole.clone(), vec![]));
    let other = saved(format!("{whole}\n, {}", entry("a:1", 2)).as_bytes());
    assert_eq!(other.text, document(&[entry("a:1", 1), entry("a:1", 2)]));
    assert_eq!(other.lost, []);
}

#[test]
fn what_is_left_of_an_entry_is_not_lost_if_a_whole_copy_is_saved() {
    let entries = numbered(3);
    let whole = document(&entries);
    let size = whole.find("\"size\": 2").unwrap();
    // It ends in the second entry, or begins there.
    for torn in [
        format!("{}{whole}", &whole[..size]),
        format!("{whole}{}", &whole[size..]),
    ] {
        let salvaged = saved(torn.as_bytes());
        assert_eq!((salvaged.text, salvaged.lost), (whole.clone(), vec![]));
    }
    // Of an earlier state of it, no copy is saved.
    let earlier = whole
        .replace("/c/app_1", "/d/app_1")
        .replace("\"1\"", "\"0\"");
    let salvaged = saved(format!("{}{whole}", &earlier[..size]).as_bytes());
    assert_eq!(named(&salvaged), [Some("app:1")]);
    let salvaged = saved(format!("{whole}{}", &earlier[size..]).as_bytes());
    assert_eq!(named(&salvaged), [None]);
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
        (":", ""),
        ("\"", "\""),
        ("xyz: {", ""),
    ] {
        let salvaged = saved(format!("{before}{whole}{behind}").as_bytes());
        assert_eq!(salvaged.entries, 1, "{before:?} {behind:?}");
        assert_eq!(salvaged.lost, [], "{before:?} {behind:?}");
        let members = crate::json::oracle::Members::of(&salvaged.text);
        assert_eq!(
            members
                .last("artifacts")
                .unwrap()
                .replace(char::is_whitespace, ""),
            r#"[{"reference":"a:1"}]"#
        );
        if !behind.starts_with('{') && before.len() < 4 {
            assert_eq!(salvaged.text, whole, "{before:?} {behind:?}");
        }
    }
}

/// Row 85: each is saved or named.
#[test]
fn entries_are_saved_where_values_stand_at_wrong_places() {
    let entries = numbered(4);
    let whole = document(&entries);
    let (head, tail) = (document(&entries[..2]), document(&entries[2..]));
    let key = tail.find("facts").unwrap();
    let cases = [
        // A document as the value of a field, of another member, of nothing.
        format!("{}{tail}", &head[..head.find("1,").unwrap()]),
        format!("{{\"x\":{tail}"),
        format!(":{tail}"),
        // A key cut in two, in an entry and in the document.
        format!("{}{}", &head[..head.rfind("sitory").unwrap()], &tail[key..]),
        format!("{{\"ver{}", &tail[key..]),
        // A tail with its own `artifacts`.
        format!(
            "{}{}",
            &head[..head.rfind("\"tag\"").unwrap()],
            &tail[key - 5..]
        ),
        format!(
            "{}{}",
            &head[..head.rfind("\"size\"").unwrap()],
            &tail[key - 5..]
        ),
        format!(
            "{},\n  {}",
            &head[..head.rfind("\n    }").unwrap()],
            &tail[key - 5..]
        ),
        // An odd quote.
        format!("{}\"{tail}", &head[..head.len() - 4]),
        format!(
            "{}{}",
            &head[..head.find("/c/").unwrap()],
            &tail[tail.find("{\n      ").unwrap()..]
        ),
    ];
    for damaged in cases {
        let salvaged = saved(damaged.as_bytes());
        for (n, entry) in entries.iter().enumerate() {
            let reference = format!("app:{n}");
            if damaged.contains(entry) {
                assert!(salvaged.text.contains(entry), "{reference} of {damaged}");
            } else if damaged.contains(&format!("\"{reference}\"")) {
                assert!(
                    named(&salvaged).contains(&Some(&reference)),
                    "{reference} of {damaged}"
                );
            }
        }
        assert!(Document::parse(salvaged.text).unwrap().entries().len() >= 2);
    }
    assert_eq!(saved(whole.as_bytes()).text, whole);
}

#[test]
fn damage_in_the_middle_costs_what_it_stands_in() {
    let whole = document(&numbered(5)).into_bytes();
    let at = String::from_utf8_lossy(&whole).find("app:2").unwrap();
    let mut bytes = whole.clone();
    bytes[at] = 0xff;
    let salvaged = saved(&bytes);
    let others = [0, 1, 3, 4].map(|n| numbered(5)[n].clone());
    assert_eq!(salvaged.text, document(&others));
    assert_eq!(named(&salvaged), [None]);
    // All of one entry, up to those beside it: its place is known.
    let mut bytes = whole;
    let start = at - "{\n      \"reference\": \"".len();
    bytes[start..start + numbered(3)[2].len()].fill(0);
    let salvaged = saved(&bytes);
    assert_eq!(salvaged.text, document(&others));
    assert_eq!(
        salvaged.lost[0].cause.to_string(),
        "line 22, column 5: the bytes here are zero, or not UTF-8"
    );
}

#[test]
fn members_before_the_damage_stay_in_their_places() {
    let text = "{\"a\": {\"b\": 1}, \"version\": \"v1\", \"components\": [{\"reference\": \"a:1\"}], \
                \"z\": 1, \"torn\": ";
    assert_eq!(
        saved(text.as_bytes()).text,
        "{\n  \"a\": {\"b\": 1},\n  \"version\": \"v1\",\n  \
         \"components\": [\n    {\"reference\": \"a:1\"}\n  ],\n  \"z\": 1\n}"
    );
}

#[test]
fn of_two_documents_each_has_its_members_saved_and_the_first_of_the_same_key() {
    let text = "{\"version\": \"v1\", \"artifacts\": [], \"x\": 1}{\"x\": 2, \"y\": 3, \
                \"version\": \"v2\", \"artifacts\": [{\"reference\": \"a:1\"}]";
    assert_eq!(
        saved(text.as_bytes()).text,
        "{\n  \"version\": \"v1\",\n  \"artifacts\": [\n    {\"reference\": \"a:1\"}\n  ],\n  \
         \"x\": 1,\n  \"y\": 3\n}"
    );
    // A version that is not ours is never lost.
    let text = text.replace("v2", "v3");
    assert!(saved(text.as_bytes()).text.contains("\"version\": \"v3\""));
}

#[test]
fn an_object_in_a_member_that_is_not_ours_is_named_unless_it_is_an_entry_in_full() {
    let full = entry("full:1", 1);
    let part = "{\"reference\": \"part:1\", \"tag\": \"1\"}";
    let text = format!(
        "{{\"history\": [{part}, {full}], \"artifacts\": [{{\"reference\": \"b:1\", \"deps\": [{part}, "
    );
    let salvaged = saved(text.as_bytes());
    assert_eq!(salvaged.entries, 1);
    assert!(
        salvaged
            .text
            .contains(&format!("\"artifacts\": [\n    {full}\n  ]"))
    );
    assert!(
        salvaged
            .text
            .contains(&format!("\"history\": [{part}, {full}]"))
    );
    let names = [Some("part:1"), Some("b:1"), Some("part:1")];
    assert_eq!(named(&salvaged), names);
}

#[test]
fn the_inside_of_a_whole_entry_is_its_own() {
    let inside = format!(
        "{{\"reference\": \"a:1\", \"x\": [{}], \"note\": \"{{\\\"reference\\\":\\\"s:1\\\"}}\"}}",
        entry("x:1", 1)
    );
    let text = format!(
        "{{\"artifacts\": [{inside}, {{\"reference\": \"b:1\", \"note\": \"{{\\\"reference\\\":\\\"s:1\\\"}}"
    );
    let salvaged = saved(text.as_bytes());
    assert_eq!(salvaged.entries, 1);
    assert!(
        salvaged
            .text
            .contains(&format!("\"artifacts\": [\n    {inside}\n  ]"))
    );
    assert_eq!(named(&salvaged), [Some("b:1")]);
}

#[test]
fn a_whole_document_keeps_what_its_other_members_contain() {
    let part = "{\"reference\": \"part:1\", \"tag\": \"1\"}";
    let full = entry("full:1", 1);
    let text = format!("{{\"history\": [{part}, {full}], \"artifacts\": []}}");
    let salvaged = saved(format!("{text}x").as_bytes());
    assert_eq!((&salvaged.text, salvaged.entries), (&text, 0));
    assert_eq!(named(&salvaged), [Some("full:1")]);
}

#[test]
fn elements_that_are_no_entries_are_named() {
    let salvaged = saved(b"{\"artifacts\": [1, {\"reference\": \"a:1\"}, null, [], {}]}");
    assert_eq!(salvaged.entries, 2);
    let reasons: Vec<_> = salvaged
        .lost
        .iter()
        .map(|loss| loss.cause.to_string())
        .collect();
    assert_eq!(
        reasons,
        ["line 1, column 16: a number is not an entry, nor are 2 others in the list"]
    );
    let salvaged = saved(b"{\"artifacts\": {\"0\": {\"reference\": \"a:1\", \"size\": 1}}}");
    assert_eq!(named(&salvaged), [Some("a:1")]);
    let salvaged = saved(b"{\"artifacts\": \"x\"}");
    assert_eq!(
        salvaged.lost[0].cause.reason,
        "a string is in place of the list"
    );
    let salvaged = saved(b"[{\"tag\": \"1\"}, {\"reference\": null}, {\"x\": 1}]");
    assert_eq!(named(&salvaged), [None, None]);
}

#[test]
fn a_reference_that_another_one_follows_in_its_object_is_named() {
    let text = |other: &str| {
        format!("{{\"artifacts\": [{{\"reference\": \"a:1\", \"reference\": {other}}}]}},")
    };
    // In a document that is whole, the last one counts and the text stays.
    assert_eq!(saved(text("\"b:1\"").as_bytes()).lost, []);
    let torn = |other: &str| saved(text(other).trim_end_matches("},").as_bytes());
    let salvaged = torn("\"b:1\"");
    assert_eq!((salvaged.entries, named(&salvaged)), (1, vec![Some("a:1")]));
    let salvaged = torn("\"a:1\"");
    assert_eq!((salvaged.entries, named(&salvaged)), (1, vec![]));
    let salvaged = torn("{ x");
    assert_eq!(named(&salvaged), [Some("a:1"), None]);
}

#[test]
fn a_list_without_a_document_is_searched_too() {
    let list = format!("[{}, {}]", entry("a:1", 1), entry("b:1", 1));
    assert_eq!(saved(list.as_bytes()).entries, 2);
    let rest = document(&numbered(3));
    let rest = &rest[rest.find("facts").unwrap()..];
    assert_eq!(saved(rest.as_bytes()).entries, 3);
}

#[test]
fn a_text_without_content_becomes_an_empty_registry() {
    for blank in ["", " \r\n\t", "\u{feff}", "\u{feff}\n"] {
        let salvaged = saved(blank.as_bytes());
        assert_eq!(
            (salvaged.text, salvaged.entries),
            (document(&[]), 0),
            "{blank:?}"
        );
        assert_eq!(salvaged.lost, []);
    }
}

#[test]
fn a_text_that_nothing_shows_to_be_a_registry_is_left_alone() {
    for nothing in [
        &b"\0\0\0\0"[..],
        b"1",
        b"\"{}\"",
        b"[]",
        b"{}x",
        b"x",
        b"null null",
        b"{\"versio",
        b"\x1f\x8b\x08\0\xff",
        b"{\"name\": \"app\", \"private\": true",
    ] {
        assert!(salvage_of(nothing).is_none(), "{nothing:?}");
    }
}

#[test]
fn an_empty_registry_is_never_made_of_a_torn_one_without_a_word() {
    for torn in [
        "{\"version\": \"v2\"",
        "{\"artifacts\": [",
        "{\"version\": \"v2\"}x",
        "{\"artifacts\": []}{\"version\": \"v2\", \"artif",
        "{\"artifacts\": [{\"ref",
        "{\"artifacts\": [{",
        "ence\": \"a:1\", \"size\": 1}",
        "{\"artifacts\": []}, \"z\": 1]",
    ] {
        let salvaged = saved(torn.as_bytes());
        assert_eq!((salvaged.entries, salvaged.lost.len()), (0, 1), "{torn:?}");
    }
    let whole = saved(b"{\"artifacts\": []}x");
    assert_eq!((whole.entries, whole.lost), (0, vec![]));
}

#[test]
fn a_registry_in_another_encoding_is_saved_in_utf8() {
    let whole = document(&[entry("é:1", 1), entry("\u{1f600}:1", 2)]);
    let marked = format!("\u{feff}{}", whole.replace('\n', "\r\n"));
    let units = || marked.encode_utf16();
    let encoded: [Vec<u8>; 4] = [
        units().flat_map(u16::to_le_bytes).collect(),
        units().flat_map(u16::to_be_bytes).collect(),
        units().skip(1).flat_map(u16::to_le_bytes).collect(),
        marked
            .chars()
            .flat_map(|c| u32::from(c).to_le_bytes())
            .collect(),
    ];
    for bytes in &encoded {
        let salvaged = saved(bytes);
        assert_eq!(salvaged.text.replace("\r\n", "\n"), whole);
        assert_eq!((salvaged.entries, salvaged.lost), (2, vec![]));
    }
    let torn = saved(&encoded[0][..encoded[0].len() / 2 + 100]);
    assert_eq!(named(&torn), [Some("\u{1f600}:1")]);
}

#[test]
fn what_is_nested_deeper_than_go_reads_is_named() {
    let deep = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!("{{\"artifacts\": [{{\"reference\": \"a:1\", \"x\": {open}{close}}}]}}x")
    };
    assert_eq!(saved(deep(9_990).as_bytes()).entries, 1);
    assert_eq!(named(&saved(deep(10_000).as_bytes())), [Some("a:1")]);
}

#[test]
fn any_nesting_ends_in_time() {
    for unit in [
        "[",
        "{\"a\":",
        "[{\"a\":",
        "{\"a\":[",
        "[{\"reference\":\"x\",\"tag\":",
        "{\"reference\":\"x\",\"tag\":{\"size\":[",
        "{\"artifacts\":[",
        "\"{",
        "\"[\",",
        "{\"reference\":\"x\",\"y\":\"{",
        "[\"{\",",
        "\"size\":",
        "\0{\"reference\":\"x\"},",
        "{\"reference\":\"x\"",
    ] {
        let closed = format!("{}{}", unit.repeat(100_000), "}]".repeat(100_000));
        for text in [unit.repeat(100_000), closed] {
            if let Some(salvaged) = salvage_of(text.as_bytes()) {
                assert!(Document::parse(salvaged.text).is_ok(), "{unit}");
            }
        }
    }
}

#[test]
fn an_interrupt_ends_the_search() {
    let interrupt = Interrupt::default();
    interrupt.raise(2);
    let many = "[".repeat(100_000);
    for text in [&*many, "{\"artifacts\": ["] {
        assert!(salvage(text.as_bytes(), &interrupt).is_err());
    }
}

proptest! {
    #[test]
    fn whatever_the_bytes_are_a_document_comes_of_them_or_nothing(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                &b"{"[..], b"}", b"[", b"]", b",", b":", b"\"artifacts\"", b"\"version\"", b"\"v2\"",
                b"{\"reference\": \"a:1\", \"tag\": \"1\"}", b"\"reference\": \"b:1\"", b"1", b"\xff", b"\0",
                b"\xef\xbb\xbf", b"\"x\"", b" ", b"\\", b"\"artifacts\": [", b"null", b"\"", b"\xc3",
                b"\"size\":", b"\"components\": [",
            ]),
            0..24,
        )
    ) {
        if let Some(salvaged) = salvage_of(&pieces.concat()) {
            let document = Document::parse(salvaged.text.clone());
            prop_assert!(document.is_ok(), "{:?}", salvaged.text);
            prop_assert_eq!(document.unwrap().entries().len(), salvaged.entries);
            prop_assert_eq!(saved(salvaged.text.as_bytes()).text, salvaged.text);
        }
    }
}
