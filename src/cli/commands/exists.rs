//! `exists`: says by the exit code whether artifacts are registered.

use super::operands::{Names, Unresolved, resolve};
use crate::cli::args::Exists;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::output::messages;
use crate::lookup::{DigestStart, Finder};

pub(super) fn run(context: &Context, args: &Exists) -> anyhow::Result<Exit> {
    let registry = context.cache.registry();
    let document = registry.load_named(&args.references, DigestStart::Whole)?;
    let finder = Finder::new(&document);
    let mut exit = Exit::Success;
    for operand in &args.references {
        match resolve(&finder, operand, DigestStart::Whole) {
            Ok(_) => {}
            Err(Unresolved::Missing(_)) => exit = exit.worst(Exit::NotFound),
            // That several artifacts have the name is no answer.
            Err(ambiguous) => {
                let failure = ambiguous.into_failure(&Names::of(registry));
                exit = exit.worst(failure.exit);
                messages::error(&failure.into());
            }
        }
    }
    Ok(exit)
}
