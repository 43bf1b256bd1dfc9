//! Comparison with cldctl, on the files that its own package wrote.

use std::fs;

use serde_json::Value;

use crate::support::{Run, Sandbox, fixture, identity, names, tree};

const WORKER: &str = "ghcr.io/myorg/worker:v2&<next>";

/// Returns an `add` that records an entry of a file of cldctl's.
fn add_as_in(file: &str, reference: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(&fixture(file)).unwrap();
    let entries = document["artifacts"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["reference"] == reference);
    let entry = entry.unwrap();
    let text = |key: &str| match &entry[key] {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let mut args = ["add", reference, "--metadata-only"]
        .map(str::to_owned)
        .to_vec();
    for (flag, key) in [
        ("--type", "type"),
        ("--digest", "digest"),
        ("--size", "size"),
        ("--created-at", "createdAt"),
        ("--cache-path", "cachePath"),
    ] {
        args.extend([flag.to_owned(), text(key)]);
    }
    args
}

/// Returns a file of cldctl's with the field that only the older forms have, which
/// cldctl drops and this program keeps.
fn with_sources(name: &str) -> String {
    let legacy = fixture("legacy/components.json");
    let mut sources = legacy.lines().filter_map(|line| {
        let line = line.trim();
        line.starts_with("\"source\"")
            .then(|| line.trim_end_matches(','))
    });
    let mut text = String::new();
    for line in fixture(name).split_inclusive('\n') {
        text.push_str(line);
        if line.trim().starts_with("\"cachePath\"")
            && let Some(source) = sources.next()
        {
            text.insert_str(text.len() - 1, &format!(",\n      {source}"));
        }
    }
    assert_eq!(sources.next(), None);
    text
}

/// Returns the same for a list, which has another order.
fn list_with_sources(name: &str) -> Value {
    let legacy: Value = serde_json::from_str(&fixture("legacy/components.json")).unwrap();
    let mut list: Value = serde_json::from_str(&fixture(name)).unwrap();
    for entry in list.as_array_mut().unwrap() {
        let legacy = legacy["components"].as_array().unwrap();
        let same = legacy.iter().find(|l| l["reference"] == entry["reference"]);
        entry["source"] = same.unwrap()["source"].clone();
    }
    list
}

/// Creates a home with only a legacy registry.
fn legacy(text: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write_registry("");
    fs::rename(
        sandbox.registry(),
        sandbox.registry().with_file_name("components.json"),
    )
    .unwrap();
    fs::write(sandbox.home().join("registry/components.json"), text).unwrap();
    sandbox
}

fn in_registry(sandbox: &Sandbox) -> Vec<String> {
    names(&sandbox.home().join("registry"))
}

#[test]
fn adding_leaves_the_bytes_that_cldctl_would_have_left() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    let printed = sandbox.ok(&add_as_in("after-add/artifacts.json", WORKER));
    assert_eq!(printed, format!("added {WORKER}\n"));
    assert_eq!(sandbox.registry_text(), fixture("after-add/artifacts.json"));
}

#[test]
fn updating_leaves_the_bytes_that_cldctl_would_have_left() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    let printed = sandbox.ok(&add_as_in("after-update/artifacts.json", "my-dc"));
    assert_eq!(printed, "updated my-dc\n");
    assert_eq!(
        sandbox.registry_text(),
        fixture("after-update/artifacts.json")
    );
}

#[test]
fn removing_leaves_the_bytes_that_cldctl_would_have_left() {
    let reference = "localhost:5000/team/api:2026.02";
    for (operand, input) in [(reference, ""), ("-", reference)] {
        let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
        let run = sandbox.run_with_input(&["rm", operand], input);
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(run.stdout, format!("removed {reference}\n"));
        let after = sandbox.registry_text();
        assert_eq!(after, fixture("after-remove/artifacts.json"));
    }
}

#[test]
fn clearing_leaves_the_bytes_that_cldctl_would_have_left() {
    for before in ["base/artifacts.json", "v1-inline/after-add.json"] {
        let sandbox = Sandbox::with_registry(fixture(before));
        sandbox.ok(&["rm", "--all", "-y"]);
        let after = sandbox.registry_text();
        assert_eq!(after, fixture("after-clear/artifacts.json"), "{before}");
    }
}

#[test]
fn a_legacy_registry_is_converted_once_and_kept() {
    let text = fixture("legacy/components.json");
    let sandbox = legacy(&text);
    let legacy_file = sandbox.registry().with_file_name("components.json");
    let before = identity(&legacy_file);
    assert_eq!(
        sandbox.json(&["images", "--format", "json"]),
        list_with_sources("v1-inline/list.json")
    );
    assert_eq!(
        sandbox.registry_text(),
        with_sources("legacy/expected-artifacts.json")
    );
    let converted = identity(&sandbox.registry());
    sandbox.ok(&["images"]);
    sandbox.ok(&["inspect", "my-dc"]);
    assert_eq!(identity(&sandbox.registry()), converted);
    assert_eq!(identity(&legacy_file), before);
    assert_eq!(fs::read_to_string(&legacy_file).unwrap(), text);
    assert!(sandbox.temporaries().is_empty());
}

#[test]
fn a_change_converts_a_legacy_registry_too() {
    let text = fixture("legacy/components.json");
    let sandbox = legacy(&text);
    sandbox.ok(&add_as_in("after-add/artifacts.json", WORKER));
    // The entries that cldctl made of the same ones, in its older file.
    let expected = with_sources("v1-inline/after-add.json");
    assert_eq!(
        sandbox.registry_text(),
        expected.replacen("\"v1\"", "\"v2\"", 1)
    );
    let legacy_file = sandbox.registry().with_file_name("components.json");
    assert_eq!(fs::read_to_string(legacy_file).unwrap(), text);
}

#[test]
fn a_reader_shows_a_legacy_registry_without_waiting_for_the_lock() {
    let sandbox = legacy(&fixture("legacy/components.json"));
    let _held = sandbox.hold_lock();
    // The time limit is longer than any test runs.
    let list = sandbox.json(&["images", "--format", "json", "--lock-timeout", "52w"]);
    assert_eq!(list, list_with_sources("v1-inline/list.json"));
    assert_eq!(
        in_registry(&sandbox),
        ["artifacts.json.lock", "components.json"]
    );
}

#[test]
fn an_unreadable_legacy_registry_is_refused_and_nothing_is_written() {
    let text = &fixture("legacy/components.json")[..100];
    let sandbox = legacy(text);
    let run = sandbox.run(&["images"]);
    run.fails(1, "components.json");
    assert_eq!(in_registry(&sandbox), ["components.json"]);

    let run = sandbox.run(&add_as_in("after-add/artifacts.json", WORKER));
    run.fails(1, "components.json");
    assert!(!sandbox.registry().exists() && sandbox.temporaries().is_empty());
    let legacy_file = sandbox.registry().with_file_name("components.json");
    assert_eq!(fs::read_to_string(legacy_file).unwrap(), text);
}

#[test]
fn the_older_key_is_read_and_converted_by_the_next_change() {
    let sandbox = Sandbox::with_registry(fixture("v1-inline/artifacts.json"));
    let before = identity(&sandbox.registry());
    assert_eq!(
        sandbox.json(&["images", "--format", "json"]),
        list_with_sources("v1-inline/list.json")
    );
    assert_eq!(identity(&sandbox.registry()), before);
    assert_eq!(in_registry(&sandbox), ["artifacts.json"]);

    sandbox.ok(&add_as_in("after-add/artifacts.json", WORKER));
    let expected = with_sources("v1-inline/after-add.json");
    assert_eq!(
        sandbox.registry_text(),
        expected.replacen("\"v1\"", "\"v2\"", 1)
    );
}

/// The text around the entries of a registry that another program extended.
const HEAD: &str = "\t{ \"\\u007aeta\":[1e400 , -0.0,\r\n {\"a\": { }, \"a\" :[ ]}]\n,\"version\" : \"v2\",\"artifacts\"\t: ";
const TAIL: &str =
    " ,\n\n\"omega\" :  \"\\ud800 \\u00e9\\/ \\uDC00\", \"\": 123456789012345678901234567890 }\n\n";
const FIRST: &str = "{\"reference\": \"a:1\" ,\"note\" : \"\\udfff <&>\", \"size\":7 ,\n  \"type\":\"component\", \"x\\u0031\": [ 1E+400,{ \"y\" :-0.10 } ], \"createdAt\" : \"2026-01-01T00:00:00Z\"}";
const SECOND: &str =
    "{ \"deep\":{\"\\uD800\":[[ ],[ null ]]},\"reference\":\"b:1\", \"size\":1.0 }";

fn extended() -> Sandbox {
    Sandbox::with_registry(format!("{HEAD}[ {FIRST}\n,  {SECOND}]{TAIL}"))
}

/// Returns what a change left between the head and the tail, which must not change.
#[track_caller]
fn entries_after(sandbox: &Sandbox) -> String {
    let text = sandbox.registry_text();
    let inner = text.strip_prefix(HEAD).expect("the head is kept");
    let inner = inner.strip_suffix(TAIL).expect("the tail is kept");
    inner.to_owned()
}

fn record(sandbox: &Sandbox, reference: &str) -> Run {
    let run = sandbox.run(&["add", reference, "--metadata-only", "--type", "component"]);
    assert_eq!(run.code, 0, "{run:?}");
    run
}

#[test]
fn reading_keeps_unknown_fields() {
    let sandbox = extended();
    let before = (sandbox.registry_text(), identity(&sandbox.registry()));
    for args in [
        &["images"][..],
        &["images", "-q"],
        &["images", "--format", "json"],
        &["inspect", "a:1"],
        &["cache-path", "a:1"],
        &["rm", "a:1", "--dry-run"],
        &["rm", "--all", "-n"],
    ] {
        sandbox.ok(args);
        let after = (sandbox.registry_text(), identity(&sandbox.registry()));
        assert_eq!(after, before, "{args:?}");
    }
    let json = sandbox.ok(&["images", "--format", "json"]);
    for value in ["\"\\udfff <&>\"", "1E+400", "-0.10", "\"x\\u0031\""] {
        assert!(json.contains(value), "{value} in {json}");
    }
}

#[test]
fn adding_keeps_every_byte_of_the_other_entries() {
    let sandbox = extended();
    record(&sandbox, "c:1");
    let entries = entries_after(&sandbox);
    let kept = format!("[ {FIRST}\n,  {SECOND}");
    let added = entries.strip_prefix(&kept).expect("both stay as they were");
    assert!(added.contains("\"c:1\""), "{added}");
}

#[test]
fn updating_keeps_the_unknown_fields_after_the_known_ones() {
    let sandbox = extended();
    let run = record(&sandbox, "a:1");
    assert_eq!(run.stdout, "updated a:1\n");
    let entries = entries_after(&sandbox);
    assert!(
        entries.ends_with(&format!("\n,  {SECOND}]")),
        "the other entry and what is between them: {entries}"
    );
    let known = [
        "reference",
        "repository",
        "tag",
        "type",
        "size",
        "createdAt",
        "cachePath",
    ];
    let unknown = [
        "\"note\": \"\\udfff <&>\"",
        "\"x\\u0031\": [ 1E+400,{ \"y\" :-0.10 } ]",
    ];
    let mut rest = entries.as_str();
    for part in known
        .map(|key| format!("\"{key}\": "))
        .into_iter()
        .chain(unknown.map(str::to_owned))
    {
        let at = rest.find(&part);
        rest = &rest[at.unwrap_or_else(|| panic!("{part} in {entries}"))..];
    }
}

#[test]
fn removing_keeps_every_byte_of_the_other_entries() {
    for (removed, kept) in [("a:1", SECOND), ("b:1", FIRST)] {
        let sandbox = extended();
        sandbox.ok(&["rm", removed]);
        let entries = entries_after(&sandbox);
        let inner = entries.strip_prefix('[').unwrap().strip_suffix(']');
        assert_eq!(inner.unwrap().trim(), kept, "{entries}");
    }
}

#[test]
fn clearing_keeps_every_byte_beside_the_entries() {
    let sandbox = extended();
    sandbox.ok(&["rm", "--all", "-y"]);
    assert_eq!(entries_after(&sandbox), "[]");
}

/// Row 55: neither bytes nor times change.
#[test]
fn the_same_add_twice_writes_once() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("src");
    let source = source.to_str().unwrap();
    let datacenter = sandbox.datacenter("dc");
    let dated = "--created-at=2026-03-01T00:00:00Z";
    for args in [
        &["add", "a:1", "--metadata-only", "--type", "component"][..],
        &["add", "b:1", "--metadata-only", "--type", "dc", dated],
        &["add", "c:1", source],
        &["add", "d:1", source, dated],
        &["add", "e:1", datacenter.to_str().unwrap()],
    ] {
        let printed = sandbox.ok(args);
        assert_eq!(printed, format!("added {}\n", args[1]));
        let state = || {
            let mut paths = tree(&sandbox.home());
            // Content is staged here to be compared.
            paths.retain(|path| path != "cache/artifacts");
            let at = |path: String| (identity(&sandbox.home().join(&path)), path);
            paths.into_iter().map(at).collect::<Vec<_>>()
        };
        let before = state();
        assert_eq!(sandbox.ok(args), format!("unchanged {}\n", args[1]));
        assert_eq!(state(), before, "{args:?}");
    }
}
