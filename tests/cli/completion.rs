//! Completion as the scripts ask for it.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::support::{Run, Sandbox, at_once, tree};

pub(crate) const FILTER_KEYS: &[&str] = &[
    "reference=",
    "repository=",
    "tag=",
    "type=",
    "digest=",
    "dangling=",
    "cache=",
    "deployed=",
    "before=",
    "since=",
    "until=",
    "size=",
];

pub(crate) const SORT_KEYS: &[&str] =
    &["created", "reference", "repository", "tag", "type", "size"];

/// A sandbox with some artifacts, and a file that is none.
pub(crate) fn stocked() -> Sandbox {
    let sandbox = Sandbox::new();
    for reference in [
        "ghcr.io/acme/web:w1",
        "ghcr.io/acme/app:v2",
        "ghcr.io/acme/app:v1",
        "other:o1",
    ] {
        sandbox.record(reference);
    }
    fs::write(sandbox.user().join("ghost-file"), "").unwrap();
    sandbox
}

/// Makes the program complete the last of these words, as fish asks for it.
fn asking(sandbox: &Sandbox, words: &[&str]) -> Command {
    let mut command = sandbox.command(&["--", "cldctl-registry"]);
    command.args(words).env("CLDCTL_REGISTRY_COMPLETE", "fish");
    command
}

/// The candidates without their descriptions.
#[track_caller]
fn offered(sandbox: &Sandbox, words: &[&str]) -> Vec<String> {
    values(&Run::from(asking(sandbox, words).output().unwrap()))
}

#[track_caller]
fn values(run: &Run) -> Vec<String> {
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    let lines = run.stdout.lines();
    lines
        .map(|line| line.split('\t').next().unwrap().to_owned())
        .collect()
}

/// Returns what bash inserts for `replaced` at the end of `line`.
#[track_caller]
fn in_bash(sandbox: &Sandbox, line: &str, replaced: &str) -> Vec<String> {
    let mut command = sandbox.command(&["--", line, replaced]);
    command.env("CLDCTL_REGISTRY_COMPLETE", "bash");
    values(&Run::from(command.output().unwrap()))
}

#[test]
fn operands_are_completed_with_references() {
    let sandbox = stocked();
    let app = ["ghcr.io/acme/app:v1", "ghcr.io/acme/app:v2"];
    for command in ["rm", "rmi", "inspect", "cache-path"] {
        assert_eq!(offered(&sandbox, &[command, "ghcr.io/acme/app:"]), app);
        assert_eq!(offered(&sandbox, &[command, "o"]), ["other:o1"]);
        assert_eq!(offered(&sandbox, &[command, "nothing"]), [""; 0]);
        assert_eq!(offered(&sandbox, &[command, ""]).len(), 4);
    }
    assert_eq!(
        offered(&sandbox, &["rm", "x", "--force", "o"]),
        ["other:o1"]
    );
}

#[test]
fn values_of_flags_are_completed() {
    let sandbox = stocked();
    let formats = ["table", "json", "jsonl", "yaml"];
    let types = ["component", "datacenter"];
    let shells = ["bash", "zsh", "fish", "powershell", "elvish", "nushell"];
    let cases: &[(&[&str], &[&str])] = &[
        (&["images", "--filter", ""], FILTER_KEYS),
        (&["images", "-f", "re"], &["reference=", "repository="]),
        (
            &["rm", "--filter", "d"],
            &["dangling=", "deployed=", "digest="],
        ),
        (
            &["images", "--filter", "type="],
            &["type=component", "type=datacenter"],
        ),
        (&["images", "--filter", "type!=d"], &["type!=datacenter"]),
        (
            &["images", "--filter", "dangling="],
            &["dangling=false", "dangling=true"],
        ),
        (
            &["images", "--filter", "deployed="],
            &["deployed=false", "deployed=true"],
        ),
        (
            &["images", "--filter", "cache="],
            &[
                "cache=foreign",
                "cache=missing",
                "cache=none",
                "cache=present",
            ],
        ),
        (&["images", "--filter", "tag=v"], &["tag=v1", "tag=v2"]),
        (&["images", "--filter", "before=o"], &["before=other:o1"]),
        (
            &["images", "--filter", "repository="],
            &[
                "repository=ghcr.io/acme/app",
                "repository=ghcr.io/acme/web",
                "repository=other",
            ],
        ),
        (&["images", "--filter", "size="], &[]),
        (&["images", "--filter=cache=p"], &["--filter=cache=present"]),
        (&["images", "--sort", ""], SORT_KEYS),
        (&["images", "--type", ""], &types),
        (&["add", "x:1", "--type", "d"], &["datacenter"]),
        (&["images", "--format", ""], &formats),
        (&["images", "-o", "json"], &["json", "jsonl"]),
        (&["inspect", "--format", ""], &["json"]),
        (&["rm", "--format", ""], &["text", "json"]),
        (&["completions", ""], &shells),
        (&["completion", "z"], &["zsh"]),
        (&["images", "--so"], &["--sort"]),
        (&["compl"], &["completions"]),
        (&["rmi"], &["rmi"]),
        (&["add", "x:1", "gh"], &["ghost-file"]),
    ];
    for (words, expected) in cases {
        let mut command = asking(&sandbox, words);
        let output = command.current_dir(sandbox.user()).output().unwrap();
        let mut found = values(&Run::from(output));
        let mut expected = expected.to_vec();
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected, "{words:?}");
    }
}

#[test]
fn bash_gets_what_belongs_behind_the_last_colon() {
    let sandbox = stocked();
    sandbox.record_as_cldctl("$(x) it's:1");
    for (line, replaced, expected) in [
        ("c rm ghcr.io/acme/app:", "", &["v1", "v2"][..]),
        ("c rm ghcr.io/acme/app:v", "v", &["v1", "v2"]),
        ("c rm oth", "oth", &["other:o1"]),
        ("c rm \"oth", "oth", &["other:o1"]),
        (
            "c rm \"ghcr.io/acme/app:",
            "ghcr.io/acme/app:",
            &["ghcr.io/acme/app:v1", "ghcr.io/acme/app:v2"],
        ),
        ("c images --filter type=", "", &["component", "datacenter"]),
        ("c images --filter=type=d", "d", &["datacenter"]),
        ("c images --filter reference=other:", "", &["o1"]),
        ("c rm '$", "$", &[]),
        ("c rm \"$", "$", &["\\$(x) it's:1"]),
        ("c rm \\$", "\\$", &["\\$\\(x\\)\\ it\\'s:1"]),
        ("c rm --home '/no where' ", "", &[]),
    ] {
        assert_eq!(in_bash(&sandbox, line, replaced), expected, "{line}");
    }
}

#[test]
fn the_home_on_the_line_counts() {
    let sandbox = stocked();
    let other = Sandbox::new();
    other.record("elsewhere:1");
    let home = other.home();
    let home = home.to_str().unwrap();
    assert_eq!(
        offered(&sandbox, &["--home", home, "rm", ""]),
        ["elsewhere:1"]
    );
    assert_eq!(
        offered(&sandbox, &["rm", "--home", home, ""]),
        ["elsewhere:1"]
    );
    let flag = format!("--home={home}");
    assert_eq!(offered(&sandbox, &["inspect", &flag, "e"]), ["elsewhere:1"]);
    let tilde = ["rm", "--home", "~/.cldctl", "o"];
    assert_eq!(offered(&sandbox, &tilde), ["other:o1"]);
    let mut command = asking(&sandbox, &["rm", ""]);
    let output = command.env("CLDCTL_REGISTRY_HOME", home).output().unwrap();
    assert_eq!(values(&Run::from(output)), ["elsewhere:1"]);
}

#[test]
fn what_cannot_be_read_offers_nothing_and_says_nothing() {
    let many: Vec<_> = (0..100_000)
        .map(|n| json!({"reference": format!("many/app-{n}:v{n}"), "type": "component"}))
        .collect();
    let many = json!({"version": "v2", "artifacts": many}).to_string();
    let foreign = json!({"version": "v3", "artifacts": [{"reference": "many/app-99999:v1"}]});
    let cases = [
        ("", 0),
        ("{\"artifacts\": [{\"reference\": \"many/app-99999:v1\"", 0),
        ("no JSON", 0),
        (&foreign.to_string(), 0),
        (&many, 1),
    ];
    at_once(cases, |(text, count)| {
        let sandbox = Sandbox::with_registry(text);
        let lock = sandbox.hold_lock();
        let before = tree(&sandbox.path(""));
        for words in [&["rm", "many/app-99999"], &["inspect", "many/app-99999"]] {
            assert_eq!(offered(&sandbox, words).len(), count, "{words:?}");
        }
        assert_eq!(tree(&sandbox.path("")), before);
        assert!(sandbox.registry_text() == text, "it was changed");
        drop(lock);
    });
    let sandbox = Sandbox::new();
    let before = tree(&sandbox.path(""));
    assert_eq!(offered(&sandbox, &["rm", ""]), [""; 0]);
    assert_eq!(tree(&sandbox.path("")), before);
}

#[test]
fn a_legacy_registry_is_shown_and_not_converted() {
    let sandbox = Sandbox::new();
    let dir = sandbox.home().join("registry");
    fs::create_dir_all(&dir).unwrap();
    let legacy = crate::support::fixture("legacy/components.json");
    fs::write(dir.join("components.json"), legacy).unwrap();
    assert!(!offered(&sandbox, &["rm", ""]).is_empty());
    assert_eq!(crate::support::names(&dir), ["components.json"]);
}

#[test]
fn references_that_could_act_on_a_terminal_are_left_out() {
    let entries = ["a\u{1b}[31m:1", "a\u{202e}:1", "a\n:1", "", "a:1", "a:1"];
    let entries: Vec<_> = entries.map(|r| json!({ "reference": r })).into();
    let text = json!({"version": "v2", "artifacts": entries}).to_string();
    let sandbox = Sandbox::with_registry(text);
    assert_eq!(offered(&sandbox, &["rm", ""]), ["a:1"]);
}

#[test]
fn nonsense_is_answered_with_nothing() {
    let sandbox = stocked();
    for args in [
        &[][..],
        &["--"],
        &["--", ""],
        &["--", "x", "y", "z"],
        &["rm", "other:o1"],
    ] {
        for shell in [
            "bash",
            "zsh",
            "fish",
            "elvish",
            "powershell",
            "nushell",
            "tcsh",
        ] {
            let mut command = sandbox.command(args);
            command.env("CLDCTL_REGISTRY_COMPLETE", shell);
            let run = Run::from(command.output().unwrap());
            assert_eq!(
                (run.code, run.stdout.as_str(), run.stderr.as_str()),
                (0, "", "")
            );
        }
    }
    assert_eq!(sandbox.references().len(), 4);
}

#[test]
fn the_script_needs_no_home() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["completion", "bash"]);
    let run = Run::from(command.env("HOME", "relative").output().unwrap());
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("complete -F"), "{run:?}");
}
