//! The list of `images`, in each of its formats.

use chrono::{DateTime, FixedOffset};

use super::row::Row;
use super::table::Table;
use super::template::Template;
use super::{Out, json, yaml};
use crate::cli::args::Images;
use crate::cli::exit::Failure;
use crate::cli::format::ListFormat;
use crate::content::Contents;
use crate::document::EntryRef;
use crate::escape::escape_display;
use crate::fields::Field;
use crate::json::compact;
use crate::timestamp;

/// Renders artifacts in the format that the arguments of `images` ask for.
pub(in crate::cli) struct Renderer<'a> {
    args: &'a Images,
    format: Format,
    /// The time that ages are counted from.
    pub(in crate::cli) now: DateTime<FixedOffset>,
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
    /// # Errors
    ///
    /// The template that the arguments give is invalid.
    pub(in crate::cli) fn new(args: &'a Images) -> Result<Self, Failure> {
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

    /// Appends an entry in the format.
    pub(in crate::cli) fn append(
        &self,
        text: &mut String,
        entry: &EntryRef<'_>,
        contents: &Contents<'_>,
    ) -> Result<(), Failure> {
        let is_deployed = || {
            let path = entry.text_of(Field::CachePath);
            // A column that is not known fails the command in the end.
            let known = contents.known_deployed(&entry.reference(), &path);
            known.unwrap_or_default()
        };
        let row = Row {
            entry,
            now: &self.now,
            deployed: self.wants_deployed().then(is_deployed),
        };
        match &self.format {
            Format::References => text.push_str(&escape_display(&entry.reference())),
            Format::Json => entry.append_json(text),
            Format::Jsonl => compact(text, entry.text()),
            Format::Yaml => yaml::item(text, entry.text()),
            Format::Template(template) | Format::Table(Some(template)) => {
                text.push_str(&template.render(&row).map_err(Failure::usage)?);
            }
            Format::Table(None) => self.append_cells(text, &row),
        }
        Ok(())
    }

    /// Returns true if it is to be shown whether an entry is deployed.
    pub(in crate::cli) fn wants_deployed(&self) -> bool {
        match &self.format {
            Format::Template(template) | Format::Table(Some(template)) => template.wants_deployed(),
            _ => false,
        }
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

    /// Prints entries that were rendered, in their order.
    pub(in crate::cli) fn print(&self, out: &mut Out, entries: &[&str]) -> anyhow::Result<()> {
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
