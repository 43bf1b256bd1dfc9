//! `verify`

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::running::{Running, has_strace, wait_until};
use crate::support::{Sandbox, names, write_tree};

/// The codes and subjects of one kind of finding.
fn found(report: &Value, kind: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = report[kind].as_array().unwrap().iter();
    findings
        .map(|finding| {
            for key in ["code", "subject", "message", "remedy"] {
                assert!(!text(&finding[key]).is_empty(), "{finding}");
            }
            (text(&finding["code"]), text(&finding["subject"]))
        })
        .collect()
}

/// Verifies, and expects just these problems and notes.
#[track_caller]
fn verify(sandbox: &Sandbox, args: &[&str], problems: &[(&str, &str)], notes: &[(&str, &str)]) {
    let run = sandbox.run(&[&["verify", "--format", "json"], args].concat());
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let pairs = pairs.iter().map(|(a, b)| ((*a).into(), (*b).into()));
        pairs.collect()
    };
    assert_eq!(found(&report, "problems"), pairs(problems), "{run:?}");
    assert_eq!(found(&report, "notes"), pairs(notes), "{run:?}");
    assert_eq!(run.code, i32::from(!problems.is_empty()), "{run:?}");
}

/// A home with an artifact, and the directory of its content.
fn with_artifact() -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    write_tree(&source, &[("sub/one", "1"), ("sub/two", "2")]);
    sandbox.ok(&["add", "x:1", source.to_str().unwrap()]);
    let content = sandbox.cache().join("x_1");
    assert!(content.is_dir());
    (sandbox, content)
}

#[test]
fn nothing_is_wrong_with_nothing_and_with_what_was_just_added() {
    let sandbox = Sandbox::new();
    verify(&sandbox, &[], &[], &[]);
    assert!(!sandbox.home().exists());
    let (sandbox, _) = with_artifact();
    verify(&sandbox, &[], &[], &[]);
    let run = sandbox.run(&["verify"]);
    assert_eq!((run.code, &*run.stdout), (0, ""));
    assert!(run.stderr.starts_with("note: 1 artifact, "), "{run:?}");
    assert!(run.stderr.ends_with(": no problems\n"), "{run:?}");
}

/// Row 50: each file is named, once.
#[test]
fn a_file_that_was_changed_removed_or_added_is_named() {
    let (sandbox, content) = with_artifact();
    fs::write(content.join("sub/one"), "3").unwrap();
    fs::remove_file(content.join("sub/two")).unwrap();
    fs::write(content.join("new\u{1b}"), "").unwrap();
    symlink("/", content.join("link")).unwrap();
    let problems = [
        ("file-extra", "x:1"),
        ("file-extra", "x:1"),
        ("file-changed", "x:1"),
        ("file-missing", "x:1"),
    ];
    verify(&sandbox, &[], &problems, &[]);
    let run = sandbox.run(&["verify", "x:1"]);
    assert_eq!(run.code, 1);
    let lines: Vec<_> = run.stdout.lines().map(str::trim).collect();
    assert_eq!(lines[0], "problem: x:1");
    assert_eq!(lines[1], "file-extra: `link` is not a regular file");
    assert!(lines[2].starts_with("file-extra: `new\\u{1b}` "), "{run:?}");
    assert_eq!(lines[3], "file-changed: `sub/one` has different content");
    assert_eq!(lines[4], "file-missing: `sub/two` is missing");
    assert!(lines[5].starts_with("remedy: "), "{run:?}");
    assert!(run.stderr.ends_with(": 4 problems\n"), "{run:?}");
    // A user who has coreutils alone finds the same.
    let manifests = sandbox.home().join("registry/manifests");
    let manifest = manifests.join(&names(&manifests)[0]);
    let checked = Command::new("sha256sum")
        .args(["--quiet", "-c"])
        .arg(manifest)
        .current_dir(&content)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(told.contains("sub/one: FAILED"), "{told}");
    assert!(told.contains("sub/two: FAILED"), "{told}");
}

/// Row 56: a name is no reason for an alarm, and a change under it is one.
#[test]
fn files_with_odd_names_are_verified() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("odd");
    let odd: [&[u8]; 5] = [b"a\nb", b"c\\d", b"-e", b"f\xff", b"g\r"];
    for name in odd {
        fs::write(source.join(OsStr::from_bytes(name)), name).unwrap();
    }
    sandbox.ok(&["add", "x:1", source.to_str().unwrap()]);
    verify(&sandbox, &[], &[], &[]);
    for name in odd {
        let file = sandbox.cache().join("x_1").join(OsStr::from_bytes(name));
        fs::write(&file, "other").unwrap();
        verify(&sandbox, &[], &[("file-changed", "x:1")], &[]);
        fs::write(&file, name).unwrap();
    }
    verify(&sandbox, &[], &[], &[]);
}

#[test]
fn content_that_is_gone_is_a_problem_and_a_cache_that_is_gone_another() {
    let (sandbox, content) = with_artifact();
    fs::remove_dir_all(&content).unwrap();
    verify(&sandbox, &[], &[("content-missing", "x:1")], &[]);
    fs::remove_dir_all(sandbox.cache()).unwrap();
    let root = sandbox.cache();
    let problems = [("cache-missing", root.to_str().unwrap())];
    verify(&sandbox, &[], &problems, &[]);
}

#[test]
fn what_lies_in_the_place_of_content_is_none() {
    let (sandbox, content) = with_artifact();
    fs::remove_dir_all(&content).unwrap();
    fs::write(&content, "").unwrap();
    verify(&sandbox, &[], &[("content-missing", "x:1")], &[]);
    fs::remove_file(&content).unwrap();
    symlink("nowhere", &content).unwrap();
    verify(&sandbox, &[], &[("content-missing", "x:1")], &[]);
    // A directory outside of the cache.
    fs::remove_file(&content).unwrap();
    symlink(sandbox.path("app"), &content).unwrap();
    verify(&sandbox, &[], &[], &[("foreign-path", "x:1")]);
}

#[test]
fn of_entries_with_one_reference_each_is_held_against_its_own_digest() {
    let (sandbox, _) = with_artifact();
    let other = sandbox.component("other");
    write_tree(&other, &[("more", "1")]);
    sandbox.ok(&["add", "y:1", other.to_str().unwrap()]);
    let mut stored: Value = serde_json::from_str(&sandbox.registry_text()).unwrap();
    let artifacts = stored["artifacts"].as_array_mut().unwrap();
    let of_other = artifacts[1]["digest"].clone();
    let mut copy = artifacts[0].clone();
    copy["digest"] = of_other;
    artifacts.push(copy);
    for order in [[0, 1, 2], [2, 1, 0]] {
        let artifacts = stored["artifacts"].as_array().unwrap();
        let artifacts = order.map(|index| artifacts[index].clone());
        sandbox.write_registry(json!({ "artifacts": artifacts }).to_string());
        // Of the second digest, `more` is missing, and two files are too many.
        let problems = [
            ("duplicate-reference", "x:1"),
            ("file-missing", "x:1"),
            ("file-extra", "x:1"),
            ("file-extra", "x:1"),
        ];
        verify(&sandbox, &[], &problems, &[]);
    }
}

/// Rows 35 and 38: fields that cldctl cannot read, and entries that cannot be told apart.
#[test]
fn entries_that_stand_twice_or_cannot_be_read_are_problems() {
    let sandbox = Sandbox::with_registry(
        r#"{"artifacts":[
        {"reference":"a:1","cachePath":"/other","size":1.5},
        {"reference":"b:1","cachePath":"/other","createdAt":"yesterday"},
        {"reference":"c:1","cachePath":"/other"},
        {"reference":"c:1","cachePath":"/other"}]}"#,
    );
    let problems = [
        ("unreadable-field", "a:1"),
        ("unreadable-field", "b:1"),
        ("duplicate-reference", "c:1"),
    ];
    let notes = ["a:1", "b:1", "c:1", "c:1"].map(|reference| ("foreign-path", reference));
    verify(&sandbox, &[], &problems, &notes);
    // Of those that are asked for alone.
    verify(&sandbox, &["b:1"], &problems[1..2], &notes[1..2]);
}

#[test]
fn a_directory_without_an_entry_is_no_problem_while_it_may_be_a_pull_in_progress() {
    let (sandbox, _) = with_artifact();
    write_tree(&sandbox.cache().join("y_1"), &[("cld.yml", "")]);
    verify(&sandbox, &[], &[], &[]);
}

/// Row 21: the leftover is reported as a note.
#[test]
fn what_processes_left_is_noted() {
    let (sandbox, _) = with_artifact();
    let registry = sandbox.registry();
    let shared = registry.with_file_name("artifacts.json.tmp");
    fs::write(&shared, "half of a registry").unwrap();
    let notes = [("leftover", shared.to_str().unwrap())];
    verify(&sandbox, &[], &[], &notes);
    assert!(shared.exists());
}

#[test]
fn a_digest_that_nobody_here_knows_is_noted_and_its_content_is_not_called_changed() {
    let (sandbox, _) = with_artifact();
    let digest = format!("sha256:{}", "ab".repeat(32));
    let text = sandbox.registry_text();
    let stored: Value = serde_json::from_str(&text).unwrap();
    let ours = stored["artifacts"][0]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    sandbox.write_registry(text.replace(&ours, &digest));
    let manifests = sandbox.home().join("registry/manifests");
    let unused = manifests.join(&names(&manifests)[0]);
    let notes = [
        ("unverifiable-digest", "x:1"),
        ("leftover", unused.to_str().unwrap()),
    ];
    verify(&sandbox, &[], &[], &notes);
    verify(&sandbox, &["x:1"], &[], &notes[..1]);
}

#[test]
fn references_with_one_directory_are_noted() {
    let (sandbox, _) = with_artifact();
    let text = sandbox.registry_text();
    let mut stored: Value = serde_json::from_str(&text).unwrap();
    let mut other = stored["artifacts"][0].clone();
    other["reference"] = json!("x_1");
    stored["artifacts"].as_array_mut().unwrap().push(other);
    sandbox.write_registry(stored.to_string());
    let run = sandbox.run(&["verify"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.stdout.contains("  key-collision: shares the directory"),
        "{run:?}"
    );
}

#[test]
fn a_version_that_we_do_not_write_is_noted() {
    let sandbox = Sandbox::with_registry(r#"{"version":"v3","artifacts":[]}"#);
    let path = sandbox.registry();
    let notes = [("foreign-version", path.to_str().unwrap())];
    verify(&sandbox, &[], &[], &notes);
}

#[test]
fn operands_that_name_nothing_are_told_and_the_others_are_verified() {
    let (sandbox, content) = with_artifact();
    let run = sandbox.run(&["verify", "nothing", "x:1"]);
    run.fails(3, "artifact `nothing` not found");
    fs::remove_file(content.join("sub/one")).unwrap();
    let run = sandbox.run(&["verify", "nothing", "x:1"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stderr.contains("error: artifact `nothing` not found"),
        "{run:?}"
    );
    assert!(run.stdout.contains("file-missing: `sub/one`"), "{run:?}");
    let run = sandbox.run(&["verify", "nothing"]);
    run.fails(3, "artifact `nothing` not found");
    assert_eq!(run.stdout, "");
    assert!(!run.stderr.contains("note:"), "{run:?}");
}

#[test]
fn adds_and_removals_meanwhile_are_no_damage() {
    let (sandbox, _) = with_artifact();
    let source = sandbox.path("app");
    std::thread::scope(|scope| {
        let changes = scope.spawn(|| {
            for round in 0..15 {
                fs::write(source.join("sub/one"), round.to_string()).unwrap();
                let add = sandbox.command(&["add", "x:1", source.to_str().unwrap()]);
                assert_eq!(Running::start(add).end().code, 0);
                let rm = sandbox.command(&["rm", "x:1"]);
                assert_eq!(Running::start(rm).end().code, 0);
            }
        });
        while !changes.is_finished() {
            let run = sandbox.run(&["verify", "--format", "json"]);
            let report: Value = serde_json::from_str(&run.stdout).unwrap();
            assert_eq!(report["problems"], json!([]), "{run:?}");
        }
    });
}

/// Verifies while an add that replaces content waits in one of its syncs; false if it
/// had gone on before.
fn verify_during_an_add(fsync: usize, sees_the_old_entry: bool) -> bool {
    let (sandbox, content) = with_artifact();
    let source = sandbox.path("app");
    fs::write(source.join("sub/one"), "new").unwrap();
    let digest = || sandbox.json(&["inspect", "x:1"])[0]["digest"].clone();
    let old = digest();
    let add = ["add", "x:1", source.to_str().unwrap()];
    let inject = format!("delay_enter=2000000:when={fsync}");
    let mut add = Running::start(sandbox.traced(&inject, &add));
    wait_until("the new content", || {
        let text = fs::read(content.join("sub/one"));
        let has_its_entry = || sees_the_old_entry || digest() != old;
        text.is_ok_and(|text| text == b"new") && has_its_entry()
    });
    let is_in_time = add.is_running() && (digest() == old) == sees_the_old_entry;
    verify(&sandbox, &[], &[], &[]);
    assert_eq!(add.end().code, 0);
    verify(&sandbox, &[], &[], &[]);
    is_in_time
}

#[test]
fn a_replacement_under_way_is_no_damage_before_its_entry_is_there_nor_after() {
    if !has_strace() {
        return;
    }
    // The cache root is synced before the registry is renamed, its directory after.
    for (fsync, sees_the_old_entry) in [(4, true), (5, false)] {
        let mut rounds = 0..20;
        assert!(
            rounds.any(|_| verify_during_an_add(fsync, sees_the_old_entry)),
            "the add never was at its sync {fsync} in time"
        );
    }
}
