//! Messages on standard error.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};

use super::progress::suspend;
use crate::Error;
use crate::cli::exit::Exit;
use crate::cli::hints;
use crate::escape::{brief, escape_display};
use crate::import::LeftOut;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();
const NOTE: Style = Style::new().bold();

/// Prints an error, and a hint if there is one.
pub(in crate::cli) fn error(error: &anyhow::Error) {
    // The messages of the library include their causes.
    match error.is::<Error>() {
        true => say(ERROR, "error", format_args!("{error}")),
        false => say(ERROR, "error", format_args!("{error:#}")),
    }
    if let Some(text) = hints::of(error) {
        hint(format_args!("{text}"));
    }
}

/// Prints errors, and returns the exit code.
pub(in crate::cli) fn errors(errors: Vec<Error>) -> Exit {
    let is_empty = errors.is_empty();
    errors.into_iter().for_each(|it| error(&it.into()));
    match is_empty {
        true => Exit::Success,
        false => Exit::Failure,
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
        Some(error @ Error::KeptAside { .. }) => {
            warning(format_args!("{error}"));
            Exit::Failure
        }
        Some(error) => {
            warning(format_args!(
                "could not delete all of the old content: {error}"
            ));
            Exit::Failure
        }
    }
}

/// Prints what an import left out, if it did.
pub(in crate::cli) fn left_out(left_out: &LeftOut) {
    let count = left_out.names;
    if count > 0 {
        let (s, them) = match count {
            1 => ("", "it"),
            _ => ("s", "them"),
        };
        note(format_args!(
            "left out {count} hidden or generated item{s}; `--all-files` includes {them}"
        ));
    }
    if let Some((files, names)) = files_of(&left_out.deployment) {
        note(format_args!("left out {files} of a deployment: {names}"));
    }
}

/// Prints what of an archive was left out, if anything was.
#[cfg(feature = "archive")]
pub(in crate::cli) fn not_loaded(paths: &[PathBuf]) {
    if let Some((files, names)) = files_of(paths) {
        note(format_args!(
            "left out {files} that cannot be content: {names}"
        ));
    }
}

/// Warns of an artifact that was pushed, and of which that is not known here.
#[cfg(feature = "remote")]
pub(in crate::cli) fn not_remembered(reference: &str, error: &Error) {
    let reference = escape_display(reference);
    warning(format_args!(
        "`{reference}` is pushed, but that is not remembered here: {error}"
    ));
}

/// Prints what a replacement kept of deployments, if it did.
pub(in crate::cli) fn carried(paths: &[PathBuf]) {
    if let Some((files, names)) = files_of(paths) {
        note(format_args!("kept {files} of a deployment: {names}"));
    }
}

/// Returns the number of files and the names of the first few; `None` if there are none.
fn files_of(paths: &[PathBuf]) -> Option<(String, String)> {
    /// The most files that are named.
    const MAX_NAMED: usize = 5;
    /// The most characters of a name.
    const MAX_NAME: usize = 200;
    let files = match paths.len() {
        0 => return None,
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    };
    let named = paths.iter().take(MAX_NAMED);
    let named = named.map(|path| {
        let name = path.to_string_lossy();
        format!("`{}`", escape_display(&brief(&name, MAX_NAME)))
    });
    let mut names = named.collect::<Vec<_>>().join(", ");
    if paths.len() > MAX_NAMED {
        names.push_str(&format!(" and {} more", paths.len() - MAX_NAMED));
    }
    Some((files, names))
}

/// Something worth knowing.
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
