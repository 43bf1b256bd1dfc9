//! The output of clap: help, versions and errors of usage.

use std::borrow::Cow;

use clap::error::{ContextKind, ContextValue};

use super::exit::Exit;
use super::output::messages;
use crate::escape::escape_display;

/// Prints the output of clap, and returns the exit of the program.
pub(super) fn print(mut error: clap::Error) -> Exit {
    escape(&mut error);
    // A failure is ignored because the exit code is the same if the reader has left.
    let _ = error.print();
    if let Some(ContextValue::String(command)) = error.get(ContextKind::InvalidSubcommand)
        && matches!(command.as_str(), "login" | "logout")
    {
        messages::hint(format_args!(
            "`docker {command}` or `podman {command}` changes the credentials that `push` and \
             `pull` use"
        ));
    }
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Success
    }
}

/// Escapes what was typed, because clap repeats it, and a script may have read it from a
/// file.
fn escape(error: &mut clap::Error) {
    let mut escaped = Vec::new();
    for (kind, value) in error.context() {
        if let ContextValue::String(text) = value
            && let Cow::Owned(text) = escape_display(text)
        {
            escaped.push((kind, ContextValue::String(text)));
        }
    }
    if !escaped.is_empty() {
        // Suggestions repeat it too.
        error.remove(ContextKind::Suggested);
    }
    for (kind, value) in escaped {
        error.insert(kind, value);
    }
}
