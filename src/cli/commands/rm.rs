//! `rm`: removes artifacts and their content.

use std::collections::HashSet;

use super::operands::{from_stdin, resolve};
use crate::cli::args::Rm;
use crate::cli::ask;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::output::{messages, removal};
use crate::content::{RemovalPlan, Removed, Selection};
use crate::document::{Document, Edit, EntryView};
use crate::escape::visible;
use crate::fields::Field;
use crate::lookup::DigestStart;

pub(super) fn run(context: &Context, args: &Rm) -> anyhow::Result<Exit> {
    if args.all {
        remove_all(context, args)
    } else {
        let operands = from_stdin(&args.references)?;
        remove_named(context, args, &operands)
    }
}

fn remove_named(context: &Context, args: &Rm, operands: &[String]) -> anyhow::Result<Exit> {
    if operands.is_empty() {
        return removal::report(&[], args.dry_run, args.format);
    }
    let mut failures = Vec::new();
    let removed = remove(context, args, &mut |document| {
        let mut edit = Edit::default();
        failures.clear();
        for operand in operands {
            match resolve(document, operand, DigestStart::ToChange) {
                Ok(indices) => indices.into_iter().for_each(|index| edit.remove(index)),
                Err(failure) if failure.exit == Exit::NotFound && args.force => {}
                Err(failure) => failures.push(failure),
            }
        }
        Ok(edit)
    })?;
    let mut exit = removal::report(&removed, args.dry_run, args.format)?;
    for failure in failures {
        exit = exit.worst(failure.exit);
        messages::error(&failure.into());
    }
    Ok(exit)
}

fn remove_all(context: &Context, args: &Rm) -> anyhow::Result<Exit> {
    let mut agreed = None;
    if !args.yes && !args.dry_run {
        ask::require_terminal("--all")?;
        let plan = plan_all(context, args)?;
        if plan.is_empty() {
            messages::plain(format_args!("There is nothing to remove."));
        } else if !ask::confirm(format_args!("Remove these artifacts?"))? {
            messages::plain(format_args!("Nothing was removed."));
            return Ok(Exit::Failure);
        }
        agreed = Some(plan);
    }

    let mut kept = Vec::new();
    let removed = remove(context, args, &mut |document| {
        kept.clear();
        let mut edit = Edit::default();
        for (index, entry) in wanted(document, args) {
            // What came or changed since the plan was shown was not agreed to.
            if agreed
                .as_ref()
                .is_none_or(|agreed| agreed.contains(entry.text()))
            {
                edit.remove(index);
            } else {
                kept.push(entry.reference().into_owned());
            }
        }
        let count = document.entries().len();
        let clears = args.artifact_type.is_none() && count > 0 && kept.is_empty();
        Ok(if clears { Edit::clear() } else { edit })
    })?;
    for reference in kept {
        messages::warning(format_args!(
            "kept `{}`, which was registered meanwhile",
            visible(&reference)
        ));
    }
    removal::report(&removed, args.dry_run, args.format)
}

fn wanted<'d>(document: &'d Document, args: &Rm) -> impl Iterator<Item = (usize, EntryView<'d>)> {
    let entries = document.entries().enumerate();
    entries.filter(|(_, entry)| match &args.artifact_type {
        None => true,
        Some(wanted) => entry
            .string(Field::Type)
            .is_ok_and(|found| found.as_deref() == Some(wanted.as_str())),
    })
}

/// Shows what would go. Returns the entries as they stand.
fn plan_all(context: &Context, args: &Rm) -> anyhow::Result<HashSet<String>> {
    let mut plan = HashSet::new();
    let doomed = context.cache.would_remove(RemovalPlan {
        select: &mut |document| {
            let mut edit = Edit::default();
            for (index, entry) in wanted(document, args) {
                edit.remove(index);
                plan.insert(entry.text().to_owned());
            }
            Ok(edit)
        },
        keep_content: args.keep_cache,
    })?;
    if !doomed.is_empty() {
        removal::plan(&doomed);
    }
    Ok(plan)
}

fn remove(
    context: &Context,
    args: &Rm,
    select: &mut Selection<'_>,
) -> anyhow::Result<Vec<Removed>> {
    let plan = RemovalPlan {
        select,
        keep_content: args.keep_cache,
    };
    if args.dry_run {
        return Ok(context.cache.would_remove(plan)?);
    }
    context.defer_signals()?;
    Ok(context.cache.remove_selected(plan)?)
}
