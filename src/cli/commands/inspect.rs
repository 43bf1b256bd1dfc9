//! `inspect`: shows everything known about artifacts.

use super::operands;
use crate::cli::args::Inspect;
use crate::cli::context::{Context, UnreadableEntries, warn_of_version};
use crate::cli::exit::{Exit, Failure};
use crate::cli::format::ListFormat;
use crate::cli::output::row::Row;
use crate::cli::output::status::Status;
use crate::cli::output::template::{StatusFields, Template};
use crate::cli::output::{Out, json, messages};
use crate::document::{EntryRef, StoredEntry};
use crate::fields::Field;
use crate::registry::resolve::DigestPrefix;
use crate::timestamp;

pub(super) fn run(context: &Context, args: &Inspect) -> anyhow::Result<Exit> {
    let template = match &args.format {
        ListFormat::Template(text) => Some(Template::with_status(text).map_err(Failure::usage)?),
        _ => None,
    };
    context.note_backend();
    let registry = context.cache.registry();
    let resolved = registry.resolve(&args.references, DigestPrefix::Short)?;
    warn_of_version(resolved.foreign_version());
    let mut exit = operands::report(registry, &resolved.unresolved());
    let found: Vec<_> = resolved.found().map(StoredEntry::as_entry_ref).collect();
    let mut unreadable = UnreadableEntries::default();
    found.iter().for_each(|entry| unreadable.note(entry));
    unreadable.warn();
    let contents = context.cache.contents();
    let mut status_of = |entry: &EntryRef<'_>| match contents.status(&entry.to_entry()) {
        Ok(status) => Status::from(status),
        Err(error) => {
            exit = exit.worst(Exit::Failure);
            let status = Status::unknown(&error);
            messages::error(&error.into());
            status
        }
    };
    let mut out = Out::new();
    match template {
        Some(template) => {
            let now = timestamp::now();
            for entry in &found {
                let by = |entry: &EntryRef<'_>| {
                    let path = entry.text_of(Field::CachePath);
                    contents.deployed()?.of(&entry.reference(), &path)
                };
                let deployed = match template.wants_deployed() {
                    true => Some(!by(entry)?.is_empty()),
                    false => None,
                };
                let row = Row {
                    entry,
                    now: &now,
                    deployed,
                };
                let line = if template.wants_status() {
                    template.render_with(&row, &status_of(entry).into())
                } else {
                    template.render_with(&row, &StatusFields::default())
                };
                out.line(&line.map_err(Failure::usage)?)?;
            }
        }
        None => {
            let mut values = Vec::new();
            for entry in &found {
                values.push(json::with_member(entry, "status", &status_of(entry))?);
            }
            json::array(&mut out, &values, |text, value| json::element(text, value))?;
        }
    }
    out.finish()?;
    Ok(exit)
}
