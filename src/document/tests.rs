use super::*;
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::fields::Field;
use crate::reference::Reference;
use crate::timestamp;

fn parse(text: &str) -> Document {
    Document::parse(text.to_owned()).unwrap()
}

fn error(text: &str) -> String {
    Document::parse(text.to_owned()).unwrap_err().to_string()
}

fn references(document: &Document) -> Vec<String> {
    document
        .entries()
        .map(|entry| entry.reference().into_owned())
        .collect()
}

fn with(build: impl FnOnce(&mut Edit)) -> Edit {
    let mut edit = Edit::default();
    build(&mut edit);
    edit
}

const MINIFIED: &str = r#"{"version":"v2","artifacts":[{"reference":"a"},{"reference":"b","x":1},{"reference":"c"}],"y":2}"#;

#[test]
fn entries_keep_their_text_and_their_place() {
    let document = parse(MINIFIED);
    assert_eq!(references(&document), ["a", "b", "c"]);
    assert_eq!(
        document.entry(1).unwrap().text(),
        r#"{"reference":"b","x":1}"#
    );
    assert_eq!(
        document.entry(1).unwrap().unknown_members(),
        [("\"x\"", "1")]
    );
}

#[test]
fn an_edit_leaves_everything_else_as_it_stands() {
    let document = parse(MINIFIED);
    let removed = |indices: &[usize]| {
        let edit = with(|edit| indices.iter().for_each(|&index| edit.remove(index)));
        document.edited(&edit).unwrap()
    };
    for (indices, kept) in [
        (&[0][..], r#"{"reference":"b","x":1},{"reference":"c"}"#),
        (&[1], r#"{"reference":"a"},{"reference":"c"}"#),
        (&[2], r#"{"reference":"a"},{"reference":"b","x":1}"#),
        (&[0, 1], r#"{"reference":"c"}"#),
        (&[1, 2], r#"{"reference":"a"}"#),
        (&[0, 2], r#"{"reference":"b","x":1}"#),
        (&[0, 1, 2], ""),
    ] {
        assert_eq!(
            removed(indices),
            format!(r#"{{"version":"v2","artifacts":[{kept}],"y":2}}"#),
            "{indices:?}"
        );
    }
    let edit = with(|edit| {
        edit.remove(2);
        edit.replace(0, "{}".to_owned());
        edit.append("[]".to_owned());
    });
    assert_eq!(
        document.edited(&edit).unwrap(),
        "{\"version\":\"v2\",\"artifacts\":[{},{\"reference\":\"b\",\"x\":1},\n    []],\"y\":2}"
    );
}

#[test]
fn an_edit_that_changes_nothing_is_none() {
    let document = parse(MINIFIED);
    assert_eq!(document.edited(&Edit::default()), None);
    let same = with(|edit| edit.replace(0, r#"{"reference":"a"}"#.to_owned()));
    assert_eq!(document.edited(&same), None);
    assert_eq!(
        parse("{\"version\": \"v2\", \"artifacts\": []}").edited(&Edit::clear()),
        None
    );
}

#[test]
fn a_document_without_artifacts_is_empty_and_can_be_added_to() {
    let entry = with(|edit| edit.append("{}".to_owned()));
    let new = "{\n  \"version\": \"v2\",\n  \"artifacts\": [\n    {}\n  ]\n}";
    for (text, after) in [
        ("null", new),
        (" {} ", new),
        ("{\"artifacts\": null}", "{\"artifacts\": [\n    {}\n  ]}"),
        ("{\"artifacts\":[ ]}", "{\"artifacts\":[\n    {}\n  ]}"),
        (
            "{\n  \"version\": \"v1\"\n}",
            "{\n  \"version\": \"v1\",\n  \"artifacts\": [\n    {}\n  ]\n}",
        ),
    ] {
        let document = parse(text);
        assert_eq!(document.entries().len(), 0, "{text}");
        assert_eq!(document.edited(&entry).as_deref(), Some(after), "{text}");
        assert_eq!(document.edited(&Edit::default()), None, "{text}");
    }
}

#[test]
fn of_keys_that_stand_twice_the_last_one_counts() {
    let document = parse(
        r#"{"artifacts":[{"reference":"x"}],"artifacts":[{"reference":"a","reference":"b","size":1,"size":2}]}"#,
    );
    assert_eq!(references(&document), ["b"]);
    assert_eq!(document.entry(0).unwrap().size(), Ok(Some(2)));
    let edit = with(|edit| edit.remove(0));
    assert_eq!(
        document.edited(&edit).unwrap(),
        r#"{"artifacts":[{"reference":"x"}],"artifacts":[]}"#
    );
}

#[test]
fn keys_are_the_same_however_they_are_spelled() {
    let document = parse(r#"{"\u0061rtifacts":[{"r\u0065ference":"\u0061"}]}"#);
    assert_eq!(references(&document), ["a"]);
}

#[test]
fn a_wrong_shape_is_refused_where_it_stands() {
    assert_eq!(
        error("[]"),
        "line 1, column 1: expected an object, found an array"
    );
    assert_eq!(
        error("{\n  \"artifacts\": {}}"),
        "line 2, column 16: expected `artifacts` to be an array, found an object"
    );
    assert_eq!(
        error("{\"artifacts\": [{}, null]}"),
        "line 1, column 20: expected the elements of `artifacts` to be objects, found null"
    );
    assert_eq!(error(""), "line 1, column 1: unexpected end of the file");
    assert_eq!(
        error("{} x"),
        "line 1, column 4: unexpected data after the document"
    );
}

#[test]
fn a_field_that_cannot_be_read_is_told_from_one_that_is_missing() {
    let document = parse(
        r#"{"artifacts":[{"reference":"\ud800","repository":null,"tag":5,"size":1.5,"createdAt":"soon"},
                      {"size":9223372036854775808},{"size":-3},{"size":1e3},{"size":"1"}]}"#,
    );
    let first = document.entry(0).unwrap();
    assert_eq!(first.string(Field::Reference), Err(view::Unreadable));
    assert_eq!(first.string(Field::Repository), Ok(None));
    assert_eq!(
        first.unreadable_fields().collect::<Vec<_>>(),
        [Field::Reference, Field::Tag, Field::Size, Field::CreatedAt]
    );
    assert_eq!(first.to_entry(), ArtifactEntry::default());
    let sizes: Vec<_> = document
        .entries()
        .skip(1)
        .map(|entry| entry.size())
        .collect();
    let unreadable = Err(view::Unreadable);
    assert_eq!(sizes, [unreadable, Ok(Some(-3)), unreadable, unreadable]);
}

#[test]
fn a_version_above_v2_is_foreign() {
    for (version, foreign) in [
        ("\"v2\"", false),
        ("\"v1\"", false),
        ("\"\"", false),
        ("\"v3\"", true),
        ("\"v10\"", true),
        ("\"v+2\"", true),
        ("\"next\"", true),
        ("2", true),
        ("null", true),
    ] {
        let document = parse(&format!("{{\"version\": {version}}}"));
        assert_eq!(document.foreign_version(), foreign.then_some(version));
    }
    assert_eq!(parse("{}").foreign_version(), None);
}

#[test]
fn the_v1_key_is_converted_only_where_artifacts_is_missing_or_null() {
    let v1 = parse(
        r#"{"version":"v1","x":[1],"artifacts":null,"components":[{"reference":"a<b","y":1}]}"#,
    );
    assert_eq!(
        v1.text(),
        "{\n  \"version\": \"v2\",\n  \"artifacts\": [\n    {\n      \"reference\": \"a\\u003cb\",\n      \"repository\": \"\",\n      \"tag\": \"\",\n      \"type\": \"component\",\n      \"size\": 0,\n      \"createdAt\": \"0001-01-01T00:00:00Z\",\n      \"cachePath\": \"\",\n      \"y\": 1\n    }\n  ],\n  \"x\": [1]\n}"
    );
    let v2 = parse(r#"{"artifacts":[],"components":[{"reference":"a"}]}"#);
    assert_eq!(v2.entries().len(), 0);
}

#[test]
fn a_foreign_version_is_still_known_after_conversion() {
    let text = r#"{"version":"v9","components":[{"reference":"a"}]}"#;
    assert_eq!(parse(text).foreign_version(), Some("\"v9\""));
    let legacy = Document::parse_legacy(text.to_owned()).unwrap();
    assert_eq!(legacy.foreign_version(), Some("\"v9\""));
}

#[test]
fn beside_artifacts_the_v1_key_may_hold_anything() {
    let text = r#"{"artifacts":[{"reference":"a"}],"components":{"x":1}}"#;
    assert_eq!(references(&parse(text)), ["a"]);
    assert_eq!(parse(text).text(), text);
    assert!(error(r#"{"components":{"x":1}}"#).contains("expected `components` to be an array"));
}

#[test]
fn conversion_keeps_what_it_cannot_read() {
    let document = Document::parse_legacy(
        r#"{"components":[{"reference":"\ud800","size":1.5,"createdAt":"soon","type":"datacenter"}]}"#.to_owned(),
    )
    .unwrap();
    let text = document.entry(0).unwrap().text();
    for kept in [
        r#""reference": "\ud800""#,
        r#""size": 1.5"#,
        r#""createdAt": "soon""#,
        r#""type": "datacenter""#,
    ] {
        assert!(text.contains(kept), "{text}");
    }
}

mod beside_cldctl {
    //! The bytes that cldctl's own package wrote.

    use super::*;

    const BASE: &str = include_str!("../../tests/fixtures/cldctl/base/artifacts.json");
    const AFTER_ADD: &str = include_str!("../../tests/fixtures/cldctl/after-add/artifacts.json");
    const AFTER_REMOVE: &str =
        include_str!("../../tests/fixtures/cldctl/after-remove/artifacts.json");
    const AFTER_CLEAR: &str =
        include_str!("../../tests/fixtures/cldctl/after-clear/artifacts.json");
    const LEGACY: &str = include_str!("../../tests/fixtures/cldctl/legacy/components.json");
    const MIGRATED: &str =
        include_str!("../../tests/fixtures/cldctl/legacy/expected-artifacts.json");
    const V1: &str = include_str!("../../tests/fixtures/cldctl/v1-inline/artifacts.json");
    const V1_AFTER_ADD: &str = include_str!("../../tests/fixtures/cldctl/v1-inline/after-add.json");

    fn added() -> Edit {
        let reference = Reference::parse("ghcr.io/myorg/worker:v2&<next>").unwrap();
        let entry = ArtifactEntry {
            digest: Some(
                "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
                    .to_owned(),
            ),
            size: Some(9_007_199_254_740_993),
            ..ArtifactEntry::new(
                &reference,
                ArtifactType::Component,
                timestamp::parse("2026-03-01T00:00:00Z").unwrap(),
                &format!(
                    "/home/dev/.cldctl/cache/artifacts/{}",
                    reference.cache_key()
                ),
            )
        };
        with(|edit| edit.append(entry.encode(&[]).unwrap()))
    }

    #[test]
    fn an_edit_leaves_the_same_bytes() {
        let base = parse(BASE);
        assert_eq!(base.edited(&added()).unwrap(), AFTER_ADD);
        let index = references(&base)
            .iter()
            .position(|r| r == "localhost:5000/team/api:2026.02");
        let edit = with(|edit| edit.remove(index.unwrap()));
        assert_eq!(base.edited(&edit).unwrap(), AFTER_REMOVE);
        assert_eq!(base.edited(&Edit::clear()).unwrap(), AFTER_CLEAR);
        // cldctl keeps the version v1 when it adds, and writes v2 when it clears.
        assert_eq!(
            parse(V1_AFTER_ADD).edited(&Edit::clear()).unwrap(),
            AFTER_CLEAR
        );
    }

    #[test]
    fn an_entry_read_and_written_again_is_the_same() {
        for text in [BASE, AFTER_ADD, V1_AFTER_ADD] {
            for entry in parse(text).entries() {
                assert_eq!(entry.to_entry().encode(&[]).unwrap(), entry.text());
            }
        }
    }

    #[test]
    fn older_forms_are_converted_to_the_same_entries() {
        // The legacy file has a field that cldctl does not know, and drops.
        let without_source = |text: &str| {
            let lines: Vec<&str> = text
                .lines()
                .filter(|line| !line.contains("\"source\""))
                .collect();
            lines.join("\n").replace("\",\n    }", "\"\n    }")
        };
        let legacy = Document::parse_legacy(LEGACY.to_owned()).unwrap();
        assert_eq!(without_source(legacy.text()), MIGRATED);
        assert!(legacy.text().contains("\"source\": \"pulled\""));

        let v1 = parse(V1);
        let expected = V1_AFTER_ADD.replace("\"version\": \"v1\"", "\"version\": \"v2\"");
        assert_eq!(without_source(&v1.edited(&added()).unwrap()), expected);
    }
}

mod properties {
    //! A document against the simplest model: a list of entries.

    use super::*;
    use proptest::prelude::*;

    const HEAD: &str = "{\"a\": 1, \"artifacts\":[";
    const TAIL: &str = "],\"z\":\t2}\n";

    #[derive(Clone, Debug)]
    enum Change {
        Append(u8),
        Remove(usize),
        Replace(usize, u8),
        Clear,
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            any::<u8>().prop_map(Change::Append),
            any::<usize>().prop_map(Change::Remove),
            (any::<usize>(), any::<u8>()).prop_map(|(index, name)| Change::Replace(index, name)),
            Just(Change::Clear),
        ]
    }

    fn entry(name: u8) -> String {
        format!("{{\"reference\":\"r{name}\", \"x\": [{name},  \"\\ud800\"]}}")
    }

    proptest! {
        #[test]
        fn untouched_entries_keep_their_bytes(
            names in proptest::collection::vec(any::<u8>(), 0..6),
            gaps in proptest::collection::vec("[ \n\t]{0,3}", 14),
            changes in proptest::collection::vec(change(), 0..8),
        ) {
            let mut model: Vec<String> = names.iter().map(|&name| entry(name)).collect();
            let elements: Vec<String> = model
                .iter()
                .enumerate()
                .map(|(at, text)| format!("{}{text}{}", gaps[2 * at], gaps[2 * at + 1]))
                .collect();
            let mut text = format!("{HEAD}{}{TAIL}", elements.join(","));
            for change in changes {
                let document = parse(&text);
                let mut edit = Edit::default();
                match change {
                    Change::Append(name) => {
                        edit.append(entry(name));
                        model.push(entry(name));
                    }
                    Change::Remove(at) if !model.is_empty() => {
                        edit.remove(at % model.len());
                        model.remove(at % model.len());
                    }
                    Change::Replace(at, name) if !model.is_empty() => {
                        let at = at % model.len();
                        edit.replace(at, entry(name));
                        model[at] = entry(name);
                    }
                    Change::Clear => {
                        edit = Edit::clear();
                        model.clear();
                    }
                    _ => {}
                }
                if let Some(edited) = document.edited(&edit) {
                    text = edited;
                }
                let after = parse(&text);
                let texts: Vec<&str> = after.entries().map(|entry| entry.text()).collect();
                prop_assert_eq!(&texts, &model);
                prop_assert!(text.starts_with(HEAD) && text.ends_with(TAIL), "{}", text);
            }
        }
    }
}
