//! The lock: processes that wait for it, and those that do not.

use std::fs;
use std::process::Command;

use crate::running::{Running, has, has_strace, wait_until};
use crate::support::{Run, Sandbox, fixture, names};

fn adding<'a>(reference: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let args = ["add", reference, "--metadata-only", "--type", "component"];
    [&args, more].concat()
}

/// Starts a process that waits for the lock, and has reported so.
fn waiting(sandbox: &Sandbox, reference: &str) -> Running {
    let args = adding(reference, &["--lock-timeout", "10m"]);
    let mut running = Running::start(sandbox.command(&args));
    let note = running.says("note: waiting");
    let lock = sandbox.lock();
    assert!(note.contains(lock.to_str().unwrap()), "{note}");
    assert!(running.is_running());
    running
}

/// Row 14: for each kind of change.
#[test]
fn a_change_gives_up_in_time_and_names_the_lock_file() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    let _held = sandbox.hold_lock();
    let lock = sandbox.lock();
    for args in [
        adding("a:1", &["--lock-timeout", "1s"]),
        vec!["rm", "my-dc", "--lock-timeout", "0s"],
        vec!["rm", "--all", "-y", "--lock-timeout", "0s"],
    ] {
        let run = sandbox.run(&args);
        run.fails(5, lock.to_str().unwrap());
    }
    assert_eq!(sandbox.registry_text(), fixture("base/artifacts.json"));
    assert!(sandbox.temporaries().is_empty());
}

#[test]
fn a_waiting_change_names_the_lock_and_continues_when_it_is_free() {
    let sandbox = Sandbox::new();
    let held = sandbox.hold_lock();
    let running = waiting(&sandbox, "a:1");
    assert!(!sandbox.registry().exists());
    drop(held);
    let run = running.end();
    assert_eq!((run.code, &*run.stdout), (0, "added a:1\n"), "{run:?}");
    assert_eq!(run.stderr, "", "it reports the wait once");
    assert_eq!(sandbox.references(), ["a:1"]);
}

/// Row 15: whatever kind of process held it.
#[test]
fn a_killed_holder_releases_the_lock() {
    if !has("flock", &["--version"]) {
        return;
    }
    let sandbox = Sandbox::new();
    drop(sandbox.hold_lock());
    let mut flock = Command::new("flock");
    flock.arg("--no-fork").arg(sandbox.lock());
    let mut holder = Running::start({
        flock.args(["sleep", "600"]);
        flock
    });
    let file = fs::File::open(sandbox.lock()).unwrap();
    wait_until("the lock of the holder", || match file.try_lock() {
        Ok(()) => {
            file.unlock().unwrap();
            false
        }
        Err(_) => true,
    });
    let running = waiting(&sandbox, "a:1");
    assert!(holder.is_running());
    holder.kill();
    let run = running.end();
    assert_eq!((run.code, &*run.stdout), (0, "added a:1\n"), "{run:?}");
}

/// Row 13: for each command that only reads.
#[test]
fn reading_does_not_wait() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    let _held = sandbox.hold_lock();
    for args in [
        &["images"][..],
        &["images", "-q", "--lock-timeout", "52w"],
        &["inspect", "my-dc", "--lock-timeout", "52w"],
        &["cache-path", "my-dc", "--lock-timeout", "52w"],
        &["rm", "my-dc", "-n", "--lock-timeout", "52w"],
        &["rm", "--all", "-n", "--lock-timeout", "52w"],
    ] {
        let run = sandbox.run(args);
        assert_eq!(run.code, 0, "{args:?}: {run:?}");
        assert!(!run.stderr.contains("waiting"), "{run:?}");
    }
}

/// Row 16: the file is deleted before the waiter has the lock.
#[test]
fn a_waiter_takes_a_new_lock_file_when_the_old_one_is_deleted() {
    let sandbox = Sandbox::new();
    let _held = sandbox.hold_lock();
    let running = waiting(&sandbox, "a:1");
    fs::remove_file(sandbox.lock()).unwrap();
    let run = running.end();
    assert_eq!((run.code, &*run.stdout), (0, "added a:1\n"), "{run:?}");
    assert_eq!(
        names(&sandbox.home().join("registry")),
        ["artifacts.json", "artifacts.json.lock"]
    );
}

#[test]
fn changes_before_and_after_the_lock_file_was_deleted_are_both_kept() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.record("before:1");
    for round in 0.. {
        assert!(round < 20, "the second change was never in time");
        let first = format!("first:{round}");
        let second = format!("second:{round}");
        let mut holder =
            Running::start(sandbox.traced("delay_enter=500000:when=1", &adding(&first, &[])));
        wait_until("the temporary file", || !sandbox.temporaries().is_empty());
        let its = sandbox.temporaries();
        fs::remove_file(sandbox.lock()).unwrap();
        // It commits under a lock of its own, and removes what looks like a leftover.
        sandbox.ok(&adding(&second, &[]));
        let in_time = holder.is_running() && its.iter().all(|path| !path.exists());
        let run = holder.end();
        assert_eq!(run.code, 0, "{run:?}");
        let references = sandbox.references();
        assert!(references.contains(&first), "{references:?}");
        assert!(references.contains(&second), "{references:?}");
        if in_time {
            break;
        }
    }
    assert!(sandbox.lock().exists() && sandbox.temporaries().is_empty());
}

/// Row 16: the file is deleted while it has the lock.
#[test]
fn a_holder_whose_lock_file_was_deleted_does_not_commit_under_a_successor() {
    if !has_strace() {
        return;
    }
    for round in 0.. {
        assert!(round < 20, "the successor was never in time");
        let sandbox = Sandbox::new();
        sandbox.record("before:1");
        let before = sandbox.registry_text();
        let add = adding("ours:1", &["--lock-timeout", "10m"]);
        let mut ours = Running::start(sandbox.traced("delay_enter=200000:when=1", &add));
        wait_until("the temporary file", || !sandbox.temporaries().is_empty());
        fs::remove_file(sandbox.lock()).unwrap();
        let held = sandbox.hold_lock();
        let in_time = ours.is_running() && !sandbox.temporaries().is_empty();
        if in_time {
            ours.says("note: waiting");
            assert_eq!(sandbox.registry_text(), before);
        }
        drop(held);
        let run = ours.end();
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(sandbox.references(), ["before:1", "ours:1"]);
        if in_time {
            return;
        }
    }
}

/// Runs the program with this answer to each call of flock. Returns also the number of
/// its calls.
fn with_flock(sandbox: &Sandbox, answer: &str, args: &[&str]) -> (Run, usize) {
    let inject = format!("inject=flock:{answer}");
    let file = sandbox.path("record");
    let strace = ["strace", "-f", "-qq", "-o", file.to_str().unwrap()];
    let strace = [&strace[..], &["-e", "trace=flock", "-e", &inject]].concat();
    let run = Run::from(sandbox.wrapped(&strace, args).output().unwrap());
    let calls = fs::read_to_string(file).unwrap();
    (
        run,
        calls.lines().filter(|line| line.contains("flock(")).count(),
    )
}

#[test]
fn waiting_for_a_lock_is_neither_busy_nor_endless() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    let args = ["rm", "my-dc", "--keep-cache", "--lock-timeout", "1s"];
    let (run, attempts) = with_flock(&sandbox, "error=EAGAIN", &args);
    run.fails(5, sandbox.lock().to_str().unwrap());
    // Pauses of two milliseconds allow about 500.
    assert!((2..1500).contains(&attempts), "{attempts}");

    let (run, attempts) = with_flock(&sandbox, "error=EAGAIN:signal=TERM", &args);
    assert_eq!((run.code, attempts), (143, 1), "{run:?}");
    assert_eq!(sandbox.registry_text(), fixture("base/artifacts.json"));
    assert!(sandbox.temporaries().is_empty());
}

#[test]
fn a_change_that_must_not_wait_is_not_kept_off_by_a_look_at_the_lock() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    let args = ["rm", "my-dc", "--keep-cache", "--lock-timeout", "0s"];
    // As if other processes looked whether the lock is held.
    let (run, _) = with_flock(&sandbox, "error=EAGAIN:when=1..3", &args);
    assert_eq!(run.code, 0, "{run:?}");
}

/// NFS without a lock daemon answers so, and some FUSE and cluster file systems do.
#[test]
fn a_change_on_a_file_system_without_locks_is_refused_with_a_hint() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    for error in ["ENOLCK", "EOPNOTSUPP", "ENOSYS"] {
        for args in [
            adding("a:1", &[]),
            vec!["rm", "my-dc"],
            vec!["verify", "--repair"],
        ] {
            let (run, attempts) = with_flock(&sandbox, &format!("error={error}"), &args);
            run.fails(1, "artifacts.json.lock");
            assert!(
                run.stderr.contains("\nhint: file locks do not work on `"),
                "{run:?}"
            );
            assert!(run.stderr.contains("`--home DIR`"), "{run:?}");
            assert_eq!(attempts, 1, "another attempt would fail in the same way");
        }
        let (run, _) = with_flock(&sandbox, &format!("error={error}"), &["images", "-q"]);
        assert_eq!((run.code, &*run.stderr), (0, ""), "{run:?}");
    }
    assert_eq!(sandbox.registry_text(), fixture("base/artifacts.json"));
}

#[test]
fn verify_does_not_wait_for_a_lock_that_another_process_keeps() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    sandbox.ok(&["add", "app:1", source.to_str().unwrap()]);
    fs::write(sandbox.cache().join("app_1/cld.yml"), "changed").unwrap();
    let _held = sandbox.hold_lock();
    let run = sandbox.run(&["verify", "--lock-timeout", "1d"]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("file-changed"), "{run:?}");
    assert!(!run.stderr.contains("waiting"), "{run:?}");
}
