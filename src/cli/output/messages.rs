//! Messages on standard error.

use std::fmt;
use std::io::Write;

use anstyle::{AnsiColor, Style};

use super::progress::suspend;
use crate::Error;
use crate::cli::exit::Exit;
use crate::cli::hints;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();
const NOTE: Style = Style::new().bold();

/// Prints an error, and a hint if there is one.
pub(in crate::cli) fn error(error: &anyhow::Error) {
    say(ERROR, "error", format_args!("{error:#}"));
    if let Some(text) = hints::of(error) {
        hint(format_args!("{text}"));
    }
}

/// Prints what the user can do.
pub(in crate::cli) fn hint(message: fmt::Arguments<'_>) {
    say(HINT, "hint", message);
}

/// Prints a warning of something that does not stop the command.
pub(in crate::cli) fn warning(message: fmt::Arguments<'_>) {
    say(WARNING, "warning", message);
}

/// Warns of content that was replaced and could not be deleted.
pub(in crate::cli) fn not_deleted(error: Option<Error>) -> Exit {
    match error {
        None => Exit::Success,
        Some(error) => {
            warning(format_args!(
                "could not delete all of the old content: {error}"
            ));
            Exit::Failure
        }
    }
}

/// Prints a note.
pub(in crate::cli) fn note(message: fmt::Arguments<'_>) {
    say(NOTE, "note", message);
}

/// Prints a line without a label, such as one of a plan.
pub(in crate::cli) fn plain(message: fmt::Arguments<'_>) {
    // A failure is ignored because there is no other place to report it.
    suspend(|| {
        let _ = writeln!(anstream::stderr(), "{message}");
    });
}

/// Prints a question; the cursor stays after it.
pub(in crate::cli) fn question(message: fmt::Arguments<'_>) {
    suspend(|| {
        let mut stderr = anstream::stderr();
        let _ = write!(stderr, "{message} ").and_then(|()| stderr.flush());
    });
}

fn say(style: Style, label: &str, message: fmt::Arguments<'_>) {
    suspend(|| {
        let _ = writeln!(anstream::stderr(), "{style}{label}:{style:#} {message}");
    });
}
