//! `exists`: checks whether artifacts are registered.

use crate::cli::args::Exists;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::registry::resolve::{DigestPrefix, Resolution};

pub(super) fn run(context: &Context, args: &Exists) -> anyhow::Result<Exit> {
    let registry = context.cache.registry();
    let resolved = registry.resolve(&args.references, DigestPrefix::Whole)?;
    // The content of a digest may be registered under several references.
    let is_missing = |found: &Resolution| matches!(found, Resolution::Missing);
    Ok(match resolved.resolutions().iter().any(is_missing) {
        true => Exit::NotFound,
        false => Exit::Success,
    })
}
