//! Failures of calls that ask what exists.

use std::collections::HashMap;
use std::fs;

use crate::faults_calls::recorded;
use crate::running::has_strace;
use crate::support::{ADD, Run, Sandbox, fixture};

/// The calls that ask what exists, by their names on different systems.
const LOOKS: &str = "/^(openat|statx|newfstatat|lstat|readlink|readlinkat)$";

/// Returns the calls of a command that are about the home, by name and number as strace
/// counts.
fn looks(sandbox: &Sandbox, args: &[&str]) -> Vec<(String, usize)> {
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut found = Vec::new();
    for line in recorded(sandbox, LOOKS, args) {
        let Some((name, about)) = line.split_once('(') else {
            continue;
        };
        let number = numbers.entry(name.to_owned()).or_default();
        *number += 1;
        if about.contains(".cldctl") {
            found.push((name.to_owned(), *number));
        }
    }
    found
}

/// Expects that a command fails or has the same result when any one of its looks fails.
fn never_takes_an_error_for_nothing(home: fn() -> Sandbox, args: &[&str]) {
    let sandbox = home();
    let before = sandbox.references();
    let sandbox = home();
    let looks = looks(&sandbox, args);
    assert!(!looks.is_empty());
    let clean = home();
    let run = clean.run(args);
    assert_eq!(run.code, 0, "{run:?}");
    let (output, after) = (run.stdout, clean.references());
    for (call, number) in looks {
        for error in ["EACCES", "ESTALE"] {
            let sandbox = home();
            let inject = format!("error={error}:when={number}");
            let run = sandbox.traced_at(&call, &inject, args).output().unwrap();
            let run = Run::from(run);
            let references = sandbox.references();
            let which = format!("{args:?}, {call} {number}: {error}: {run:?}");
            if run.code == 0 {
                assert_eq!(
                    (&run.stdout, references),
                    (&output, after.clone()),
                    "{which}"
                );
            } else {
                run.fails(1, "");
                assert!(references == before || references == after, "{which}");
            }
        }
    }
}

/// Creates a home with a registry, and a lock file that an earlier change left.
fn with_registry() -> Sandbox {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    fs::write(sandbox.lock(), "").unwrap();
    sandbox
}

/// Creates a home with only the registry of cldctl's first version.
fn with_legacy() -> Sandbox {
    let sandbox = Sandbox::with_registry("");
    let legacy = sandbox.registry().with_file_name("components.json");
    fs::remove_file(sandbox.registry()).unwrap();
    fs::write(legacy, fixture("legacy/components.json")).unwrap();
    sandbox
}

/// This holds for every look and every error.
#[test]
fn a_failed_look_is_an_error_and_never_an_empty_registry() {
    if !has_strace() {
        return;
    }
    let commands: [&[&str]; 5] = [
        &["images", "-q"],
        &["exists", "my-dc"],
        &["rm", "-f", "missing:1"],
        &["rm", "my-dc", "--keep-cache"],
        ADD,
    ];
    std::thread::scope(|scope| {
        for args in commands {
            scope.spawn(move || never_takes_an_error_for_nothing(with_registry, args));
        }
        for args in [&["images", "-q"][..], ADD] {
            scope.spawn(move || never_takes_an_error_for_nothing(with_legacy, args));
        }
    });
}

/// Only two errors mean that something is missing.
#[test]
fn content_that_cannot_be_checked_is_not_called_missing() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.component("app");
    sandbox.ok(&["add", "app:1", "app"]);
    let args = ["cache-path", "--check", "app:1"];
    let looks = looks(&sandbox, &args);
    let (call, number) = looks.last().unwrap();
    for (error, code) in [("EACCES", 1), ("ESTALE", 1), ("ENOENT", 3), ("ENOTDIR", 3)] {
        let inject = format!("error={error}:when={number}");
        let output = sandbox.traced_at(call, &inject, &args).output().unwrap();
        assert_eq!(Run::from(output).code, code, "{error}");
    }
}
