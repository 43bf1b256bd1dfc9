//! The order of syncs of files and directories, so that a power loss never destroys
//! more than without the call. The fault harness replays the calls.

use std::fs;
use std::path::Path;

use crate::running::{Running, has_strace, wait_until};
use crate::support::{ADD, Run, Sandbox, fixture};

/// Returns the program under strace, which records these calls with their paths.
fn traced(sandbox: &Sandbox, calls: &str, more: &[&str], args: &[&str]) -> std::process::Command {
    let (record, trace) = (sandbox.path("record"), format!("trace={calls}"));
    let strace = [
        "strace",
        "-qq",
        "-y",
        "-s",
        "256",
        "-o",
        record.to_str().unwrap(),
        "-e",
    ];
    sandbox.wrapped(&[&strace, &[&*trace][..], more].concat(), args)
}

/// Returns the syncs and renames in order, by the last part of each path.
fn steps(sandbox: &Sandbox, args: &[&str]) -> Vec<String> {
    let command = &mut traced(sandbox, "fsync,syncfs,rename,renameat2", &[], args);
    let run = Run::from(command.output().unwrap());
    // `verify` reports the missing content, which does not matter here.
    assert!(run.code == 0 || args[0] == "verify", "{run:?}");
    let record = fs::read_to_string(sandbox.path("record")).unwrap();
    record.lines().map(step).collect()
}

fn step(line: &str) -> String {
    let name = line.split('(').next().unwrap();
    let path = match name {
        "fsync" | "syncfs" => line.split(['<', '>']).nth(1).unwrap(),
        _ => line.split('"').nth(3).unwrap(),
    };
    let path = Path::new(path).file_name().unwrap_or_default();
    let path = path.to_str().unwrap();
    match path.strip_prefix('.').filter(|path| path.ends_with(".tmp")) {
        Some(_) => format!("{name} temporary"),
        None => format!("{name} {path}"),
    }
}

/// Creates a registry written by another program that syncs nothing.
fn unsynced() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.record("new:1");
    let temporary = sandbox.registry().with_extension("json.tmp");
    fs::copy(sandbox.registry(), &temporary).unwrap();
    fs::rename(temporary, sandbox.registry()).unwrap();
    sandbox
}

/// Row 64: otherwise a power loss could destroy it. The harness checks that.
#[test]
fn an_unchanged_registry_is_synced_before_its_name() {
    if !has_strace() {
        return;
    }
    for args in [
        ADD,
        &["rm", "-f", "missing:1"],
        &["rm", "--filter", "tag=missing", "-y"],
        &["verify", "--repair"],
    ] {
        let steps = steps(&unsynced(), args);
        let expected = ["fsync artifacts.json", "fsync registry"];
        assert!(!steps.is_empty(), "{args:?}");
        // Some commands read it more than once.
        assert!(
            steps.chunks(2).all(|steps| steps == expected),
            "{args:?}: {steps:?}"
        );
    }
}

/// Row 65: a process may have written it that was killed before it synced, or that
/// never syncs.
#[test]
fn content_that_exists_already_is_synced_before_its_entry() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    let add = |reference| ["add", reference, source.to_str().unwrap()];
    sandbox.ok(&add("a:1"));
    let place = sandbox.cache().join("b_1");
    sandbox.ok(&["tag", "a:1", "b:1"]);
    sandbox.ok(&["rm", "b:1", "--keep-cache"]);
    assert!(place.exists());
    let steps = steps(&sandbox, &add("b:1"));
    let manifest = steps[2].starts_with("fsync ") && steps[2].ends_with(".sha256");
    assert!(manifest, "{steps:?}");
    // Nothing is staged.
    assert_eq!(steps[..2], ["syncfs artifacts", "fsync artifacts"]);
    let commit = ["fsync temporary", "rename artifacts.json", "fsync registry"];
    assert_eq!(steps[3..], [&["fsync manifests"], &commit[..]].concat());
}

#[test]
fn without_a_registry_nothing_is_synced() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.home().join("registry")).unwrap();
    assert!(steps(&sandbox, &["rm", "-f", "missing:1"]).is_empty());
}

#[test]
fn a_change_costs_two_syncs() {
    if !has_strace() {
        return;
    }
    let expected = ["fsync temporary", "rename artifacts.json", "fsync registry"];
    assert_eq!(steps(&unsynced(), &["rm", "new:1"]), expected);
}

/// The legacy registry is kept, so the sync of its directory must not empty it.
#[test]
fn a_legacy_registry_is_synced_before_the_one_that_it_is_converted_to() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::with_registry("");
    let legacy = sandbox.registry().with_file_name("components.json");
    fs::remove_file(sandbox.registry()).unwrap();
    fs::write(&legacy, fixture("legacy/components.json")).unwrap();
    let steps = steps(&sandbox, &["images", "-q"]);
    let at = |step: &str| steps.iter().position(|it| it == step).unwrap();
    assert!(
        at("fsync components.json") < at("fsync registry"),
        "{steps:?}"
    );
    assert!(
        at("fsync temporary") < at("renameat2 artifacts.json"),
        "{steps:?}"
    );
    assert!(
        at("renameat2 artifacts.json") < at("fsync registry"),
        "{steps:?}"
    );
}

#[test]
fn a_damaged_registry_is_synced_before_the_name_of_its_copy() {
    if !has_strace() {
        return;
    }
    let entry = r#"{"reference":"x:1"}"#;
    for text in [
        format!(r#"{{"artifacts":[{entry},{{"#),
        format!(r#"{{"artifacts":[{entry},{entry}]}}"#),
    ] {
        let sandbox = Sandbox::with_registry(text);
        let steps = steps(&sandbox, &["verify", "--repair"]);
        let at = |step: &str| steps.iter().position(|it| it == step).unwrap();
        assert!(
            at("fsync artifacts.json") < at("fsync registry"),
            "{steps:?}"
        );
        assert!(
            steps.iter().any(|step| step.contains("corrupt-")),
            "{steps:?}"
        );
    }
}

/// Otherwise the synced file would not be the one that was read.
#[test]
fn a_registry_that_is_replaced_while_it_is_synced_is_checked_again() {
    if !has_strace() {
        return;
    }
    for round in 0.. {
        assert!(round < 20, "the other program never came in time");
        let sandbox = unsynced();
        let delay = ["-e", "inject=fsync:delay_enter=300000:when=1"];
        let ours = Running::start(traced(&sandbox, "fsync", &delay, ADD));
        wait_until("the lock is held", || {
            let file = fs::File::open(sandbox.lock()).unwrap();
            file.try_lock().is_err()
        });
        std::thread::sleep(std::time::Duration::from_millis(50));
        let temporary = sandbox.registry().with_extension("json.tmp");
        fs::write(&temporary, r#"{"artifacts":[{"reference":"theirs:1"}]}"#).unwrap();
        fs::rename(temporary, sandbox.registry()).unwrap();
        let run = ours.end();
        // Ours was in place, and is not any more.
        assert_eq!((run.code, &*run.stdout), (0, "added new:1\n"), "{run:?}");
        assert_eq!(sandbox.references(), ["new:1", "theirs:1"]);
        let record = fs::read_to_string(sandbox.path("record")).unwrap();
        let synced: Vec<_> = record.lines().map(step).collect();
        if synced[0] == "fsync artifacts.json" {
            // Each file that became durable by the sync of its directory is whole.
            let first = [
                "fsync artifacts.json",
                "fsync registry",
                "fsync artifacts.json",
            ];
            assert_eq!(synced[..3], first);
            return;
        }
    }
}
