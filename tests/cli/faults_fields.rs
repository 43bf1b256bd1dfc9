//! Fields with invalid values: values that cldctl does not read, and references that
//! are not valid names of directories.

use std::fs;

use crate::support::{Sandbox, names, rows, warns};

/// Row 37: no form of the option is accepted.
#[test]
fn a_negative_size_is_shown_but_never_written() {
    let entry = r#"{"reference":"x:1","size":-5}"#;
    let sandbox = Sandbox::with_registry(format!(r#"{{"artifacts":[{entry}]}}"#));
    let list = sandbox.run(&["images"]);
    assert_eq!((list.code, &*list.stderr), (0, ""));
    assert_eq!(rows(&sandbox)[0][4], "-5B");
    assert_eq!(sandbox.json(&["images", "--format", "json"])[0]["size"], -5);
    assert_eq!(sandbox.json(&["inspect", "x:1"])[0]["size"], -5);
    let add = ["add", "y:1", "--metadata-only", "--type", "dc"];
    for size in [
        &["--size", "-5"] as &[&str],
        &["--size=-5"],
        &["--size", "-1kB"],
    ] {
        sandbox.refuses(&[&add, size].concat(), 2, "negative");
    }
    sandbox.record("y:1");
    assert!(sandbox.registry_text().contains(entry));
}

/// Expects that an entry with one unreadable field is shown with a dash in this column
/// and a warning, keeps its text, and can be removed.
fn unreadable(field: &str, value: &str, column: usize) {
    let mut members = vec![
        ("reference", "\"bad:1\""),
        ("repository", "\"bad\""),
        ("tag", "\"1\""),
        ("type", "\"component\""),
        ("size", "7"),
        ("createdAt", "\"2020-01-01T00:00:00Z\""),
    ];
    members.retain(|(name, _)| *name != field);
    members.push((field, value));
    let members: Vec<_> = members
        .iter()
        .map(|(k, v)| format!("\"{k}\":{v}"))
        .collect();
    let bad = format!("{{{}}}", members.join(","));
    let good =
        r#"{"reference":"good:1","repository":"good","size":7,"createdAt":"2026-01-01T00:00:00Z"}"#;
    let sandbox = Sandbox::with_registry(format!(r#"{{"artifacts":[{bad},{good}]}}"#));

    for args in [
        &["images"] as &[&str],
        &["images", "-q"],
        &["inspect", "bad:1"],
    ] {
        warns(&sandbox.run(args), &["`bad:1`", &format!("`{field}`")]);
    }
    let rows = rows(&sandbox);
    assert_eq!(&rows[0][..5], ["good", "-", "-", "-", "7B"]);
    for (index, cell) in rows[1].iter().enumerate() {
        // The entry has no digest in any case.
        assert_eq!(
            cell == "-",
            index == column || index == 2,
            "{field} {value}: {rows:?}"
        );
    }
    let list = sandbox.ok(&["images", "--format", "jsonl"]);
    assert_eq!(list, format!("{good}\n{bad}\n"));
    sandbox.ok(&["images", "--format", "json"]);

    sandbox.record("y:1");
    let text = sandbox.registry_text();
    assert!(
        text.starts_with(&format!(r#"{{"artifacts":[{bad},{good},"#)),
        "{text}"
    );
    assert_eq!(sandbox.ok(&["rm", "bad:1"]), "removed bad:1\n");
    assert_eq!(sandbox.references(), ["good:1", "y:1"]);
    assert_eq!(sandbox.run(&["images"]).stderr, "");

    // Registering it again repairs it.
    let sandbox = Sandbox::with_registry(format!(r#"{{"artifacts":[{bad},{good}]}}"#));
    sandbox.record("bad:1");
    assert_eq!(sandbox.run(&["images"]).stderr, "");
}

/// Row 38: sizes that do not fit Go's 64 bits.
#[test]
fn an_unreadable_size_affects_only_its_entry() {
    for size in [
        "1.5",
        "1e3",
        "1.0",
        "9223372036854775808",
        "-9223372036854775809",
        "\"1\"",
        "true",
        "[]",
    ] {
        unreadable("size", size, 4);
    }
}

/// Row 38: times that Go cannot read.
#[test]
fn an_unreadable_time_affects_only_its_entry() {
    for time in [
        "\"yesterday\"",
        "\"\"",
        "\"2026-02-30T00:00:00Z\"",
        "\"2026-01-01T00:00:60Z\"",
        "\"2026-01-01T24:00:00Z\"",
        "\"2026-01-01 00:00:00Z\"",
        "\"2026-01-01T00:00:00\"",
        "1767225600",
    ] {
        unreadable("createdAt", time, 5);
    }
}

#[test]
fn a_field_that_is_not_text_affects_only_its_entry() {
    unreadable("tag", "1", 1);
    unreadable("repository", "[\"bad\"]", 0);
    unreadable("type", "{}", 3);
}

/// Row 39: in known and unknown fields.
#[test]
fn a_lone_surrogate_is_never_written_as_something_else() {
    for (field, column) in [("repository", 0), ("tag", 1), ("type", 3)] {
        for value in [r#""\ud800""#, r#""a\udc00b""#, r#""\ud800\ud83d\ude00""#] {
            unreadable(field, value, column);
        }
    }
    // A digest or a path with one is not shown, but it is kept.
    for field in ["digest", "cachePath", "reference"] {
        let entry = format!(r#"{{"{field}":"\uDEAD","size":7}}"#);
        let sandbox = Sandbox::with_registry(format!(r#"{{"artifacts":[{entry}]}}"#));
        warns(&sandbox.run(&["images"]), &[&format!("`{field}`")]);
        sandbox.record("y:1");
        assert!(sandbox.registry_text().contains(&entry));
        sandbox.ok(&["rm", "--all", "-y"]);
        assert_eq!(sandbox.references(), [""; 0]);
    }
    let sandbox =
        Sandbox::with_registry(r#"{"x":"\ud800","artifacts":[{"reference":"x:1","x":"\ud800"}]}"#);
    assert_eq!(sandbox.run(&["images"]).stderr, "", "the field is unknown");
    sandbox.record("x:1");
    assert_eq!(sandbox.registry_text().matches(r#""\ud800""#).count(), 2);
}

/// Returns references whose cache key is not a valid name of a directory, or a strange
/// one.
fn invalid_references() -> Vec<String> {
    let mut references: Vec<_> = ["", ".", "..", "a\nb", "a\u{1b}[2J", "a\u{7f}", "a\u{9b}m"]
        .map(str::to_owned)
        .into();
    references.extend(["a".repeat(256), "é".repeat(128)]);
    references
}

/// Row 42: no path is ever made from one.
#[test]
fn cache_path_refuses_an_invalid_reference() {
    let sandbox = Sandbox::new();
    for reference in invalid_references() {
        let run = sandbox.run(&["cache-path", &reference]);
        run.fails(2, "invalid reference");
        let raw = ['\u{1b}', '\u{7f}', '\u{9b}'];
        assert!(!run.stderr.contains(raw), "{run:?}");
    }
}

/// Row 42: and no content is imported.
#[test]
fn an_entry_is_never_created_for_an_invalid_reference() {
    let sandbox = Sandbox::with_registry(r#"{"artifacts":[{"reference":"x:1"}]}"#);
    let source = sandbox.component("source");
    let source = source.to_str().unwrap();
    for reference in invalid_references() {
        let reference = reference.as_str();
        for args in [
            &["add", reference, "--metadata-only", "--type", "component"] as &[&str],
            &["add", reference, source],
            &["add", reference],
        ] {
            sandbox.refuses(args, 2, "");
        }
    }
    assert_eq!(
        names(&sandbox.home()),
        ["registry"],
        "no content was imported"
    );

    // A name that is one byte shorter is valid, and content can be stored there.
    let longest = &*"a".repeat(255);
    sandbox.ok(&["add", longest, source]);
    assert_eq!(names(&sandbox.cache()), [longest]);
    sandbox.ok(&["rm", longest]);
    assert_eq!(names(&sandbox.cache()), [""; 0]);
}

#[test]
fn an_existing_invalid_reference_can_be_shown_and_removed() {
    let long = "a".repeat(300);
    for reference in ["", ".", "..", "a\nb", "a\u{1b}[2J", &long] {
        let sandbox = Sandbox::new();
        fs::create_dir_all(sandbox.cache()).unwrap();
        fs::write(sandbox.home().join("cache/precious"), "precious").unwrap();
        let path = sandbox.cache().join(reference);
        let entry = serde_json::json!({"reference": reference, "cachePath": path.to_str()});
        let good = r#"{"reference":"good:1"}"#;
        sandbox.write_registry(format!(r#"{{"artifacts":[{entry},{good}]}}"#));

        assert_eq!(rows(&sandbox).len(), 2);
        let shown = sandbox.json(&["inspect", reference]);
        assert_eq!(shown[0]["reference"], reference);
        sandbox.ok(&["rm", reference]);
        assert_eq!(sandbox.references(), ["good:1"]);
        assert!(sandbox.cache().is_dir());
        assert_eq!(
            names(&sandbox.home().join("cache")),
            ["artifacts", "precious"]
        );
    }
}
