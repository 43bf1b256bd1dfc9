//! `inspect`: shows everything known about artifacts.

use serde::Serialize;

use super::operands::{Names, resolve_to_look};
use crate::Error;
use crate::cli::args::Inspect;
use crate::cli::context::{Context, Unreadable};
use crate::cli::exit::{Exit, Failure};
use crate::cli::format::ListFormat;
use crate::cli::output::row::Row;
use crate::cli::output::template::{StatusFields, Template};
use crate::cli::output::{Out, json, messages};
use crate::content::{CacheState, ContentStatus, DigestState};
use crate::document::EntryRef;
use crate::lookup::DigestPrefix;
use crate::timestamp;

pub(super) fn run(context: &Context, args: &Inspect) -> anyhow::Result<Exit> {
    let template = match &args.format {
        ListFormat::Template(text) => Some(Template::with_status(text).map_err(Failure::usage)?),
        _ => None,
    };
    let document = context.load_named(&args.references, DigestPrefix::ToLook)?;
    let names = Names::of(context.cache.registry());
    let (found, mut exit) = resolve_to_look(&document, &names, &args.references);
    let mut unreadable = Unreadable::default();
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
                let row = Row { entry, now: &now };
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

/// The `status` of an artifact; its shape is part of the stable interface.
#[derive(Serialize)]
#[serde(untagged)]
enum Status {
    Known {
        cache: &'static str,
        files: u64,
        bytes: u64,
        digest: &'static str,
    },
    /// The content could not be looked at.
    Unknown { error: String },
}

impl Status {
    fn unknown(error: &Error) -> Self {
        let error = error.to_string();
        Status::Unknown { error }
    }
}

impl From<ContentStatus> for Status {
    fn from(status: ContentStatus) -> Self {
        Status::Known {
            cache: match status.cache {
                CacheState::Present => "present",
                CacheState::Missing => "missing",
                CacheState::Foreign => "foreign",
                CacheState::None => "none",
            },
            files: status.files,
            bytes: status.bytes,
            digest: match status.digest {
                DigestState::Verifiable => "verifiable",
                DigestState::Unverifiable => "unverifiable",
                DigestState::Absent => "absent",
            },
        }
    }
}

impl From<Status> for StatusFields {
    fn from(status: Status) -> Self {
        match status {
            Status::Known {
                cache,
                files,
                bytes,
                digest,
            } => StatusFields {
                cache,
                files,
                bytes,
                digest,
                error: String::new(),
            },
            Status::Unknown { error } => StatusFields {
                error,
                ..StatusFields::default()
            },
        }
    }
}
