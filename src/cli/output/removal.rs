//! The report of a removal: what went, on standard output, and what stayed, on
//! standard error.

use std::collections::HashSet;

use serde::Serialize;

use super::{json, messages, units};
use crate::cli::args::ReportFormat;
use crate::cli::exit::Exit;
use crate::content::{Fate, Removed};
use crate::escape::visible;

/// Reports a removal, or with `dry_run` what it would come to.
pub(in crate::cli) fn report(
    removed: &[Removed],
    dry_run: bool,
    format: ReportFormat,
) -> anyhow::Result<Exit> {
    let mut exit = Exit::Success;
    for removed in removed {
        exit = exit.worst(explain(removed));
    }
    let verb = if dry_run { "would remove" } else { "removed" };
    super::report(&match format {
        ReportFormat::Text => {
            let mut seen = HashSet::new();
            removed
                .iter()
                .filter(|removed| seen.insert(&removed.reference))
                .map(|removed| format!("{verb} {}\n", visible(&removed.reference)))
                .collect()
        }
        ReportFormat::Json => json::object(&Report {
            dry_run,
            reclaimed_bytes: freed(removed),
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

/// Shows what is about to go.
pub(in crate::cli) fn plan(doomed: &[Removed]) {
    for removed in doomed {
        messages::plain(format_args!("  {}", visible(&removed.reference)));
    }
    let bytes = i64::try_from(freed(doomed)).unwrap_or(i64::MAX);
    let s = if doomed.len() == 1 { "" } else { "s" };
    messages::plain(format_args!(
        "{} artifact{s}, {} of content",
        doomed.len(),
        units::size(bytes)
    ));
}

/// How many bytes a removal frees.
fn freed(removed: &[Removed]) -> u64 {
    removed
        .iter()
        .map(|removed| match removed.content {
            Fate::Deleted { bytes, .. } => bytes,
            _ => 0,
        })
        .sum()
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
