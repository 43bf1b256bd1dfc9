//! The measured program, and the home that it runs in.

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

/// Builds the release program with `cargo build --release` and copies it to `dir`, so
/// that a later build does not change what is measured.
///
/// Cargo's own `CARGO_BIN_EXE_` differs: it is built together with the dependencies of
/// the tests, which turn on features of common ones.
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
        .context("cargo did not report the program")?;
    let program = dir.join("cldctl-registry");
    fs::copy(built, &program)?;
    Ok(program)
}

/// Returns a command that runs another one by a tool, in the same environment: `tool`
/// and its arguments, then the command's own.
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
    /// Creates a user without a registry.
    pub(crate) fn new(program: &Path) -> io::Result<Self> {
        Ok(User {
            dir: tempfile::tempdir()?,
            program: program.to_owned(),
        })
    }

    /// Creates a user with a registry of `count` entries, and nothing in the cache.
    pub(crate) fn with_entries(program: &Path, count: usize) -> io::Result<Self> {
        let user = User::new(program)?;
        fs::create_dir_all(user.cache_root())?;
        registry::write_registry(&user.registry(), &user.cache_root(), count)?;
        Ok(user)
    }

    /// Returns a path beside `~/.cldctl`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns `~/.cldctl/registry/artifacts.json`.
    pub(crate) fn registry(&self) -> PathBuf {
        self.path(".cldctl/registry/artifacts.json")
    }

    /// Returns `~/.cldctl/cache/artifacts`.
    pub(crate) fn cache_root(&self) -> PathBuf {
        self.path(".cldctl/cache/artifacts")
    }

    /// Returns the program with these arguments, run by this user.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        self.run(&self.program, args)
    }

    /// Returns the command that a shell runs to complete `word` after `inspect`.
    pub(crate) fn completion(&self, word: &str) -> Command {
        let mut command = self.command(&["--", "cldctl-registry", "inspect", word]);
        command.env("CLDCTL_REGISTRY_COMPLETE", "fish");
        command
    }

    /// Returns another program in the same environment.
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
