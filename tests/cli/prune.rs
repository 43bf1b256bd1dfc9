//! `prune`

use std::fs;

use serde_json::{Value, json};

use crate::support::{Sandbox, names};

/// Creates a home with items of every kind: tagged, untagged and missing artifacts, old
/// and recent orphans, and leftovers of a killed process.
pub(crate) fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    let source = source.to_str().unwrap();
    for (reference, time) in [
        ("app:v1", "2026-01-01T00:00:00Z"),
        ("app:v2", "2026-02-01T00:00:00Z"),
        ("app:v3", "2026-03-01T00:00:00Z"),
        ("web:v1", "2026-01-15T00:00:00Z"),
    ] {
        sandbox.ok(&["add", reference, source, "--created-at", time]);
    }
    sandbox.ok(&[
        "add",
        "--untagged",
        source,
        "--created-at",
        "2026-01-02T00:00:00Z",
    ]);
    sandbox.record_gone("gone:v1");
    sandbox.ok(&[
        "add",
        "elsewhere:v1",
        "--metadata-only",
        "--type",
        "dc",
        "--cache-path",
        "/nowhere/x",
    ]);
    for name in ["old", "young", ".staging:abcdefghijkl"] {
        fs::create_dir(sandbox.cache().join(name)).unwrap();
        fs::write(sandbox.cache().join(name).join("file"), "12345").unwrap();
    }
    sandbox
}

fn untagged(sandbox: &Sandbox) -> String {
    let names = names(&sandbox.cache());
    names
        .into_iter()
        .find_map(|name| {
            name.strip_prefix("sha256_")
                .map(|hex| format!("sha256:{hex}"))
        })
        .unwrap()
}

/// Returns the names in a report, without sizes.
fn named(report: &Value) -> Vec<(String, String)> {
    let removed = report["removed"].as_array().unwrap();
    let name = |item: &Value| match item["reference"].as_str() {
        Some(reference) => reference.to_owned(),
        None => item["path"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned(),
    };
    removed
        .iter()
        .map(|item| (name(item), item["reason"].as_str().unwrap().to_owned()))
        .collect()
}

fn plan(sandbox: &Sandbox, args: &[&str]) -> Vec<(String, String)> {
    let mut named = named(&sandbox.json(&[&["prune", "-n", "--format", "json"], args].concat()));
    named.sort();
    named
}

/// Returns the disk space for the content of this number of artifacts of the same size.
pub(crate) fn room_for(sandbox: &Sandbox, count: u64) -> String {
    let entries = sandbox.json(&["df", "-v", "--format", "json"]);
    let disk = entries[0]["disk"].as_u64().unwrap();
    assert!(disk > 0, "{entries}");
    (count * disk).to_string()
}

fn because(references: &[&str], reason: &str) -> Vec<(String, String)> {
    references
        .iter()
        .map(|reference| ((*reference).to_owned(), reason.to_owned()))
        .collect()
}

/// Row 49: the staging of a killed add is one of the leftovers.
#[test]
fn only_untagged_missing_and_leftover_items_are_removed() {
    let sandbox = sandbox();
    let expected = [
        because(&[".staging:abcdefghijkl"], "leftover"),
        because(&["gone:v1"], "gone"),
        because(&[&untagged(&sandbox)], "untagged"),
    ]
    .concat();
    assert_eq!(plan(&sandbox, &[]), expected);
    let before = sandbox.registry_text();
    sandbox
        .run(&["prune"])
        .fails(2, "standard input is not a terminal");
    assert_eq!(sandbox.registry_text(), before);

    let mut done = named(&sandbox.json(&["prune", "-y", "--format", "json"]));
    done.sort();
    assert_eq!(done, expected, "the plan is what is done");
    assert_eq!(
        names(&sandbox.cache()),
        ["app_v1", "app_v2", "app_v3", "old", "web_v1", "young"]
    );
    assert_eq!(
        sandbox.references(),
        ["app:v1", "app:v2", "app:v3", "elsewhere:v1", "web:v1"]
    );
    assert_eq!(plan(&sandbox, &[]), []);
    assert_eq!(sandbox.ok(&["prune", "-y"]), "");
}

#[test]
fn a_tagged_artifact_is_removed_only_if_every_limit_permits_it() {
    let sandbox = sandbox();
    sandbox.ok(&["prune", "-y"]);
    sandbox
        .run(&["prune", "-a", "-n"])
        .fails(2, "`--all` needs `--filter`, `--keep-last` or `--max-size`");
    assert_eq!(
        plan(&sandbox, &["-a", "--keep-last", "1"]),
        because(&["app:v1", "app:v2"], "keep-last")
    );
    assert_eq!(plan(&sandbox, &["-a", "--keep-last", "3"]), []);
    assert_eq!(
        plan(&sandbox, &["-a", "--filter", "before=2026-02-01T00:00:00Z"]),
        because(&["app:v1", "web:v1"], "filter")
    );
    assert_eq!(
        plan(
            &sandbox,
            &[
                "-a",
                "--filter",
                "before=2026-02-01T00:00:00Z",
                "--keep-last",
                "1"
            ]
        ),
        because(&["app:v1"], "keep-last")
    );
    // All have the same size, so the oldest are removed until the rest fits.
    let four = room_for(&sandbox, 4);
    assert_eq!(plan(&sandbox, &["-a", "--max-size", &four]), []);
    let two = room_for(&sandbox, 2);
    assert_eq!(
        plan(&sandbox, &["-a", "--max-size", &two]),
        because(&["app:v1", "web:v1"], "max-size")
    );
    assert_eq!(
        plan(&sandbox, &["-a", "--max-size", &two, "--filter", "tag!=v1"]),
        because(&["app:v2", "app:v3"], "max-size")
    );
    sandbox.ok(&["prune", "-a", "--keep-last", "1", "-y"]);
    assert_eq!(sandbox.references(), ["app:v3", "elsewhere:v1", "web:v1"]);
    assert_eq!(sandbox.run(&["prune", "--keep-last", "1", "-n"]).code, 2);
}

#[test]
fn a_filter_limits_untagged_and_missing_artifacts_too() {
    let sandbox = sandbox();
    let planned = plan(&sandbox, &["--filter", "until=30d"]);
    assert_eq!(
        planned,
        [
            because(&[".staging:abcdefghijkl"], "leftover"),
            because(&[&untagged(&sandbox)], "untagged")
        ]
        .concat()
    );
}

/// Row 60: also one whose disk is not mounted.
#[test]
fn a_home_that_was_moved_loses_nothing() {
    let sandbox = sandbox();
    sandbox.ok(&["prune", "-y"]);
    let moved = sandbox.path("moved");
    fs::rename(sandbox.home(), &moved).unwrap();
    let plan = sandbox.json(&["--home", "moved", "prune", "-n", "--format", "json"]);
    assert_eq!(plan["removed"], json!([]), "all content is elsewhere now");

    // A home whose cache is not mounted loses nothing either.
    fs::rename(&moved, sandbox.home()).unwrap();
    fs::rename(sandbox.cache(), sandbox.path("disk")).unwrap();
    let plan = sandbox.json(&["prune", "-n", "--format", "json"]);
    assert_eq!(plan["removed"], json!([]));
}

/// Row 47: it is not missing any more.
#[test]
fn content_that_is_restored_before_the_deletion_is_kept() {
    let sandbox = sandbox();
    // The path of a planned artifact now contains another one.
    let plan = sandbox.json(&["prune", "-n", "--format", "json"]);
    assert!(named(&plan).contains(&("gone:v1".to_owned(), "gone".to_owned())));
    fs::create_dir(sandbox.cache().join("gone_v1")).unwrap();
    let done = sandbox.json(&["prune", "-y", "--format", "json"]);
    assert!(!named(&done).contains(&("gone:v1".to_owned(), "gone".to_owned())));
}

#[test]
fn the_staging_of_a_living_process_is_not_a_leftover() {
    let sandbox = sandbox();
    let living = sandbox.cache().join(".staging:abcdefghijkl");
    let held = fs::File::open(&living).unwrap();
    held.lock_shared().unwrap();
    assert!(
        !plan(&sandbox, &[])
            .iter()
            .any(|(_, reason)| reason == "leftover")
    );
    drop(held);
    assert!(
        plan(&sandbox, &[])
            .iter()
            .any(|(_, reason)| reason == "leftover")
    );
}

#[test]
fn the_option_of_docker_gets_a_hint() {
    let run = Sandbox::new().run(&["prune", "-f"]);
    run.fails(2, "`prune` has no `-f`");
    assert!(run.stderr.contains("hint: `-y` answers yes"), "{run:?}");
}

#[test]
fn a_duplicate_artifact_counts_once() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    sandbox.ok(&["add", "a:1", source.to_str().unwrap()]);
    let mut document: Value = serde_json::from_str(&sandbox.registry_text()).unwrap();
    let entry = document["artifacts"][0].clone();
    document["artifacts"].as_array_mut().unwrap().push(entry);
    sandbox.write_registry(document.to_string());
    let one = room_for(&sandbox, 1);
    assert_eq!(plan(&sandbox, &["-a", "--max-size", &one]), []);
    assert_eq!(plan(&sandbox, &["-a", "--keep-last", "1"]), []);
    sandbox.ok(&["add", "a:2", source.to_str().unwrap()]);
    assert_eq!(plan(&sandbox, &["-a", "--keep-last", "2"]), []);
    assert_eq!(
        plan(&sandbox, &["-a", "--max-size", &one]),
        because(&["a:1"], "max-size")
    );
    sandbox.ok(&["prune", "-a", "--max-size", &one, "-y"]);
    assert_eq!(sandbox.references(), ["a:2"]);
}

#[test]
fn artifacts_that_free_no_space_are_not_removed_for_it() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    let elsewhere = [
        "add",
        "old:1",
        "--metadata-only",
        "--type",
        "dc",
        "--cache-path",
        "/elsewhere/x",
    ];
    sandbox.ok(&[&elsewhere[..], &["--created-at", "2020-01-01T00:00:00Z"]].concat());
    sandbox.ok(&["add", "a:1", source.to_str().unwrap()]);
    assert_eq!(
        plan(&sandbox, &["-a", "--max-size", "1"]),
        because(&["a:1"], "max-size")
    );
    // Content that is kept for another reason still takes its space.
    sandbox.ok(&["add", "--untagged", source.to_str().unwrap()]);
    let one = {
        let entries = sandbox.json(&["df", "-v", "--format", "json"]);
        entries[1]["disk"].as_u64().unwrap().to_string()
    };
    let filtered = ["-a", "--max-size", &one, "--filter", "tag!=<none>"];
    assert_eq!(plan(&sandbox, &filtered), because(&["a:1"], "max-size"));
}

#[test]
fn content_that_a_crash_left_aside_is_neither_missing_nor_a_leftover() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    sandbox.ok(&["add", "a:1", source.to_str().unwrap()]);
    let aside = sandbox.cache().join(".trash:swap-abcdefghijkl");
    fs::create_dir(&aside).unwrap();
    fs::rename(sandbox.cache().join("a_1"), aside.join("a_1")).unwrap();
    assert_eq!(plan(&sandbox, &[]), []);
    assert_eq!(
        sandbox.ok(&["images", "-q", "--filter", "cache=missing"]),
        ""
    );
    sandbox.ok(&["prune", "-y"]);
    sandbox.record("other:1");
    assert!(
        sandbox.cache().join("a_1/cld.yml").is_file(),
        "the next change restores it"
    );
    assert!(!aside.exists());
}

#[test]
fn without_a_registry_no_directory_is_an_orphan() {
    let sandbox = sandbox();
    fs::remove_file(sandbox.registry()).unwrap();
    assert_eq!(plan(&sandbox, &[]), []);
    std::os::unix::fs::symlink("/nonexistent/artifacts.json", sandbox.registry()).unwrap();
    assert_eq!(plan(&sandbox, &[]), []);
}
