//! Large registries, where reading takes the time.

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

/// Returns rows without bars, because they only show what still works.
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
    let change = |name: &str, ours: Contender| {
        Row::new(format!("{label}: {name}"), runs, ours)
            .beside(bench.tools.durable(&user))
            .bar(Bar::Times(1.6))
            .peers(bench.tools.python(&user))
    };
    let peak = |name: &str, peak: Option<Contender>| {
        let name = format!("{label}: peak memory of {name}");
        peak_row(bench, &user, name, peak)
    };
    let of = |command: &Command| bench.tools.peak("peak", command);
    let peak_of_names = peak("images -q", of(&names))?.bar(Bar::Times(0.8));
    let peak_of_json = peak("images --format json", of(&images_json))?;
    let peak_of_inspect = of(&user.command(&["inspect", &last]));
    let peak_of_exists = of(&user.command(&["exists", &last]));
    let peak_of_completion = of(&user.completion(&last));
    let [peak_of_add, peak_of_rm] = match change::peaks(&user, &bench.tools) {
        Some(peaks) => peaks.map(Some),
        None => [None, None],
    };
    let slight = |name: &str, of| Ok::<_, anyhow::Error>(peak(name, of)?.bar(Bar::Times(0.3)));
    let rows = vec![
        reading("images", 0.35, user.command(&["images"])),
        reading("images --format json", 0.3, images_json).peers(jq(".artifacts")),
        reading("images -q", 0.2, names).peers(jq(".artifacts[].reference")),
        reading("inspect REF", 0.1, user.command(&["inspect", &last])),
        reading("exists REF", 0.1, user.command(&["exists", &last])),
        reading("completion of REF", 0.1, user.completion(&last)),
        change("add --metadata-only", change::add(&user)),
        change("rm REF", change::rm(&user)),
        peak_of_names,
        peak_of_json,
        slight("inspect REF", peak_of_inspect)?,
        slight("exists REF", peak_of_exists)?,
        slight("completion of REF", peak_of_completion)?,
        slight("add --metadata-only", peak_of_add)?,
        slight("rm REF", peak_of_rm)?,
    ];
    Ok(Rows {
        rows,
        users: vec![user],
    })
}

/// Compares peak memory to the size of the file.
fn peak_row(bench: &Bench, user: &User, name: String, peak: Option<Contender>) -> Result<Row> {
    let Some(peak) = peak else {
        return Ok(Row::lacking(name, "measuring it needs cc"));
    };
    let bytes = fs::metadata(user.registry())?.len() as f64;
    let file = Contender::new("the file", move || Ok(bytes));
    let row = Row::new(name, bench.options.runs(5), peak).in_bytes();
    Ok(row.beside(Some(file)))
}
