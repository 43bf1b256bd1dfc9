//! Signals, and what they leave over.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_shutdown;

use crate::running::{Running, has_strace, wait_until};
use crate::support::{Sandbox, names, tree, write_tree};

const SIGNALS: [(&str, i32); 3] = [("INT", 130), ("TERM", 143), ("HUP", 129)];

/// Creates a home with one registered component. Returns also the path of a source that
/// takes a while to copy.
fn home_and_large_source() -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    let small = sandbox.component("small");
    sandbox.ok(&["add", "app:1", small.to_str().unwrap()]);
    let large = sandbox.path("large");
    write_tree(&large, &[("cld.yml", "name: app\n"), ("a/b.txt", "b")]);
    // The file has no holes, because copying holes takes no time.
    fs::write(large.join("image.bin"), vec![7; 150_000_000]).unwrap();
    (sandbox, large.to_str().unwrap().to_owned())
}

/// Makes the programs that are started from here on react to every signal, even if the
/// tests were started with one ignored, as `nohup` does: a signal that has a handler
/// gets its default back in a new program.
fn heed_all_signals() {
    for (signal, (_, code)) in [SIGINT, SIGTERM, SIGHUP].into_iter().zip(SIGNALS) {
        register_conditional_shutdown(signal, code, Arc::new(AtomicBool::new(true))).unwrap();
    }
}

/// Returns all paths in the home, and the text of the registry.
fn state(sandbox: &Sandbox) -> (Vec<String>, String) {
    (tree(&sandbox.home()), sandbox.registry_text())
}

/// Row 59: the staging is removed.
#[test]
fn a_signal_while_content_is_copied_undoes_the_change() {
    heed_all_signals();
    let (sandbox, large) = home_and_large_source();
    let before = state(&sandbox);
    for (signal, code) in SIGNALS {
        for reference in ["new:1", "app:1"] {
            let running = Running::start(sandbox.command(&["add", reference, &large]));
            wait_until("the copy has begun", || {
                let mut staged = sandbox.staged().into_iter();
                staged.any(|dir| {
                    fs::metadata(dir.join("image.bin")).is_ok_and(|image| image.len() > 0)
                })
            });
            running.signal(signal);
            let run = running.end();
            assert_eq!(run.code, code, "{signal}: {run:?}");
            assert_eq!(run.stdout, "");
            assert_eq!(state(&sandbox), before, "{signal} {reference}");
        }
    }
}

#[test]
fn a_signal_while_waiting_for_the_lock_undoes_the_change() {
    heed_all_signals();
    let sandbox = Sandbox::new();
    let source = sandbox.component("src");
    let source = source.to_str().unwrap();
    sandbox.ok(&["add", "app:1", source]);
    let before = state(&sandbox);
    let _held = sandbox.hold_lock();
    let mut waiting = Vec::new();
    for args in [
        &["add", "new:1", source][..],
        &["add", "new:1", "--metadata-only", "--type", "dc"],
        &["rm", "app:1"],
        &["rm", "--all", "-y"],
    ] {
        for (signal, code) in SIGNALS {
            let args = [args, &["--lock-timeout", "10m"]].concat();
            waiting.push((Running::start(sandbox.command(&args)), signal, code));
        }
    }
    for (mut running, signal, code) in waiting {
        running.says("note: waiting");
        running.signal(signal);
        let run = running.end();
        assert_eq!(run.code, code, "{signal}: {run:?}");
    }
    assert_eq!(state(&sandbox), before);
}

/// Row 59: the temporary file is removed.
#[test]
fn a_signal_just_before_the_commit_undoes_the_change() {
    heed_all_signals();
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::new();
    let source = sandbox.component("src");
    let source = source.to_str().unwrap();
    sandbox.ok(&["add", "app:1", source]);
    write_tree(&sandbox.path("src"), &[("more.txt", "more")]);
    let before = state(&sandbox);
    for (signal, code) in SIGNALS {
        for args in [
            &["add", "app:1", source][..],
            &["add", "new:1", source],
            &["add", "new:1", "--metadata-only", "--type", "dc"],
            &["rm", "app:1"],
            &["rm", "--all", "-y"],
        ] {
            let inject = format!("signal=SIG{signal}:when=1");
            let run = Running::start(sandbox.traced(&inject, args)).end();
            assert_eq!(run.code, code, "{signal} {args:?}: {run:?}");
            assert_eq!(state(&sandbox), before, "{signal} {args:?}");
        }
    }
}

/// Row 59: the change is finished and reported.
#[test]
fn a_signal_after_the_commit_lets_the_change_finish() {
    heed_all_signals();
    if !has_strace() {
        return;
    }
    for (signal, _) in SIGNALS {
        let sandbox = Sandbox::new();
        let source = sandbox.component("src");
        sandbox.ok(&["add", "app:1", source.to_str().unwrap()]);
        // The second fsync is that of the directory, after the rename.
        let inject = format!("signal=SIG{signal}:when=2");
        let add = ["add", "new:1", "--metadata-only", "--type", "dc"];
        let run = Running::start(sandbox.traced(&inject, &add)).end();
        assert_eq!((run.code, &*run.stdout), (0, "added new:1\n"), "{run:?}");
        let run = Running::start(sandbox.traced(&inject, &["rm", "app:1"])).end();
        assert_eq!(
            (run.code, &*run.stdout),
            (0, "removed app:1\n"),
            "{signal}: {run:?}"
        );
        assert_eq!(sandbox.references(), ["new:1"]);
        assert_eq!(names(&sandbox.cache()), Vec::<String>::new());
    }
}

/// Row 79: a signal is ignored by `nohup`, by `trap '' INT`, and in the background of a script.
#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    heed_all_signals();
    // Other systems do not show whether each signal is ignored.
    let signals = if cfg!(target_os = "linux") {
        &SIGNALS[..]
    } else {
        &SIGNALS[2..]
    };
    for (ignored, _) in signals {
        let sandbox = Sandbox::new();
        let source = sandbox.component("src");
        let source = source.to_str().unwrap();
        sandbox.ok(&["add", "app:1", source]);
        let held = sandbox.hold_lock();
        let script = format!("trap '' {ignored}; exec \"$@\"");
        let args = ["tag", "app:1", "new:1", "--lock-timeout", "10m"];
        let start = || {
            let command = sandbox.wrapped(&["sh", "-c", &script, "sh"], &args);
            let mut running = Running::start(command);
            running.says("note: waiting");
            running
        };
        // All other signals still stop it.
        for (signal, code) in SIGNALS.iter().filter(|(signal, _)| signal != ignored) {
            if cfg!(target_os = "linux") || *signal != "HUP" {
                let running = start();
                running.signal(signal);
                assert_eq!(running.end().code, *code, "{signal} without {ignored}");
            }
        }
        let running = start();
        running.signal(ignored);
        running.signal(ignored);
        drop(held);
        let run = running.end();
        assert_eq!(run.code, 0, "{ignored}: {run:?}");
        assert_eq!(sandbox.references(), ["app:1", "new:1"]);
    }
}

/// Row 79: the change is made, but the program cannot write its report.
#[test]
fn a_second_interrupt_from_the_keyboard_ends_the_program_at_once() {
    heed_all_signals();
    let entries: Vec<_> = (0..3000)
        .map(|n| format!(r#"{{"reference":"{n:060}"}}"#))
        .collect();
    let sandbox = Sandbox::with_registry(format!(r#"{{"artifacts":[{}]}}"#, entries.join(",")));
    let mut running = Running::start(sandbox.command(&["rm", "--all", "-y"]));
    wait_until("the change is made", || {
        !sandbox.registry_text().contains("000")
    });
    running.signal("INT");
    // The program finishes the change meanwhile.
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(running.is_running());
    running.signal("INT");
    wait_until("the end of the program", || !running.is_running());
    assert_eq!(running.end().code, 130);
}
