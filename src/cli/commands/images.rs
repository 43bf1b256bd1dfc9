//! `images`: lists artifacts.

use std::io::{IsTerminal, stderr};

use chrono::{DateTime, FixedOffset};

use crate::cli::args::Images;
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::format::ListFormat;
use crate::cli::output::row::Row;
use crate::cli::output::table::Table;
use crate::cli::output::template::Template;
use crate::cli::output::{Out, json, messages, yaml};
use crate::cli::select::{Selection, sort};
use crate::document::EntryView;
use crate::escape::visible;
use crate::fields::Field;
use crate::timestamp;

pub(super) fn run(context: &Context, args: &Images) -> anyhow::Result<Exit> {
    let now = timestamp::now();
    let template = match &args.format {
        ListFormat::Template(text) | ListFormat::TableTemplate(text) => {
            Some(Template::new(text).map_err(Failure::usage)?)
        }
        _ => None,
    };
    let document = context.load()?;
    let selection = Selection {
        patterns: &args.patterns,
        filters: &args.filters,
        artifact_type: args.artifact_type.as_ref(),
    };
    let chosen = selection.choose(&document, &context.cache.contents(), &now)?;
    let mut entries: Vec<_> = chosen
        .into_iter()
        .filter_map(|index| document.entry(index))
        .collect();
    sort(&mut entries, args.sort, args.reverse);
    entries.truncate(args.limit.unwrap_or(usize::MAX));

    let mut out = Out::new();
    match (&args.format, template) {
        _ if args.quiet => out.each(&entries, |text, entry| {
            text.push_str(&visible(&entry.reference()));
            text.push('\n');
            Ok(())
        })?,
        (ListFormat::Json, _) => json::array(&mut out, &entries, json::entry)?,
        (ListFormat::Jsonl, _) => json::lines(&mut out, &texts(&entries))?,
        (ListFormat::Yaml, _) => yaml::list(&mut out, &texts(&entries))?,
        (ListFormat::TableTemplate(_), Some(template)) => {
            template_table(&template, &entries, args, &now)?.print(&mut out)?;
        }
        (_, Some(template)) => {
            out.each(&entries, |text, entry| line(text, &template, entry, &now))?;
        }
        (_, None) => default_table(&entries, args, &now)?.print(&mut out)?,
    }
    out.finish()?;
    if args.format == ListFormat::Table && !args.quiet && document.entries().len() == 0 {
        explain_empty();
    }
    Ok(Exit::Success)
}

fn texts<'d>(entries: &[EntryView<'d>]) -> Vec<&'d str> {
    entries.iter().map(EntryView::text).collect()
}

fn default_table(
    entries: &[EntryView<'_>],
    args: &Images,
    now: &DateTime<FixedOffset>,
) -> anyhow::Result<Table> {
    let mut header = vec![
        "REPOSITORY",
        "TAG",
        "ARTIFACT ID",
        "TYPE",
        "SIZE",
        "CREATED",
    ];
    if args.digests {
        header.insert(2, "DIGEST");
    }
    let header = (!args.no_headers).then_some(header.as_slice());
    Table::new(header, entries, |text, entry| {
        let row = Row { entry, now };
        let mut cell = |cell: &str, end: char| {
            text.push_str(if cell.is_empty() { "-" } else { cell });
            text.push(end);
        };
        cell(&row.text(Field::Repository), '\t');
        cell(&row.text(Field::Tag), '\t');
        if args.digests {
            cell(&row.text(Field::Digest), '\t');
        }
        cell(&row.id(args.no_trunc), '\t');
        cell(&row.text(Field::Type), '\t');
        cell(&row.size(), '\t');
        cell(&row.created_since(), '\n');
        Ok(())
    })
}

/// A table whose columns a template separates by tabs.
fn template_table(
    template: &Template,
    entries: &[EntryView<'_>],
    args: &Images,
    now: &DateTime<FixedOffset>,
) -> anyhow::Result<Table> {
    let header = template.header();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let header = (!args.no_headers).then_some(header.as_slice());
    Table::new(header, entries, |text, entry| {
        line(text, template, entry, now)
    })
}

/// Appends what a template makes of an entry, as a line.
fn line(
    text: &mut String,
    template: &Template,
    entry: &EntryView<'_>,
    now: &DateTime<FixedOffset>,
) -> anyhow::Result<()> {
    let row = Row { entry, now };
    text.push_str(&template.render(&row).map_err(Failure::usage)?);
    text.push('\n');
    Ok(())
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
