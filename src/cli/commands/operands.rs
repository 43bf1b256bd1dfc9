//! REF operands: where they come from, and what is said of those that name nothing.

use std::io;

use crate::Registry;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::messages;
use crate::error::os_message;
use crate::escape::escape_display;
use crate::quote;
use crate::registry::resolve::Unresolved;

/// Returns the operands, or where they are `-` alone, those on standard input, one a line.
pub(super) fn from_stdin(operands: &[String]) -> Result<Vec<String>, Failure> {
    if !operands.iter().any(|operand| operand == "-") {
        return Ok(operands.to_vec());
    }
    if operands.len() > 1 {
        return Err(Failure::usage(
            "`-` reads references from standard input and cannot be combined with others",
        ));
    }
    let text = io::read_to_string(io::stdin()).map_err(|error| Failure {
        exit: match error.kind() {
            io::ErrorKind::InvalidData => Exit::Usage,
            _ => Exit::Failure,
        },
        message: format!(
            "could not read references from standard input: {}",
            os_message(&error)
        ),
        hint: None,
    })?;
    // A blank at the end of a reference is a part of it.
    let lines = text.lines().filter(|line| !line.is_empty());
    Ok(lines.map(str::to_owned).collect())
}

/// The most missing operands that a similar reference is searched for, because each is
/// compared with every entry.
const MAX_COMPARED: usize = 20;

/// Prints why operands name no one artifact, and returns the exit code.
pub(super) fn report(registry: &Registry, unresolved: &[Unresolved]) -> Exit {
    let failures = failures(registry, unresolved).into_iter();
    failures.fold(Exit::Success, |exit, failure| {
        let exit = exit.worst(failure.exit);
        messages::error(&failure.into());
        exit
    })
}

/// Returns the failures of operands that name no one artifact.
pub(super) fn failures(registry: &Registry, unresolved: &[Unresolved]) -> Vec<Failure> {
    let missing = unresolved.iter().filter_map(|it| match it {
        Unresolved::Missing { operand, .. } => Some(operand),
        _ => None,
    });
    let missing: Vec<&String> = missing.take(MAX_COMPARED).collect();
    let mut similar = match missing.is_empty() {
        true => Vec::new(),
        // Without it there is no hint, which is all that is lost.
        false => registry.similar(&missing).unwrap_or_default(),
    }
    .into_iter();
    let failures = unresolved.iter().map(|it| match it {
        Unresolved::Missing { .. } => failure(it, similar.next().flatten()),
        _ => failure(it, None),
    });
    failures.collect()
}

fn failure(unresolved: &Unresolved, similar: Option<String>) -> Failure {
    match unresolved {
        Unresolved::Missing { operand } => Failure {
            exit: Exit::NotFound,
            message: format!("artifact `{}` not found", escape_display(operand)),
            hint: similar
                .as_deref()
                .and_then(quote::operand)
                .map(|reference| format!("did you mean `{reference}`?")),
        },
        Unresolved::Ambiguous {
            operand,
            references,
        } => ambiguous(operand, references),
    }
}

/// Returns the failure of an operand that matches several references equally well.
pub(super) fn ambiguous(operand: &str, references: &[String]) -> Failure {
    let typed = |name: &str| quote::operand(name).map(Into::into);
    let list: Vec<String> = references
        .iter()
        .map(|name| format!("`{}`", typed(name).unwrap_or(escape_display(name))))
        .collect();
    Failure {
        exit: Exit::Refused,
        message: format!(
            "`{}` is ambiguous: it matches {} artifacts: {}",
            escape_display(operand),
            list.len(),
            list.join(", ")
        ),
        hint: Some("use one of these references".to_owned()),
    }
}
