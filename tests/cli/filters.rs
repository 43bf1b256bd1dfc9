//! `--filter`, patterns and order, against lists computed here.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Run, Sandbox, warns};

/// Returns six artifacts that differ in every key.
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

/// Returns the references that these filters select, sorted.
fn chosen(sandbox: &Sandbox, filters: &[&str]) -> Vec<String> {
    let mut args = vec!["images", "-q"];
    for filter in filters {
        args.extend(["--filter", filter]);
    }
    let mut references: Vec<_> = sandbox.ok(&args).lines().map(str::to_owned).collect();
    references.sort();
    references
}

/// Returns the references of the entries with this property, sorted.
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
fn a_size_means_the_same_in_every_option() {
    let sandbox = Sandbox::new();
    let add = |size: &str| {
        let args = [
            "add",
            "a:1",
            "--metadata-only",
            "--type",
            "dc",
            "--size",
            size,
        ];
        sandbox.run(&args)
    };
    for (size, bytes) in [
        ("1.5 MB", 1_500_000_i64),
        ("2k", 2000),
        ("1.7GiB", 1_825_361_100),
        ("512B", 512),
        ("9.22EB", 9_220_000_000_000_000_000),
    ] {
        assert_eq!(add(size).code, 0, "{size}");
        let stored = &sandbox.json(&["images", "--format", "json"])[0]["size"];
        assert_eq!(stored, bytes, "{size}");
        assert_eq!(
            chosen(&sandbox, &[&format!("size={size}")]),
            ["a:1"],
            "{size}"
        );
        let prune = ["prune", "-n", "-a", "--max-size", size];
        assert_eq!(sandbox.run(&prune).code, 0, "{size}");
    }
    for size in ["1e3", "0.5B", "8EiB", "many", "1,5MB"] {
        for args in [
            &["prune", "-n", "-a", "--max-size", size][..],
            &["images", "--filter", &format!("size>{size}")],
        ] {
            sandbox.run(args).fails(2, "invalid value");
        }
        add(size).fails(2, "invalid value");
    }
    add("-5").fails(2, "invalid value '-5'");
    let run = sandbox.run(&["images", "--filter", "size<-5kB"]);
    assert!(run.stderr.contains("a size cannot be negative"), "{run:?}");
}

#[test]
fn bounds_on_times_are_strict_and_unreadable_times_match_nothing() {
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
    // The same instant has another offset.
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

/// Returns the selection with the local time zone of central Europe.
fn chosen_in_europe(sandbox: &Sandbox, filter: &str) -> Vec<String> {
    let args = ["images", "-q", "--sort", "reference", "--filter", filter];
    let mut command = sandbox.command(&args);
    // The rule is written out, so that it does not depend on the machine's data.
    let output = command.env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3").output();
    let run = Run::from(output.unwrap());
    assert_eq!(run.code, 0, "{run:?}");
    run.stdout.lines().map(str::to_owned).collect()
}

/// Creates a registry with an artifact for each of these times, named by letters.
fn made_at(times: &[&str]) -> Sandbox {
    let entries = ('a'..)
        .zip(times)
        .map(|(name, time)| json!({"reference": name, "repository": name, "createdAt": time}));
    let entries: Vec<_> = entries.collect();
    Sandbox::with_registry(json!({"artifacts": entries}).to_string())
}

#[test]
fn times_are_accepted_in_the_forms_of_docker() {
    let sandbox = made_at(&["2026-07-01T10:00:00Z", "2026-07-01T10:00:01Z"]);
    // Each form is the same instant, or a documented one.
    for (time, earlier, later) in [
        ("2026-07-01T10:00:01Z", "a", ""),
        ("2026-07-01T05:00:01-05:00", "a", ""),
        ("2026-07-01T10:00:00.5Z", "a", "b"),
        ("2026-07-01T12:00:01", "a", ""),
        ("2026-07-01T12:00:00.5", "a", "b"),
        ("2026-07-01T12:01", "a b", ""),
        ("2026-07-01T12:00", "", "b"),
        ("2026-07-01T12", "", "b"),
        ("2026-07-01", "", "a b"),
        ("2026-07-02", "a b", ""),
        ("1782900001", "a", ""),
        ("1782900000.5", "a", "b"),
        ("0", "", "a b"),
    ] {
        let names = |list: Vec<String>| list.join(" ");
        for key in ["before", "until"] {
            let chosen = chosen_in_europe(&sandbox, &format!("{key}={time}"));
            assert_eq!(names(chosen), earlier, "{key}={time}");
        }
        let chosen = chosen_in_europe(&sandbox, &format!("since={time}"));
        assert_eq!(names(chosen), later, "since={time}");
    }
}

#[test]
fn a_local_time_follows_daylight_saving_time() {
    let sandbox = made_at(&[
        "2026-01-31T23:30:00Z",
        "2026-03-29T00:59:00Z",
        "2026-03-29T01:01:00Z",
        "2026-10-25T00:59:00Z",
        "2026-10-25T01:01:00Z",
    ]);
    for (time, earlier) in [
        ("2026-02-01T00:31", "a"),
        ("2026-02-01", ""),
        // The clocks skip it: 02:00 is 03:00.
        ("2026-03-29T02:00", "a b"),
        ("2026-03-29T03:00", "a b"),
        // It occurs twice, and the first one counts.
        ("2026-10-25T02:58", "a b c"),
        ("2026-10-25T03:00", "a b c d e"),
    ] {
        let chosen = chosen_in_europe(&sandbox, &format!("until={time}"));
        assert_eq!(chosen.join(" "), earlier, "{time}");
    }
}

#[test]
fn an_age_counts_back_from_now_in_each_bound() {
    let sandbox = Sandbox::new();
    sandbox.record("new");
    let old = [
        "add",
        "old",
        "--metadata-only",
        "--type",
        "dc",
        "--created-at",
    ];
    sandbox.ok(&[&old[..], &["2020-01-01T00:00:00Z"]].concat());
    for age in [
        "24h", "1h30m", "168h0m0s", "1.5h", "5400s", "30d", "2w", "1d12h",
    ] {
        assert_eq!(
            chosen(&sandbox, &[&format!("since={age}")]),
            ["new"],
            "{age}"
        );
        for key in ["before", "until"] {
            assert_eq!(
                chosen(&sandbox, &[&format!("{key}={age}")]),
                ["old"],
                "{age}"
            );
        }
    }
    let none: [&str; 0] = [];
    assert_eq!(chosen(&sandbox, &["until=18446744073709551615s"]), none);
    assert_eq!(chosen(&sandbox, &["since=30000w"]), ["new", "old"]);
    for (age, reason) in [
        ("-1h", "cannot be negative"),
        ("99999999999999999999w", "too large"),
        ("1771074191000", "are they milliseconds?"),
        ("2026-2-4", "leading zeros"),
        ("2026-02-30", "no such date"),
        ("2026-01-01T25:00", "no such date"),
        ("soon", "expected a time such as"),
        ("", "expected a time such as"),
    ] {
        let run = sandbox.run(&["rm", "--filter", &format!("until={age}"), "-y"]);
        run.fails(2, reason);
    }
    assert_eq!(sandbox.references(), ["new", "old"]);
}

#[test]
fn before_and_since_prefer_a_name_to_a_time_and_a_time_to_a_digest_prefix() {
    let hex = |start: &str| format!("sha256:{start:0<64}");
    let entry = |reference: &str, time: &str, digest: &str| json!({"reference": reference, "repository": reference, "createdAt": time, "digest": hex(digest)});
    let sandbox = Sandbox::with_registry(
        json!({"artifacts": [
            entry("24h", "2020-01-01T00:00:00Z", "a"),
            entry("2026-01-01:latest", "2020-01-01T00:00:00Z", "b"),
            entry("late", "2024-01-01T00:00:00Z", "1136073600"),
            entry("later", "2025-01-01T00:00:00Z", "cafe"),
        ]})
        .to_string(),
    );
    assert_eq!(chosen(&sandbox, &["since=24h"]), ["late", "later"]);
    assert_eq!(chosen(&sandbox, &["since=2026-01-01"]), ["late", "later"]);
    // It is a time in 2006, not the digest prefix of an artifact.
    assert_eq!(chosen(&sandbox, &["since=1136073600"]).len(), 4);
    assert_eq!(chosen(&sandbox, &["since=11360736000"]).len(), 0, "in 2330");
    let whole = hex("1136073600");
    assert_eq!(chosen(&sandbox, &[&format!("since={whole}")]), ["later"]);
    assert_eq!(chosen(&sandbox, &["before=cafe"]).len(), 3);
    // `until` accepts only times.
    assert_eq!(chosen(&sandbox, &["until=24h"]).len(), 4);
}

#[test]
fn a_time_that_go_never_set_is_unknown() {
    let sandbox = made_at(&[
        "0001-01-01T00:00:00Z",
        "0001-01-01T05:30:00+05:30",
        "0001-01-01T00:00:00.000000001Z",
        "2020-01-01T00:00:00Z",
    ]);
    for filter in ["until=0h", "before=9999-12-31", "since=0000-01-01"] {
        assert_eq!(chosen(&sandbox, &[filter]), ["c", "d"], "{filter}");
    }
    sandbox
        .run(&["images", "--filter", "before=a"])
        .fails(2, "`a` has no known creation time");
    let list = |args: &[&str]| {
        let format = "{{.Reference}} {{.CreatedSince}}, {{.CreatedAt}}";
        sandbox.ok(&[&["images", "--format", format], args].concat())
    };
    let listed = list(&[]);
    let lines: Vec<_> = listed.lines().collect();
    assert!(lines[0].starts_with("d "), "{listed}");
    assert!(lines[1].starts_with("c 20"), "{listed}");
    assert_eq!(lines[2], "a -, 0001-01-01T00:00:00Z");
    assert_eq!(lines[3], "b -, 0001-01-01T05:30:00+05:30");
    let reversed = list(&["--reverse"]);
    assert!(reversed.lines().rev().eq(lines), "{reversed}");
    let table = sandbox.ok(&["images", "--no-headers", "--filter", "reference=a"]);
    assert!(table.ends_with("  -\n"), "{table}");
    let stored = &sandbox.json(&["images", "--format", "json"])[3]["createdAt"];
    assert_eq!(stored, "0001-01-01T05:30:00+05:30");
}

#[test]
fn the_remaining_keys_match_alone_and_together() {
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
fn each_state_of_content_can_be_selected() {
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
fn an_invalid_filter_is_wrong_usage_and_lists_the_keys() {
    let sandbox = sandbox();
    let run = sandbox.run(&["images", "--filter", "colour=red"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("reference, repository, tag, type"),
        "{run:?}"
    );
    sandbox
        .run(&["images", "--filter", "before=nothing"])
        .fails(
            2,
            "`nothing` is neither an artifact nor a time: expected a time such as",
        );
    sandbox
        .run(&["images", "--filter", "since=odd"])
        .fails(2, "no known creation time");
    sandbox
        .run(&["images", "--filter", "before=2026-02-30"])
        .fails(2, "neither an artifact nor a time: there is no such date");
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
fn artifacts_that_a_filter_selects_can_be_removed() {
    let sandbox = sandbox();
    sandbox
        .run(&["rm", "--filter", "tag=v1"])
        .fails(2, "standard input is not a terminal");
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
        .fails(2, "`nothing` is neither an artifact nor a time");
    assert_eq!(sandbox.run(&["rm", "dc", "--filter", "tag=v1"]).code, 2);
    assert_eq!(sandbox.ok(&["rm", "--filter", "tag=nothing", "-y"]), "");
}

#[test]
fn a_warning_about_the_artifact_of_a_filter_is_printed_once() {
    let sandbox = Sandbox::with_registry(
        r#"{"version":"v3","artifacts":[{"reference":"app","createdAt":"soon"}]}"#,
    );
    let run = sandbox.run(&["images", "--filter", "before=app"]);
    run.fails(2, "`app` has no known creation time");
    for warning in [
        "has version \"v3\"",
        "entry `app` has an unreadable `createdAt`",
    ] {
        assert_eq!(run.stderr.matches(warning).count(), 1, "{run:?}");
    }
    sandbox.write_registry(
        r#"{"version":"v3","artifacts":[{"reference":"app","createdAt":"2026-03-01T00:00:00Z"}]}"#,
    );
    let run = sandbox.run(&["images", "--filter", "before=app"]);
    warns(&run, &["has version \"v3\""]);
}

#[test]
fn unreadable_fields_of_the_artifacts_that_filters_name_are_named_once_in_the_order_of_the_file() {
    const HEX: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9";
    let sandbox = Sandbox::new();
    sandbox.write_registry(format!(
        r#"{{"version":"v2","artifacts":[
{{"reference":"b:v1","digest":"sha256:{HEX}0","size":"x"}},
{{"reference":"a:v1","digest":"sha256:{HEX}1","size":"x"}},
{{"reference":"cafe","size":"x"}},
{{"reference":"d:v1","digest":"sha256:cafe{}","size":"x"}},
{{"reference":"timed:v1","createdAt":"2026-03-01T00:00:00Z","size":"x"}},
{{"reference":"c:v1","size":"x"}}]}}"#,
        &HEX[..60]
    ));
    let many = ["before=timed:v1", "since=timed:v1"].repeat(3);
    for (filters, named) in [
        (vec!["before=a1b2"], vec!["b:v1", "a:v1"]),
        (vec!["before=a:v1"], vec!["a:v1"]),
        (vec!["before=a:v1", "since=b:v1"], vec!["b:v1", "a:v1"]),
        (vec!["before=a1b2", "since=a:v1"], vec!["b:v1", "a:v1"]),
        (vec!["before=a:v1", "since=a:v1"], vec!["a:v1"]),
        // A name that is the start of a digest too.
        (vec!["before=cafe"], vec!["cafe", "d:v1"]),
        (vec!["before=nothing"], vec![]),
        (vec!["before=nothing", "since=a:v1"], vec!["a:v1"]),
        ([many, vec!["before=nothing"]].concat(), vec!["timed:v1"]),
    ] {
        let mut args = vec!["images"];
        filters
            .iter()
            .for_each(|filter| args.extend(["--filter", filter]));
        let run = sandbox.run(&args);
        assert_ne!(run.code, 0, "{run:?}");
        let warned = run.stderr.lines().filter_map(|line| {
            let name = line.strip_prefix("warning: entry `")?;
            name.strip_suffix("` has an unreadable `size`")
        });
        assert_eq!(warned.collect::<Vec<_>>(), named, "{run:?}");
    }
}
