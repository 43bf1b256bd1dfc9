//! `images`: lists artifacts.

use std::io::{IsTerminal, stderr};

use chrono::{DateTime, FixedOffset, Utc};

use crate::cli::args::{Images, ListFormat};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::output::{Out, json, messages, table, units};
use crate::digest::{SHORT_HEX, digest_hex};
use crate::document::EntryView;
use crate::escape::visible;
use crate::fields::Field;
use crate::registry::sort_newest_first;

const HEADER: [&str; 6] = [
    "REPOSITORY",
    "TAG",
    "ARTIFACT ID",
    "TYPE",
    "SIZE",
    "CREATED",
];

pub(super) fn run(context: &Context, args: &Images) -> anyhow::Result<Exit> {
    let document = context.load()?;
    let mut entries: Vec<_> = document
        .entries()
        .filter(|entry| is_wanted(entry, args))
        .collect();
    sort_newest_first(&mut entries);

    let mut out = Out::new();
    if args.quiet {
        for entry in &entries {
            out.line(&visible(&entry.reference()))?;
        }
    } else {
        let texts = entries.iter().map(EntryView::text);
        match args.format {
            ListFormat::Json => json::array(&mut out, texts)?,
            ListFormat::Jsonl => json::lines(&mut out, texts)?,
            ListFormat::Table => {
                let now = Utc::now().fixed_offset();
                let rows = entries
                    .iter()
                    .map(|entry| row(entry, args.no_trunc, &now))
                    .collect();
                out.write(&table::render((!args.no_headers).then_some(HEADER), rows))?;
            }
        }
    }
    out.finish()?;
    if args.format == ListFormat::Table && !args.quiet && document.entries().len() == 0 {
        explain_empty();
    }
    Ok(Exit::Success)
}

fn is_wanted(entry: &EntryView<'_>, args: &Images) -> bool {
    args.artifact_type.as_ref().is_none_or(|wanted| {
        let artifact_type = entry.string(Field::Type).ok().flatten();
        artifact_type.as_deref() == Some(wanted.as_str())
    })
}

fn row(entry: &EntryView<'_>, no_trunc: bool, now: &DateTime<FixedOffset>) -> [String; 6] {
    let text = |field| match entry.string(field) {
        Ok(Some(text)) if !text.is_empty() => visible(&text).into_owned(),
        _ => "-".to_owned(),
    };
    let digest = entry
        .string(Field::Digest)
        .ok()
        .flatten()
        .unwrap_or_default();
    let id = match digest_hex(&digest) {
        Some(_) if no_trunc => digest.into_owned(),
        Some(hex) => hex[..SHORT_HEX].to_owned(),
        None => "-".to_owned(),
    };
    let size = entry.size().ok().flatten();
    let created_at = entry.created_at().ok().flatten();
    [
        text(Field::Repository),
        text(Field::Tag),
        id,
        text(Field::Type),
        size.map_or_else(|| "-".to_owned(), units::size),
        created_at.map_or_else(|| "-".to_owned(), |time| units::ago(&time, now)),
    ]
}

/// Tells a person where artifacts come from.
fn explain_empty() {
    if stderr().is_terminal() {
        messages::plain(format_args!(
            "No artifacts yet.\n\n\
             Build a component:   cldctl build component -t <repo:tag> <path>\n\
             Build a datacenter:  cldctl build datacenter -t <repo:tag> <path>\n\
             Pull a component:    cldctl pull component <repo:tag>\n\
             Pull a datacenter:   cldctl pull datacenter <repo:tag>\n\
             Add a directory:     cldctl-registry add <repo:tag> <path>"
        ));
    }
}
