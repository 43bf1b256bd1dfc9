//! Processes that are killed, and concurrent changes of the same entry.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::faults_content::{cached, with_entries};
use crate::support::{Run, Sandbox, names, tree, write_tree};

/// Runs the program and kills it after this time.
fn killed_after(sandbox: &Sandbox, args: &[&str], time: Duration) {
    let mut child = sandbox
        .command(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(time);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Returns the duration of a run that is not killed.
fn time_of(sandbox: &Sandbox, args: &[&str]) -> Duration {
    let start = Instant::now();
    sandbox.ok(args);
    start.elapsed()
}

/// Creates a source of this number of files; returns it and the paths that are stored.
fn source_of(count: usize, sandbox: &Sandbox) -> (PathBuf, Vec<String>) {
    let source = sandbox.path("many");
    write_tree(&source, &[("cld.yml", "name: many\n")]);
    for index in 0..count {
        write_tree(&source, &[(&format!("{}/{index}", index % 7), "text\n")]);
    }
    let stored = tree(&source);
    (source, stored)
}

/// Row 49: killed at each tenth of its time.
#[test]
fn a_killed_add_leaves_no_entry_or_one_with_its_whole_content() {
    let sandbox = Sandbox::new();
    let (source, stored) = source_of(200, &sandbox);
    let args = ["add", "x:1", source.to_str().unwrap()];
    let own = sandbox.cache().join("x_1");
    let whole = time_of(&sandbox, &args);
    for part in 0..=10 {
        sandbox.ok(&["rm", "-f", "x:1"]);
        killed_after(&sandbox, &args, whole * part / 10);
        match &*sandbox.references() {
            [] => assert!(!own.exists() || tree(&own) == stored, "half a copy"),
            [reference] => assert!(reference == "x:1" && tree(&own) == stored),
            more => panic!("{more:?}"),
        }
        for name in names(&sandbox.cache()) {
            let is_leftover = name.starts_with(".staging-") || name.starts_with(".trash-");
            assert!(name == "x_1" || is_leftover, "{name}");
        }
    }
    sandbox.ok(&args);
    assert_eq!(tree(&own), stored);
}

#[test]
fn a_killed_rm_leaves_an_entry_with_its_whole_content_or_none() {
    let sandbox = Sandbox::new();
    let (source, stored) = source_of(100, &sandbox);
    let add = ["add", "x:1", source.to_str().unwrap()];
    let own = sandbox.cache().join("x_1");
    sandbox.ok(&add);
    let whole = time_of(&sandbox, &["rm", "x:1"]);
    for part in 0..=10 {
        sandbox.ok(&add);
        killed_after(&sandbox, &["rm", "x:1"], whole * part / 10);
        if sandbox.references() == ["x:1"] {
            assert_eq!(tree(&own), stored);
        } else {
            assert!(
                !own.exists() || tree(&own) == stored,
                "a part of the content"
            );
        }
    }
}

#[test]
fn concurrent_adds_and_removals_keep_entry_and_content_together() {
    let sandbox = Sandbox::new();
    let (source, stored) = source_of(20, &sandbox);
    let add = ["add", "x:1", source.to_str().unwrap()];
    std::thread::scope(|scope| {
        scope.spawn(|| (0..10).for_each(|_| drop(sandbox.ok(&add))));
        scope.spawn(|| (0..20).for_each(|_| drop(sandbox.ok(&["rm", "-f", "x:1"]))));
    });
    if sandbox.references().is_empty() {
        assert_eq!(names(&sandbox.cache()), [""; 0]);
    } else {
        assert_eq!(names(&sandbox.cache()), ["x_1"]);
        assert_eq!(tree(&sandbox.cache().join("x_1")), stored);
    }
}

/// Runs the program while a lock is held until it waits for the lock; `meanwhile` is
/// what the holder of the lock does then.
fn run_beside(sandbox: &Sandbox, args: &[&str], meanwhile: impl FnOnce()) -> Run {
    let lock = File::open(sandbox.registry().with_extension("json.lock")).unwrap();
    lock.lock().unwrap();
    let mut child = sandbox
        .command(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut note = String::new();
    stderr.read_line(&mut note).unwrap();
    assert!(note.contains("artifacts.json.lock"), "{note}");
    meanwhile();
    lock.unlock().unwrap();
    let mut run = Run::from(child.wait_with_output().unwrap());
    stderr.read_to_string(&mut run.stderr).unwrap();
    run
}

#[test]
fn the_same_content_is_stored_again_if_it_is_removed_before_it_is_registered() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("source");
    let args = ["add", "x:1", source.to_str().unwrap()];
    sandbox.ok(&args);
    let own = sandbox.cache().join("x_1");
    let stored = tree(&own);

    // The equal content is removed, with its entry.
    let run = run_beside(&sandbox, &args, || {
        fs::remove_dir_all(&own).unwrap();
        sandbox.write_registry(r#"{"version":"v2","artifacts":[]}"#);
    });
    assert_eq!((run.code, &*run.stdout), (0, "added x:1\n"), "{run:?}");
    assert_eq!(tree(&own), stored);

    // The content is replaced by other content.
    let run = run_beside(&sandbox, &args, || {
        fs::write(own.join("cld.yml"), "name: other\n").unwrap();
    });
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(
        fs::read_to_string(own.join("cld.yml")).unwrap(),
        "name: app\n"
    );
}

#[test]
fn content_that_vanishes_before_it_is_registered_in_its_place_is_not_registered() {
    let sandbox = Sandbox::new();
    sandbox.record("other:1");
    let own = cached(&sandbox, "x_1");
    let run = run_beside(&sandbox, &["add", "x:1"], || {
        fs::remove_dir_all(&own).unwrap()
    });
    assert_ne!(run.code, 0, "{run:?}");
    assert_eq!(sandbox.references(), ["other:1"]);

    let own = cached(&sandbox, "x_1");
    let run = run_beside(&sandbox, &["add", "x:1"], || {
        fs::write(own.join("cld.yml"), "name: other\n").unwrap();
    });
    assert_ne!(run.code, 0, "{run:?}");
    assert_eq!(sandbox.references(), ["other:1"]);
}

#[test]
fn content_that_another_process_stored_meanwhile_is_not_treated_as_the_old() {
    let sandbox = Sandbox::new();
    let (source, other) = (sandbox.component("source"), sandbox.datacenter("other"));
    sandbox.ok(&["add", "x:1", source.to_str().unwrap()]);
    // While `rm` waits, the entry gets the directory of another one, which must be
    // kept.
    let own = sandbox.cache().join("x_1");
    let run = run_beside(&sandbox, &["rm", "x:1"], || {
        with_entries(&[("x:1", own.clone()), ("y:1", own.clone())], &sandbox);
    });
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(sandbox.references(), ["y:1"]);
    assert!(own.is_dir());

    // The directory was free when `add` looked, and has an owner when it is to be used.
    let dir = sandbox.cache().join("a_b_c");
    let args = ["add", "a/b:c", other.to_str().unwrap()];
    let run = run_beside(&sandbox, &args, || {
        cached(&sandbox, "a_b_c");
        with_entries(&[("a_b_c", dir.clone())], &sandbox);
    });
    run.fails(4, "`a_b_c`");
    assert_eq!(fs::read_to_string(dir.join("cld.yml")).unwrap(), "a_b_c");
    assert_eq!(names(&sandbox.cache()), ["a_b_c", "x_1"]);
}
