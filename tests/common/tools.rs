//! What the tests need of the machine.
//!
//! A test whose tool is missing, or that is not permitted what it needs, has nothing
//! to show and says so. Where `CI` is set, all tools are installed first: one that is
//! missing is a failure then, so that no test passes without having run.

use std::io::{ErrorKind, Write};
use std::process::Command;

/// Why a test cannot run here.
#[derive(Clone, Debug)]
pub(crate) enum Lack {
    /// The program is not installed.
    Tool(String),
    /// It is there, but does not work here.
    Permission(String),
}

impl Lack {
    /// Tells why the test is skipped; false if that is a failure.
    #[must_use]
    pub(crate) fn is_accepted(&self) -> bool {
        let (why, accepted) = match self {
            Lack::Tool(name) => (
                format!("`{name}` is not installed"),
                std::env::var_os("CI").is_none(),
            ),
            Lack::Permission(what) => (format!("not possible here: {what}"), true),
        };
        // Shown if the tests are run with --nocapture.
        let _ = writeln!(std::io::stderr(), "skipped: {why}");
        accepted
    }
}

/// Whether a command runs to a good end here.
///
/// # Errors
///
/// It is missing, or does not succeed.
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
