//! System calls that fail, one at a time. The fault harness fails every call of every
//! change; these tests cover the calls that a promise is about.

use std::fs;

use crate::running::has_strace;
use crate::support::{ADD, Run, Sandbox};

const ENTRY: &str = r#"{"artifacts":[{"reference":"x:1"}]}"#;

/// Returns the calls with these names that a change makes, one a line, in order.
pub(crate) fn recorded(sandbox: &Sandbox, calls: &str, args: &[&str]) -> Vec<String> {
    let record = sandbox.path("record");
    let (trace, file) = (format!("trace={calls}"), record.to_str().unwrap());
    let wrapper = ["strace", "-qq", "-s", "256", "-o", file, "-e", &trace];
    let run = Run::from(sandbox.wrapped(&wrapper, args).output().unwrap());
    assert_eq!(run.code, 0, "{run:?}");
    let text = fs::read_to_string(record).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Returns the number of the first call that is about this, as strace counts.
fn number_of(sandbox: &Sandbox, call: &str, about: &str) -> usize {
    let calls = recorded(sandbox, call, ADD);
    let found = calls.iter().position(|line| line.contains(about));
    sandbox.write_registry(ENTRY);
    1 + found.expect("the call is made")
}

/// Fails a call of an add; `about` selects the call, or `""` the first one. Returns the
/// home and the result of the add.
fn add_with(call: &str, about: &str, errors: &str) -> (Sandbox, Run) {
    let sandbox = Sandbox::with_registry(ENTRY);
    fs::write(sandbox.lock(), "").unwrap();
    let number = number_of(&sandbox, call, about);
    let inject = format!("error={errors}:when={number}");
    let output = sandbox.traced_at(call, &inject, ADD).output().unwrap();
    (sandbox, Run::from(output))
}

/// Expects that a failed call refuses the change and leaves nothing of it.
#[track_caller]
fn refuses(call: &str, about: &str, error: &str, message: &str) {
    let (sandbox, run) = add_with(call, about, error);
    run.fails(1, message);
    assert_eq!(sandbox.registry_text(), ENTRY);
    assert!(sandbox.temporaries().is_empty(), "{call} {error}");
}

/// Rows 2 and 3: a failed fsync is not repeated, although a second one would succeed
/// here.
#[test]
fn a_change_that_cannot_be_written_is_refused_and_its_temporary_file_removed() {
    if !has_strace() {
        return;
    }
    for (error, message) in [
        ("ENOSPC", "no space left on device"),
        ("EDQUOT", "quota exceeded"),
        ("EIO", "input/output error"),
    ] {
        refuses("openat", ".artifacts.json.", error, message);
        refuses("write", "\"{", error, message);
        refuses("fsync", "", error, message);
    }
}

/// Row 4: a signal causes a short write.
#[test]
fn an_interrupted_read_or_write_is_completed() {
    if !has_strace() {
        return;
    }
    for (call, about) in [("read", "artifacts"), ("write", "\"{")] {
        let (sandbox, run) = add_with(call, about, "EINTR");
        assert_eq!((run.code, &*run.stderr), (0, ""), "{call}");
        assert_eq!(sandbox.references(), ["new:1", "x:1"]);
    }
}

/// Row 5: also those of the lock, the temporary file and the directory.
#[test]
fn an_interrupted_open_lock_or_rename_is_repeated() {
    if !has_strace() {
        return;
    }
    for (call, about) in [
        ("openat", "artifacts.json.lock"),
        ("openat", "artifacts.json\""),
        ("openat", ".artifacts.json."),
        ("flock", ""),
        ("rename", "artifacts.json"),
    ] {
        let (sandbox, run) = add_with(call, about, "EINTR");
        assert_eq!((run.code, &*run.stderr), (0, ""), "{call} {about}");
        assert_eq!(sandbox.references(), ["new:1", "x:1"]);
    }
}

/// Row 6: the change is not visible, and no file is left.
#[test]
fn a_rename_that_fails_leaves_the_old_registry() {
    if !has_strace() {
        return;
    }
    for (error, message) in [
        ("EIO", "input/output error"),
        ("EXDEV", "cross"),
        ("EACCES", "permission denied"),
    ] {
        refuses("rename", "artifacts.json", error, message);
    }
}

/// Row 7: the message says that the change is made and what it lacks.
#[test]
fn a_directory_that_cannot_be_synced_is_reported_as_applied_but_not_durable() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::with_registry(ENTRY);
    let output = sandbox.traced("error=EIO:when=2", ADD).output().unwrap();
    Run::from(output).fails(1, "is applied, but may not survive a power loss");
    assert_eq!(sandbox.references(), ["new:1", "x:1"]);
    assert!(sandbox.temporaries().is_empty());
}

/// Row 9: the file is synced before its name, and the name before the report. The
/// harness replays every prefix of these calls.
#[test]
fn a_change_is_synced_before_it_is_named_and_before_it_is_reported() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::with_registry(ENTRY);
    let calls = recorded(&sandbox, "write,fsync,rename", ADD);
    let names: Vec<_> = calls
        .iter()
        .map(|call| call.split('(').next().unwrap())
        .collect();
    assert_eq!(
        names,
        ["write", "fsync", "rename", "fsync", "write"],
        "{calls:?}"
    );
    assert!(calls[4].contains("added new:1"), "{calls:?}");
}

/// Row 10: for each call that opens a file, and for the memory for a file that is far
/// too large.
#[test]
fn without_descriptors_or_memory_a_command_fails_and_does_not_panic() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::with_registry(ENTRY);
    let opened = recorded(&sandbox, "openat", ADD);
    let first = opened
        .iter()
        .position(|call| call.contains(".cldctl"))
        .unwrap();
    for number in first + 1..=opened.len() {
        for error in ["EMFILE", "ENFILE", "ENOMEM"] {
            sandbox.write_registry(ENTRY);
            let inject = format!("error={error}:when={number}");
            let output = sandbox.traced_at("openat", &inject, ADD).output().unwrap();
            let run = Run::from(output);
            let is_applied = sandbox.registry_text() != ENTRY;
            // The last one is the directory, after the rename; the cleanup may fail.
            assert!(run.code == 1 || run.code == 0 && is_applied, "{run:?}");
            assert!(!run.stderr.contains("panicked"), "{run:?}");
            assert!(sandbox.temporaries().is_empty());
        }
    }

    let file = fs::File::options()
        .write(true)
        .open(sandbox.registry())
        .unwrap();
    file.set_len(1 << 40).unwrap();
    for args in [&["images"][..], ADD] {
        let limited = ["sh", "-c", "ulimit -v 4000000; exec \"$@\"", "sh"];
        let run = Run::from(sandbox.wrapped(&limited, args).output().unwrap());
        run.fails(1, "out of memory");
    }
}

/// Row 22: by chance or by someone who guessed it. A link there is not followed,
/// because the file must not exist.
#[test]
fn a_temporary_name_that_is_taken_is_skipped() {
    if !has_strace() {
        return;
    }
    let (sandbox, run) = add_with("openat", ".artifacts.json.", "EEXIST");
    assert_eq!((run.code, &*run.stderr), (0, ""));
    assert_eq!(sandbox.references(), ["new:1", "x:1"]);
    let opened = recorded(&sandbox, "openat", &["rm", "x:1"]);
    let temporary = opened.iter().find(|call| call.contains(".artifacts.json."));
    assert!(
        temporary.unwrap().contains("O_CREAT|O_EXCL"),
        "{temporary:?}"
    );
}

/// Row 8: with the signal that this limit sends, and without it.
#[test]
fn a_limit_on_the_size_of_files_leaves_the_old_registry() {
    let large = format!(r#"{{"x":"{}","artifacts":[]}}"#, "x".repeat(4 << 20));
    for trap in ["trap '' XFSZ; ", ""] {
        let sandbox = Sandbox::with_registry(&large);
        let script = format!("{trap}ulimit -f 1024; exec \"$@\"");
        let run = sandbox
            .wrapped(&["sh", "-c", &script, "sh"], ADD)
            .output()
            .unwrap();
        assert!(!run.status.success(), "{run:?}");
        assert_eq!(sandbox.registry_text(), large);
        sandbox.ok(ADD);
        assert!(
            sandbox.temporaries().is_empty(),
            "the next change removes them"
        );
    }
}
