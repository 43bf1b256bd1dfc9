//! Large registries, where reading is what takes time.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::{Rows, change};
use crate::Bench;
use crate::measure::Contender;
use crate::program::User;
use crate::registry;
use crate::row::{Bar, Row};
use crate::tools;

pub(super) fn rows(bench: &Bench) -> Result<Rows> {
    with_entries(bench, 100_000, "100,000", bench.options.runs(9))
}

/// Without bars: these are about what still works.
pub(super) fn million(bench: &Bench) -> Result<Rows> {
    let mut rows = with_entries(bench, 1_000_000, "1,000,000", bench.options.runs(5))?;
    for row in &mut rows.rows {
        row.bar = None;
    }
    Ok(rows)
}

fn with_entries(bench: &Bench, entries: usize, label: &str, runs: usize) -> Result<Rows> {
    let user = User::with_entries(&bench.program, entries)?;
    let last = registry::last_reference(entries);
    let row = |name: &str, bar: f64, ours: Contender| {
        Row::new(format!("{label}: {name}"), runs, ours)
            .beside(bench.tools.python(&user))
            .bar(Bar::Times(bar))
    };
    let reading =
        |name: &str, bar: f64, command: Command| row(name, bar, Contender::timing(name, command));
    let names = user.command(&["images", "-q"]);
    let images_json = user.command(&["images", "--format", "json"]);
    let file = user.registry().display().to_string();
    let jq = |query| tools::peer(&user, "jq", &["-r", query, &file]);
    let durable = || bench.tools.durable(&user);
    let peak = |name: &str, command: &Command| {
        let name = format!("{label}: peak memory of {name}");
        peak_row(bench, &user, name, command)
    };
    let peak_of_names = peak("images -q", &names)?.bar(Bar::Times(1.8));
    let peak_of_json = peak("images --format json", &images_json)?;
    let peak_of_one = peak("exists REF", &user.command(&["exists", &last]))?;
    let rows = vec![
        reading("images", 1.0, user.command(&["images"])),
        reading("images --format json", 0.3, images_json).peers(jq(".artifacts")),
        reading("images -q", 0.3, names).peers(jq(".artifacts[].reference")),
        reading("inspect REF", 0.15, user.command(&["inspect", &last])),
        reading("exists REF", 0.15, user.command(&["exists", &last])),
        reading("completion of REF", 0.15, user.completion(&last)),
        row("add --metadata-only", 0.4, change::add(&user)).peers(durable()),
        row("rm REF", 0.4, change::rm(&user)).peers(durable()),
        peak_of_names,
        peak_of_json,
        peak_of_one,
    ];
    Ok(Rows {
        rows,
        users: vec![user],
    })
}

/// Memory beside the size of the file.
fn peak_row(bench: &Bench, user: &User, name: String, command: &Command) -> Result<Row> {
    let Some(peak) = bench.tools.peak("peak", command) else {
        return Ok(Row::lacking(name, "it takes cc to measure it"));
    };
    let bytes = fs::metadata(user.registry())?.len() as f64;
    let file = Contender::new("the file", move || Ok(bytes));
    let row = Row::new(name, bench.options.runs(5), peak).in_bytes();
    Ok(row.beside(Some(file)))
}
