//! `--filter`, patterns and order, against lists computed here.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Sandbox, warns};

/// Six artifacts that differ in every key.
fn entries() -> Vec<Value> {
    let hex = |digit: &str| format!("sha256:{}", digit.repeat(64));
    vec![
        json!({"reference": "ghcr.io/acme/web:v1", "repository": "ghcr.io/acme/web", "tag": "v1",
               "type": "component", "digest": hex("a"), "size": 100, "createdAt": "2026-01-01T00:00:00Z"}),
        json!({"reference": "ghcr.io/acme/web:v2", "repository": "ghcr.io/acme/web", "tag": "v2",
               "type": "component", "digest": hex("b"), "size": 2000, "createdAt": "2026-02-01T00:00:00+05:00"}),
        json!({"reference": "ghcr.io/acme/db:v1", "repository": "ghcr.io/acme/db", "tag": "v1",
               "type": "component", "digest": "sha256:7b...", "size": 30000, "createdAt": "2026-03-01T00:00:00Z"}),
        json!({"reference": "dc", "repository": "dc", "tag": "latest",
               "type": "datacenter", "size": 0, "createdAt": "2026-03-01T00:00:00Z"}),
        json!({"reference": hex("c"), "repository": "<none>", "tag": "<none>",
               "type": "component", "digest": hex("c"), "size": 5, "createdAt": "2025-01-01T00:00:00Z"}),
        json!({"reference": "odd", "repository": "odd", "tag": "latest",
               "type": "chart", "size": "?", "createdAt": "soon"}),
    ]
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let mut entries = entries();
    for entry in &mut entries {
        let key = entry["reference"]
            .as_str()
            .unwrap()
            .replace(['/', ':'], "_");
        entry["cachePath"] = sandbox.cache().join(key).to_str().unwrap().into();
    }
    sandbox.write_registry(serde_json::to_string(&json!({"artifacts": entries})).unwrap());
    fs::create_dir_all(sandbox.cache().join("dc")).unwrap();
    fs::create_dir_all(sandbox.cache().join("ghcr.io_acme_web_v2")).unwrap();
    sandbox
}

/// The references that these filters choose, sorted.
fn chosen(sandbox: &Sandbox, filters: &[&str]) -> Vec<String> {
    let mut args = vec!["images", "-q"];
    for filter in filters {
        args.extend(["--filter", filter]);
    }
    let mut references: Vec<_> = sandbox.ok(&args).lines().map(str::to_owned).collect();
    references.sort();
    references
}

/// The references of the entries for which this holds, sorted.
fn those(holds: impl Fn(&Value) -> bool) -> Vec<String> {
    let mut references: Vec<_> = entries()
        .iter()
        .filter(|entry| holds(entry))
        .map(|entry| entry["reference"].as_str().unwrap().to_owned())
        .collect();
    references.sort();
    references
}

fn is(entry: &Value, key: &str, value: &str) -> bool {
    entry[key].as_str().unwrap_or_default() == value
}

fn starts(entry: &Value, key: &str, value: &str) -> bool {
    entry[key].as_str().unwrap_or_default().starts_with(value)
}

fn size(entry: &Value) -> i64 {
    entry["size"].as_i64().unwrap_or(-1)
}

#[test]
fn each_text_key_matches_alone_negated_and_as_a_glob() {
    let sandbox = sandbox();
    for (key, value) in [
        ("reference", "dc"),
        ("repository", "ghcr.io/acme/web"),
        ("tag", "v1"),
        ("tag", "<none>"),
        ("type", "component"),
        ("type", "chart"),
        ("digest", "sha256:7b..."),
        ("digest", ""),
    ] {
        assert_eq!(
            chosen(&sandbox, &[&format!("{key}={value}")]),
            those(|e| is(e, key, value))
        );
        assert_eq!(
            chosen(&sandbox, &[&format!("{key}!={value}")]),
            those(|e| !is(e, key, value))
        );
    }
    for (key, start) in [
        ("reference", "ghcr.io/"),
        ("repository", "ghcr"),
        ("tag", "v"),
        ("digest", "sha256:a"),
    ] {
        assert_eq!(
            chosen(&sandbox, &[&format!("{key}={start}*")]),
            those(|e| starts(e, key, start))
        );
        assert_eq!(
            chosen(&sandbox, &[&format!("{key}!={start}*")]),
            those(|e| !starts(e, key, start))
        );
    }
    assert_eq!(chosen(&sandbox, &["type=dc"]), ["dc"]);
    assert_eq!(
        chosen(&sandbox, &["tag=v?"]),
        those(|e| starts(e, "tag", "v"))
    );
}

#[test]
fn equalities_of_one_key_are_alternatives() {
    let sandbox = sandbox();
    assert_eq!(
        chosen(&sandbox, &["tag=v1", "tag=latest"]),
        those(|e| is(e, "tag", "v1") || is(e, "tag", "latest"))
    );
    assert_eq!(
        chosen(&sandbox, &["size=100", "size=5"]),
        those(|e| [100, 5].contains(&size(e)))
    );
    assert_eq!(
        chosen(&sandbox, &["dangling=true", "dangling=false"]),
        those(|_| true)
    );
    assert_eq!(
        chosen(&sandbox, &["cache=present", "cache=missing"]),
        those(|_| true)
    );
}

#[test]
fn two_negations_never_select_everything() {
    let sandbox = sandbox();
    assert_eq!(
        chosen(&sandbox, &["tag!=v1", "tag!=latest"]),
        those(|e| !is(e, "tag", "v1") && !is(e, "tag", "latest"))
    );
    assert_eq!(
        chosen(
            &sandbox,
            &["type!=component", "type!=datacenter", "type!=chart"]
        ),
        those(|_| false)
    );
}

#[test]
fn two_bounds_on_the_size_never_select_everything() {
    let sandbox = sandbox();
    for (operator, holds) in [
        ("=", (|a, b| a == b) as fn(i64, i64) -> bool),
        ("<", |a, b| a < b),
        ("<=", |a, b| a <= b),
        (">", |a, b| a > b),
        (">=", |a, b| a >= b),
    ] {
        assert_eq!(
            chosen(&sandbox, &[&format!("size{operator}2kB")]),
            those(|e| size(e) >= 0 && holds(size(e), 2000)),
            "{operator}"
        );
    }
    assert_eq!(
        chosen(&sandbox, &["size>50", "size<=2000"]),
        those(|e| size(e) > 50 && size(e) <= 2000)
    );
    assert_eq!(
        chosen(&sandbox, &["size<50", "size>2000"]),
        those(|_| false)
    );
}

#[test]
fn times_bound_strictly_and_unreadable_ones_match_nothing() {
    let sandbox = sandbox();
    let before = |time: &'static str| {
        those(|e| !is(e, "createdAt", "soon") && e["createdAt"].as_str().unwrap() < time)
    };
    assert_eq!(
        chosen(&sandbox, &["before=2026-03-01T00:00:00Z"]),
        before("2026-03-01T00:00:00Z")
    );
    assert_eq!(
        chosen(&sandbox, &["until=2026-03-01T00:00:00Z"]),
        before("2026-03-01T00:00:00Z")
    );
    assert_eq!(
        chosen(&sandbox, &["before=ghcr.io/acme/db:v1"]),
        before("2026-03-01T00:00:00Z")
    );
    // The same instant at another offset.
    assert_eq!(
        chosen(&sandbox, &["before=2026-03-01T01:00:00+01:00"]),
        before("2026-03-01T00:00:00Z")
    );
    assert_eq!(
        chosen(&sandbox, &["since=ghcr.io/acme/web:v1"]),
        those(|e| starts(e, "createdAt", "2026-02") || starts(e, "createdAt", "2026-03"))
    );
    assert_eq!(
        chosen(
            &sandbox,
            &["since=2026-01-01T00:00:00Z", "before=2026-03-01T00:00:00Z"]
        ),
        ["ghcr.io/acme/web:v2"]
    );
    assert_eq!(
        chosen(&sandbox, &["until=30d"]),
        those(|e| !is(e, "createdAt", "soon"))
    );
    assert_eq!(chosen(&sandbox, &["until=5000w"]), those(|_| false));
}

#[test]
fn the_rest_of_the_keys_and_all_of_them_together() {
    let sandbox = sandbox();
    assert_eq!(
        chosen(&sandbox, &["dangling=true"]),
        those(|e| is(e, "tag", "<none>"))
    );
    assert_eq!(
        chosen(&sandbox, &["dangling=false"]),
        those(|e| !is(e, "tag", "<none>"))
    );
    assert_eq!(
        chosen(&sandbox, &["cache=present"]),
        ["dc", "ghcr.io/acme/web:v2"]
    );
    assert_eq!(
        chosen(&sandbox, &["cache=missing"]),
        those(|e| !is(e, "reference", "dc") && !is(e, "reference", "ghcr.io/acme/web:v2"))
    );
    assert_eq!(
        chosen(
            &sandbox,
            &["type=component", "tag=v*", "size<10kB", "cache=missing"]
        ),
        ["ghcr.io/acme/web:v1"]
    );
}

#[test]
fn each_state_of_content_can_be_asked_for() {
    let sandbox = Sandbox::new();
    let own = |key: &str| sandbox.cache().join(key).to_str().unwrap().to_owned();
    let entry = |name: &str, path: &str| json!({"reference": name, "cachePath": path});
    sandbox.write_registry(
        json!({"artifacts": [
            entry("present", &own("present")),
            entry("missing", &own("missing")),
            entry("foreign", "/srv/other/content"),
            entry("none", ""),
        ]})
        .to_string(),
    );
    fs::create_dir_all(own("present")).unwrap();
    let states = ["foreign", "missing", "none", "present"];
    for state in states {
        assert_eq!(chosen(&sandbox, &[&format!("cache={state}")]), [state]);
    }
    assert_eq!(
        chosen(&sandbox, &["cache=none", "cache=present"]),
        ["none", "present"]
    );
    let run = sandbox.run(&["images", "--filter", "cache=gone"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(
        run.stderr.contains("foreign, missing, none, present"),
        "{run:?}"
    );
}

#[test]
fn a_filter_that_cannot_be_is_wrong_usage_and_lists_the_keys() {
    let sandbox = sandbox();
    let run = sandbox.run(&["images", "--filter", "colour=red"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("reference, repository, tag, type"),
        "{run:?}"
    );
    sandbox
        .run(&["images", "--filter", "before=nothing"])
        .fails(2, "neither an artifact nor a time");
    sandbox
        .run(&["images", "--filter", "since=odd"])
        .fails(2, "no time");
}

#[test]
fn a_pattern_is_a_glob_on_the_repository_or_with_a_colon_on_the_tag_too() {
    let sandbox = sandbox();
    let list = |patterns: &[&str]| {
        let run = sandbox.ok(&[&["ls", "-q", "--sort", "reference"], patterns].concat());
        run.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        list(&["ghcr.io/acme/web"]),
        ["ghcr.io/acme/web:v1", "ghcr.io/acme/web:v2"]
    );
    assert_eq!(list(&["*/web:v2"]), ["ghcr.io/acme/web:v2"]);
    assert_eq!(
        list(&["dc", "*:v1"]),
        ["dc", "ghcr.io/acme/db:v1", "ghcr.io/acme/web:v1"]
    );
    assert_eq!(list(&["web"]), Vec::<String>::new());
}

#[test]
fn a_list_can_be_sorted_reversed_and_cut() {
    let sandbox = sandbox();
    let list = |args: &[&str]| {
        let run = sandbox.ok(&[&["images", "-q"], args].concat());
        run.lines()
            .map(|line| line[line.len().saturating_sub(6)..].to_owned())
            .collect::<Vec<_>>()
    };
    let none = "cccccc";
    assert_eq!(list(&[]), ["dc", "/db:v1", "web:v2", "web:v1", none, "odd"]);
    assert_eq!(
        list(&["--sort", "size"]),
        ["/db:v1", "web:v2", "web:v1", none, "dc", "odd"]
    );
    assert_eq!(
        list(&["--sort", "reference"]),
        ["dc", "/db:v1", "web:v1", "web:v2", "odd", none]
    );
    assert_eq!(
        list(&["--sort", "repository"]),
        [none, "dc", "/db:v1", "web:v1", "web:v2", "odd"]
    );
    assert_eq!(
        list(&["--sort", "tag"]),
        [none, "dc", "odd", "/db:v1", "web:v1", "web:v2"]
    );
    assert_eq!(
        list(&["--sort", "type"]),
        ["odd", "/db:v1", "web:v1", "web:v2", none, "dc"]
    );
    for key in ["created", "size", "reference", "repository", "tag", "type"] {
        let mut reversed = list(&["--sort", key, "--reverse"]);
        reversed.reverse();
        assert_eq!(reversed, list(&["--sort", key]));
    }
    assert_eq!(list(&["--limit", "2"]), ["dc", "/db:v1"]);
    assert_eq!(list(&["--limit", "0"]), Vec::<String>::new());
}

#[test]
fn what_a_filter_chooses_can_be_removed() {
    let sandbox = sandbox();
    sandbox
        .run(&["rm", "--filter", "tag=v1"])
        .fails(2, "standard input is no terminal");
    assert_eq!(
        sandbox.ok(&["rm", "--filter", "tag=v1", "--filter", "size>1kB", "-n"]),
        "would remove ghcr.io/acme/db:v1\n"
    );
    sandbox.ok(&["rm", "--filter", "tag=v1", "--filter", "size>1kB", "-y"]);
    assert_eq!(
        chosen(&sandbox, &[]),
        those(|e| !is(e, "reference", "ghcr.io/acme/db:v1"))
    );
    sandbox
        .run(&["rm", "--filter", "before=nothing", "-y"])
        .fails(2, "neither an artifact nor a time");
    assert_eq!(sandbox.run(&["rm", "dc", "--filter", "tag=v1"]).code, 2);
    assert_eq!(sandbox.ok(&["rm", "--filter", "tag=nothing", "-y"]), "");
}

#[test]
fn what_is_odd_about_the_artifact_of_a_filter_is_told_once() {
    let sandbox = Sandbox::with_registry(
        r#"{"version":"v3","artifacts":[{"reference":"app","createdAt":"soon"}]}"#,
    );
    let run = sandbox.run(&["images", "--filter", "before=app"]);
    run.fails(2, "`app` has no time that can be read");
    for warning in [
        "has the version \"v3\"",
        "entry `app` has an unreadable `createdAt`",
    ] {
        assert_eq!(run.stderr.matches(warning).count(), 1, "{run:?}");
    }
    sandbox.write_registry(
        r#"{"version":"v3","artifacts":[{"reference":"app","createdAt":"2026-03-01T00:00:00Z"}]}"#,
    );
    let run = sandbox.run(&["images", "--filter", "before=app"]);
    warns(&run, &["has the version \"v3\""]);
}
