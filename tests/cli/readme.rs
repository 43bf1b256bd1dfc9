//! The README's tour, run as a reader would type it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{PROGRAM, Sandbox};

/// A command and its output in the README.
struct Step {
    command: String,
    expected: String,
}

/// Returns the steps of all `console` blocks.
fn tour() -> Vec<Step> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let mut steps: Vec<Step> = Vec::new();
    let mut in_tour = false;
    for line in readme.lines() {
        match line.strip_prefix("$ ") {
            _ if line.starts_with("```") => in_tour = line == "```console",
            _ if !in_tour => {}
            Some(command) => steps.push(Step {
                command: command.to_owned(),
                expected: String::new(),
            }),
            None => {
                let step = steps.last_mut().unwrap();
                step.expected.push_str(line);
                step.expected.push('\n');
            }
        }
    }
    steps
}

/// Returns the text with every time replaced by the same one.
fn without_times(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        match line.split_once("\"createdAt\": ") {
            Some((before, _)) => out.push_str(&format!("{before}\"createdAt\": …\n")),
            None => out.push_str(&format!("{line}\n")),
        }
    }
    out
}

#[test]
fn the_tour_prints_the_documented_output() {
    let sandbox = Sandbox::new();
    let mut path = vec![PathBuf::from(PROGRAM).parent().unwrap().to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let steps = tour();
    assert!(steps.len() >= 8, "the README has a tour");
    for Step { command, expected } in steps {
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1; {command}")])
            .env_clear()
            .env("HOME", sandbox.user())
            .env("PATH", std::env::join_paths(&path).unwrap())
            .current_dir(sandbox.user())
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let printed = printed.replace(sandbox.user().to_str().unwrap(), "/home/you");
        assert_eq!(
            without_times(&printed),
            without_times(&expected),
            "$ {command}"
        );
    }
}
