//! `rm`: removes artifacts and their content.

use super::operands;
use crate::cli::args::Rm;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::output::removal::Asked;
use crate::cli::output::{messages, removal};
use crate::cli::prompt;
use crate::escape::escape_display;
use crate::registry::resolve::Unresolved;
use crate::remove::RemoveOptions;
use crate::select::Selection;

pub(super) fn run(context: &Context, args: &Rm) -> anyhow::Result<Exit> {
    context.note_backend();
    if args.references.is_empty() {
        remove_chosen(context, args)
    } else {
        let operands = operands::from_stdin(&args.references)?;
        remove_named(context, args, &operands)
    }
}

fn remove_named(context: &Context, args: &Rm, operands: &[String]) -> anyhow::Result<Exit> {
    if operands.is_empty() {
        return removal::report(&[], Asked::ByName, args.dry_run, args.format);
    }
    let (cache, options) = (&context.cache, options(args));
    let mut removal = if args.dry_run {
        context.snapshot()?.plan_named_removal(operands, options)?
    } else {
        context.begin_change()?;
        cache.remove_named(operands, options)?
    };
    if args.force {
        let is_missing = |it: &Unresolved| matches!(it, Unresolved::Missing { .. });
        removal
            .unresolved
            .retain(|unresolved| !is_missing(unresolved));
    }
    let exit = removal::report(&removal.removed, Asked::ByName, args.dry_run, args.format)?;
    Ok(exit.worst(operands::report(cache.registry(), &removal.unresolved)))
}

fn options(args: &Rm) -> RemoveOptions {
    RemoveOptions {
        keep_content: args.keep_cache,
        deployed: args.deployed,
    }
}

fn remove_chosen(context: &Context, args: &Rm) -> anyhow::Result<Exit> {
    let selection = Selection {
        filters: args.filters.clone(),
        artifact_type: args.artifact_type.clone(),
        ..Selection::default()
    };
    let cache = &context.cache;
    let options = options(args);
    let plan = || -> anyhow::Result<_> {
        let snapshot = context.snapshot()?;
        Ok(snapshot.plan_removal(&selection, options)?)
    };
    if args.dry_run {
        return removal::report(&plan()?.removed, Asked::ByChoice, true, args.format);
    }
    let mut agreed = None;
    if !args.yes {
        prompt::require_terminal(if args.all { "--all" } else { "--filter" })?;
        let plan = plan()?;
        if plan.is_empty() {
            messages::note(format_args!("there is nothing to remove"));
        } else {
            let items: Vec<_> = removal::entries(&plan.removed, |_| removal::REQUESTED).collect();
            removal::plan(&items);
            if !prompt::confirm(format_args!("Remove these artifacts?"))? {
                messages::note(format_args!("nothing was removed"));
                return Ok(Exit::Failure);
            }
        }
        agreed = Some(plan);
    }
    context.begin_change()?;
    let removal = cache.remove_chosen(&selection, options, agreed.as_ref())?;
    for reference in removal.kept {
        messages::warning(format_args!(
            "kept `{}`, because it was registered in the meantime",
            escape_display(&reference)
        ));
    }
    removal::report(&removal.removed, Asked::ByChoice, args.dry_run, args.format)
}
