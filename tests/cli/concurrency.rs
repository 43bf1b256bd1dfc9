//! Many processes on one registry, with and without its lock.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::running::{Running, has_strace, wait_until};
use crate::support::{Sandbox, names, write_tree};

const PROCESSES: usize = 32;
const ADDS: usize = 50;

/// The pause of a reader, which leaves the machine to the writers.
const PAUSE: Duration = Duration::from_millis(5);

/// Returns the references in a file as stored; the file must be whole or missing.
fn stored(path: &Path) -> Vec<String> {
    let Ok(text) = fs::read(path) else {
        return Vec::new();
    };
    let document: Value = serde_json::from_slice(&text).unwrap();
    let entries = document["artifacts"].as_array().unwrap().iter();
    entries
        .map(|entry| entry["reference"].as_str().unwrap().to_owned())
        .collect()
}

/// Appends an entry as cldctl does: without a lock, by a temporary file of a fixed
/// name.
fn append_without_lock(path: &Path, reference: &str) {
    let mut document = match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).unwrap(),
        Err(_) => json!({"version": "v2", "artifacts": []}),
    };
    document["artifacts"].as_array_mut().unwrap().push(json!({
        "reference": reference, "repository": reference, "tag": "latest", "type": "component",
        "size": 0, "createdAt": "2026-01-01T00:00:00Z", "cachePath": "/elsewhere",
    }));
    let temporary = path.with_extension("json.tmp");
    fs::write(&temporary, document.to_string()).unwrap();
    fs::rename(temporary, path).unwrap();
}

/// Rows 12 and 13: 32 processes with 50 adds each.
#[test]
fn adds_of_many_processes_are_all_kept_and_readers_never_see_a_part() {
    let sandbox = Sandbox::new();
    let done = AtomicBool::new(false);
    let reads = AtomicUsize::new(0);
    thread::scope(|scope| {
        let disk = scope.spawn(|| {
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) {
                let count = stored(&sandbox.registry()).len();
                assert!(count >= seen, "{count} after {seen}");
                seen = count;
                reads.fetch_add(1, Ordering::Relaxed);
                thread::sleep(PAUSE);
            }
        });
        let lister = scope.spawn(|| {
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) {
                let run = sandbox.run(&["images", "-q"]);
                assert_eq!((run.code, &*run.stderr), (0, ""));
                let count = run.stdout.lines().count();
                assert!(count >= seen, "{count} after {seen}");
                seen = count;
                reads.fetch_add(1, Ordering::Relaxed);
                thread::sleep(PAUSE);
            }
        });
        let writers: Vec<_> = (0..PROCESSES)
            .map(|process| {
                let sandbox = &sandbox;
                scope.spawn(move || {
                    for n in 0..ADDS {
                        let reference = format!("process-{process}:{n}");
                        // A slow machine is no failure, so the wait is long.
                        let run = sandbox.run(&[
                            "add",
                            &reference,
                            "--metadata-only",
                            "--type=component",
                            "--lock-timeout=10m",
                        ]);
                        assert_eq!(run.code, 0, "{run:?}");
                    }
                })
            })
            .collect();
        let ends: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(ends.iter().all(Result::is_ok), "a writer failed");
        disk.join().unwrap();
        lister.join().unwrap();
    });

    assert!(reads.into_inner() > 1);
    let mut expected: Vec<_> = (0..PROCESSES)
        .flat_map(|process| (0..ADDS).map(move |n| format!("process-{process}:{n}")))
        .collect();
    expected.sort();
    let mut references = stored(&sandbox.registry());
    references.sort();
    assert_eq!(references.len(), PROCESSES * ADDS);
    assert_eq!(references, expected);
    assert!(sandbox.temporaries().is_empty());
}

/// Replaces the registry from a process without the lock while ours is about to commit:
/// during its fsync of this number, which has begun when `reached` holds. `setup`
/// creates the home; in the end `expected` and `theirs:1` must be registered.
struct Race<'a> {
    setup: &'a dyn Fn(&Sandbox),
    args: &'a [&'a str],
    fsync: usize,
    reached: &'a dyn Fn(&Sandbox) -> bool,
    expected: &'a [&'a str],
}

impl Race<'_> {
    fn run(&self) {
        for round in 0.. {
            assert!(round < 20, "the other process was never in time");
            let sandbox = Sandbox::new();
            fs::create_dir_all(sandbox.home().join("registry")).unwrap();
            (self.setup)(&sandbox);
            let delay = format!("delay_enter=200000:when={}", self.fsync);
            let mut ours = Running::start(sandbox.traced(&delay, self.args));
            wait_until("the delay", || {
                !sandbox.temporaries().is_empty() && (self.reached)(&sandbox)
            });
            let prepared = sandbox.temporaries();
            append_without_lock(&sandbox.registry(), "theirs:1");
            // The temporary file still exists, so ours has read but not yet committed.
            let in_time = ours.is_running() && prepared == sandbox.temporaries();
            let run = ours.end();
            if !in_time {
                continue;
            }
            assert_eq!(run.code, 0, "{run:?}");
            let mut references = stored(&sandbox.registry());
            references.sort();
            let expected = [self.expected, &["theirs:1"]].concat();
            assert_eq!(references, expected, "{:?}", self.args);
            assert!(sandbox.temporaries().is_empty() && sandbox.staged().is_empty());
            return;
        }
    }
}

/// Runs a race during the fsync of the temporary file.
fn race(setup: impl Fn(&Sandbox), args: &[&str], expected: &[&str]) {
    let race = Race {
        setup: &setup,
        args,
        fsync: 1,
        reached: &|_| true,
        expected,
    };
    race.run();
}

/// Row 18: another process writes while the temporary file is synced.
#[test]
fn an_add_keeps_what_a_process_without_the_lock_wrote_meanwhile() {
    if !has_strace() {
        return;
    }
    let add = ["add", "ours:1", "--metadata-only", "--type", "component"];
    race(
        |sandbox| sandbox.record("before:1"),
        &add,
        &["before:1", "ours:1"],
    );
    race(|_| (), &add, &["ours:1"]);
}

/// Creates a home with one component, and another source to add.
fn with_content(sandbox: &Sandbox) {
    sandbox.component("before");
    sandbox.ok(&["add", "before:1", "before"]);
    sandbox.component("src");
    write_tree(&sandbox.path("src"), &[("src/main.ts", "another\n")]);
}

#[test]
fn an_add_with_content_keeps_what_a_process_without_the_lock_wrote_meanwhile() {
    if !has_strace() {
        return;
    }
    let add = ["add", "ours:1", "src"];
    race(with_content, &add, &["before:1", "ours:1"]);
    race(with_content, &["add", "before:1", "src"], &["before:1"]);
}

/// Row 18: another process writes at each of the later syncs.
#[test]
fn an_add_with_content_keeps_what_was_written_while_it_put_its_content_in_place() {
    if !has_strace() {
        return;
    }
    let manifests = |sandbox: &Sandbox, temporary: bool| {
        let names = names(&sandbox.home().join("registry/manifests"));
        let names = names.iter();
        names
            .filter(|name| name.ends_with(".tmp") == temporary)
            .count()
    };
    // The manifest, its directory and the cache root are synced in this order.
    let reached: [&dyn Fn(&Sandbox) -> bool; 3] = [
        &|sandbox| manifests(sandbox, true) == 1,
        &|sandbox| manifests(sandbox, false) == 2,
        &|sandbox| sandbox.cache().join("ours_1").exists(),
    ];
    for (fsync, reached) in (2..).zip(reached) {
        let race = Race {
            setup: &with_content,
            args: &["add", "ours:1", "src"],
            fsync,
            reached,
            expected: &["before:1", "ours:1"],
        };
        race.run();
    }
}

/// Row 18: another process writes while the temporary file is synced.
#[test]
fn a_removal_keeps_what_a_process_without_the_lock_wrote_meanwhile() {
    if !has_strace() {
        return;
    }
    let two = |sandbox: &Sandbox| {
        sandbox.record("before:1");
        sandbox.record("ours:1");
    };
    race(two, &["rm", "ours:1"], &["before:1"]);
    race(two, &["rm", "ours:1", "before:1"], &[]);
    race(with_content, &["rm", "before:1"], &[]);
}

/// Starts a change that holds the lock for a while, and an add of content that is
/// already in the cache, which waits for it.
fn change_under_a_waiting_add(change: &[&str]) -> Sandbox {
    for round in 0.. {
        assert!(round < 20, "the add never waited in time");
        let sandbox = Sandbox::new();
        sandbox.component("old");
        sandbox.component("new");
        write_tree(&sandbox.path("new"), &[("src/main.ts", "another\n")]);
        sandbox.ok(&["add", "app:1", "old"]);
        sandbox.ok(&["add", "other:1", "old"]);

        let mut first = Running::start(sandbox.traced("delay_enter=1200000:when=1", change));
        wait_until("the temporary file", || !sandbox.temporaries().is_empty());
        let mut second = Running::start(sandbox.command(&["add", "app:1", "old"]));
        second.says("note: waiting");
        let in_time = first.is_running() && !sandbox.temporaries().is_empty();
        let run = first.end();
        assert_eq!(run.code, 0, "{run:?}");
        let run = second.end();
        assert_eq!(run.code, 0, "{run:?}");
        if in_time {
            return sandbox;
        }
    }
    unreachable!()
}

/// Returns the text of the file of `app:1` that differs between the two sources.
#[track_caller]
fn main_ts(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.cache().join("app_1/src/main.ts")).unwrap()
}

#[test]
fn an_add_that_waited_for_another_of_the_same_reference_registers_its_own_content() {
    if !has_strace() {
        return;
    }
    let sandbox = change_under_a_waiting_add(&["add", "app:1", "new"]);
    let entry = |reference| sandbox.json(&["inspect", reference])[0]["digest"].clone();
    assert_eq!(entry("app:1"), entry("other:1"), "the last add wins");
    let text = fs::read_to_string(sandbox.path("old/src/main.ts")).unwrap();
    assert_eq!(main_ts(&sandbox), text);
}

#[test]
fn an_add_that_waited_for_the_removal_of_its_reference_stores_its_content() {
    if !has_strace() {
        return;
    }
    let sandbox = change_under_a_waiting_add(&["rm", "app:1"]);
    assert_eq!(sandbox.references(), ["app:1", "other:1"]);
    let text = fs::read_to_string(sandbox.path("old/src/main.ts")).unwrap();
    assert_eq!(main_ts(&sandbox), text);
}
