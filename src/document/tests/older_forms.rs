//! The legacy file and the v1 key, converted.

use super::*;

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
