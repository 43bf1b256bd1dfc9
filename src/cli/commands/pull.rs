//! `pull`: registers artifacts of OCI registries.

use super::transfers;
use crate::cli::args::{Pull, ReportFormat};
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::messages;
use crate::cli::output::transfer::{Report, Transfer};
use crate::cli::remotes;
use crate::remote::{PullOptions, Pulled, RemoteName};
use crate::{Error, Reference};

pub(super) fn run(context: &Context, args: &Pull) -> anyhow::Result<Exit> {
    if args.rename.is_some() && args.references.len() > 1 {
        return Err(Failure::usage("`--as` names one artifact, and several are pulled").into());
    }
    for reference in &args.references {
        // Of a slip, such as a URL, it knows what was meant.
        Reference::parse_new(reference).map_err(Error::from)?;
        RemoteName::parse(reference)?;
    }
    let mut options = PullOptions::default();
    let rename = args.rename.as_deref().map(Reference::parse_new);
    options.rename = rename.transpose().map_err(Error::from)?;
    options.artifact_type.clone_from(&args.artifact_type);
    options.no_clobber = args.no_clobber;
    options.max_bytes = u64::try_from(args.max_size).unwrap_or_default();
    let client = remotes::client(&args.connection)?;
    context.defer_signals()?;
    let pulled = transfers::each(args.connection.jobs, &args.references, |reference| {
        context.cache.pull(&client, reference, &options)
    });
    let mut report = Report::default();
    for (reference, pulled) in args.references.iter().zip(pulled) {
        match pulled {
            Ok(mut pulled) => {
                messages::not_loaded(&pulled.left_out);
                messages::carried(&pulled.carried);
                report.add(transfer_of(&pulled));
                report.exit(messages::not_deleted(pulled.not_deleted.take()));
            }
            Err(error) => {
                let reference = args.rename.as_ref().unwrap_or(reference);
                report.failed(reference, None, error.into());
            }
        }
    }
    report.print(args.format == ReportFormat::Json, args.quiet)
}

fn transfer_of(pulled: &Pulled) -> Transfer {
    let entry = &pulled.entry;
    Transfer {
        result: pulled.result.as_str(),
        content_digest: entry.digest.clone(),
        manifest_digest: Some(pulled.manifest_digest.to_string()),
        artifact_type: entry
            .artifact_type
            .as_ref()
            .map(|it| it.as_str().to_owned()),
        size: entry.size.and_then(|size| u64::try_from(size).ok()),
        compressed_size: Some(pulled.compressed_size),
        named: Some(pulled.remote.by_digest(&pulled.manifest_digest)),
        ..Transfer::new(entry.reference.as_deref().unwrap_or_default())
    }
}
