//! `diff`: shows what changed in an artifact's directory, or between two artifacts.

use serde::Serialize;

use super::operands;
use crate::cli::args::{Diff, ReportFormat};
use crate::cli::context::{Context, warn_of_version};
use crate::cli::exit::Exit;
use crate::cli::output::{Out, json, messages};
use crate::diff::{Change, Difference};
use crate::escape::escape_display;
use crate::registry::resolve::DigestPrefix;

pub(super) fn run(context: &Context, args: &Diff) -> anyhow::Result<Exit> {
    let (cache, registry) = (&context.cache, context.cache.registry());
    let named: Vec<&String> = [&args.reference].into_iter().chain(&args.other).collect();
    let resolved = registry.resolve(&named, DigestPrefix::Short)?;
    warn_of_version(resolved.foreign_version());
    let exit = operands::report(registry, &resolved.unresolved());
    if exit != Exit::Success {
        return Ok(exit);
    }
    let entries: Vec<_> = resolved.found().map(|it| it.to_entry()).collect();
    let differences = match &entries[..] {
        [before, after] => cache.diff_between(before, after)?,
        [entry, ..] => {
            let diff = cache.diff(entry)?;
            if !diff.has_manifest {
                messages::note(format_args!(
                    "what was registered as `{}` is not known here, so its content is not compared",
                    escape_display(&args.reference)
                ));
            }
            diff.differences
        }
        [] => return Ok(Exit::NotFound),
    };
    let mut out = Out::new();
    match args.format {
        ReportFormat::Text => out.each(&differences, |text, difference| {
            let path = difference.path.to_string_lossy();
            text.push_str(letter(difference.change));
            text.push(' ');
            text.push_str(&escape_display(&path));
            text.push('\n');
        })?,
        ReportFormat::Json => {
            let items: Vec<Item> = differences.iter().map(Item::from).collect();
            out.write(&json::object(&items)?)?;
        }
    }
    out.finish()?;
    Ok(Exit::Success)
}

/// Returns the letter that stands for a change, as in `docker diff`.
fn letter(change: Change) -> &'static str {
    match change {
        Change::Added => "A",
        Change::Removed => "D",
        Change::Changed => "M",
    }
}

/// A path that differs; its shape is part of the stable interface.
#[derive(Serialize)]
struct Item {
    path: String,
    change: &'static str,
    kind: &'static str,
    bytes: u64,
}

impl From<&Difference> for Item {
    fn from(difference: &Difference) -> Self {
        Item {
            path: difference.path.to_string_lossy().into_owned(),
            change: difference.change.as_str(),
            kind: difference.kind.as_str(),
            bytes: difference.bytes,
        }
    }
}
