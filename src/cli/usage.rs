//! What clap says: help, versions and errors of usage.

use std::borrow::Cow;

use clap::error::{ContextKind, ContextValue};

use super::exit::Exit;
use crate::escape::escape_display;

/// Prints what clap has to say, and returns how the program ends after it.
pub(super) fn print(mut error: clap::Error) -> Exit {
    escape(&mut error);
    // A reader that left is no failure; the exit code stands anyway.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Success
    }
}

/// Escapes what was typed, because clap repeats it as it is, and a script may have
/// it from a file.
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
        // They repeat it too.
        error.remove(ContextKind::Suggested);
    }
    for (kind, value) in escaped {
        error.insert(kind, value);
    }
}
