//! `push`: sends artifacts to OCI registries.

use std::collections::HashMap;

use super::{operands, transfers};
use crate::cli::args::{Push, ReportFormat};
use crate::cli::context::{Context, warn_of_version};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::messages;
use crate::cli::output::transfer::{Report, Transfer};
use crate::cli::remotes;
use crate::document::StoredEntry;
use crate::escape::escape_display;
use crate::reference::ReferenceParts;
use crate::registry::resolve::DigestPrefix;
use crate::remote::{self, Pushed, RemoteName};
use crate::{ArtifactEntry, Error};

pub(super) fn run(context: &Context, args: &Push) -> anyhow::Result<Exit> {
    let (entries, mut report) = chosen(context, args)?;
    if args.rename.is_some() && args.all_tags.is_none() && entries.len() > 1 {
        return Err(Failure::usage("`--as` names one artifact, and several are pushed").into());
    }
    let mut named = Vec::new();
    for (entry, to) in destinations(entries, args) {
        match to {
            Ok(to) => named.push((entry, to)),
            Err(error) => report.failed(&reference_of(&entry), None, error),
        }
    }
    let client = remotes::client(&args.connection)?;
    context.defer_signals()?;
    let push = || remote::Push::new(&context.cache, &client).dry_run(args.dry_run);
    let pushed = match args.all_tags {
        // One after the other, so that what is the same is sent once.
        Some(_) => {
            let mut push = push();
            let pushed = named.iter().map(|(entry, to)| push.artifact(entry, to));
            pushed.collect()
        }
        None => transfers::each(args.connection.jobs, &named, |(entry, to)| {
            push().artifact(entry, to)
        }),
    };
    for ((entry, to), pushed) in named.iter().zip(pushed) {
        let reference = reference_of(entry);
        match pushed {
            Ok(pushed) => {
                if let Some(error) = &pushed.not_remembered {
                    messages::not_remembered(&reference, error);
                }
                report.add(transfer_of(&reference, pushed, args.dry_run));
            }
            Err(error) => report.failed(&reference, Some(to), error.into()),
        }
    }
    report.print(args.format == ReportFormat::Json, args.quiet)
}

fn reference_of(entry: &ArtifactEntry) -> String {
    entry.reference.clone().unwrap_or_default()
}

/// Returns the artifacts that are to be pushed, and a report of the operands that name none.
fn chosen(context: &Context, args: &Push) -> anyhow::Result<(Vec<ArtifactEntry>, Report)> {
    let registry = context.cache.registry();
    let mut report = Report::default();
    if let Some(repository) = &args.all_tags {
        let is_of_it = |entry: &ArtifactEntry| {
            let reference = entry.reference.as_deref().unwrap_or_default();
            let parts = ReferenceParts::of(reference);
            parts.repository == repository && parts.digest.is_none()
        };
        let mut entries = registry.list()?;
        entries.retain(is_of_it);
        if entries.is_empty() {
            let name = escape_display(repository);
            return Err(Failure {
                exit: Exit::NotFound,
                message: format!("no artifact of the repository `{name}` found"),
                hint: None,
            }
            .into());
        }
        return Ok((entries, report));
    }
    let resolved = registry.resolve(&args.references, DigestPrefix::Short)?;
    warn_of_version(resolved.foreign_version());
    let unresolved = resolved.unresolved();
    for (unresolved, failure) in unresolved
        .iter()
        .zip(operands::failures(registry, &unresolved))
    {
        report.failed(unresolved.operand(), None, failure.into());
    }
    let mut entries: Vec<ArtifactEntry> = Vec::new();
    for entry in resolved.found().map(StoredEntry::to_entry) {
        // One that is given twice is pushed once.
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    Ok((entries, report))
}

/// Returns the artifacts with the names that they get in their registries, or why they get
/// none.
fn destinations(
    entries: Vec<ArtifactEntry>,
    args: &Push,
) -> Vec<(ArtifactEntry, anyhow::Result<RemoteName>)> {
    let named = entries.into_iter().map(|entry| {
        let to = destination(&entry, args);
        (entry, to)
    });
    let named: Vec<_> = named.collect();
    let mut counts: HashMap<RemoteName, usize> = HashMap::new();
    for to in named.iter().filter_map(|(_, to)| to.as_ref().ok()) {
        *counts.entry(to.clone()).or_default() += 1;
    }
    let sole = |to: Result<RemoteName, Error>| {
        let to = to?;
        match counts.get(&to) {
            Some(1) => Ok(to),
            _ => Err(anyhow::Error::from(Failure {
                exit: Exit::Refused,
                message: format!(
                    "several artifacts would be pushed to `{}`",
                    escape_display(&to.to_string())
                ),
                hint: None,
            })),
        }
    };
    let named = named.into_iter();
    named.map(|(entry, to)| (entry, sole(to))).collect()
}

/// Returns the name that an artifact gets in its registry.
fn destination(entry: &ArtifactEntry, args: &Push) -> Result<RemoteName, Error> {
    let own = entry.reference.as_deref().unwrap_or_default();
    match (&args.rename, &args.all_tags) {
        (None, _) => RemoteName::parse_with_registry(own),
        (Some(rename), None) => RemoteName::parse_with_registry(rename),
        (Some(rename), Some(_)) => {
            let tag = ReferenceParts::of(own).tag_or_latest();
            RemoteName::parse_with_registry(&format!("{rename}:{tag}"))
        }
    }
}

fn transfer_of(reference: &str, pushed: Pushed, dry_run: bool) -> Transfer {
    Transfer {
        result: match (pushed.is_unchanged, dry_run) {
            (true, _) => "unchanged",
            (false, true) => "would push",
            (false, false) => "pushed",
        },
        content_digest: Some(pushed.content_digest.to_string()),
        manifest_digest: Some(pushed.manifest_digest.to_string()),
        artifact_type: Some(pushed.artifact_type.as_str().to_owned()),
        size: Some(pushed.size),
        compressed_size: Some(pushed.compressed_size),
        remote: Some(pushed.remote.to_string()),
        sent: Some(pushed.sent),
        named: Some(pushed.remote.by_digest(&pushed.manifest_digest)),
        ..Transfer::new(reference)
    }
}
