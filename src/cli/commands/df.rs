//! `df`: shows how much disk artifacts take.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use crate::cli::args::{Df, ReportFormat};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::output::{Out, json, table, units};
use crate::document::Document;
use crate::escape::visible;
use crate::fields::Field;
use crate::{Stray, StrayKind};

pub(super) fn run(context: &Context, args: &Df) -> anyhow::Result<Exit> {
    let document = context.load()?;
    let usages = usages(context, &document);
    let mut out = Out::new();
    if args.verbose {
        match args.format {
            ReportFormat::Text => out.write(&entry_table(&usages))?,
            ReportFormat::Json => out.write(&json::object(&usages)?)?,
        }
    } else {
        let kinds = by_kind(
            &usages,
            &context.cache.strays_beside(&document, SystemTime::now())?,
        );
        match args.format {
            ReportFormat::Text => out.write(&kind_table(&kinds))?,
            ReportFormat::Json => out.write(&json::object(&kinds)?)?,
        }
    }
    out.finish()?;
    Ok(Exit::Success)
}

/// What an entry takes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    reference: String,
    #[serde(rename = "type")]
    kind: String,
    /// As the registry says; null if it cannot be read.
    recorded_size: Option<i64>,
    /// Of the files in the entry's own directory; null if it is not there.
    size: Option<u64>,
    #[serde(skip)]
    is_reclaimable: bool,
    /// Whether another entry's directory was counted before that is the same.
    #[serde(skip)]
    is_shared: bool,
}

fn usages(context: &Context, document: &Document) -> Vec<Usage> {
    let contents = context.cache.contents();
    let found = document.fold(|found: &mut Vec<Option<(PathBuf, u64)>>, entry| {
        found.push(contents.usage(&entry.reference(), &entry.text_of(Field::CachePath)));
    });
    let found: Vec<_> = found.into_iter().flatten().collect();
    // A directory that several artifacts have is freed by none of them alone.
    let mut holders: HashMap<&Path, usize> = HashMap::new();
    for (dir, _) in found.iter().flatten() {
        *holders.entry(dir).or_default() += 1;
    }
    let mut counted = HashSet::new();
    let usages = document.entries().zip(&found).map(|(entry, usage)| {
        let dir = usage.as_ref().map(|(dir, _)| dir.as_path());
        Usage {
            reference: entry.reference().into_owned(),
            kind: entry.text_of(Field::Type).into_owned(),
            recorded_size: entry.size().ok().flatten(),
            size: usage.as_ref().map(|(_, bytes)| *bytes),
            is_reclaimable: entry.is_untagged()
                && dir.is_some_and(|dir| holders.get(dir) == Some(&1)),
            is_shared: dir.is_some_and(|dir| !counted.insert(dir)),
        }
    });
    usages.collect()
}

/// What all entries of a type take; its shape is part of the stable interface.
#[derive(Default, Serialize)]
struct Kind {
    #[serde(rename = "type")]
    name: String,
    count: usize,
    size: u64,
    reclaimable: u64,
}

fn by_kind(usages: &[Usage], strays: &[Stray]) -> Vec<Kind> {
    let mut kinds: BTreeMap<&str, Kind> = BTreeMap::new();
    for name in ["component", "datacenter"] {
        kinds.entry(name).or_default();
    }
    for usage in usages {
        let kind = kinds.entry(&usage.kind).or_default();
        let bytes = usage.size.filter(|_| !usage.is_shared).unwrap_or_default();
        kind.count += 1;
        kind.size = kind.size.saturating_add(bytes);
        if usage.is_reclaimable {
            kind.reclaimable = kind.reclaimable.saturating_add(bytes);
        }
    }
    let mut kinds: Vec<Kind> = kinds
        .into_iter()
        .map(|(name, kind)| Kind {
            name: name.to_owned(),
            ..kind
        })
        .collect();
    for (name, stray_kind) in [
        ("orphan", StrayKind::Orphan),
        ("leftover", StrayKind::Leftover),
    ] {
        let found: Vec<_> = strays
            .iter()
            .filter(|stray| stray.kind == stray_kind)
            .collect();
        if !found.is_empty() {
            let size = found
                .iter()
                .fold(0, |sum: u64, stray| sum.saturating_add(stray.bytes));
            kinds.push(Kind {
                name: name.to_owned(),
                count: found.len(),
                size,
                reclaimable: size,
            });
        }
    }
    kinds
}

fn kind_table(kinds: &[Kind]) -> String {
    let rows = kinds.iter().map(|kind| {
        let (size, reclaimable) = (bytes(kind.size), bytes(kind.reclaimable));
        let (name, count) = (visible(&kind.name), kind.count);
        format!("{name}\t{count}\t{size}\t{reclaimable}")
    });
    table::render(
        Some("TYPE\tCOUNT\tSIZE\tRECLAIMABLE"),
        &rows.collect::<Vec<_>>(),
    )
}

fn entry_table(usages: &[Usage]) -> String {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let rows = usages.iter().map(|usage| {
        let (reference, kind) = (visible(&usage.reference), visible(&usage.kind));
        let recorded = or_dash(usage.recorded_size.map(units::size));
        let size = or_dash(usage.size.map(bytes));
        format!("{reference}\t{kind}\t{recorded}\t{size}")
    });
    table::render(
        Some("REFERENCE\tTYPE\tRECORDED\tSIZE"),
        &rows.collect::<Vec<_>>(),
    )
}

fn bytes(bytes: u64) -> String {
    units::size(i64::try_from(bytes).unwrap_or(i64::MAX))
}
