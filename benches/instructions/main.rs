//! Whole processes of the release program, with their instructions counted by valgrind:
//! a check of speed with the same result on a busy machine.
//!
//! `cargo bench --bench instructions` prints a table, and fails if a command takes more
//! than its figure in `figures.rs` or more than in proportion to the number of entries.
//! `cargo test --bench instructions -- --check` does the same without building the
//! dependencies of the tests a second time.
#![allow(clippy::print_stdout, reason = "the table is for people")]

mod count;
mod figures;
#[path = "../common/program.rs"]
mod program;
#[path = "../common/random.rs"]
mod random;
#[path = "../common/registry.rs"]
mod registry;

use std::env;
use std::process::ExitCode;

use anyhow::Result;

use crate::figures::{FIGURES, Figure, GROWTH};

/// Three sizes of a registry: almost empty, and two to compare.
const ENTRIES: [usize; 3] = [10, 1_000, 10_000];

fn main() -> Result<ExitCode> {
    // `cargo test --all-targets` passes neither of them.
    if !env::args().any(|arg| arg == "--bench" || arg == "--check") {
        return Ok(ExitCode::SUCCESS);
    }
    let dir = tempfile::tempdir()?;
    let program = program::build(dir.path())?;
    let [few, some, many] = ENTRIES.map(|entries| count::count_all(&program, entries));
    let (few, some, many) = (few?, some?, many?);

    println!("start: instructions with 10 entries; entry: for each further one, up to 10,000;");
    println!("growth: from 10 to 10,000 entries over that from 10 to 1,000, at most {GROWTH}\n");
    println!(
        "{:<20}{:>10}{:>10}{:>8}{:>8}{:>8}{:>11}{:>10}",
        "command", "start", "at most", "entry", "at most", "growth", "new start", "new entry"
    );
    let mut all_hold = true;
    for (index, figure) in FIGURES.iter().enumerate() {
        all_hold &= judge(figure, [few[index], some[index], many[index]]);
    }
    println!("\n{}", if all_hold { "all hold" } else { "NOT all hold" });
    Ok(if all_hold {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints one line of the table. Returns whether the figure holds.
fn judge(figure: &Figure, counts: [u64; 3]) -> bool {
    let [start, some, many] = counts;
    let entry = many.saturating_sub(start) / (ENTRIES[2] - ENTRIES[0]) as u64;
    let growth = many.saturating_sub(start) as f64 / some.saturating_sub(start).max(1) as f64;
    let missed: Vec<_> = [
        ("start", start > figure.start),
        ("entry", entry > figure.entry),
        ("growth", growth > GROWTH),
    ]
    .into_iter()
    .filter_map(|(name, missed)| missed.then_some(name))
    .collect();
    let verdict = match missed.as_slice() {
        [] if figure.start > start * 3 / 2 || figure.entry > entry * 3 / 2 => {
            "held by far".to_owned()
        }
        [] => "held".to_owned(),
        missed => format!("NOT held: {}", missed.join(", ")),
    };
    println!(
        "{:<20}{start:>10}{:>10}{entry:>8}{:>8}{growth:>8.2}{:>11}{:>10}  {verdict}",
        figure.command,
        figure.start,
        figure.entry,
        with_headroom(start),
        with_headroom(entry),
    );
    missed.is_empty()
}

/// Returns a fifth more, in two digits.
fn with_headroom(measured: u64) -> u64 {
    let figure = measured + measured / 5;
    let unit = 10_u64.pow(figure.max(1).ilog10().saturating_sub(1));
    figure.div_ceil(unit) * unit
}
