//! Standard streams that are closed, full, or left by their reader.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::running::left_out;
use crate::support::{Run, Sandbox};

/// Creates a registry with more entries than any pipe can buffer.
fn large() -> Sandbox {
    let entries: Vec<_> = (0..20_000)
        .map(|n| {
            format!(
                r#"{{"reference":"app:{n}","repository":"app","tag":"{n}","type":"component",
                "size":0,"createdAt":"2026-01-01T00:00:00Z","cachePath":"/nowhere"}}"#
            )
        })
        .collect();
    let entries = entries.join(",");
    Sandbox::with_registry(format!(r#"{{"version":"v2","artifacts":[{entries}]}}"#))
}

/// Runs a command that prints to a reader that leaves after this number of lines.
fn read_lines(mut command: Command, count: usize) -> Run {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut stdout = String::new();
    for _ in 0..count {
        reader.read_line(&mut stdout).unwrap();
    }
    drop(reader);
    let mut stderr = String::new();
    let mut pipe = child.stderr.take().unwrap();
    pipe.read_to_string(&mut stderr).unwrap();
    Run {
        code: child.wait().unwrap().code().unwrap_or(-1),
        stdout,
        stderr,
    }
}

/// Runs a command whose output goes to a full device; `None` if the system has no such
/// device.
fn into_full(sandbox: &Sandbox, args: &[&str]) -> Option<Run> {
    let path = Path::new("/dev/full");
    if !path.exists() {
        left_out("there is no /dev/full");
    }
    let full = path
        .exists()
        .then(|| File::options().write(true).open(path));
    let output = sandbox.command(args).stdout(full?.unwrap()).output();
    Some(Run::from(output.unwrap()))
}

/// Row 11: for example `| head -1`.
#[test]
fn a_list_whose_reader_leaves_ends_quietly() {
    let sandbox = large();
    for format in [
        "table",
        "json",
        "jsonl",
        "yaml",
        "{{.Reference}}",
        "table {{.Tag}}",
    ] {
        let run = read_lines(sandbox.command(&["images", "--format", format]), 1);
        assert_eq!((run.code, &*run.stderr), (0, ""), "{format}");
        assert_eq!(run.stdout.lines().count(), 1, "{format}");
    }
    for args in [&["images", "-q"][..], &["inspect", "app:1"], &["--help"]] {
        let run = read_lines(sandbox.command(args), 0);
        assert_eq!((run.code, &*run.stderr), (0, ""), "{args:?}");
    }
}

/// Row 11: the report is lost, the change is not.
#[test]
fn the_exit_code_of_a_change_does_not_depend_on_its_reader() {
    let sandbox = Sandbox::new();
    let add = ["add", "app:1", "--metadata-only", "--type", "dc"];
    let run = read_lines(sandbox.command(&add), 0);
    assert_eq!((run.code, &*run.stderr), (0, ""));
    assert_eq!(sandbox.references(), ["app:1"]);

    let run = read_lines(sandbox.command(&["rm", "app:1", "gone:1"]), 0);
    assert_eq!(run.code, 3, "{run:?}");
    assert_eq!(run.stderr, "error: artifact `gone:1` not found\n");
    assert_eq!(sandbox.references(), Vec::<String>::new());
}

/// Row 11: on a full device.
#[test]
fn a_list_that_cannot_be_written_is_a_failure() {
    let sandbox = Sandbox::new();
    sandbox.record("app:1");
    for args in [
        &["images"][..],
        &["images", "-q"],
        &["images", "--format", "json"],
        &["images", "--format", "yaml"],
        &["images", "--format", "{{.Tag}}"],
        &["inspect", "app:1"],
        &["inspect", "app:1", "gone:1"],
        &["cache-path", "app:1"],
        &["cache-path", "--root"],
    ] {
        let Some(run) = into_full(&sandbox, args) else {
            return;
        };
        assert_eq!(run.code, 1, "{args:?}: {run:?}");
        let full = "error: could not write the output: no space left on device\n";
        assert!(run.stderr.ends_with(full), "{args:?}: {run:?}");
        assert_eq!(run.stderr.matches(full).count(), 1, "{args:?}");
    }
}

/// Row 11: on a full device.
#[test]
fn a_change_is_kept_although_its_report_cannot_be_written() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("src");
    let add = ["add", "app:1", source.to_str().unwrap()];
    let Some(run) = into_full(&sandbox, &add) else {
        return;
    };
    assert_eq!(run.code, 0, "{run:?}");
    sandbox.ok(&["cache-path", "--check", "app:1"]);

    for (args, code) in [
        (&["rm", "gone:1"][..], 3),
        (&["rm", "app:1"], 0),
        (&["rm", "--all", "-y", "--format", "json"], 0),
    ] {
        let run = into_full(&sandbox, args).unwrap();
        assert_eq!(run.code, code, "{args:?}: {run:?}");
    }
    assert_eq!(sandbox.references(), Vec::<String>::new());
}

/// Returns the program as a shell runs it with these redirections.
fn redirected(sandbox: &Sandbox, redirections: &str, args: &[&str]) -> Command {
    let script = format!("exec \"$@\" {redirections}");
    sandbox.wrapped(&["sh", "-c", &script, "sh"], args)
}

#[test]
fn the_registry_is_never_written_to_a_closed_stream() {
    for closed in [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"] {
        let sandbox = Sandbox::new();
        let source = sandbox.component("src");
        let source = source.to_str().unwrap();
        for args in [
            &["add", "app:1", source][..],
            &["add", "b:1", "--metadata-only", "--type", "dc"],
            &["images"],
            &["rm", "b:1"],
        ] {
            let status = redirected(&sandbox, closed, args).output().unwrap().status;
            assert_eq!(status.code(), Some(0), "{closed}: {args:?}");
        }
        let wrong = ["inspect", "gone:1"];
        let status = redirected(&sandbox, closed, &wrong)
            .output()
            .unwrap()
            .status;
        assert_eq!(status.code(), Some(3), "{closed}");
        assert_eq!(
            sandbox.json(&["images", "--format", "json"])[0]["reference"],
            "app:1"
        );
        let stored = fs::read_to_string(sandbox.cache().join("app_1/cld.yml")).unwrap();
        assert_eq!(stored, "name: app\n");
    }
}

#[test]
fn an_error_that_cannot_be_written_still_sets_the_exit_code() {
    let sandbox = Sandbox::new();
    if !Path::new("/dev/full").exists() {
        left_out("there is no /dev/full");
        return;
    }
    for (args, code) in [
        (&["inspect", "gone:1"][..], 1),
        (&["rm", "gone:1"], 3),
        (&["images", "--no-such-flag"], 2),
        (&["images", "--help"], 0),
    ] {
        let mut command = redirected(&sandbox, ">/dev/full 2>/dev/full", args);
        assert_eq!(command.status().unwrap().code(), Some(code), "{args:?}");
    }
}
