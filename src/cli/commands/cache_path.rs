//! `cache-path`: prints where content lies.

use std::path::Path;

use crate::cli::args::CachePath;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::output::Out;
use crate::document::Document;
use crate::escape::visible;
use crate::fields::Field;
use crate::lookup::{DigestStart, Found, find};
use crate::{Error, Reference};

use super::operands::ambiguous;

pub(super) fn run(context: &Context, args: &CachePath) -> anyhow::Result<Exit> {
    let home = context.cache.home();
    let path = match &args.reference {
        None => home.cache_root().to_string_lossy().into_owned(),
        Some(operand) => {
            let document = context.cache.registry().load()?;
            match (registered_path(&document, operand)?, args.check) {
                (Some(path), true) if Path::new(&path).is_dir() => return Ok(Exit::Success),
                (_, true) => return Ok(Exit::NotFound),
                (Some(path), false) if !path.is_empty() => path,
                (_, false) => {
                    let reference = Reference::parse(operand).map_err(Error::from)?;
                    home.cache_path(&reference).to_string_lossy().into_owned()
                }
            }
        }
    };
    let mut out = Out::new();
    out.line(&visible(&path))?;
    out.finish()?;
    Ok(Exit::Success)
}

/// The `cachePath` of the entry that an operand names, empty if it has none.
fn registered_path(document: &Document, operand: &str) -> anyhow::Result<Option<String>> {
    match find(document, operand, DigestStart::Whole) {
        Found::Nothing => Ok(None),
        Found::Ambiguous(references) => Err(ambiguous(operand, &references).into()),
        Found::Entries(indices) => {
            let entry = indices.first().and_then(|&index| document.entry(index));
            let path = entry.and_then(|entry| entry.string(Field::CachePath).ok().flatten());
            Ok(Some(path.unwrap_or_default().into_owned()))
        }
    }
}
