//! Output on a terminal and in a pipe.

use std::fs;

use crate::pty::{ALL, CTRL_C, CTRL_D, Ended, Session, Stream};
use crate::running::has;
use crate::support::{Run, Sandbox, fixture};

/// A home with one component that has content, and one without.
fn home() -> Sandbox {
    let sandbox = Sandbox::new();
    let source = sandbox.component("src");
    sandbox.ok(&["add", "ghcr.io/acme/app:v1", source.to_str().unwrap()]);
    sandbox.record("ghcr.io/acme/api:v1");
    sandbox
}

/// Runs the program to its end with all streams on a terminal.
#[track_caller]
fn on_terminal(sandbox: &Sandbox, args: &[&str]) -> Ended {
    Session::start(sandbox.command(args), ALL, 80).end()
}

#[test]
fn standard_output_has_the_same_bytes_on_a_terminal_and_in_a_pipe() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    assert!(!sandbox.references().is_empty());
    for args in [
        &["images"][..],
        &["images", "--digests", "--no-trunc"],
        &["images", "-q"],
        &["images", "--format", "json"],
        &["images", "--format", "yaml"],
        &["images", "--format", "table {{.Reference}}\\t{{.Size}}"],
        &["cache-path", "--root"],
    ] {
        let piped = sandbox.ok(args);
        // Narrower than the table, and wide enough.
        for columns in [20, 300] {
            let ended = Session::start(sandbox.command(args), ALL, columns).end();
            assert_eq!((ended.code, &ended.written), (0, &piped), "{args:?}");
        }
    }
}

#[test]
fn an_error_has_colour_on_a_terminal_unless_it_is_not_wanted() {
    let sandbox = home();
    let args = ["inspect", "ghcr.io/acme/app:v2"];
    let plain = "error: artifact `ghcr.io/acme/app:v2` not found\n\
                 hint: did you mean `ghcr.io/acme/app:v1`?\n";
    let coloured = "\u{1b}[1m\u{1b}[31merror:\u{1b}[0m artifact `ghcr.io/acme/app:v2` not found\n\
                    \u{1b}[1m\u{1b}[36mhint:\u{1b}[0m did you mean `ghcr.io/acme/app:v1`?\n";
    for (variable, value, expected) in [
        ("IRRELEVANT", "1", coloured),
        ("CLICOLOR", "1", coloured),
        ("NO_COLOR", "", coloured),
        ("NO_COLOR", "1", plain),
        ("CLICOLOR", "0", plain),
    ] {
        let mut command = sandbox.command(&args);
        command.env(variable, value);
        // Only where the error goes counts.
        let ended = Session::start(command, &[Stream::Err], 80).end();
        assert_eq!(ended.code, 3);
        assert_eq!(ended.written, expected, "{variable}={value}");
        assert_eq!(ended.stdout, "[]\n");
    }
    let ended = Session::start(sandbox.command(&args), &[Stream::In, Stream::Out], 80).end();
    assert_eq!(ended.stderr, plain);

    let mut piped = sandbox.command(&args);
    let run = Run::from(piped.env("CLICOLOR_FORCE", "1").output().unwrap());
    assert_eq!(run.stderr, coloured);
}

#[test]
fn help_has_colour_on_a_terminal_and_none_in_a_pipe() {
    let sandbox = Sandbox::new();
    let has_colour = |text: &str| text.contains('\u{1b}');
    assert!(has_colour(&on_terminal(&sandbox, &["--help"]).written));
    assert!(!has_colour(&sandbox.ok(&["--help"])));
    let mut command = sandbox.command(&["--help"]);
    command.env("NO_COLOR", "1");
    assert!(!has_colour(&Session::start(command, ALL, 80).end().written));
}

#[test]
fn an_empty_list_tells_a_person_where_artifacts_come_from() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&["images"]);
    let header = run.stdout.clone();
    assert_eq!((run.code, &*run.stderr), (0, ""));

    let ended = Session::start(sandbox.command(&["images"]), &[Stream::Err], 80).end();
    assert_eq!((ended.code, &ended.stdout), (0, &header));
    for command in [
        "cldctl build component -t <repo:tag> <path>",
        "cldctl build datacenter -t <repo:tag> <path>",
        "cldctl pull component <repo:tag>",
        "cldctl pull datacenter <repo:tag>",
    ] {
        assert!(ended.written.contains(command), "{ended:?}");
    }
    // A terminal that gets the data alone gets nothing else.
    let ended = Session::start(sandbox.command(&["images"]), &[Stream::Out], 80).end();
    assert_eq!((ended.written, &*ended.stderr), (header, ""));
    for args in [&["images", "-q"][..], &["images", "--format", "json"]] {
        let ended = Session::start(sandbox.command(args), &[Stream::Err], 80).end();
        assert_eq!(ended.written, "", "{args:?}");
    }
    // A list that only came to nothing is no empty registry.
    let sandbox = home();
    let ended = on_terminal(&sandbox, &["images", "--no-headers", "nothing"]);
    assert_eq!((ended.code, &*ended.written), (0, ""));
}

const PLAN: &str = "  ghcr.io/acme/app:v1  41B\n  ghcr.io/acme/api:v1  0B\n\
                    2 items, 41B to free\n\
                    Remove these artifacts? [y/N] ";

/// Answers the question, with standard output in a pipe.
#[track_caller]
fn answered(sandbox: &Sandbox, args: &[&str], keys: &str) -> Ended {
    let mut session = Session::start(sandbox.command(args), &[Stream::In, Stream::Err], 80);
    session.shows("[y/N] ");
    session.types(keys);
    session.end()
}

#[test]
fn removing_all_asks_and_takes_yes_for_yes() {
    for (keys, args) in [
        ("y\n", &["rm", "--all"][..]),
        ("YES\n", &["rm", "--filter", "repository=*"]),
    ] {
        let sandbox = home();
        let ended = answered(&sandbox, args, keys);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert_eq!(ended.written, format!("{PLAN}{keys}"));
        let removed = "removed ghcr.io/acme/app:v1\nremoved ghcr.io/acme/api:v1\n";
        assert_eq!(ended.stdout, removed);
        assert_eq!(sandbox.references(), Vec::<String>::new());
        assert_eq!(fs::read_dir(sandbox.cache()).unwrap().count(), 0);
    }
}

#[test]
fn any_other_answer_and_none_are_no() {
    let sandbox = home();
    let before = sandbox.registry_text();
    // What is typed is echoed; the end of the input is no text.
    for (keys, echo) in [
        ("n\n", "n\n"),
        ("\n", "\n"),
        ("yup\n", "yup\n"),
        (CTRL_D, "\n"),
    ] {
        let ended = answered(&sandbox, &["rm", "--all"], keys);
        assert_eq!((ended.code, &*ended.stdout), (1, ""), "{ended:?}");
        let note = "\u{1b}[1mnote:\u{1b}[0m nothing was removed\n";
        assert_eq!(ended.written, format!("{PLAN}{echo}{note}"), "{keys:?}");
        assert_eq!(sandbox.registry_text(), before);
    }
    sandbox.ok(&["cache-path", "--check", "ghcr.io/acme/app:v1"]);
}

#[test]
fn the_interrupt_key_at_the_question_leaves_all_as_it_was() {
    // A key can only interrupt what runs in the terminal's own session.
    if !has("setsid", &["--version"]) {
        return;
    }
    let sandbox = home();
    let before = sandbox.registry_text();
    let mut session = Session::start(
        sandbox.wrapped(&["setsid", "--ctty"], &["rm", "--all"]),
        ALL,
        80,
    );
    session.shows("[y/N] ");
    session.types(CTRL_C);
    let ended = session.end();
    assert_eq!(ended.code, 130, "{ended:?}");
    assert!(!ended.written.contains("removed"), "{ended:?}");
    assert_eq!(sandbox.registry_text(), before);
    sandbox.ok(&["cache-path", "--check", "ghcr.io/acme/app:v1"]);
}

#[test]
fn nothing_to_remove_is_no_question() {
    let sandbox = Sandbox::new();
    let ended = on_terminal(&sandbox, &["rm", "--all"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.written.contains("there is nothing to remove"));
    assert!(!ended.written.contains("[y/N]"), "{ended:?}");
}

/// Row 47: between the question and the answer.
#[test]
fn what_changes_after_the_plan_was_shown_stays_and_is_named() {
    let sandbox = Sandbox::new();
    for reference in ["gone:1", "back:1", "changed:1"] {
        sandbox.record_gone(reference);
    }
    fs::create_dir_all(sandbox.cache()).unwrap();
    let mut session = Session::start(sandbox.command(&["prune"]), &[Stream::In, Stream::Err], 80);
    session.shows("[y/N] ");
    fs::create_dir(sandbox.cache().join("back_1")).unwrap();
    let changed = [
        "add",
        "changed:1",
        "--metadata-only",
        "--type",
        "dc",
        "--size",
        "5",
    ];
    sandbox.ok(&changed);
    session.types("y\n");
    let ended = session.end();
    assert_eq!(
        (ended.code, &*ended.stdout),
        (0, "removed gone:1\n"),
        "{ended:?}"
    );
    for kept in [
        "kept `back:1`, because it changed",
        "kept `changed:1`, because it changed",
    ] {
        assert!(ended.written.contains(kept), "{ended:?}");
    }
    assert_eq!(sandbox.references(), ["back:1", "changed:1"]);
}

#[test]
fn a_pruning_that_is_not_agreed_to_prunes_nothing() {
    for keys in ["n\n", "\n", CTRL_D] {
        let sandbox = Sandbox::new();
        sandbox.record_gone("gone:1");
        fs::create_dir_all(sandbox.cache()).unwrap();
        let ended = answered(&sandbox, &["prune"], keys);
        assert_eq!((ended.code, &*ended.stdout), (1, ""), "{ended:?}");
        let plan = "  gone:1  0B  gone\n1 item, 0B to free\nRemove these? [y/N] ";
        assert!(ended.written.starts_with(plan), "{ended:?}");
        assert_eq!(sandbox.references(), ["gone:1"]);
    }
}
