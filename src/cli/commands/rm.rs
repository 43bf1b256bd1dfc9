//! `rm`: removes artifacts and their content.

use std::collections::HashSet;

use super::operands::{Names, Unresolved, from_stdin, resolve};
use crate::cli::args::Rm;
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{messages, removal};
use crate::cli::prompt;
use crate::cli::select::Selection;
use crate::content::{self, RemovalPlan, Removed};
use crate::document::{Document, Edit, OpenDocument};
use crate::escape::escape_display;
use crate::lookup::{DigestPrefix, Named, Resolver};
use crate::timestamp;

pub(super) fn run(context: &Context, args: &Rm) -> anyhow::Result<Exit> {
    if args.references.is_empty() {
        remove_chosen(context, args)
    } else {
        let operands = from_stdin(&args.references)?;
        remove_named(context, args, &operands)
    }
}

fn remove_named(context: &Context, args: &Rm, operands: &[String]) -> anyhow::Result<Exit> {
    if operands.is_empty() {
        return removal::report(&[], args.dry_run, args.format);
    }
    let mut unresolved = Vec::new();
    let removed = remove(context, args, &mut |document| {
        let mut edit = Edit::default();
        let named = Named::in_document(document, operands, DigestPrefix::ToChange)?;
        let finder = Resolver::new(named.document());
        unresolved.clear();
        for operand in operands {
            match resolve(&finder, operand, DigestPrefix::ToChange) {
                Ok(found) => found
                    .into_iter()
                    .for_each(|index| edit.remove(named.place(index))),
                Err(Unresolved::Missing(_)) if args.force => {}
                Err(reason) => unresolved.push(reason),
            }
        }
        Ok(edit)
    })?;
    let mut exit = removal::report(&removed, args.dry_run, args.format)?;
    let names = Names::of(context.cache.registry());
    for reason in unresolved {
        let failure = reason.into_failure(&names);
        exit = exit.worst(failure.exit);
        messages::error(&failure.into());
    }
    Ok(exit)
}

fn remove_chosen(context: &Context, args: &Rm) -> anyhow::Result<Exit> {
    let contents = context.cache.contents();
    let now = timestamp::now();
    let selection = Selection {
        filters: &args.filters,
        artifact_type: args.artifact_type.as_ref(),
        ..Selection::default()
    };
    let choose = |document: &Document| selection.choose(document, &contents, &now);

    let mut agreed = None;
    if !args.yes && !args.dry_run {
        prompt::require_terminal(if args.all { "--all" } else { "--filter" })?;
        let plan = plan(context, args, choose)?;
        if plan.is_empty() {
            messages::note(format_args!("there is nothing to remove"));
        } else if !prompt::confirm(format_args!("Remove these artifacts?"))? {
            messages::note(format_args!("nothing was removed"));
            return Ok(Exit::Failure);
        }
        agreed = Some(plan);
    }

    let mut failure = None;
    let mut kept = Vec::new();
    let removed = remove(context, args, &mut |document| {
        (failure, kept) = (None, Vec::new());
        let document = document.whole()?;
        let mut edit = Edit::default();
        let chosen = choose(document).unwrap_or_else(|error| {
            failure = Some(error);
            Vec::new()
        });
        for index in chosen {
            // What came or changed since the plan was shown was not agreed to.
            match (document.entry(index), &agreed) {
                (Some(entry), Some(agreed)) if !agreed.contains(entry.text()) => {
                    kept.push(entry.reference().into_owned());
                }
                _ => edit.remove(index),
            }
        }
        let count = document.entries().len();
        let everything = args.filters.is_empty() && args.artifact_type.is_none();
        let clears = everything && count > 0 && kept.is_empty();
        Ok(if clears { Edit::clear() } else { edit })
    })?;
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    for reference in kept {
        messages::warning(format_args!(
            "kept `{}`, because it was registered in the meantime",
            escape_display(&reference)
        ));
    }
    removal::report(&removed, args.dry_run, args.format)
}

/// Shows what would go. Returns the entries as they stand.
fn plan(
    context: &Context,
    args: &Rm,
    choose: impl Fn(&Document) -> Result<Vec<usize>, Failure>,
) -> anyhow::Result<HashSet<String>> {
    let document = OpenDocument::from(context.load()?);
    let chosen = choose(document.whole()?)?;
    let mut edit = Edit::default();
    chosen.iter().for_each(|&index| edit.remove(index));
    let removed = context
        .cache
        .would_remove(&document, &edit, args.keep_cache)?;
    if !removed.is_empty() {
        let items: Vec<_> = removal::entries(&removed, |_| removal::REQUESTED).collect();
        removal::plan(&items);
    }
    let document = document.whole()?;
    let entries = chosen.iter().filter_map(|&index| document.entry(index));
    Ok(entries.map(|entry| entry.text().to_owned()).collect())
}

fn remove(
    context: &Context,
    args: &Rm,
    select: &mut content::Selection<'_>,
) -> anyhow::Result<Vec<Removed>> {
    if args.dry_run {
        let document = OpenDocument::from(context.load()?);
        let edit = select(&document)?;
        return Ok(context
            .cache
            .would_remove(&document, &edit, args.keep_cache)?);
    }
    context.defer_signals()?;
    Ok(context.cache.remove_selected(RemovalPlan {
        select,
        keep_content: args.keep_cache,
    })?)
}
