//! The progress bar of long work: shown to a person who waits, and gone in the end.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::pty::{ALL, CTRL_C, Ended, Session, Stream, standing};
use crate::running::{has, has_strace, wait_until};
use crate::support::{Run, Sandbox, write_tree};

/// The columns of a usual terminal.
const COLUMNS: u16 = 80;

/// Each call takes 80 ms longer, so that a dozen files take over half a second.
const SLOW: &str = "delay_enter=80000";

/// A call takes a second longer.
const VERY_SLOW: &str = "delay_enter=1000000";

/// A component of 1.2 MB in a dozen files, and a home to add it to.
struct Scene {
    sandbox: Sandbox,
    source: String,
}

impl Scene {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let dir = sandbox.path("src");
        let text = "x".repeat(100_000);
        write_tree(&dir, &[("cld.yml", "name: app\n")]);
        for n in 0..12 {
            write_tree(&dir, &[(&format!("{n}.txt"), &text)]);
        }
        let source = dir.to_str().unwrap().to_owned();
        Scene { sandbox, source }
    }

    /// Returns a scene in which calls can be slow, which takes strace.
    fn with_slow_calls() -> Option<Self> {
        has_strace().then(Scene::new)
    }

    /// Returns the program with slow calls, its work done by one thread.
    fn slow(&self, call: &str, args: &[&str]) -> Command {
        let mut command = self.sandbox.traced_at(call, SLOW, args);
        command.env("RAYON_NUM_THREADS", "1");
        command
    }

    /// Returns the program as it copies slowly.
    fn slow_add(&self, reference: &str) -> Command {
        self.slow("fchmod", &["add", reference, &self.source])
    }

    /// Starts a slow copy on a terminal, and waits for its bar.
    fn copying(&self, columns: u16) -> Session {
        let session = Session::start(self.slow_add("app:1"), ALL, columns);
        session.shows("copying [");
        session
    }
}

/// Expects how a program on a terminal ended, and what it left on the screen.
#[track_caller]
fn expect(ended: &Ended, code: i32, lines: &[&str]) {
    assert_eq!(ended.code, code, "{ended:?}");
    let screen = standing(&ended.written, usize::from(COLUMNS));
    assert_eq!(screen, lines, "{ended:?}");
}

#[test]
fn a_long_copy_shows_a_bar_that_is_gone_in_the_end() {
    let Some(scene) = Scene::with_slow_calls() else {
        return;
    };
    let session = scene.copying(COLUMNS);
    session.shows(" of 1.2MB");
    // The first of a dozen files is soon copied.
    session.shows("[=");
    let ended = session.end();
    expect(&ended, 0, &["added app:1"]);
    // Colour is for messages and help alone.
    assert!(!ended.written.contains("\u{1b}[3"), "{ended:?}");
}

#[test]
fn the_bar_is_drawn_on_standard_error_and_fits_a_narrow_terminal() {
    let Some(scene) = Scene::with_slow_calls() else {
        return;
    };
    let mut command = scene.slow_add("app:1");
    command.args(["--format", "json"]);
    let session = Session::start(command, &[Stream::Err], 40);
    session.shows("copying [");
    let ended = session.end();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.starts_with("{\n"), "{ended:?}");
    let screen = standing(&ended.written, 40);
    assert_eq!(screen, Vec::<String>::new(), "{ended:?}");
}

#[test]
fn long_hashing_and_long_deleting_show_a_bar_too() {
    let Some(scene) = Scene::with_slow_calls() else {
        return;
    };
    scene.sandbox.ok(&["add", "app:1", &scene.source]);
    let add = ["add", "app:1"];
    let add = scene.sandbox.traced_at("pread64", VERY_SLOW, &add);
    let rm = scene.slow("unlinkat", &["rm", "app:1"]);
    for (command, bar, last) in [
        (add, "hashing [", "unchanged app:1"),
        (rm, "deleting [", "removed app:1"),
    ] {
        let session = Session::start(command, ALL, COLUMNS);
        session.shows(bar);
        expect(&session.end(), 0, &[last]);
    }
}

#[test]
fn an_error_replaces_the_bar() {
    let Some(scene) = Scene::with_slow_calls() else {
        return;
    };
    let session = scene.copying(COLUMNS);
    fs::write(scene.sandbox.path("src/late.txt"), "").unwrap();
    let ended = session.end();
    let screen = standing(&ended.written, usize::from(COLUMNS));
    let [error, hint] = &screen[..] else {
        panic!("{ended:?}");
    };
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(error.starts_with("error: `"), "{ended:?}");
    assert!(error.ends_with("` changed while it was read"));
    assert!(hint.starts_with("hint: "), "{ended:?}");
}

#[test]
fn a_note_beside_the_bar_has_a_line_of_its_own() {
    let Some(scene) = Scene::with_slow_calls() else {
        return;
    };
    let held = scene.sandbox.hold_lock();
    let session = scene.copying(300);
    session.shows("waiting for another process");
    drop(held);
    let ended = session.end();
    let screen = standing(&ended.written, 300);
    assert_eq!((ended.code, screen.len()), (0, 2), "{ended:?}");
    assert!(screen[0].starts_with("note: waiting for"), "{ended:?}");
    assert_eq!(screen[1], "added app:1");
}

#[test]
fn there_is_no_bar_in_a_pipe_or_on_a_dumb_terminal() {
    let Some(scene) = Scene::with_slow_calls() else {
        return;
    };
    let run = Run::from(scene.slow_add("pipe:1").output().unwrap());
    assert_eq!((run.code, &*run.stderr), (0, ""));

    let streams = &[Stream::In, Stream::Out];
    let ended = Session::start(scene.slow_add("out:1"), streams, COLUMNS).end();
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    assert_eq!(ended.written, "added out:1\n");

    let mut dumb = scene.slow_add("dumb:1");
    dumb.env("TERM", "dumb");
    let ended = Session::start(dumb, ALL, COLUMNS).end();
    assert_eq!((ended.code, &*ended.written), (0, "added dumb:1\n"));
}

#[test]
fn short_work_shows_no_bar() {
    let Scene { sandbox, source } = Scene::new();
    // Several attempts, because on a busy machine even little work may take long.
    wait_until("an add takes less than half a second", || {
        let since = Instant::now();
        let args = ["add", "app:1", &source];
        let ended = Session::start(sandbox.command(&args), ALL, COLUMNS).end();
        let took = since.elapsed();
        assert_eq!(ended.code, 0, "{ended:?}");
        sandbox.ok(&["rm", "app:1"]);
        let is_short = took < Duration::from_millis(500);
        assert!(!is_short || ended.written == "added app:1\n", "{ended:?}");
        is_short
    });
}

#[test]
fn the_interrupt_key_leaves_nothing_of_the_bar() {
    // `setsid`, because a key interrupts only the terminal's own session.
    let Some(scene) = Scene::with_slow_calls().filter(|_| has("setsid", &["--version"])) else {
        return;
    };
    let slow = format!("inject=fchmod:{SLOW}");
    let setsid = [
        "setsid",
        "--ctty",
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fchmod",
        "-e",
        &slow,
    ];
    let args = ["add", "app:1", &scene.source];
    let mut command = scene.sandbox.wrapped(&setsid, &args);
    command.env("RAYON_NUM_THREADS", "1");
    let mut session = Session::start(command, ALL, COLUMNS);
    session.shows("copying [");
    session.types(CTRL_C);
    expect(&session.end(), 130, &["error: interrupted"]);
}
