//! `cache-path`: prints where content lies.

use std::path::Path;
use std::slice;

use super::operands::failures;
use crate::cli::args::CachePath;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::output::Out;
use crate::error::AtPath;
use crate::escape::escape_display;
use crate::fields::Field;
use crate::registry::resolve::{DigestPrefix, Unresolved};
use crate::store::stat;
use crate::{Error, Home, Reference};

pub(super) fn run(context: &Context, args: &CachePath) -> anyhow::Result<Exit> {
    let home = context.cache.home();
    let path = match &args.reference {
        None => home.cache_root().to_string_lossy().into_owned(),
        Some(operand) => match (registered_path(context, operand)?, args.check) {
            (Some(path), true) if is_dir(Path::new(&path))? => return Ok(Exit::Success),
            (_, true) => return Ok(Exit::NotFound),
            (Some(path), false) => path,
            (None, false) => own_path(home, operand)?,
        },
    };
    let mut out = Out::new();
    out.line(&escape_display(&path))?;
    out.finish()?;
    Ok(Exit::Success)
}

fn is_dir(path: &Path) -> Result<bool, Error> {
    let found = stat(path).at("read", path)?;
    Ok(found.is_some_and(|found| found.is_dir()))
}

/// Where the artifact that an operand names lies, if there is one.
fn registered_path(context: &Context, operand: &String) -> anyhow::Result<Option<String>> {
    let registry = context.cache.registry();
    let resolved = registry.resolve(slice::from_ref(operand), DigestPrefix::Whole)?;
    let Some(entry) = resolved.found().next() else {
        let mut unresolved = resolved.unresolved();
        unresolved.retain(|it| matches!(it, Unresolved::Ambiguous { .. }));
        return match failures(registry, &unresolved).pop() {
            Some(ambiguous) => Err(ambiguous.into()),
            None => Ok(None),
        };
    };
    let entry = entry.as_entry_ref();
    match entry.string(Field::CachePath) {
        Ok(Some(path)) if !path.is_empty() => Ok(Some(path.into_owned())),
        _ => own_path(context.cache.home(), &entry.reference()).map(Some),
    }
}

/// Where the content of a reference would lie.
fn own_path(home: &Home, reference: &str) -> anyhow::Result<String> {
    let reference = Reference::parse(reference).map_err(Error::from)?;
    Ok(home.cache_path(&reference).to_string_lossy().into_owned())
}
