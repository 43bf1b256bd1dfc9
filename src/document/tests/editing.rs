//! The text that an edit leaves.

use super::*;

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
