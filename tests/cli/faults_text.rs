//! Unexpected texts of the registry: of another shape than cldctl's, damaged, of
//! another version, with unknown fields.

use std::fs;

use serde_json::Value;

use crate::support::{Sandbox, at_once, rows, warns};

/// A depth that overflows any stack used for recursion.
const DEPTH: usize = 100_000;

/// Row 30: null, empty and missing are the same.
#[test]
fn an_empty_registry_is_an_empty_list_that_can_be_changed() {
    for text in [
        "null",
        "{}",
        " \n{ }\n",
        r#"{"artifacts":null}"#,
        r#"{"artifacts":[]}"#,
        r#"{"version":"v2"}"#,
        r#"{"version":"v2","artifacts":null,"note":1.50}"#,
    ] {
        let sandbox = Sandbox::with_registry(text);
        assert_eq!(sandbox.ok(&["images", "--format", "json"]), "[]\n");
        assert_eq!(sandbox.ok(&["images", "-q"]), "");
        sandbox.refuses(&["rm", "x:1"], 3, "`x:1`");
        sandbox.ok(&["rm", "-f", "x:1"]);
        assert_eq!(sandbox.registry_text(), text, "there was nothing to change");
        sandbox.record("x:1");
        assert_eq!(sandbox.references(), ["x:1"], "{text}");
        let kept = sandbox.registry_text().contains(r#""note":1.50"#);
        assert_eq!(kept, text.contains("note"));
        sandbox.ok(&["rm", "x:1"]);
        assert_eq!(sandbox.ok(&["images", "--format", "json"]), "[]\n");
    }
}

/// Row 31: at each level.
#[test]
fn a_registry_of_another_shape_is_refused() {
    let cases = [
        ("[]", "an object"),
        (r#""v2""#, "an object"),
        ("7", "an object"),
        ("true", "an object"),
        (r#"{"artifacts":{}}"#, "`artifacts`"),
        (r#"{"artifacts":"x"}"#, "`artifacts`"),
        (r#"{"artifacts":0}"#, "`artifacts`"),
        (
            r#"{"artifacts":[{"reference":"x:1"},"x:2"]}"#,
            "`artifacts`",
        ),
        (r#"{"artifacts":[{"reference":"x:1"},[]]}"#, "`artifacts`"),
        (r#"{"artifacts":[{"reference":"x:1"},null]}"#, "`artifacts`"),
        (r#"{"artifacts":[7]}"#, "`artifacts`"),
    ];
    at_once(cases, |(text, message)| {
        Sandbox::with_registry(text).refuses_everything(message);
    });
}

/// Row 20: if the damage remains.
#[test]
fn a_damaged_registry_is_refused_with_line_and_column() {
    let cases = [
        ("", "line 1, column 1"),
        ("\n\n  ", "line 3, column 3"),
        (
            "{\"artifacts\": [\n  {\"reference\": \"x:1\"},\n  {\"é\": tru",
            "line 3, column 9",
        ),
        (
            "{\"artifacts\": [\n  {\"reference\": \"x:1\"},\n]}",
            "line 3, column 1",
        ),
        (
            "{\"artifacts\": [\n  {'reference': 1}]}",
            "line 2, column 4",
        ),
    ];
    at_once(cases, |(text, message)| {
        let sandbox = Sandbox::with_registry(text);
        sandbox.refuses_everything(message);
        sandbox.refuses(&["images"], 1, sandbox.registry().to_str().unwrap());
    });
}

/// Row 41: before and after it.
#[test]
fn data_before_or_after_the_document_is_refused() {
    let document = r#"{"artifacts":[{"reference":"x:1"}]}"#;
    let cases = [
        (format!("\u{feff}{document}"), "byte order mark"),
        (format!("{document}x"), "line 1, column 36"),
        (format!("{document}\n{document}"), "line 2, column 1"),
        (format!("{document},"), "line 1, column 36"),
        (format!("{document}\0\0"), "line 1, column 36"),
        ("null null".to_owned(), "line 1, column 6"),
    ];
    at_once(cases, |(text, message)| {
        Sandbox::with_registry(text).refuses_everything(message);
    });
}

/// Row 32: or one that is not a string.
#[test]
fn another_version_is_listed_with_a_warning_and_never_written() {
    for version in [
        r#""v3""#,
        r#""v10""#,
        r#""2""#,
        r#""v2.1""#,
        "2",
        "{}",
        r#""\ud800""#,
    ] {
        let text = format!(r#"{{"version":{version},"artifacts":[{{"reference":"x:1"}}]}}"#);
        let sandbox = Sandbox::with_registry(&text);
        for format in ["table", "json", "jsonl"] {
            warns(
                &sandbox.run(&["images", "--format", format]),
                &["version", version],
            );
        }
        warns(&sandbox.run(&["inspect", "x:1"]), &["version", version]);
        assert_eq!(sandbox.references(), ["x:1"]);
        sandbox.refuses_changes(1, version);
    }
    for version in [r#""v1""#, r#""v2""#, r#""""#] {
        let text = format!(r#"{{"version":{version},"artifacts":[{{"reference":"x:1"}}]}}"#);
        let sandbox = Sandbox::with_registry(&text);
        assert_eq!(sandbox.run(&["images"]).stderr, "");
        sandbox.record("y:1");
        assert!(
            sandbox
                .registry_text()
                .contains(&format!(r#""version":{version},"#))
        );
    }
}

/// Row 33: at either level.
#[test]
fn a_change_keeps_every_byte_of_the_rest() {
    let x = "{ \"reference\":\"x:1\",\"note\":{\"\\u0061\": [1.50,-0,1E+2]} }";
    let y = "{\n\"size\" :\t7 ,\"reference\":\"y:1\" ,\"reference \":\"\\/\"}";
    let z = "{\"reference\":\"z:1\",\"size\":1,\"a\":[ ],\"b\":{ }}";
    let (head, tail) = (
        "\n{ \"x\":[1e3,\"\\u00e9é\"],\t\"version\": \"v2\",\n \"artifacts\":[ ",
        "\n],\"z\":null ,\"deep\":{\"artifacts\":[1]}}\n\n",
    );
    let text = format!("{head}{x} ,\n{y},{z}{tail}");

    for removed in ["x:1", "y:1", "z:1"] {
        let sandbox = Sandbox::with_registry(&text);
        sandbox.ok(&["rm", removed]);
        let now = sandbox.registry_text();
        assert!(
            now.starts_with(head.trim_end()) && now.ends_with(tail),
            "{now}"
        );
        for entry in [x, y, z] {
            assert_eq!(now.contains(entry), !entry.contains(removed), "{now}");
        }
    }

    let sandbox = Sandbox::with_registry(&text);
    sandbox.record("n:1");
    let now = sandbox.registry_text();
    let whole = text.strip_suffix(tail).unwrap();
    assert!(now.starts_with(whole) && now.ends_with(tail), "{now}");

    // A changed entry keeps its unknown fields.
    sandbox.record("x:1");
    let now = sandbox.registry_text();
    assert!(now.contains(": {\"\\u0061\": [1.50,-0,1E+2]}"), "{now}");
    assert!(now.contains(&format!(" ,\n{y},{z}")), "{now}");
    assert_eq!(sandbox.references(), ["n:1", "x:1", "y:1", "z:1"]);
}

/// Row 34: cldctl reads them too.
#[test]
fn missing_and_null_fields_are_shown_as_a_dash_and_kept() {
    let odd = [
        "{}",
        r#"{"reference":null,"repository":null,"tag":null,"type":null,"digest":null,"size":null,"createdAt":null,"cachePath":null}"#,
        r#"{"reference":"x:1"}"#,
    ];
    let text = format!(r#"{{"artifacts":[{}]}}"#, odd.join(","));
    let sandbox = Sandbox::with_registry(&text);
    assert_eq!(rows(&sandbox), vec![vec!["-"; 6]; 3]);
    assert_eq!(sandbox.run(&["images"]).stderr, "", "cldctl can read them");
    let listed = sandbox.json(&["images", "--format", "json"]);
    let stored: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 3);
    for entry in stored["artifacts"].as_array().unwrap() {
        assert!(listed.as_array().unwrap().contains(entry));
    }

    sandbox.record("y:1");
    sandbox.ok(&["rm", "x:1"]);
    let now = sandbox.registry_text();
    assert!(
        now.starts_with(&format!(r#"{{"artifacts":[{},{}"#, odd[0], odd[1])),
        "{now}"
    );
}

/// Row 35: by list, inspect, rm and add.
#[test]
fn a_duplicate_reference_is_listed_twice_and_changed_as_one() {
    let text = r#"{"artifacts":[
        {"reference":"a:1","size":1},
        {"reference":"x:1","size":2},
        {"reference":"b:1","size":3},
        {"reference":"x:1","size":4}]}"#;
    let sandbox = Sandbox::with_registry(text);
    assert_eq!(sandbox.references(), ["a:1", "b:1", "x:1", "x:1"]);
    let shown = sandbox.json(&["inspect", "x:1"]);
    assert_eq!(
        (shown.as_array().unwrap().len(), &shown[0]["size"]),
        (1, &2.into())
    );

    assert_eq!(sandbox.ok(&["rm", "x:1"]), "removed x:1\n");
    assert_eq!(sandbox.references(), ["a:1", "b:1"]);

    let sandbox = Sandbox::with_registry(text);
    sandbox.record("x:1");
    let now: Value = serde_json::from_str(&sandbox.registry_text()).unwrap();
    let order: Vec<_> = now["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["reference"])
        .collect();
    assert_eq!(order, ["a:1", "x:1", "b:1"], "it replaces the first");
}

/// Row 36: as Go reads them.
#[test]
fn the_last_of_duplicate_keys_counts() {
    let first = r#""artifacts":[{"reference":"lost:1"}]"#;
    let sandbox = Sandbox::with_registry(format!(
        r#"{{"version":"v9",{first},"version":"v2","artifacts":[{{"size":1,"reference":"a:1","reference":"x:1","size":5}}]}}"#
    ));
    assert_eq!(sandbox.run(&["images"]).stderr, "");
    assert_eq!(sandbox.references(), ["x:1"]);
    assert_eq!(rows(&sandbox)[0][4], "5B");
    sandbox.refuses(&["rm", "a:1"], 3, "`a:1`");
    sandbox.refuses(&["rm", "lost:1"], 3, "`lost:1`");
    sandbox.record("y:1");
    sandbox.ok(&["rm", "x:1"]);
    assert_eq!(sandbox.references(), ["y:1"]);
    assert!(sandbox.registry_text().contains(first));

    let sandbox = Sandbox::with_registry(format!(r#"{{{first},"artifacts":null}}"#));
    assert_eq!(sandbox.references(), [""; 0]);
    sandbox.record("x:1");
    assert_eq!(sandbox.references(), ["x:1"]);
    let sandbox = Sandbox::with_registry(r#"{"version":"v2","version":"v3"}"#);
    sandbox.refuses(&["add", "x:1", "--metadata-only", "--type", "dc"], 1, "v3");
}

/// Row 39: at every position.
#[test]
fn invalid_utf8_is_refused_with_its_offset() {
    let cases: [(&[u8], &str); 4] = [
        (b"\xff", "byte 0"),
        (
            b"{\"artifacts\":[{\"reference\":\"x:1\",\"note\":\"\xc3(\"}]}",
            "byte 41",
        ),
        (b"{\"artifacts\":[],\"x\":\"\xed\xa0\x80\"}", "byte 21"),
        (
            b"{\"artifacts\":[{\"reference\":\"x:1\"}]}\xe2\x82",
            "byte 35",
        ),
    ];
    at_once(cases, |(text, message)| {
        Sandbox::with_registry(text).refuses_everything(message);
    });
}

/// Row 40: far deeper than any stack.
#[test]
fn any_nesting_is_kept_or_refused() {
    let open = "[".repeat(DEPTH);
    let arrays = format!("{open}{}", "]".repeat(DEPTH));
    let cases = [
        open.clone(),
        arrays.clone(),
        "{\"a\":".repeat(DEPTH),
        format!("{{\"artifacts\":{arrays}}}"),
        format!("{{\"artifacts\":{open}"),
    ];
    at_once(cases, |text| {
        Sandbox::with_registry(text).refuses_everything("line 1, column");
    });

    let half = DEPTH / 2;
    let deep = &*format!("{}1{}", "{\"a\":[".repeat(half), "]}".repeat(half));
    let sandbox = Sandbox::with_registry(format!(
        r#"{{"x":{deep},"artifacts":[{{"reference":"x:1","x":{deep}}},{{"reference":"y:1","size":{deep}}}]}}"#
    ));
    assert_eq!(sandbox.references(), ["x:1", "y:1"]);
    for args in [
        &["images"] as &[&str],
        &["images", "--format", "json"],
        &["images", "--format", "jsonl"],
        &["inspect", "y:1"],
    ] {
        warns(&sandbox.run(args), &["`y:1`", "`size`"]);
    }
    let run = sandbox.run(&["inspect", "x:1"]);
    assert_eq!(
        (run.code, &*run.stderr),
        (0, ""),
        "the warning is about another entry"
    );
    sandbox.record("n:1");
    sandbox.record("x:1");
    assert_eq!(sandbox.registry_text().matches(deep).count(), 3);
    sandbox.ok(&["rm", "y:1"]);
    assert_eq!(sandbox.registry_text().matches(deep).count(), 2);
    assert_eq!(sandbox.references(), ["n:1", "x:1"]);
}

#[test]
fn an_error_names_its_cause_once() {
    let sandbox = Sandbox::with_registry("{]");
    let run = sandbox.run(&["images"]);
    run.fails(1, "is damaged");
    assert_eq!(run.stderr.matches("line 1, column 2").count(), 1, "{run:?}");

    fs::remove_file(sandbox.registry()).unwrap();
    let run = sandbox.run(&["add", "x:1", "absent"]);
    run.fails(1, "`absent`");
    let reason = run.stderr.to_lowercase();
    assert_eq!(reason.matches("no such file").count(), 1, "{run:?}");
    assert!(!reason.contains("os error"), "{run:?}");
}
