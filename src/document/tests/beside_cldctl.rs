//! The bytes that cldctl's own package wrote.

use super::*;

const BASE: &str = include_str!("../../../tests/fixtures/cldctl/base/artifacts.json");
const AFTER_ADD: &str = include_str!("../../../tests/fixtures/cldctl/after-add/artifacts.json");
const AFTER_REMOVE: &str =
    include_str!("../../../tests/fixtures/cldctl/after-remove/artifacts.json");
const AFTER_CLEAR: &str = include_str!("../../../tests/fixtures/cldctl/after-clear/artifacts.json");
const LEGACY: &str = include_str!("../../../tests/fixtures/cldctl/legacy/components.json");
const MIGRATED: &str =
    include_str!("../../../tests/fixtures/cldctl/legacy/expected-artifacts.json");
const V1: &str = include_str!("../../../tests/fixtures/cldctl/v1-inline/artifacts.json");
const V1_AFTER_ADD: &str = include_str!("../../../tests/fixtures/cldctl/v1-inline/after-add.json");

fn added() -> Edit {
    let reference = Reference::parse("ghcr.io/myorg/worker:v2&<next>").unwrap();
    let entry = ArtifactEntry {
        digest: Some(
            "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff".to_owned(),
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
