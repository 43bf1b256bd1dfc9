//! `images`: lists artifacts.

use std::io::{IsTerminal, stderr};

use crate::cli::args::Images;
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::format::ListFormat;
use crate::cli::list::{self, List};
use crate::cli::output::row::Row;
use crate::cli::output::table::Table;
use crate::cli::output::template::Template;
use crate::cli::output::{Out, json, messages, yaml};
use crate::cli::select::Selection;
use crate::document::{Document, EntryView};
use crate::escape::visible;
use crate::fields::Field;
use crate::json::compact;
use crate::lookup::DigestStart;
use crate::timestamp;

pub(super) fn run(context: &Context, args: &Images) -> anyhow::Result<Exit> {
    let now = timestamp::now();
    let template = match &args.format {
        ListFormat::Template(text) | ListFormat::TableTemplate(text) => {
            Some(Template::new(text).map_err(Failure::usage)?)
        }
        _ => None,
    };
    let selection = Selection {
        patterns: &args.patterns,
        filters: &args.filters,
        artifact_type: args.artifact_type.as_ref(),
    };
    let chooser = match selection.operands().as_slice() {
        [] => selection.resolve(&Document::empty(), &now)?,
        operands => {
            let named = context.load_named(operands, DigestStart::ToLook)?;
            selection.resolve(&named, &now)?
        }
    };
    let contents = context.cache.contents();
    let is_table = !args.quiet
        && matches!(
            args.format,
            ListFormat::Table | ListFormat::TableTemplate(_)
        );

    let append = |text: &mut String, entry: &EntryView<'_>| {
        let row = Row { entry, now: &now };
        match (&args.format, &template) {
            _ if args.quiet => text.push_str(&visible(&entry.reference())),
            (ListFormat::Json, _) => {
                json::entry(text, entry);
                return Ok(());
            }
            (ListFormat::Jsonl, _) => compact(text, entry.text()),
            (ListFormat::Yaml, _) => {
                yaml::item(text, entry.text());
                return Ok(());
            }
            (_, Some(template)) => text.push_str(&template.render(&row).map_err(Failure::usage)?),
            (_, None) => append_row(text, &row, args),
        }
        text.push('\n');
        Ok(())
    };
    let mut lists = context.survey(|list: &mut List, entry| {
        list.seen += 1;
        if chooser.chooses(entry, &contents) {
            list.push(args.sort, entry, append);
        }
    })?;
    for list in &mut lists {
        list.fail()?;
    }
    let mut lines = list::sorted(&lists, args.reverse);
    lines.truncate(args.limit.unwrap_or(usize::MAX));

    let mut out = Out::new();
    let print = |text: &mut String, line: &&str| text.push_str(line);
    match args.format {
        _ if is_table => {
            let header = header(args, template.as_ref());
            let header: Vec<_> = header.iter().map(String::as_str).collect();
            let header = (!args.no_headers).then_some(header.as_slice());
            Table::new(header, &lines).print(&mut out, &lines)?;
        }
        ListFormat::Json if !args.quiet => json::array(&mut out, &lines, print)?,
        ListFormat::Yaml if !args.quiet && lines.is_empty() => out.write(yaml::EMPTY)?,
        _ => out.each(&lines, print)?,
    }
    out.finish()?;
    let is_empty = lists.iter().all(|list| list.seen == 0);
    if args.format == ListFormat::Table && !args.quiet && is_empty {
        explain_empty();
    }
    Ok(Exit::Success)
}

/// The titles of the columns.
fn header(args: &Images, template: Option<&Template>) -> Vec<String> {
    if let Some(template) = template {
        return template.header();
    }
    let digest = args.digests.then_some("DIGEST");
    let titles = ["REPOSITORY", "TAG"].into_iter().chain(digest);
    let titles = titles.chain(["ARTIFACT ID", "TYPE", "SIZE", "CREATED"]);
    titles.map(str::to_owned).collect()
}

/// Appends the row of an entry.
fn append_row(text: &mut String, row: &Row<'_, '_>, args: &Images) {
    let mut cell = |cell: &str, end: &str| {
        text.push_str(if cell.is_empty() { "-" } else { cell });
        text.push_str(end);
    };
    cell(&row.text(Field::Repository), "\t");
    cell(&row.text(Field::Tag), "\t");
    if args.digests {
        cell(&row.text(Field::Digest), "\t");
    }
    cell(&row.id(args.no_trunc), "\t");
    cell(&row.text(Field::Type), "\t");
    cell(&row.size(), "\t");
    cell(&row.created_since(), "");
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
