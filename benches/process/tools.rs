//! The yardsticks and peers that this machine has.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::measure::{Contender, time};
use crate::program::{User, within};

pub(crate) struct Tools {
    empty: Option<PathBuf>,
    durable: Option<PathBuf>,
    peak: Option<PathBuf>,
    python: Option<PathBuf>,
}

impl Tools {
    /// Compiles the small programs into `dir` and finds the others.
    pub(crate) fn find(dir: &Path) -> Self {
        Tools {
            empty: compile(dir, "empty"),
            durable: compile(dir, "durable"),
            peak: compile(dir, "peak"),
            python: python(),
        }
    }

    /// Returns an empty static C program.
    pub(crate) fn empty(&self) -> Option<Contender> {
        let program = self.empty.as_ref()?;
        Some(Contender::timing("empty C program", Command::new(program)))
    }

    /// Returns a C program that only replaces the registry durably.
    pub(crate) fn durable(&self, user: &User) -> Option<Contender> {
        let mut command = Command::new(self.durable.as_ref()?);
        command.arg(user.registry());
        Some(Contender::timing(
            "a C program that copies, fsyncs, renames",
            command,
        ))
    }

    /// Returns CPython reading the registry.
    pub(crate) fn python(&self, user: &User) -> Option<Contender> {
        let read = "import json, sys; json.load(open(sys.argv[1]))";
        let mut command = user.run(self.python.as_ref()?, &["-c", read]);
        command.arg(user.registry());
        Some(Contender::timing("CPython json.load", command))
    }

    /// Returns a contender for the peak resident memory of a command, in bytes.
    pub(crate) fn peak(&self, name: &str, command: &Command) -> Option<Contender> {
        let dir = self.peak.as_ref()?.parent()?;
        let file = dir.join("peak.bytes");
        let mut peak = Command::new(self.peak.as_ref()?);
        peak.arg(&file);
        let mut peak = within(peak, command);
        Some(Contender::new(name, move || {
            time(&mut peak)?;
            Ok(fs::read_to_string(&file)?.trim().parse()?)
        }))
    }

    /// Returns the missing tools, which explain gaps in the table.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let compiled = self.empty.is_some() && self.durable.is_some() && self.peak.is_some();
        let mut missing = Vec::new();
        missing.extend((!compiled).then_some("cc that links statically"));
        missing.extend(self.python.is_none().then_some("python3"));
        let others = [
            "jq",
            "openssl",
            "sha256sum",
            "podman",
            "skopeo",
            "docker-registry",
            "curl",
        ];
        missing.extend(others.into_iter().filter(|tool| on_path(tool).is_none()));
        missing
    }
}

/// Returns a program run by this user; `None` if it is not installed.
pub(crate) fn peer(user: &User, tool: &str, args: &[&str]) -> Option<Contender> {
    let name = format!("{tool} {}", args.first().unwrap_or(&""));
    let args: Vec<_> = args.iter().map(|arg| arg.to_string()).collect();
    Some(Contender::timing(name, user.run(on_path(tool)?, &args)))
}

pub(crate) fn on_path(tool: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|dir| dir.join(tool))
        .find(|program| program.is_file())
}

fn compile(dir: &Path, name: &str) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("benches/process/{name}.c"));
    let program = dir.join(name);
    let mut cc = Command::new("cc");
    cc.args(["-static", "-O2", "-o"]).arg(&program).arg(source);
    time(&mut cc).is_ok().then_some(program)
}

/// Returns the interpreter itself, because `python3` may be a script that looks for it.
fn python() -> Option<PathBuf> {
    let mut python = Command::new("python3");
    python.args(["-c", "import sys; print(sys.executable)"]);
    let output = python
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    path.canonicalize().ok()
}

/// Waits until earlier writes have reached the disk of `dir`, so that no measured time
/// includes another's writes.
pub(crate) fn sync(dir: &Path) -> Result<()> {
    let status = Command::new("sync").arg("-f").arg(dir).status()?;
    if !status.success() {
        bail!("`sync -f` failed");
    }
    Ok(())
}
