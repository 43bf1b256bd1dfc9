//! `images`: lists artifacts.

use std::io::{IsTerminal, stderr};

use crate::cli::args::Images;
use crate::cli::context::{Context, UnreadableEntries, warn_of_named, warn_of_version};
use crate::cli::exit::Exit;
use crate::cli::format::ListFormat;
use crate::cli::listing::{self, List, Order};
use crate::cli::output::renderer::Renderer;
use crate::cli::output::{Out, messages};
use crate::escape::escape_display;
use crate::quote;
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
    let cache = &context.cache;
    let named = cache.read_named(&selection)?;
    let chooser = selection
        .resolve(named.as_ref(), &shown.now)
        .inspect_err(|_| warn_of_named(named.as_ref(), &selection))?;
    let contents = cache.contents();
    let order = Order {
        key: args.sort,
        reverse: args.reverse,
        limit: args.limit,
    };
    let pass = chooser.pass(
        cache.registry(),
        &contents,
        |(list, unreadable): &mut (List, UnreadableEntries), entry, is_chosen| {
            unreadable.note(entry);
            list.seen += 1;
            if is_chosen {
                list.push(&order, entry, |text| shown.append(text, entry, &contents));
            }
        },
    )?;
    let (lists, unreadable): (Vec<_>, Vec<_>) = pass.parts.into_iter().unzip();
    warn_of_version(pass.foreign_version.as_deref());
    UnreadableEntries::warn_of_all(unreadable);
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
    for NearMiss { pattern, wider, .. } in pass.near_misses {
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
