//! The report of a removal: what was removed, on standard output, and what was kept,
//! on standard error.

use std::collections::HashSet;

use serde::Serialize;

use super::{json, messages, table, units};
use crate::Error;
use crate::cli::args::ReportFormat;
use crate::cli::exit::{Exit, Failure};
use crate::cli::hints;
use crate::content::{ContentOutcome, Removed};
use crate::deployed::DeployedBy;
use crate::escape::escape_display;
use crate::prune::{KeptDeployed, Pruned, Unreferenced, UnreferencedKind};
use crate::quote;

/// The reason for what the user named or selected.
pub(in crate::cli) const REQUESTED: &str = "requested";

/// The way artifacts were chosen to be removed: what is deployed is refused if it is
/// named, and kept if it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Asked {
    ByName,
    ByChoice,
}

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
            UnreferencedKind::Generated => "generated",
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
    asked: Asked,
    dry_run: bool,
    format: ReportFormat,
) -> anyhow::Result<Exit> {
    let exit = explain_all(removed, asked);
    let items: Vec<Item> = entries(removed, |_| REQUESTED).collect();
    print(removed, &[], &items, dry_run, format)?;
    Ok(exit)
}

/// Prints what was removed.
pub(in crate::cli) fn print(
    removed: &[Removed],
    deployed: &[KeptDeployed],
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
            kept: (removed.iter().filter_map(Kept::of))
                .chain(deployed.iter().map(Kept::from))
                .collect(),
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
pub(in crate::cli) fn explain_all(removed: &[Removed], asked: Asked) -> Exit {
    let exits = removed.iter().map(|removed| explain(removed, asked));
    exits.fold(Exit::Success, Exit::worst)
}

/// Explains why content was kept, if it was.
fn explain(removed: &Removed, asked: Asked) -> Exit {
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
        ContentOutcome::Refused {
            error: Error::Deployed { by, .. },
            ..
        } if asked == Asked::ByChoice => kept_deployed(&removed.reference, by),
        ContentOutcome::Refused {
            error:
                error
                @ (Error::Deployed { .. } | Error::DeploymentUnknown { .. } | Error::AtWork { .. }),
            ..
        } => {
            let exit = Exit::of_library(error);
            let failure = Failure {
                exit,
                message: error.to_string(),
                hint: hints::of_library(error),
            };
            messages::error(&failure.into());
            return exit;
        }
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
        ContentOutcome::Failed {
            error: error @ Error::KeptAside { .. },
            ..
        } => {
            messages::warning(format_args!("removed `{reference}`, but {error}"));
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

/// Prints that an artifact is kept because it is deployed.
pub(in crate::cli) fn kept_deployed(reference: &str, by: &[DeployedBy]) {
    messages::note(format_args!(
        "kept `{}`, because it is deployed: {}",
        escape_display(reference),
        list(by)
    ));
}

/// Returns the reasons for which an artifact counts as deployed.
fn list(by: &[DeployedBy]) -> String {
    let by: Vec<String> = by.iter().map(ToString::to_string).collect();
    by.join(", ")
}

/// Prints what a prune left, because it changed or could not be removed.
pub(in crate::cli) fn report_kept(pruned: &Pruned) -> Exit {
    for (_, error) in &pruned.failed {
        messages::warning(format_args!("{error}"));
    }
    let changed = pruned
        .changed
        .iter()
        .map(|item| item.path.to_string_lossy());
    let entries = pruned.changed_entries.iter().map(|it| it.as_str().into());
    for name in changed.chain(entries) {
        messages::warning(format_args!(
            "kept `{}`, because it changed in the meantime",
            escape_display(&name)
        ));
    }
    if pruned.failed.is_empty() {
        Exit::Success
    } else {
        Exit::Failure
    }
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
                reason: match error {
                    Error::Deployed { by, .. } => format!("deployed: {}", list(by)),
                    error => error.to_string(),
                },
            }),
            _ => None,
        }
    }
}

impl<'r> From<&'r KeptDeployed> for Kept<'r> {
    fn from(kept: &'r KeptDeployed) -> Self {
        Kept {
            reference: &kept.reference,
            reason: format!("deployed: {}", list(&kept.by)),
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
