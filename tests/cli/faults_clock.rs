//! Wrong clocks, and times in the future.

use std::path::PathBuf;

use crate::clock;
use crate::running::{has, left_out};
use crate::support::{ADD, Run, Sandbox, rows};

/// Builds a library that sets the clock of a program that loads it by `LD_PRELOAD`, to
/// a number of seconds computed from `now`. `None` if it cannot be built.
pub(crate) fn clock(sandbox: &Sandbox, seconds: &str) -> Option<PathBuf> {
    if cfg!(not(target_os = "linux")) {
        left_out("the clock cannot be changed");
        return None;
    }
    if !has("cc", &["--version"]) {
        return None;
    }
    Some(clock::library(&sandbox.path(""), seconds))
}

/// Row 54: a machine without a battery starts with such a time.
#[test]
fn before_1970_every_command_works_and_times_make_sense() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("src");
    let Some(library) = clock(&sandbox, "-86400") else {
        return;
    };
    let run = |args: &[&str]| {
        let mut command = sandbox.command(args);
        Run::from(command.env("LD_PRELOAD", &library).output().unwrap())
    };
    for args in [
        ADD,
        &["add", "app:1", source.to_str().unwrap()],
        &["tag", "app:1", "app:2"],
        &["images"],
        &["images", "--filter", "until=3d", "-q"],
        &["inspect", "app:1"],
        &["df", "-v"],
        &["prune", "-n"],
        &["prune", "-a", "--filter", "until=1w", "-y"],
        &["rm", "--filter", "until=52w", "-y"],
    ] {
        let run = run(args);
        assert_eq!(
            (run.code, run.stderr.contains("panic")),
            (0, false),
            "{args:?}: {run:?}"
        );
    }
    let list = sandbox.json(&["images", "--format", "json"]);
    for entry in list.as_array().unwrap() {
        let time = entry["createdAt"].as_str().unwrap();
        assert!(time.starts_with("1969-12-31T00:00:00"), "{time}");
    }
    let table = run(&["images", "--no-headers"]).stdout;
    assert!(
        table.lines().all(|line| line.ends_with("just now")),
        "{table}"
    );
    assert!(
        rows(&sandbox)
            .iter()
            .all(|row| row[5].ends_with("years ago"))
    );
}

/// Row 54: however far in the future it is.
#[test]
fn a_time_in_the_future_is_shown_as_such() {
    let entry =
        |year| format!(r#"{{"reference":"a:{year}","createdAt":"{year}-01-01T00:00:00Z"}}"#);
    let entries = ["2100", "9999", "0000", "0001"].map(entry).join(",");
    let sandbox = Sandbox::with_registry(format!(r#"{{"artifacts":[{entries}]}}"#));
    let shown: Vec<_> = rows(&sandbox)
        .into_iter()
        .map(|row| row[5].clone())
        .collect();
    assert!(
        shown[..2].iter().all(|text| text.starts_with("in ")),
        "{shown:?}"
    );
    assert!(
        !shown[2..].iter().any(|text| text.starts_with("in ")),
        "{shown:?}"
    );
    sandbox.ok(&["prune", "-n"]);
    assert_eq!(
        sandbox
            .ok(&["images", "-q", "--filter", "until=1s"])
            .lines()
            .count(),
        1,
        "Go's zero time means that the time is unknown"
    );
}
