//! The bar for long work: seen by a person who waits, and gone in the end.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::pty::{ALL, CTRL_C, Session, Stream, standing};
use crate::running::{has, has_strace, wait_until};
use crate::support::{Run, Sandbox, write_tree};

/// Each call takes 80 ms longer: a dozen files take over half a second then.
const SLOW: &str = "delay_enter=80000";

/// A call takes a second longer.
const VERY_SLOW: &str = "delay_enter=1000000";

/// A component of 1.2 MB in a dozen files.
fn source(sandbox: &Sandbox) -> String {
    let dir = sandbox.path("src");
    let text = "x".repeat(100_000);
    let files: Vec<_> = (0..12).map(|n| format!("{n}.txt")).collect();
    write_tree(&dir, &[("cld.yml", "name: app\n")]);
    for name in &files {
        write_tree(&dir, &[(name, &text)]);
    }
    dir.to_str().unwrap().to_owned()
}

/// The program with slow calls, its work done by one thread.
fn slow(sandbox: &Sandbox, call: &str, args: &[&str]) -> Command {
    let mut command = sandbox.traced_at(call, SLOW, args);
    command.env("RAYON_NUM_THREADS", "1");
    command
}

#[test]
fn a_long_copy_shows_a_bar_that_is_gone_in_the_end() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::new();
    let source = source(&sandbox);
    let args = ["add", "app:1", &source];
    let session = Session::start(slow(&sandbox, "fchmod", &args), ALL, 80);
    session.shows("copying [");
    session.shows(" of 1.2MB");
    // Nobody waits so long for the first of a dozen files.
    session.shows("[=");
    let ended = session.end();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(standing(&ended.written, 80), ["added app:1"], "{ended:?}");
    // Nothing but messages and help is coloured.
    assert!(!ended.written.contains("\u{1b}[3"), "{ended:?}");
}

#[test]
fn a_bar_stands_on_standard_error_alone() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::new();
    let source = source(&sandbox);
    let args = ["add", "app:1", &source, "--format", "json"];
    // On a narrow terminal it is short enough for its line.
    let session = Session::start(slow(&sandbox, "fchmod", &args), &[Stream::Err], 40);
    session.shows("copying [");
    let ended = session.end();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.starts_with("{\n"), "{ended:?}");
    assert_eq!(
        standing(&ended.written, 40),
        Vec::<String>::new(),
        "{ended:?}"
    );
}

#[test]
fn long_hashing_and_deleting_show_a_bar_too() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::new();
    let source = source(&sandbox);
    sandbox.ok(&["add", "app:1", &source]);
    let add = sandbox.traced_at("pread64", VERY_SLOW, &["add", "app:1"]);
    let rm = slow(&sandbox, "unlinkat", &["rm", "app:1"]);
    for (command, bar, last) in [
        (add, "hashing [", "unchanged app:1"),
        (rm, "deleting [", "removed app:1"),
    ] {
        let session = Session::start(command, ALL, 80);
        session.shows(bar);
        let ended = session.end();
        assert_eq!(ended.code, 0, "{ended:?}");
        assert_eq!(standing(&ended.written, 80), [last], "{ended:?}");
    }
}

#[test]
fn an_error_takes_the_place_of_the_bar() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::new();
    let source = source(&sandbox);
    let args = ["add", "app:1", &source];
    let session = Session::start(slow(&sandbox, "fchmod", &args), ALL, 80);
    session.shows("copying [");
    fs::write(sandbox.path("src/meanwhile.txt"), "").unwrap();
    let ended = session.end();
    assert_eq!(ended.code, 1, "{ended:?}");
    let lines = standing(&ended.written, 80);
    assert_eq!(lines.len(), 2, "{ended:?}");
    assert!(lines[0].starts_with("error: `"), "{ended:?}");
    assert!(lines[0].ends_with("` changed while it was read"));
    assert!(lines[1].starts_with("hint: "), "{ended:?}");
}

#[test]
fn a_notice_after_the_bar_stands_on_a_line_of_its_own() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::new();
    let source = source(&sandbox);
    let held = sandbox.hold_lock();
    let args = ["add", "app:1", &source];
    let session = Session::start(slow(&sandbox, "fchmod", &args), ALL, 300);
    session.shows("copying [");
    session.shows("waiting for another process");
    drop(held);
    let ended = session.end();
    let lines = standing(&ended.written, 300);
    assert_eq!((ended.code, lines.len()), (0, 2), "{ended:?}");
    assert!(lines[0].starts_with("note: waiting for"), "{ended:?}");
    assert_eq!(lines[1], "added app:1");
}

#[test]
fn where_nobody_can_see_a_bar_there_is_none() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::new();
    let source = source(&sandbox);
    let slow = |reference| slow(&sandbox, "fchmod", &["add", reference, &source]);

    let run = Run::from(slow("pipe:1").output().unwrap());
    assert_eq!((run.code, &*run.stderr), (0, ""));

    let ended = Session::start(slow("out:1"), &[Stream::In, Stream::Out], 80).end();
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    assert_eq!(ended.written, "added out:1\n");

    let mut dumb = slow("dumb:1");
    dumb.env("TERM", "dumb");
    let ended = Session::start(dumb, ALL, 80).end();
    assert_eq!((ended.code, &*ended.written), (0, "added dumb:1\n"));
}

#[test]
fn work_that_is_soon_done_shows_no_bar() {
    let sandbox = Sandbox::new();
    let source = source(&sandbox);
    // On a busy machine even little work may take its time.
    wait_until("an add takes less than half a second", || {
        let since = Instant::now();
        let args = ["add", "app:1", &source];
        let ended = Session::start(sandbox.command(&args), ALL, 80).end();
        let took = since.elapsed();
        assert_eq!(ended.code, 0, "{ended:?}");
        sandbox.ok(&["rm", "app:1"]);
        let is_soon = took < Duration::from_millis(500);
        assert!(!is_soon || ended.written == "added app:1\n", "{ended:?}");
        is_soon
    });
}

#[test]
fn the_interrupt_key_takes_the_bar_away() {
    // A key can only interrupt what runs in the terminal's own session.
    if !has_strace() || !has("setsid", &["--version"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let source = source(&sandbox);
    let slow = ["setsid", "--ctty", "strace", "-f", "-qq", "-o", "/dev/null"];
    let calls = [
        "-e",
        "trace=fchmod",
        "-e",
        "inject=fchmod:delay_enter=80000",
    ];
    let mut command = sandbox.wrapped(&[&slow[..], &calls].concat(), &["add", "app:1", &source]);
    command.env("RAYON_NUM_THREADS", "1");
    let mut session = Session::start(command, ALL, 80);
    session.shows("copying [");
    session.types(CTRL_C);
    let ended = session.end();
    assert_eq!(ended.code, 130, "{ended:?}");
    assert_eq!(
        standing(&ended.written, 80),
        ["error: interrupted"],
        "{ended:?}"
    );
}
