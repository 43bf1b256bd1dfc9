//! `save`: writes artifacts to an OCI image layout.

use std::io::{ErrorKind, IsTerminal, stdout};
use std::path::Path;

use super::operands;
use crate::archive::{SaveTarget, Saved};
use crate::cli::args::{ReportFormat, Save};
use crate::cli::context::{Context, warn_of_version};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::messages;
use crate::cli::output::transfer::{self, Transfer};
use crate::document::StoredEntry;
use crate::registry::resolve::DigestPrefix;
use crate::select::Selection;
use crate::{ArtifactEntry, Error};

pub(super) fn run(context: &Context, args: &Save) -> anyhow::Result<Exit> {
    let output = args
        .output
        .as_deref()
        .filter(|path| *path != Path::new("-"));
    if output.is_none() && stdout().is_terminal() {
        return Err(Failure {
            hint: Some("`-o FILE` writes to a file; otherwise redirect the output".to_owned()),
            ..Failure::usage("an archive is not written to a terminal")
        }
        .into());
    }
    let (entries, exit) = chosen(context, args)?;
    if exit != Exit::Success {
        return Ok(exit);
    }
    if entries.is_empty() {
        messages::note(format_args!(
            "no artifact is chosen, so the archive is empty"
        ));
    }
    // Of what goes to standard output, nothing has to be undone: a signal ends it at once,
    // even if the reader is stopped.
    let Some(path) = output else {
        let saved = (context.cache).save(&entries, SaveTarget::Writer(&mut stdout().lock()));
        return match saved {
            // The reader has left, which is no failure.
            Err(Error::Io { cause, .. }) if cause.kind() == ErrorKind::BrokenPipe => {
                Ok(Exit::Success)
            }
            saved => Ok(saved.map(|_| Exit::Success)?),
        };
    };
    context.defer_signals()?;
    let is_dir = path.is_dir() || path.to_string_lossy().ends_with('/');
    let target = match is_dir {
        true => SaveTarget::Dir(path.to_owned()),
        false => SaveTarget::File(path.to_owned()),
    };
    let saved = context.cache.save(&entries, target)?;
    let saved: Vec<Transfer> = saved.into_iter().map(transfer_of).collect();
    transfer::report(&saved, args.format == ReportFormat::Json)?;
    Ok(Exit::Success)
}

/// Returns the artifacts that are to be saved.
fn chosen(context: &Context, args: &Save) -> anyhow::Result<(Vec<ArtifactEntry>, Exit)> {
    if args.references.is_empty() {
        let mut selection = Selection::default();
        selection.filters.clone_from(&args.filters);
        selection.artifact_type.clone_from(&args.artifact_type);
        let selected = context.cache.select(&selection)?.entries;
        let entries = selected.iter().map(StoredEntry::to_entry).collect();
        return Ok((entries, Exit::Success));
    }
    let registry = context.cache.registry();
    let resolved = registry.resolve(&args.references, DigestPrefix::Short)?;
    warn_of_version(resolved.foreign_version());
    let exit = operands::report(registry, &resolved.unresolved());
    let entries = resolved.found().map(StoredEntry::to_entry).collect();
    Ok((entries, exit))
}

fn transfer_of(saved: Saved) -> Transfer {
    Transfer {
        result: "saved",
        error: None,
        content_digest: Some(saved.content_digest.to_string()),
        manifest_digest: Some(saved.manifest_digest.to_string()),
        artifact_type: Some(saved.artifact_type.as_str().to_owned()),
        size: Some(saved.size),
        compressed_size: Some(saved.compressed_size),
        ..Transfer::new(&saved.reference)
    }
}
