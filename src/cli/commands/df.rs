//! `df`: shows how much disk artifacts take.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;

use crate::cli::args::{Df, ReportFormat};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::output::{Out, json, messages, table, units};
use crate::document::Document;
use crate::escape::escape_display;
use crate::fields::Field;
use crate::{Unreferenced, UnreferencedKind};

pub(super) fn run(context: &Context, args: &Df) -> anyhow::Result<Exit> {
    let document = context.load()?;
    let mut exit = Exit::Success;
    let usages = usages(context, &document, &mut exit);
    let mut out = Out::new();
    if args.verbose {
        match args.format {
            ReportFormat::Text => out.write(&entry_table(&usages))?,
            ReportFormat::Json => out.write(&json::object(&usages)?)?,
        }
    } else {
        let unreferenced = context
            .cache
            .unreferenced_by(&document, SystemTime::now())?;
        for error in unreferenced.unknown {
            messages::error(&error.into());
            exit = Exit::Failure;
        }
        let kinds = by_kind(&usages, &unreferenced.found);
        match args.format {
            ReportFormat::Text => out.write(&kind_table(&kinds))?,
            ReportFormat::Json => out.write(&json::object(&kinds)?)?,
        }
    }
    out.finish()?;
    Ok(exit)
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
    /// What the file system allocated for the directory; null likewise.
    disk: Option<u64>,
    #[serde(skip)]
    is_reclaimable: bool,
    /// Whether another entry's directory was counted before that is the same.
    #[serde(skip)]
    is_shared: bool,
}

/// Returns what entries take; those of which that is not known are named.
fn usages(context: &Context, document: &Document, exit: &mut Exit) -> Vec<Usage> {
    let contents = context.cache.contents();
    let found = document.fold(|found: &mut Vec<_>, entry| {
        found.push(contents.usage(&entry.reference(), &entry.text_of(Field::CachePath)));
    });
    let found: Vec<_> = found
        .into_iter()
        .flatten()
        .map(|usage| {
            usage.unwrap_or_else(|error| {
                messages::error(&error.into());
                *exit = Exit::Failure;
                None
            })
        })
        .collect();
    // A directory that several artifacts have is freed by none of them alone.
    let mut holders: HashMap<&Path, usize> = HashMap::new();
    for usage in found.iter().flatten() {
        *holders.entry(&usage.path).or_default() += 1;
    }
    let mut counted = HashSet::new();
    let usages = document.entries().zip(&found).map(|(entry, usage)| {
        let dir = usage.as_ref().map(|usage| usage.path.as_path());
        Usage {
            reference: entry.reference().into_owned(),
            kind: entry.text_of(Field::Type).into_owned(),
            recorded_size: entry.size().ok().flatten(),
            size: usage.as_ref().map(|usage| usage.bytes),
            disk: usage.as_ref().map(|usage| usage.allocated),
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
    disk: u64,
    reclaimable: u64,
}

fn by_kind(usages: &[Usage], unreferenced: &[Unreferenced]) -> Vec<Kind> {
    let mut kinds: BTreeMap<&str, Kind> = BTreeMap::new();
    for name in ["component", "datacenter"] {
        kinds.entry(name).or_default();
    }
    for usage in usages {
        let kind = kinds.entry(&usage.kind).or_default();
        let counted = |bytes: Option<u64>| bytes.filter(|_| !usage.is_shared).unwrap_or_default();
        let disk = counted(usage.disk);
        kind.count += 1;
        kind.size = kind.size.saturating_add(counted(usage.size));
        kind.disk = kind.disk.saturating_add(disk);
        if usage.is_reclaimable {
            kind.reclaimable = kind.reclaimable.saturating_add(disk);
        }
    }
    let mut kinds: Vec<Kind> = kinds
        .into_iter()
        .map(|(name, kind)| Kind {
            name: name.to_owned(),
            ..kind
        })
        .collect();
    for (name, kind_of_data) in [
        ("orphan", UnreferencedKind::Orphan),
        ("leftover", UnreferencedKind::Leftover),
    ] {
        let found: Vec<_> = unreferenced
            .iter()
            .filter(|item| item.kind == kind_of_data)
            .collect();
        if !found.is_empty() {
            let sum = |of: fn(&Unreferenced) -> u64| {
                let parts = found.iter().map(|item| of(item));
                parts.fold(0, u64::saturating_add)
            };
            let disk = sum(|item| item.allocated);
            kinds.push(Kind {
                name: name.to_owned(),
                count: found.len(),
                size: sum(|item| item.bytes),
                disk,
                reclaimable: disk,
            });
        }
    }
    kinds
}

fn kind_table(kinds: &[Kind]) -> String {
    let rows = kinds.iter().map(|kind| {
        let (name, count) = (escape_display(&kind.name), kind.count);
        let [size, disk, reclaimable] = [kind.size, kind.disk, kind.reclaimable].map(bytes);
        format!("{name}\t{count}\t{size}\t{disk}\t{reclaimable}")
    });
    table::render(
        Some("TYPE\tCOUNT\tSIZE\tDISK\tRECLAIMABLE"),
        &rows.collect::<Vec<_>>(),
    )
}

fn entry_table(usages: &[Usage]) -> String {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let rows = usages.iter().map(|usage| {
        let (reference, kind) = (
            escape_display(&usage.reference),
            escape_display(&usage.kind),
        );
        let recorded = or_dash(usage.recorded_size.map(units::size));
        let (size, disk) = (
            or_dash(usage.size.map(bytes)),
            or_dash(usage.disk.map(bytes)),
        );
        format!("{reference}\t{kind}\t{recorded}\t{size}\t{disk}")
    });
    table::render(
        Some("REFERENCE\tTYPE\tRECORDED\tSIZE\tDISK"),
        &rows.collect::<Vec<_>>(),
    )
}

fn bytes(bytes: u64) -> String {
    units::size(i64::try_from(bytes).unwrap_or(i64::MAX))
}
