//! `images`: lists artifacts.

use std::io::{IsTerminal, stderr};

use chrono::{DateTime, FixedOffset};

use crate::cli::args::Images;
use crate::cli::context::{Context, warn_of};
use crate::cli::exit::{Exit, Failure};
use crate::cli::format::ListFormat;
use crate::cli::listing::{self, List, Order};
use crate::cli::output::row::Row;
use crate::cli::output::table::Table;
use crate::cli::output::template::Template;
use crate::cli::output::{Out, json, messages, yaml};
use crate::cli::select::{NearMisses, Selection};
use crate::document::{Document, EntryRef};
use crate::escape::escape_display;
use crate::fields::Field;
use crate::json::compact;
use crate::lookup::DigestPrefix;
use crate::quote;
use crate::timestamp;

pub(super) fn run(context: &Context, args: &Images) -> anyhow::Result<Exit> {
    let shown = Renderer::new(args)?;
    let selection = Selection {
        patterns: &args.patterns,
        filters: &args.filters,
        artifact_type: args.artifact_type.as_ref(),
    };
    let named = match selection.operands().as_slice() {
        [] => Document::empty(),
        operands => (context.cache.registry()).load_named(operands, DigestPrefix::ToLook)?,
    };
    // What is odd about them may be why.
    let chooser = selection
        .resolve(&named, &shown.now)
        .inspect_err(|_| warn_of(&named))?;
    let contents = context.cache.contents();
    let order = Order {
        key: args.sort,
        reverse: args.reverse,
        limit: args.limit,
    };
    let parts = context.scan(|(list, misses): &mut (List, NearMisses), entry| {
        list.seen += 1;
        if chooser.chooses(entry, &contents) {
            list.push(&order, entry, |text| shown.append(text, entry));
        }
        if !args.patterns.is_empty() {
            misses.note(&chooser, entry, &contents);
        }
    })?;
    let (lists, misses): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    if let Some(error) = contents.take_failure() {
        return Err(error.into());
    }
    let lines = listing::sorted(&lists, &order)?;
    let mut out = Out::new();
    shown.print(&mut out, &lines)?;
    out.finish()?;
    let is_empty = lists.iter().all(|list| list.seen == 0);
    if args.format == ListFormat::Table && !args.quiet && is_empty {
        explain_empty();
    }
    for (pattern, wider) in NearMisses::of_all(&misses, &args.patterns) {
        if let Some(wider) = quote::operand(&wider) {
            messages::hint(format_args!(
                "no artifact matches `{}`, but {wider} matches some",
                escape_display(pattern)
            ));
        }
    }
    Ok(Exit::Success)
}

/// What is shown of artifacts.
struct Renderer<'a> {
    args: &'a Images,
    format: Format,
    now: DateTime<FixedOffset>,
}

enum Format {
    References,
    Json,
    Jsonl,
    Yaml,
    Template(Template),
    Table(Option<Template>),
}

impl<'a> Renderer<'a> {
    fn new(args: &'a Images) -> Result<Self, Failure> {
        let template = |text| Template::new(text).map_err(Failure::usage);
        // A template is checked also where it is not used.
        let format = match &args.format {
            ListFormat::Template(text) => Format::Template(template(text)?),
            ListFormat::TableTemplate(text) => Format::Table(Some(template(text)?)),
            ListFormat::Table => Format::Table(None),
            ListFormat::Json => Format::Json,
            ListFormat::Jsonl => Format::Jsonl,
            ListFormat::Yaml => Format::Yaml,
        };
        Ok(Renderer {
            args,
            format: if args.quiet {
                Format::References
            } else {
                format
            },
            now: timestamp::now(),
        })
    }

    /// Appends what is shown of an entry.
    fn append(&self, text: &mut String, entry: &EntryRef<'_>) -> Result<(), Failure> {
        let row = Row {
            entry,
            now: &self.now,
        };
        match &self.format {
            Format::References => text.push_str(&escape_display(&entry.reference())),
            Format::Json => json::entry(text, entry),
            Format::Jsonl => compact(text, entry.text()),
            Format::Yaml => yaml::item(text, entry.text()),
            Format::Template(template) | Format::Table(Some(template)) => {
                text.push_str(&template.render(&row).map_err(Failure::usage)?);
            }
            Format::Table(None) => self.append_cells(text, &row),
        }
        Ok(())
    }

    fn append_cells(&self, text: &mut String, row: &Row<'_, '_>) {
        let mut cell = |cell: &str, end: &str| {
            text.push_str(if cell.is_empty() { "-" } else { cell });
            text.push_str(end);
        };
        cell(&row.text(Field::Repository), "\t");
        cell(&row.text(Field::Tag), "\t");
        if self.args.digests {
            cell(&row.text(Field::Digest), "\t");
        }
        cell(&row.id(self.args.no_trunc), "\t");
        cell(&row.text(Field::Type), "\t");
        cell(&row.size(), "\t");
        cell(&row.created_since(), "");
    }

    /// Prints what is shown of the entries, in their order.
    fn print(&self, out: &mut Out, entries: &[&str]) -> anyhow::Result<()> {
        match &self.format {
            Format::Json => json::array(out, entries, |text, entry| text.push_str(entry))?,
            Format::Yaml if entries.is_empty() => out.line(yaml::EMPTY)?,
            Format::Table(template) => {
                let titles = match template {
                    Some(template) => template.header().join("\t"),
                    None => self.titles(),
                };
                let titles = (!self.args.no_headers).then_some(titles);
                Table::new(titles, entries).print(out, entries)?;
            }
            _ => out.each(entries, |text, entry| {
                text.push_str(entry);
                text.push('\n');
            })?,
        }
        Ok(())
    }

    /// The titles of the columns, as [`append_cells`](Self::append_cells) fills them.
    fn titles(&self) -> String {
        let digest = if self.args.digests { "DIGEST\t" } else { "" };
        format!("REPOSITORY\tTAG\t{digest}ARTIFACT ID\tTYPE\tSIZE\tCREATED")
    }
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
