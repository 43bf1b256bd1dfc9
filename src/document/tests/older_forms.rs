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

#[test]
fn what_cldctl_could_not_read_after_a_conversion_is_found() {
    let found = |entry: &str| {
        let text = format!(r#"{{"components":[{{"reference":"a"}},{entry}]}}"#);
        let document = parse(&text);
        assert!(document.is_converted());
        let found = document.unreadable_for_cldctl();
        found.map(|found| (found.entry.unwrap(), found.field, found.more))
    };
    let odd = |entry: &str, field: &str| Some((entry.to_owned(), field.to_owned(), 0));
    for (entry, expected) in [
        (
            r#"{"reference":"x","createdAt":"soon"}"#,
            odd("`x`", "createdAt"),
        ),
        (r#"{"reference":"x","size":1.5}"#, odd("`x`", "size")),
        (
            r#"{"reference":"x","size":9223372036854775808}"#,
            odd("`x`", "size"),
        ),
        (r#"{"reference":7}"#, odd("number 2", "reference")),
        // Under a key that Go takes for one that it knows.
        (r#"{"reference":"x","Size":"big"}"#, odd("`x`", "Size")),
        (
            r#"{"reference":"x","\u017fize":"big"}"#,
            odd("`x`", "\\u017fize"),
        ),
        (
            r#"{"reference":"x","CREATEDAT":"soon"}"#,
            odd("`x`", "CREATEDAT"),
        ),
        (r#"{"reference":"x","Size":3,"sizes":"big"}"#, None),
        // Go makes something of these.
        (
            r#"{"reference":"\ud800","size":null,"createdAt":null}"#,
            None,
        ),
        (
            r#"{"reference":"x","createdAt":"2026-01-01T00:00:00.\u0030Z"}"#,
            None,
        ),
    ] {
        assert_eq!(found(entry), expected, "{entry}");
    }
    let two = r#"{"reference":"x","size":1.5},{"size":true}"#;
    assert_eq!(found(two), Some(("`x`".to_owned(), "size".to_owned(), 1)));

    let root = parse(r#"{"components":[],"Version":7}"#);
    let root = root.unreadable_for_cldctl().unwrap();
    assert_eq!((root.entry, &*root.field), (None, "Version"));
    assert!(!parse(r#"{"artifacts":[{"size":1.5}]}"#).is_converted());
}
