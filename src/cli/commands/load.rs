//! `load`: registers artifacts from an OCI image layout.

use std::io::{IsTerminal, stdin};
use std::path::Path;

use crate::archive::{LoadOptions, LoadSource, Loaded};
use crate::cli::args::{Load, ReportFormat};
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::hints;
use crate::cli::input::InterruptibleInput;
use crate::cli::output::messages;
use crate::cli::output::transfer::{self, Transfer};
use crate::{Error, Reference, quote};

pub(super) fn run(context: &Context, args: &Load) -> anyhow::Result<Exit> {
    let input = args.input.as_deref().filter(|path| *path != Path::new("-"));
    if input.is_none() && stdin().is_terminal() {
        return Err(Failure {
            hint: Some(terminal_hint(&args.references)),
            ..Failure::usage("an archive is not read from a terminal")
        }
        .into());
    }
    let rename = args.rename.as_deref().map(Reference::parse_new);
    let options = LoadOptions {
        references: args.references.clone(),
        rename: rename.transpose().map_err(Error::from)?,
        no_clobber: args.no_clobber,
        max_bytes: u64::try_from(args.max_size).unwrap_or_default(),
        dry_run: args.dry_run,
    };
    context.begin_change()?;
    let loaded = match input {
        None => {
            let mut input = InterruptibleInput::new(stdin(), context.interrupt());
            let source = LoadSource::Reader(&mut input);
            context.cache.load(source, &options)?
        }
        Some(path) if path.is_dir() => context
            .cache
            .load(LoadSource::Dir(path.to_owned()), &options)?,
        Some(path) => context
            .cache
            .load(LoadSource::File(path.to_owned()), &options)?,
    };
    let mut exit = Exit::Success;
    let mut transfers = Vec::new();
    for mut loaded in loaded {
        messages::not_loaded(&loaded.left_out);
        messages::carried(&loaded.carried);
        exit = exit.worst(messages::not_deleted(loaded.not_deleted.take()));
        let error = loaded
            .result
            .as_ref()
            .and_then(|result| result.as_ref().err());
        let error = error.map(ToString::to_string);
        let transfer = transfer_of(&loaded, error);
        if let Some(Err(error)) = loaded.result {
            let error = error.into();
            exit = exit.worst(Exit::of(&error));
            messages::error(&error);
        }
        transfers.push(transfer);
    }
    transfer::report(&transfers, args.format == ReportFormat::Json)?;
    Ok(exit)
}

/// Returns what to do instead of reading a terminal: an operand may have been meant as the
/// archive, which other programs take so.
fn terminal_hint(operands: &[String]) -> String {
    let file = operands.iter().find(|operand| Path::new(operand).exists());
    let file = file.and_then(|file| quote::word(file));
    match file.and_then(|file| hints::command(&format!("load -i {file}"))) {
        Some(load) => format!("{load} reads that file"),
        None => "`-i FILE` reads a file; otherwise redirect the input".to_owned(),
    }
}

fn transfer_of(loaded: &Loaded, error: Option<String>) -> Transfer {
    let entry = loaded.entry.as_ref();
    let size = entry.and_then(|entry| entry.size);
    Transfer {
        result: match &loaded.result {
            None => "would load",
            Some(Ok(result)) => result.as_str(),
            Some(Err(_)) => "failed",
        },
        error,
        content_digest: entry.and_then(|entry| entry.digest.clone()),
        manifest_digest: Some(loaded.manifest_digest.clone()),
        artifact_type: loaded
            .artifact_type
            .as_ref()
            .map(|it| it.as_str().to_owned()),
        size: size.and_then(|size| u64::try_from(size).ok()),
        compressed_size: Some(loaded.compressed_size),
        ..Transfer::new(&loaded.reference)
    }
}
