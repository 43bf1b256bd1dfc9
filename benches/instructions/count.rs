//! Counting the instructions of a process.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::figures::FIGURES;
use crate::program::{User, within};
use crate::registry;

const NEW: &str = "ghcr.io/acme/new:v1";

/// Counts the instructions of the command of each figure, with a registry of `entries`.
pub(crate) fn count_all(program: &Path, entries: usize) -> Result<Vec<u64>> {
    let user = User::with_entries(program, entries)?;
    let last = registry::last_reference(entries);
    let add = ["add", NEW, "--metadata-only", "--type", "component"];
    let commands: [(&str, Command); FIGURES.len()] = [
        ("images", user.command(&["images"])),
        ("images -q", user.command(&["images", "-q"])),
        (
            "images --format json",
            user.command(&["images", "--format", "json"]),
        ),
        ("inspect", user.command(&["inspect", &last])),
        ("exists", user.command(&["exists", &last])),
        ("completion", user.completion(&last)),
        ("add --metadata-only", user.command(&add)),
        // Both leave the registry as it was, because this removes what was just added.
        ("rm", user.command(&["rm", NEW])),
    ];
    let counts = FIGURES
        .iter()
        .zip(&commands)
        .map(|(figure, (name, command))| {
            ensure!(figure.command == *name, "the figures are in another order");
            count(command)
        });
    counts.collect()
}

/// Counts the instructions of the command to its end, in all of its threads.
fn count(command: &Command) -> Result<u64> {
    let log = tempfile::NamedTempFile::new()?;
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--log-file={}", log.path().display()));
    let mut valgrind = within(valgrind, command);
    valgrind
        // Idle threads of a pool execute a varying number of instructions.
        .env("RAYON_NUM_THREADS", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let status = valgrind.status().context("could not run valgrind")?;
    let log = fs::read_to_string(&log)?;
    if !status.success() {
        bail!("{command:?} failed: {status}\n{log}");
    }
    log.lines()
        .find_map(|line| line.split_once("Collected : "))
        .and_then(|(_, number)| number.trim().parse().ok())
        .with_context(|| format!("valgrind counted nothing:\n{log}"))
}
