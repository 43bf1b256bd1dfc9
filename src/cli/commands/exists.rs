//! `exists`: checks whether artifacts are registered.

use super::operands::{Unresolved, resolve};
use crate::cli::args::Exists;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::lookup::{DigestPrefix, Resolver};

pub(super) fn run(context: &Context, args: &Exists) -> anyhow::Result<Exit> {
    let registry = context.cache.registry();
    let document = registry.load_named(&args.references, DigestPrefix::Whole)?;
    let finder = Resolver::new(&document);
    let mut exit = Exit::Success;
    for operand in &args.references {
        match resolve(&finder, operand, DigestPrefix::Whole) {
            // The content of a digest may be registered under several references.
            Ok(_) | Err(Unresolved::Ambiguous(..)) => {}
            Err(Unresolved::Missing(_)) => exit = exit.worst(Exit::NotFound),
        }
    }
    Ok(exit)
}
