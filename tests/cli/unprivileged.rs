//! A user who is not root.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::os::unix::process::CommandExt;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{PROGRAM, Run, Sandbox};

const USER: u32 = 1234;

/// A user to whom modes apply, with a copy of the program if root runs the tests.
pub(crate) struct User(Option<TempDir>);

impl User {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        if fs::metadata(dir.path()).unwrap().uid() != 0 {
            return User(None);
        }
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        fs::copy(PROGRAM, dir.path().join("program")).unwrap();
        User(Some(dir))
    }

    /// Gives all files in a sandbox to this user.
    pub(crate) fn give(&self, sandbox: &Sandbox) {
        if self.0.is_some() {
            for entry in walkdir::WalkDir::new(sandbox.path("")) {
                lchown(entry.unwrap().path(), Some(USER), Some(USER)).unwrap();
            }
        }
    }

    pub(crate) fn run(&self, sandbox: &Sandbox, args: &[&str]) -> Run {
        let Some(dir) = &self.0 else {
            return sandbox.run(args);
        };
        let mut command = Command::new(dir.path().join("program"));
        command.args(args).env_clear().env("HOME", sandbox.user());
        command.current_dir("/").uid(USER).gid(USER);
        Run::from(command.output().unwrap())
    }
}
