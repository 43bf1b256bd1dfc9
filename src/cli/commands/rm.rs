//! `rm`: removes artifacts and their content.

use std::collections::HashSet;
use std::io::{self, BufRead, IsTerminal};

use serde::Serialize;

use super::operands::resolve;
use crate::cli::args::{ReportFormat, Rm};
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{self, json, messages, units};
use crate::content::{Fate, RemovalPlan, Removed};
use crate::document::{Document, Edit, EntryView};
use crate::entry::Field;
use crate::escape::visible;
use crate::lookup::DigestStart;

pub(super) fn run(context: &Context, args: &Rm) -> anyhow::Result<Exit> {
    if args.all {
        remove_all(context, args)
    } else {
        remove_named(context, args, &operands(args)?)
    }
}

/// The operands, from the command line or from standard input.
fn operands(args: &Rm) -> anyhow::Result<Vec<String>> {
    if !args.references.iter().any(|operand| operand == "-") {
        return Ok(args.references.clone());
    }
    if args.references.len() > 1 {
        return Err(usage(
            "`-` reads all references from standard input, so it stands alone",
            None,
        ));
    }
    let mut operands = Vec::new();
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| {
            let cause = crate::error::cause(&error);
            usage(
                &format!("could not read references from standard input: {cause}"),
                None,
            )
        })?;
        if !line.trim().is_empty() {
            operands.push(line.trim().to_owned());
        }
    }
    Ok(operands)
}

fn remove_named(context: &Context, args: &Rm, operands: &[String]) -> anyhow::Result<Exit> {
    let mut failures = Vec::new();
    let mut select = |document: &Document| {
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
    };
    let removed = if operands.is_empty() {
        Vec::new()
    } else {
        remove(
            context,
            args,
            RemovalPlan {
                select: &mut select,
                keep_content: args.keep_cache,
            },
        )?
    };
    let mut exit = report(args, removed)?;
    for failure in failures {
        exit = exit.worst(failure.exit);
        messages::error(&failure.into());
    }
    Ok(exit)
}

fn remove_all(context: &Context, args: &Rm) -> anyhow::Result<Exit> {
    let asks = !args.yes && !args.dry_run;
    if asks && !io::stdin().is_terminal() {
        return Err(usage(
            "`--all` asks before it removes, and standard input is no terminal",
            Some("`-y` answers yes"),
        ));
    }
    let planned: Vec<String> = context
        .load()?
        .entries()
        .filter(|entry| is_wanted(entry, args))
        .map(|entry| entry.text().to_owned())
        .collect();
    if asks && !planned.is_empty() && !confirm(context, args)? {
        messages::plain(format_args!("Nothing was removed."));
        return Ok(Exit::Failure);
    }

    // What came or changed since the plan was shown was not agreed to.
    let planned: HashSet<String> = planned.into_iter().collect();
    let mut changed = Vec::new();
    let mut select = |document: &Document| {
        changed.clear();
        let mut edit = Edit::default();
        for (index, entry) in document.entries().enumerate() {
            if planned.contains(entry.text()) {
                edit.remove(index);
            } else if is_wanted(&entry, args) {
                changed.push(entry.reference().into_owned());
            }
        }
        let everything = (0..document.entries().len()).all(|index| edit.is_removed(index));
        Ok(if everything { Edit::clear() } else { edit })
    };
    let removed = remove(
        context,
        args,
        RemovalPlan {
            select: &mut select,
            keep_content: args.keep_cache,
        },
    )?;
    for reference in changed {
        messages::warning(format_args!(
            "kept `{}`, which was registered meanwhile",
            visible(&reference)
        ));
    }
    report(args, removed)
}

fn is_wanted(entry: &EntryView<'_>, args: &Rm) -> bool {
    args.artifact_type.as_ref().is_none_or(|wanted| {
        let artifact_type = entry.string(Field::Type).ok().flatten();
        artifact_type.as_deref() == Some(wanted.as_str())
    })
}

/// Shows what would go and asks whether it shall.
fn confirm(context: &Context, args: &Rm) -> anyhow::Result<bool> {
    let mut select = |document: &Document| {
        let mut edit = Edit::default();
        let entries = document.entries().enumerate();
        entries
            .filter(|(_, entry)| is_wanted(entry, args))
            .for_each(|(index, _)| edit.remove(index));
        Ok(edit)
    };
    let plan = RemovalPlan {
        select: &mut select,
        keep_content: args.keep_cache,
    };
    let doomed = context.cache.would_remove(plan)?;
    for removed in &doomed {
        messages::plain(format_args!("  {}", visible(&removed.reference)));
    }
    let count = doomed.len();
    let s = if count == 1 { "" } else { "s" };
    let bytes = units::size(i64::try_from(freed(&doomed)).unwrap_or(i64::MAX));
    messages::question(format_args!(
        "Remove {count} artifact{s} and free {bytes}? [y/N]"
    ));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes" | "YES"))
}

fn remove(context: &Context, args: &Rm, plan: RemovalPlan<'_>) -> anyhow::Result<Vec<Removed>> {
    if args.dry_run {
        return Ok(context.cache.would_remove(plan)?);
    }
    context.defer_signals()?;
    Ok(context.cache.remove_selected(plan)?)
}

/// Says what was removed, on standard output, and what was not, on standard
/// error.
fn report(args: &Rm, removed: Vec<Removed>) -> anyhow::Result<Exit> {
    let mut exit = Exit::Success;
    for removed in &removed {
        exit = exit.worst(explain(removed));
    }
    let verb = if args.dry_run {
        "would remove"
    } else {
        "removed"
    };
    output::report(&match args.format {
        ReportFormat::Text => {
            let mut seen = HashSet::new();
            removed
                .iter()
                .filter(|removed| seen.insert(&removed.reference))
                .map(|removed| format!("{verb} {}\n", visible(&removed.reference)))
                .collect()
        }
        ReportFormat::Json => json::object(&Report {
            dry_run: args.dry_run,
            reclaimed_bytes: freed(&removed),
            removed: removed.iter().map(Line::from).collect(),
        })?,
    });
    Ok(exit)
}

/// Why content stayed, where it did.
fn explain(removed: &Removed) -> Exit {
    let reference = visible(&removed.reference);
    match &removed.content {
        Fate::Deleted { .. } | Fate::Absent | Fate::Kept => {}
        Fate::Shared { path, with } => messages::warning(format_args!(
            "kept `{}`: the content of `{reference}` is also that of `{}`",
            visible(&path.to_string_lossy()),
            visible(with)
        )),
        Fate::Foreign { path } => messages::warning(format_args!(
            "kept `{}`: it is not the directory of `{reference}` in this cache",
            visible(&path.to_string_lossy())
        )),
        Fate::Failed { error, .. } => {
            messages::warning(format_args!(
                "removed `{reference}`, but not all of its content: {error}"
            ));
            return Exit::Failure;
        }
    }
    Exit::Success
}

fn freed(removed: &[Removed]) -> u64 {
    removed
        .iter()
        .map(|removed| match removed.content {
            Fate::Deleted { bytes, .. } => bytes,
            _ => 0,
        })
        .sum()
}

fn usage(message: &str, hint: Option<&str>) -> anyhow::Error {
    Failure {
        exit: Exit::Usage,
        message: message.to_owned(),
        hint: hint.map(str::to_owned),
    }
    .into()
}

/// The report of a removal; its shape is part of the stable interface.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'r> {
    dry_run: bool,
    removed: Vec<Line<'r>>,
    reclaimed_bytes: u64,
}

#[derive(Serialize)]
struct Line<'r> {
    kind: &'static str,
    reference: &'r str,
    path: Option<String>,
    bytes: u64,
    reason: &'static str,
}

impl<'r> From<&'r Removed> for Line<'r> {
    fn from(removed: &'r Removed) -> Self {
        let (path, bytes) = match &removed.content {
            Fate::Deleted { path, bytes } => (Some(path.to_string_lossy().into_owned()), *bytes),
            _ => (None, 0),
        };
        Line {
            kind: "entry",
            reference: &removed.reference,
            path,
            bytes,
            reason: "requested",
        }
    }
}
