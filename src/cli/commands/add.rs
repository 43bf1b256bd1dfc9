//! `add`: registers an artifact.

use std::path::absolute;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::args::{Add, ReportFormat};
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{self, json, messages};
use crate::content::{Import, ImportSource, Imported, MetadataImport};
use crate::error::AtPath;
use crate::escape::escape_display;
use crate::timestamp;
use crate::{ArtifactEntry, Error, Reference};

pub(super) fn run(context: &Context, args: Add) -> anyhow::Result<Exit> {
    context.begin_change()?;
    let format = args.format;
    let reference = args.reference.as_deref().map(Reference::parse_new);
    let reference = reference.transpose().map_err(Error::from)?;
    let imported = if args.metadata_only {
        record(context, args, reference)?
    } else {
        import(context, args, reference)?
    };
    messages::left_out(&imported.left_out);
    messages::carried(&imported.carried);
    let exit = messages::not_deleted(imported.not_deleted);
    let result = imported.result.as_str();
    output::report(&match format {
        ReportFormat::Text => {
            let reference = imported.entry.reference.as_deref().unwrap_or_default();
            format!("{result} {}\n", escape_display(reference))
        }
        ReportFormat::Json => json::object(&Report {
            result,
            entry: json::stored(&imported.stored)?,
        })?,
    });
    Ok(exit)
}

#[derive(Serialize)]
struct Report {
    result: &'static str,
    entry: Box<RawValue>,
}

fn import(context: &Context, args: Add, reference: Option<Reference>) -> anyhow::Result<Imported> {
    let source = match (reference, args.path, args.untagged) {
        (_, _, Some(path)) => ImportSource::Untagged { path },
        (Some(reference), Some(path), _) => ImportSource::Directory { reference, path },
        (Some(reference), None, _) => ImportSource::InPlace { reference },
        (None, _, None) => return Err(missing_reference().into()),
    };
    Ok(context.cache.import(&Import {
        artifact_type: args.artifact_type,
        created_at: args.created_at,
        no_clobber: args.no_clobber,
        all_files: args.all_files,
        dereference: args.dereference,
        include: args.include,
        exclude: args.exclude,
        ..Import::new(source)
    })?)
}

fn record(context: &Context, args: Add, reference: Option<Reference>) -> anyhow::Result<Imported> {
    let (Some(reference), Some(artifact_type)) = (reference, args.artifact_type) else {
        return Err(missing_reference().into());
    };
    let path = match args.cache_path {
        Some(path) => {
            let path = absolute(&path).at("find", &path)?;
            let text = path.to_str().map(str::to_owned);
            text.ok_or(Error::NotUtf8 { path })?
        }
        None => context.cache.recorded_path(&reference)?,
    };
    let keeps_time = args.created_at.is_none();
    let created_at = args.created_at.unwrap_or_else(timestamp::now);
    let mut entry = ArtifactEntry::new(&reference, artifact_type, created_at, &path);
    entry.digest = args.digest;
    entry.size = args.size.or(entry.size);
    Ok(context.cache.record(MetadataImport {
        entry,
        keeps_time,
        no_clobber: args.no_clobber,
    })?)
}

/// The argument parser asks for a reference too; this is what it would say.
fn missing_reference() -> Failure {
    Failure {
        exit: Exit::Usage,
        message: "no reference was given".to_owned(),
        hint: None,
    }
}
