//! The report of `df`.

use serde::Serialize;

use super::{json, table, units};
use crate::cli::args::ReportFormat;
use crate::escape::escape_display;
use crate::usage::{EntryUsage, UsageTotal};

/// Returns what all entries of a type take, in a format.
pub(in crate::cli) fn totals(
    totals: &[UsageTotal],
    format: ReportFormat,
) -> anyhow::Result<String> {
    match format {
        ReportFormat::Text => Ok(table_of_totals(totals)),
        ReportFormat::Json => {
            let kinds = totals.iter().map(|total| Kind {
                name: &total.name,
                count: total.count,
                deployed: total.deployed,
                size: total.size,
                disk: total.disk,
                generated: total.generated,
                reclaimable: total.reclaimable,
            });
            json::object(&kinds.collect::<Vec<_>>())
        }
    }
}

/// Returns what each entry takes, in a format.
pub(in crate::cli) fn entries(
    entries: &[EntryUsage],
    format: ReportFormat,
) -> anyhow::Result<String> {
    match format {
        ReportFormat::Text => Ok(table_of_entries(entries)),
        ReportFormat::Json => {
            let items = entries.iter().map(|entry| Entry {
                reference: &entry.reference,
                kind: &entry.artifact_type,
                recorded_size: entry.recorded_size,
                size: entry.size,
                disk: entry.disk,
                generated: entry.generated,
                deployed: entry.is_deployed,
            });
            json::object(&items.collect::<Vec<_>>())
        }
    }
}

/// The disk usage of an entry; its shape is part of the stable interface.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'u> {
    reference: &'u str,
    #[serde(rename = "type")]
    kind: &'u str,
    /// As the registry says; null if it cannot be read.
    recorded_size: Option<i64>,
    /// Of the content in the entry's own directory; null if it is missing.
    size: Option<u64>,
    /// The disk that the file system allocated for the directory; null likewise.
    disk: Option<u64>,
    /// The length of what can be made again; null likewise.
    generated: Option<u64>,
    deployed: bool,
}

/// The disk usage of all entries of a type; its shape is part of the stable interface.
#[derive(Serialize)]
struct Kind<'u> {
    #[serde(rename = "type")]
    name: &'u str,
    count: usize,
    deployed: usize,
    size: u64,
    disk: u64,
    generated: u64,
    reclaimable: u64,
}

fn table_of_totals(totals: &[UsageTotal]) -> String {
    let rows = totals.iter().map(|kind| {
        let (name, count) = (escape_display(&kind.name), kind.count);
        let deployed = kind.deployed;
        let sizes = [kind.size, kind.disk, kind.generated, kind.reclaimable];
        let [size, disk, generated, reclaimable] = sizes.map(bytes);
        format!("{name}\t{count}\t{deployed}\t{size}\t{disk}\t{generated}\t{reclaimable}")
    });
    table::render(
        Some("TYPE\tCOUNT\tDEPLOYED\tSIZE\tDISK\tGENERATED\tRECLAIMABLE"),
        &rows.collect::<Vec<_>>(),
    )
}

fn table_of_entries(entries: &[EntryUsage]) -> String {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let rows = entries.iter().map(|usage| {
        let (reference, kind) = (
            escape_display(&usage.reference),
            escape_display(&usage.artifact_type),
        );
        let recorded = or_dash(usage.recorded_size.map(units::size));
        let (size, disk) = (
            or_dash(usage.size.map(bytes)),
            or_dash(usage.disk.map(bytes)),
        );
        let generated = or_dash(usage.generated.map(bytes));
        let deployed = if usage.is_deployed { "yes" } else { "no" };
        format!("{reference}\t{kind}\t{deployed}\t{recorded}\t{size}\t{disk}\t{generated}")
    });
    table::render(
        Some("REFERENCE\tTYPE\tDEPLOYED\tRECORDED\tSIZE\tDISK\tGENERATED"),
        &rows.collect::<Vec<_>>(),
    )
}

fn bytes(bytes: u64) -> String {
    units::size(i64::try_from(bytes).unwrap_or(i64::MAX))
}
