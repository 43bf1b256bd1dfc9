//! `images`: lists artifacts.

use std::io::{IsTerminal, stderr};

use crate::cli::args::Images;
use crate::cli::context::{Context, warn_of_named};
use crate::cli::exit::Exit;
use crate::cli::format::ListFormat;
use crate::cli::listing::{self, List, Order};
use crate::cli::output::renderer::Renderer;
use crate::cli::output::{Out, messages};
use crate::escape::escape_display;
use crate::quote;
use crate::select::near_miss::NearMisses;
use crate::select::{NearMiss, Selection};

pub(super) fn run(context: &Context, args: &Images) -> anyhow::Result<Exit> {
    let shown = Renderer::new(args)?;
    let selection = Selection {
        patterns: args.patterns.clone(),
        filters: args.filters.clone(),
        artifact_type: args.artifact_type.clone(),
    };
    if shown.wants_deployed() || selection.asks_for_deployed() {
        context.note_backend();
    }
    // Artifacts that filters name have to be found before others are compared with them.
    let document = match selection.operands().is_empty() {
        true => None,
        false => Some(context.load_quietly()?),
    };
    let chooser = selection
        .resolve(document.as_ref(), &shown.now)
        .inspect_err(|_| warn_of_named(document.as_ref(), &selection))?;
    let contents = context.cache.contents();
    let order = Order {
        key: args.sort,
        reverse: args.reverse,
        limit: args.limit,
    };
    let parts = context.visit(
        document.as_ref(),
        |(list, misses): &mut (List, NearMisses), entry| {
            list.seen += 1;
            if chooser.chooses(entry, &contents) {
                list.push(&order, entry, |text| shown.append(text, entry, &contents));
            }
            if !args.patterns.is_empty() {
                misses.note(&chooser, entry, &contents);
            }
        },
    )?;
    let (lists, misses): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    if let Some(error) = contents.take_failure() {
        return Err(error.into());
    }
    let lines = listing::sorted(&lists, &order)?;
    let mut out = Out::new();
    shown.print(&mut out, &lines)?;
    out.finish()?;
    let is_empty = lists.iter().all(|list| list.seen == 0);
    if args.format == ListFormat::Table && !args.quiet && is_empty {
        explain_empty();
    }
    for NearMiss { pattern, wider, .. } in NearMisses::of_all(&misses, &args.patterns) {
        if let Some(wider) = quote::operand(&wider) {
            messages::hint(format_args!(
                "no artifact matches `{}`, but {wider} matches some",
                escape_display(&pattern)
            ));
        }
    }
    Ok(Exit::Success)
}

/// Tells a person where artifacts come from.
fn explain_empty() {
    if stderr().is_terminal() {
        messages::plain(format_args!(
            "No artifacts yet.\n\n\
             Build a component:   cldctl build component -t <repo:tag> <path>\n\
             Build a datacenter:  cldctl build datacenter -t <repo:tag> <path>\n\
             Pull a component:    cldctl pull component <repo:tag>\n\
             Pull a datacenter:   cldctl pull datacenter <repo:tag>\n\
             Add a directory:     cldctl-registry add <repo:tag> <path>"
        ));
    }
}
