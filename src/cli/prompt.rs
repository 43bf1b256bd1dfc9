//! Prompts for confirmation at the terminal.

use std::fmt;
use std::io::{self, IsTerminal};

use super::exit::{Exit, Failure};
use super::output::messages;

/// Fails if standard input is not a terminal, before anything is read or shown.
///
/// # Errors
///
/// A failure of usage that names the option and `-y`.
pub(super) fn require_terminal(option: &str) -> Result<(), Failure> {
    if io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure {
        exit: Exit::Usage,
        message: format!("`{option}` needs confirmation, but standard input is not a terminal"),
        hint: Some("`-y` answers yes".to_owned()),
    })
}

/// Asks a question. Returns true for yes, and false for anything else and at the end of
/// the input.
pub(super) fn confirm(question: fmt::Arguments<'_>) -> anyhow::Result<bool> {
    messages::question(format_args!("{question} [y/N]"));
    let mut answer = String::new();
    if io::stdin().read_line(&mut answer)? == 0 {
        // Ends the line, because the cursor is still after the question.
        messages::plain(format_args!(""));
    }
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes" | "YES"))
}
