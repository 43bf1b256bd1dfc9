//! The documents that texts are read as, and the texts that are refused.

use super::*;

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
    assert_eq!(first.string(Field::Reference), Err(entry_ref::Unreadable));
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
    let unreadable = Err(entry_ref::Unreadable);
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
