//! `cache-path`: prints where content lies.

use std::path::Path;
use std::slice;

use super::operands::ambiguous;
use crate::cli::args::CachePath;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::output::Out;
use crate::document::StoredEntry;
use crate::error::AtPath;
use crate::escape::escape_display;
use crate::fields::Field;
use crate::registry::resolve::{DigestPrefix, Resolution};
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

/// Returns where the artifact that an operand names lies, if there is one.
fn registered_path(context: &Context, operand: &String) -> anyhow::Result<Option<String>> {
    let registry = context.cache.registry();
    let resolved = registry.resolve(slice::from_ref(operand), DigestPrefix::Whole)?;
    let entry = match resolved.resolutions() {
        [Resolution::Found(entries)] => entries.first(),
        [Resolution::Ambiguous(references)] => return Err(ambiguous(operand, references).into()),
        _ => None,
    };
    let Some(entry) = entry.map(StoredEntry::as_entry_ref) else {
        return Ok(None);
    };
    match entry.string(Field::CachePath) {
        Ok(Some(path)) if !path.is_empty() => Ok(Some(path.into_owned())),
        _ => own_path(context.cache.home(), &entry.reference()).map(Some),
    }
}

/// Returns where the content of a reference would lie.
fn own_path(home: &Home, reference: &str) -> anyhow::Result<String> {
    let reference = Reference::parse(reference).map_err(Error::from)?;
    Ok(home.cache_path(&reference).to_string_lossy().into_owned())
}
