//! The tools and permissions that tests need.
//!
//! A test that lacks a tool or a permission is skipped with a message. With `CI` set,
//! all tools are installed first, so a missing one is a failure; otherwise a test could
//! pass without having run.

use std::io::{ErrorKind, Write};
use std::process::Command;

/// The reason why a test cannot run here.
#[derive(Clone, Debug)]
pub(crate) enum Lack {
    /// The program is not installed.
    Tool(String),
    /// The tool is installed, but does not work here.
    Permission(String),
}

impl Lack {
    /// Reports why the test is skipped; returns false if that is a failure.
    #[must_use]
    pub(crate) fn is_accepted(&self) -> bool {
        let (why, accepted) = match self {
            Lack::Tool(name) => (
                format!("`{name}` is not installed"),
                std::env::var_os("CI").is_none(),
            ),
            Lack::Permission(what) => (format!("not possible here: {what}"), true),
        };
        // The message is visible with --nocapture.
        let _ = writeln!(std::io::stderr(), "skipped: {why}");
        accepted
    }
}

/// Checks that a command succeeds here.
///
/// # Errors
///
/// The command is missing, or fails.
pub(crate) fn runs(command: &[&str]) -> Result<(), Lack> {
    let output = Command::new(command[0]).args(&command[1..]).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let command = command.join(" ");
            Err(Lack::Permission(format!("`{command}`: {}", said.trim())))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Lack::Tool(command[0].to_owned())),
        Err(error) => Err(Lack::Permission(format!("`{}`: {error}", command[0]))),
    }
}
