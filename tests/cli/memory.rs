//! Little memory: limits of the address space, from one at which the program just
//! starts to one at which it has enough.

use std::fs;

use crate::running::{Running, left_out};
use crate::support::{ADD, Run, Sandbox};

/// Limits in KiB, above the one at which the program starts.
const MORE: [u64; 18] = [
    0, 700, 3_000, 9_000, 12_000, 15_000, 16_000, 17_000, 18_000, 19_000, 20_000, 21_500, 23_000,
    25_000, 60_000, 130_000, 200_000, 500_000,
];

fn limited(sandbox: &Sandbox, limit: u64, args: &[&str]) -> Run {
    let script = format!("ulimit -v {limit} && exec \"$@\"");
    let mut command = sandbox.wrapped(&["sh", "-c", &script, "sh"], args);
    Run::from(command.output().unwrap())
}

/// Returns the lowest limit, in KiB, at which the program can report that it has too
/// little memory. Below, the system or Rust's runtime fails before the program begins.
fn least(sandbox: &Sandbox) -> u64 {
    let starts = |limit: &u64| {
        let run = limited(sandbox, *limit, &["images"]);
        run.code == 1 && run.stderr == "error: out of memory\n"
    };
    (4_000..200_000).step_by(250).find(starts).unwrap()
}

fn registry(entries: usize) -> String {
    let entry = |n| {
        format!(
            "    {{\n      \"reference\": \"ghcr.io/acme/app-{n:06}:v1\",\n      \
             \"repository\": \"ghcr.io/acme/app-{n:06}\",\n      \"tag\": \"v1\",\n      \
             \"type\": \"component\",\n      \"digest\": \"sha256:{n:064}\",\n      \
             \"size\": {n},\n      \"createdAt\": \"2026-02-14T13:03:11-05:00\",\n      \
             \"cachePath\": \"/elsewhere/app-{n:06}\"\n    }}"
        )
    };
    let entries: Vec<_> = (0..entries).map(entry).collect();
    let entries = entries.join(",\n");
    format!("{{\n  \"version\": \"v2\",\n  \"artifacts\": [\n{entries}\n  ]\n}}")
}

/// Runs a command under each limit. It must succeed, or fail in one line, but never end
/// by a signal; and its unfinished changes must be undone or removed later.
#[track_caller]
fn never_ends_badly(least: u64, home: &dyn Fn() -> Sandbox, args: &[&str]) {
    let mut codes = Vec::new();
    for more in MORE {
        let sandbox = home();
        let before = sandbox.registry_text();
        let run = limited(&sandbox, least + more, args);
        let which = format!("{args:?} at {least} + {more}: {} {}", run.code, run.stderr);
        codes.push(run.code);
        if run.code != 0 {
            assert_eq!(run.code, 1, "{which}");
            assert!(run.stderr.starts_with("error: "), "{which}");
            assert_eq!(run.stderr.lines().count(), 1, "{which}");
            assert!(run.stderr.contains("memory"), "{which}");
            assert!(sandbox.registry_text() == before, "{which}");
            sandbox.ok(ADD);
            assert!(sandbox.temporaries().is_empty() && sandbox.staged().is_empty());
        }
    }
    assert_eq!(codes[0], 1, "{args:?}");
    assert_eq!(codes.last(), Some(&0), "{args:?}");
    // More memory never makes it fail.
    assert!(
        codes.is_sorted_by(|less, more| less >= more),
        "{args:?}: {codes:?}"
    );
}

/// Row 78: whatever the limit, and whatever asks for memory.
#[test]
fn a_command_without_memory_fails_in_one_line_and_changes_nothing() {
    if !cfg!(target_os = "linux") {
        left_out("memory cannot be limited");
        return;
    }
    let least = least(&Sandbox::new());
    let large = registry(15_000);
    let small = registry(10);
    std::thread::scope(|scope| {
        for text in [&large, &small] {
            scope.spawn(move || {
                let home = || Sandbox::with_registry(text);
                for args in [
                    &["images", "-q"][..],
                    &["images", "--format", "json"],
                    &["inspect", "ghcr.io/acme/app-000007:v1"],
                    &["exists", "ghcr.io/acme/app-000007:v1"],
                    &["rm", "ghcr.io/acme/app-000007:v1"],
                    &["df"],
                    ADD,
                ] {
                    never_ends_badly(least, &home, args);
                }
            });
        }
        scope.spawn(move || {
            let home = || {
                let sandbox = Sandbox::with_registry(registry(10));
                sandbox.component("app");
                fs::write(sandbox.path("app/large"), vec![7; 1 << 20]).unwrap();
                sandbox
            };
            never_ends_badly(least, &home, &["add", "app:1", "app"]);
            let added = || {
                let sandbox = home();
                sandbox.ok(&["add", "app:1", "app"]);
                sandbox
            };
            never_ends_badly(least, &added, &["verify", "app:1"]);
        });
    });
}

/// Row 78: the allocator of a thread aborts, or the standard library, which reports it itself.
#[test]
fn an_abort_is_a_failure_and_not_a_crash() {
    if !cfg!(target_os = "linux") {
        left_out("memory cannot be limited");
        return;
    }
    let sandbox = Sandbox::new();
    let held = sandbox.hold_lock();
    let add = [ADD, &["--lock-timeout", "10m"]].concat();
    let mut running = Running::start(sandbox.command(&add));
    running.says("note: waiting");
    running.signal("ABRT");
    drop(held);
    assert_eq!(running.end().code, 1);
}
