//! The program that is measured, and the home that it is run in.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::registry;

/// Makes what `cargo build --release` makes and copies it to `dir`, so that a
/// later build does not change what is measured.
///
/// Cargo's own `CARGO_BIN_EXE_` is something else: it is built together with
/// the dependencies of the tests, which turn features of common ones on.
pub(crate) fn build(dir: &Path) -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--locked", "--bin", "cldctl-registry"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("`cargo build --release` failed");
    }
    let messages = String::from_utf8(output.stdout)?;
    let built = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back()
        .context("cargo did not say what it built")?;
    let program = dir.join("cldctl-registry");
    fs::copy(built, &program)?;
    Ok(program)
}

/// The command run by a tool, in the same surroundings: `tool` and its arguments
/// so far, then the command's own.
pub(crate) fn within(mut tool: Command, command: &Command) -> Command {
    let surroundings = command.get_envs();
    tool.arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(surroundings.filter_map(|(name, value)| Some((name, value?))));
    tool
}

/// A user's home in a temporary directory, with a registry in it.
pub(crate) struct User {
    dir: TempDir,
    program: PathBuf,
}

impl User {
    /// A user without a registry.
    pub(crate) fn new(program: &Path) -> io::Result<Self> {
        Ok(User {
            dir: tempfile::tempdir()?,
            program: program.to_owned(),
        })
    }

    /// A user with a registry of `count` entries, and nothing in the cache.
    pub(crate) fn with_entries(program: &Path, count: usize) -> io::Result<Self> {
        let user = User::new(program)?;
        fs::create_dir_all(user.cache_root())?;
        registry::write_registry(&user.registry(), &user.cache_root(), count)?;
        Ok(user)
    }

    /// A place beside `~/.cldctl`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `~/.cldctl/registry/artifacts.json`
    pub(crate) fn registry(&self) -> PathBuf {
        self.path(".cldctl/registry/artifacts.json")
    }

    /// `~/.cldctl/cache/artifacts`
    pub(crate) fn cache_root(&self) -> PathBuf {
        self.path(".cldctl/cache/artifacts")
    }

    /// The program with these arguments, run by this user.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        self.run(&self.program, args)
    }

    /// What a shell runs to complete `word` behind `inspect`.
    pub(crate) fn completion(&self, word: &str) -> Command {
        let mut command = self.command(&["--", "cldctl-registry", "inspect", word]);
        command.env("CLDCTL_REGISTRY_COMPLETE", "fish");
        command
    }

    /// Another program in the same surroundings.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, program: impl AsRef<OsStr>, args: &[S]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .env("HOME", self.dir.path())
            .env("PATH", env::var_os("PATH").unwrap_or_default());
        command
    }
}
