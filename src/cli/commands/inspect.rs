//! `inspect`: shows everything known about artifacts.

use serde::Serialize;

use super::operands::{Names, resolve_to_look};
use crate::cli::args::Inspect;
use crate::cli::context::{Context, Unreadable};
use crate::cli::exit::{Exit, Failure};
use crate::cli::format::ListFormat;
use crate::cli::output::row::Row;
use crate::cli::output::template::Template;
use crate::cli::output::{Out, json, messages};
use crate::content::{CacheState, ContentStatus, DigestState};
use crate::lookup::DigestStart;
use crate::timestamp;

pub(super) fn run(context: &Context, args: &Inspect) -> anyhow::Result<Exit> {
    let template = match &args.format {
        ListFormat::Template(text) => Some(Template::new(text).map_err(Failure::usage)?),
        _ => None,
    };
    let document = context.load_named(&args.references, DigestStart::ToLook)?;
    let names = Names::of(context.cache.registry());
    let (found, mut exit) = resolve_to_look(&document, &names, &args.references);
    let mut unreadable = Unreadable::default();
    found.iter().for_each(|entry| unreadable.note(entry));
    unreadable.warn();
    let mut out = Out::new();
    match template {
        Some(template) => {
            let now = timestamp::now();
            for entry in &found {
                let row = Row { entry, now: &now };
                out.line(&template.render(&row).map_err(Failure::usage)?)?;
            }
        }
        None => {
            let mut values = Vec::new();
            for entry in &found {
                match context.cache.status(&entry.to_entry()) {
                    Ok(status) => {
                        values.push(json::with_member(entry, "status", &Status::from(status))?);
                    }
                    Err(error) => {
                        exit = exit.worst(Exit::Failure);
                        messages::error(&error.into());
                    }
                }
            }
            json::array(&mut out, &values, |text, value| json::element(text, value))?;
        }
    }
    out.finish()?;
    Ok(exit)
}

/// The `status` of an artifact; its shape is part of the stable interface.
#[derive(Serialize)]
struct Status {
    cache: &'static str,
    files: u64,
    bytes: u64,
    digest: &'static str,
}

impl From<ContentStatus> for Status {
    fn from(status: ContentStatus) -> Self {
        Status {
            cache: match status.cache {
                CacheState::Present => "present",
                CacheState::Missing => "missing",
                CacheState::Foreign => "foreign",
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
