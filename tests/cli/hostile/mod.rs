//! Every command over a corpus of hostile files: whatever the registry contains, a
//! command ends as documented, and a refused file is kept.

mod corpus;
mod values;

use std::fs;
use std::io::Write;
use std::process::Output;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::de::IgnoredAny;

use crate::support::{ADD, Sandbox, at_once, write_tree};

/// The number of files, and of runs of the program over them, as `docs/reliability.md`
/// states them.
const FILES: usize = 912;
const RUNS: usize = 3648;

/// More than there are cores, because most runs wait to read a file again that looks
/// torn.
const THREADS: usize = 64;

/// Commands that run over each file.
const ALWAYS: [&[&str]; 3] = [&["images", "--format", "json"], ADD, &["rm", "x:1"]];

/// Commands that run over the files in turn.
const IN_TURN: [&[&str]; 27] = [
    &["verify"],
    &["verify", "--format", "json"],
    &["images"],
    &["images", "-q"],
    &["images", "--format", "jsonl"],
    &["images", "--format", "yaml"],
    &["images", "--format", "{{json .}} {{.ID}} {{.CreatedSince}}"],
    &["images", "--format", "table {{.Reference}}\t{{.Size}}"],
    &[
        "images",
        "--digests",
        "--no-trunc",
        "--sort",
        "size",
        "--reverse",
    ],
    &[
        "images",
        "--filter",
        "until=1h",
        "--filter",
        "cache=missing",
    ],
    &["inspect", "x:1"],
    &["inspect", "x", "--format", "{{.Digest}}"],
    &["exists", "x:1", "y:1"],
    &["cache-path", "x:1"],
    &["cache-path", "--check", "x:1"],
    &["df"],
    &["df", "-v", "--format", "json"],
    &["prune", "-n"],
    &[
        "prune",
        "-a",
        "--keep-last",
        "1",
        "--max-size",
        "1kB",
        "-n",
        "--format",
        "json",
    ],
    &["prune", "-a", "--filter", "until=1h", "-y"],
    &["add", "x:1"],
    &["add", "y:1", "source"],
    &["rm", "--all", "-y"],
    &["rm", "--filter", "tag!=1", "-y", "--format", "json"],
    &["tag", "x:1", "y:1"],
    COMPLETION,
    &["rm", "-f", ""],
];

/// The command that a shell runs to complete the references after `inspect`.
const COMPLETION: &[&str] = &["--", "cldctl-registry", "inspect", ""];

/// Runs a command over a file; the error says what is wrong with its result.
fn run(sandbox: &Sandbox, file: &[u8], args: &[&str]) -> Result<(), String> {
    sandbox.write_registry(file);
    write_tree(&sandbox.cache().join("x_1"), &[("cld.yml", "name: x\n")]);
    let mut command = sandbox.command(args);
    if args == COMPLETION {
        command.env("CLDCTL_REGISTRY_COMPLETE", "fish");
    }
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let after = fs::read(sandbox.registry()).unwrap_or_default();

    let code = status.code().ok_or(format!("ended by {status}"))?;
    if !(0..=5).contains(&code) {
        return Err(format!("exit code {code}"));
    }
    let output = String::from_utf8([stdout, stderr].concat()).map_err(|it| it.to_string())?;
    if output.contains("panicked") || output.contains('\u{1b}') {
        return Err(output);
    }
    if after != file {
        let is_json = |bytes| serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
        if code != 0 {
            return Err(format!("refused with {code}, but changed the file"));
        } else if !is_json(file) {
            return Err("overwrote a file that is not JSON".to_owned());
        } else if !is_json(&after) {
            return Err("no JSON afterwards".to_owned());
        }
    }
    if !sandbox.temporaries().is_empty() || !sandbox.staged().is_empty() {
        return Err("a file is left over".to_owned());
    }
    Ok(())
}

/// Rows 20, 31, 38, 39, 40, 41, 53 and 58: files that a parser must withstand.
#[test]
fn every_command_over_hostile_files_ends_as_documented_and_keeps_refused_files() {
    let files = corpus::files();
    let (next, runs) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let violations = Mutex::new(Vec::new());
    at_once(0..THREADS, |_| {
        let sandbox = Sandbox::new();
        sandbox.component("source");
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((name, file)) = files.get(index) else {
                break;
            };
            for args in ALWAYS.iter().chain([&IN_TURN[index % IN_TURN.len()]]) {
                runs.fetch_add(1, Ordering::Relaxed);
                if let Err(what) = run(&sandbox, file, args) {
                    let mut violations = violations.lock().unwrap();
                    violations.push(format!("{args:?} over {name}: {what}"));
                }
            }
        }
    });
    let violations = violations.into_inner().unwrap();
    let (count, runs) = (files.len(), runs.into_inner());
    let found = violations.len();
    writeln!(
        std::io::stderr(),
        "{count} hostile files, {runs} runs, {found} violations"
    )
    .unwrap();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    assert_eq!(
        (count, runs),
        (FILES, RUNS),
        "docs/reliability.md states these numbers"
    );
}
