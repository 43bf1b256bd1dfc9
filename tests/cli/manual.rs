//! The manual, and the files that are generated from the command tree.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::completion_shells::is_installed;
use crate::support::{Sandbox, names};

const SCRIPTS: [(&str, &str); 6] = [
    ("bash", "cldctl-registry.bash"),
    ("zsh", "_cldctl-registry"),
    ("fish", "cldctl-registry.fish"),
    ("powershell", "_cldctl-registry.ps1"),
    ("elvish", "cldctl-registry.elv"),
    ("nushell", "cldctl-registry.nu"),
];

fn checked_in(dir: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(dir)
}

/// Expects a directory to hold these files alone; with UPDATE=1 makes it so.
#[track_caller]
fn holds(dir: &str, files: &[(String, String)]) {
    let path = checked_in(dir);
    if std::env::var_os("UPDATE").is_some() {
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            fs::write(path.join(name), text).unwrap();
        }
    }
    let remedy = "the program has changed; this writes the files again: \
                  UPDATE=1 cargo test --test cli is_what_the_program_prints";
    let expected: BTreeSet<_> = files.iter().map(|(name, _)| name.clone()).collect();
    let found: BTreeSet<_> = names(&path).into_iter().collect();
    assert_eq!(found, expected, "{dir}: {remedy}");
    for (name, text) in files {
        let found = fs::read_to_string(path.join(name)).unwrap();
        assert!(found == *text, "{dir}/{name}: {remedy}");
    }
}

/// The pages, by the names of their files.
fn pages(sandbox: &Sandbox) -> Vec<(String, String)> {
    let dir = sandbox.path("man");
    sandbox.ok(&["man", "--dir", dir.to_str().unwrap()]);
    let pages = names(&dir).into_iter();
    pages
        .map(|name| (name.clone(), fs::read_to_string(dir.join(name)).unwrap()))
        .collect()
}

/// The commands that the help lists.
fn commands(sandbox: &Sandbox) -> Vec<String> {
    let help = sandbox.ok(&["--help"]);
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_completions_directory_is_what_the_program_prints() {
    let sandbox = Sandbox::new();
    let script =
        |(shell, file): (&str, &str)| (file.to_owned(), sandbox.ok(&["completions", shell]));
    holds("completions", &SCRIPTS.map(script));
}

#[test]
fn the_man_directory_is_what_the_program_prints() {
    holds("man", &pages(&Sandbox::new()));
}

#[test]
fn every_command_and_every_flag_has_its_place_in_the_manual() {
    let sandbox = Sandbox::new();
    let pages = pages(&sandbox);
    let page = |name: &str| {
        let file = format!("{name}.1");
        let page = pages.iter().find(|(name, _)| *name == file);
        page.unwrap_or_else(|| panic!("there is no {file}"))
            .1
            .replace('\\', "")
    };
    let commands = commands(&sandbox);
    assert!(commands.len() >= 7, "{commands:?}");
    assert_eq!(pages.len(), commands.len() + 1);
    let program = page("cldctl-registry");
    for command in &commands {
        assert!(program.contains(&format!("cldctl-registry-{command}(1)")));
        let page = page(&format!("cldctl-registry-{command}"));
        let help = sandbox.ok(&[command.as_str(), "--help"]);
        let flags = help
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
            .filter(|word| word.starts_with("--") && word.len() > 2);
        for flag in flags {
            assert!(page.contains(flag), "{command} {flag}");
        }
        for section in ["EXAMPLES", "EXIT STATUS"] {
            let (_, rest) = page
                .split_once(&format!(".SH \"{section}\""))
                .unwrap_or_else(|| page.split_once(&format!(".SH {section}")).unwrap());
            let body = rest.split(".SH").next().unwrap();
            assert!(body.lines().count() > 4, "{command}: {section} is empty");
        }
    }
}

#[test]
fn the_manual_is_printed_the_same_everywhere() {
    let sandbox = Sandbox::new();
    let text = fs::read_to_string(checked_in("man/cldctl-registry.1")).unwrap();
    for columns in ["20", "300"] {
        let mut command = sandbox.command(&["man"]);
        command.env("COLUMNS", columns).env("HOME", "relative");
        let output = command.output().unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap() == text);
    }
}

#[test]
fn a_page_that_cannot_be_written_is_named() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("file"), "").unwrap();
    let dir = sandbox.path("file/dir");
    sandbox
        .run(&["man", "--dir", dir.to_str().unwrap()])
        .fails(1, "file/dir");
}

#[test]
fn man_shows_every_page_without_a_warning() {
    if !is_installed("man") {
        return;
    }
    for name in names(&checked_in("man")) {
        let output = Command::new("man")
            .args(["--warnings", "-l"])
            .arg(checked_in("man").join(&name))
            .env("LC_ALL", "C.UTF-8")
            .env("MANWIDTH", "80")
            .env("HOME", Sandbox::new().user())
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
        let warnings = String::from_utf8_lossy(&output.stderr);
        assert_eq!(warnings, "", "{name}");
    }
}
