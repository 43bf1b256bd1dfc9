//! `tag`: registers an artifact's content under other references too.

use super::operands;
use crate::cli::args::Tag;
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::hints;
use crate::cli::output::{self, messages};
use crate::escape::escape_display;
use crate::import::TagOptions;
use crate::quote;
use crate::registry::resolve::DigestPrefix;
use crate::{Error, Reference};

pub(super) fn run(context: &Context, args: &Tag) -> anyhow::Result<Exit> {
    let targets: Result<Vec<_>, _> = args
        .targets
        .iter()
        .map(|text| Reference::parse_new(text))
        .collect();
    let targets = targets.map_err(Error::from)?;
    let snapshot = context.snapshot()?;
    let document = snapshot.document()?;
    let registry = context.cache.registry();
    let resolved = registry.resolve_in(document, &[&args.source], DigestPrefix::Long)?;
    if let Some(failure) = operands::failures(registry, &resolved.unresolved()).pop() {
        return Err(failure.into());
    }
    let entry = resolved.found().next();
    let Some(entry) = entry.and_then(|&index| document.entry(index)) else {
        return Ok(Exit::NotFound);
    };
    let source = entry.to_entry();

    let options = TagOptions {
        no_clobber: args.no_clobber,
    };
    context.begin_change()?;
    let mut exit = Exit::Success;
    let mut report = String::new();
    for target in targets {
        match context.cache.tag(&source, &target, options) {
            Ok(tagged) => {
                report.push_str(&format!(
                    "{} {}\n",
                    tagged.result.as_str(),
                    escape_display(target.as_str())
                ));
                messages::carried(&tagged.carried);
                exit = exit.worst(messages::not_deleted(tagged.not_deleted));
            }
            Err(error) => {
                let error = explain(error);
                exit = exit.worst(Exit::of(&error));
                messages::error(&error);
                if matches!(exit, Exit::Interrupted(_)) {
                    break;
                }
            }
        }
    }
    output::report(&report);
    Ok(exit)
}

/// Gives the error of a source without content a remedy of its own: that of `add`
/// would be for the copy.
fn explain(error: Error) -> anyhow::Error {
    let Error::NoContent { reference, .. } = &error else {
        return error.into();
    };
    let add = |name: &str| hints::command(&format!("add {} PATH", quote::operand(name)?));
    let is_name = Reference::parse_new(reference).is_ok();
    let add = is_name.then(|| add(reference)).flatten();
    Failure {
        exit: Exit::NotFound,
        message: error.to_string(),
        hint: add.map(|add| format!("{add} restores its content")),
    }
    .into()
}
