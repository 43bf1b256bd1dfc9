//! Questions to the person at the terminal.

use std::fmt;
use std::io::{self, IsTerminal};

use super::exit::{Exit, Failure};
use super::output::messages;

/// Fails at once where nobody could answer, before anything is read or shown.
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

/// Asks a question; anything but yes is no, and so is the end of the input.
pub(super) fn confirm(question: fmt::Arguments<'_>) -> anyhow::Result<bool> {
    messages::question(format_args!("{question} [y/N]"));
    let mut answer = String::new();
    if io::stdin().read_line(&mut answer)? == 0 {
        // The cursor still stands behind the question.
        messages::plain(format_args!(""));
    }
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes" | "YES"))
}
