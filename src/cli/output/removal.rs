//! The report of a removal: what was removed, on standard output, and what was kept,
//! on standard error.

use std::collections::HashSet;

use serde::Serialize;

use super::{json, messages, table, units};
use crate::cli::args::ReportFormat;
use crate::cli::exit::{Exit, Failure};
use crate::cli::hints;
use crate::content::{ContentOutcome, Removed};
use crate::escape::escape_display;
use crate::quote;
use crate::{Unreferenced, UnreferencedKind};

/// The reason for what the user named or selected.
pub(in crate::cli) const REQUESTED: &str = "requested";

/// Something that was removed, or would be.
#[derive(Serialize)]
pub(in crate::cli) struct Item {
    kind: &'static str,
    /// `None` unless it was an entry.
    reference: Option<String>,
    /// The directory that was deleted, if one was.
    path: Option<String>,
    bytes: u64,
    reason: &'static str,
}

impl Item {
    fn name(&self) -> &str {
        let name = self.reference.as_deref().or(self.path.as_deref());
        name.unwrap_or_default()
    }
}

/// Returns the items for entries, each with the reason for its removal.
pub(in crate::cli) fn entries(
    removed: &[Removed],
    reason: impl Fn(&str) -> &'static str,
) -> impl Iterator<Item = Item> {
    let gone = |removed: &&Removed| !matches!(removed.content, ContentOutcome::Refused { .. });
    removed.iter().filter(gone).map(move |removed| {
        let (path, bytes) = match &removed.content {
            ContentOutcome::Deleted { path, bytes } => {
                (Some(path.to_string_lossy().into_owned()), *bytes)
            }
            _ => (None, 0),
        };
        Item {
            kind: "entry",
            reference: Some(removed.reference.clone()),
            path,
            bytes,
            reason: reason(&removed.reference),
        }
    })
}

/// Returns the items for unreferenced data.
pub(in crate::cli) fn unreferenced(unreferenced: &[Unreferenced]) -> impl Iterator<Item = Item> {
    unreferenced.iter().map(|item| {
        let kind = match item.kind {
            UnreferencedKind::Orphan => "orphan",
            UnreferencedKind::Leftover => "leftover",
        };
        Item {
            kind,
            reference: None,
            path: Some(item.path.to_string_lossy().into_owned()),
            bytes: item.bytes,
            reason: kind,
        }
    })
}

/// Reports the removal of entries that the user asked for, or the plan with `dry_run`.
pub(in crate::cli) fn report(
    removed: &[Removed],
    dry_run: bool,
    format: ReportFormat,
) -> anyhow::Result<Exit> {
    let exit = explain_all(removed);
    let items: Vec<Item> = entries(removed, |_| REQUESTED).collect();
    print(removed, &items, dry_run, format)?;
    Ok(exit)
}

/// Prints what was removed.
pub(in crate::cli) fn print(
    removed: &[Removed],
    items: &[Item],
    dry_run: bool,
    format: ReportFormat,
) -> anyhow::Result<()> {
    let verb = if dry_run { "would remove" } else { "removed" };
    super::report(&match format {
        ReportFormat::Text => {
            let mut seen = HashSet::new();
            items
                .iter()
                .filter(|item| seen.insert(item.name()))
                .map(|item| format!("{verb} {}\n", escape_display(item.name())))
                .collect()
        }
        ReportFormat::Json => json::object(&RemovalReport {
            dry_run,
            kept: removed.iter().filter_map(Kept::of).collect(),
            reclaimed_bytes: freed(items),
            removed: items,
        })?,
    });
    Ok(())
}

/// Shows what is about to be removed.
pub(in crate::cli) fn plan(items: &[Item]) {
    let rows: Vec<_> = items
        .iter()
        .map(|item| {
            let name = escape_display(item.name());
            let size = units::size(i64::try_from(item.bytes).unwrap_or(i64::MAX));
            // Omit the reason if the user named the artifact.
            let reason = item.reason.replace(REQUESTED, "");
            format!("  {name}\t{size}\t{reason}")
        })
        .collect();
    messages::plain(format_args!("{}", table::render(None, &rows).trim_end()));
    messages::plain(format_args!("{}", total(items)));
}

/// Returns the number of items and the space that they free.
pub(in crate::cli) fn total(items: &[Item]) -> String {
    let bytes = i64::try_from(freed(items)).unwrap_or(i64::MAX);
    let s = if items.len() == 1 { "" } else { "s" };
    format!("{} item{s}, {} to free", items.len(), units::size(bytes))
}

/// Explains for each artifact why its content was kept, if it was.
pub(in crate::cli) fn explain_all(removed: &[Removed]) -> Exit {
    let exits = removed.iter().map(explain);
    exits.fold(Exit::Success, Exit::worst)
}

/// Explains why content was kept, if it was.
fn explain(removed: &Removed) -> Exit {
    let reference = escape_display(&removed.reference);
    match &removed.content {
        ContentOutcome::Deleted { .. } | ContentOutcome::Absent | ContentOutcome::Kept => {}
        ContentOutcome::Shared { path, with } => messages::warning(format_args!(
            "kept `{}`: the content of `{reference}` is also that of `{}`",
            escape_display(&path.to_string_lossy()),
            escape_display(with)
        )),
        ContentOutcome::Foreign { path } => messages::warning(format_args!(
            "kept `{}`: it is not the cache directory of `{reference}`",
            escape_display(&path.to_string_lossy())
        )),
        ContentOutcome::Refused { error, .. } => {
            let failure = Failure {
                message: format!("kept `{reference}`: {error}"),
                hint: quote::operand(&removed.reference)
                    .and_then(|operand| hints::command(&format!("rm --keep-cache {operand}")))
                    .map(|command| format!("{command} removes only the entry")),
                ..Failure::of(error)
            };
            messages::error(&failure.into());
            return Exit::Failure;
        }
        ContentOutcome::Failed { error, .. } => {
            messages::warning(format_args!(
                "removed `{reference}`, but not all of its content: {error}"
            ));
            return Exit::Failure;
        }
    }
    Exit::Success
}

/// Returns the number of bytes that a removal frees.
fn freed(items: &[Item]) -> u64 {
    items
        .iter()
        .fold(0, |sum: u64, item| sum.saturating_add(item.bytes))
}

/// An artifact that was to be removed and is kept.
#[derive(Serialize)]
struct Kept<'r> {
    reference: &'r str,
    reason: String,
}

impl<'r> Kept<'r> {
    fn of(removed: &'r Removed) -> Option<Self> {
        match &removed.content {
            ContentOutcome::Refused { error, .. } => Some(Kept {
                reference: &removed.reference,
                reason: error.to_string(),
            }),
            _ => None,
        }
    }
}

/// The report of a removal; its shape is part of the stable interface.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RemovalReport<'r> {
    dry_run: bool,
    kept: Vec<Kept<'r>>,
    removed: &'r [Item],
    reclaimed_bytes: u64,
}
