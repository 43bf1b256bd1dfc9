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

/// Returns the targets of the links of a page that lead to files.
fn links(page: &str) -> Vec<String> {
    let targets = page.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    let files = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    let files = files.map(|target| target.split('#').next().unwrap_or_default());
    files.map(str::to_owned).collect()
}

#[test]
fn every_link_of_the_documentation_leads_to_a_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    for page in std::fs::read_dir(root.join("docs")).unwrap() {
        pages.push(page.unwrap().path());
    }
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for target in links(&text) {
            let file = page.parent().unwrap().join(&target);
            assert!(file.is_file(), "{page:?} links to `{target}`");
        }
    }
}
