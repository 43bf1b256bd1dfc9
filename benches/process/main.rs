//! Whole processes of the release program beside their yardsticks, in one run:
//! `cargo bench --bench process`.
//!
//! Each row is measured in turn with what it is compared to. All bars are
//! relative to a yardstick of the same run, so that they say the same on any
//! machine; on a busy one, medians move and bars may fail by chance.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is for people"
)]

mod machine;
mod measure;
mod options;
#[path = "../common/program.rs"]
mod program;
#[path = "../common/random.rs"]
mod random;
#[path = "../common/registry.rs"]
mod registry;
mod report;
mod row;
mod rows;
mod server;
mod tools;
#[path = "../common/tree.rs"]
mod tree;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::options::Options;
use crate::report::Report;
use crate::rows::{GROUPS, Group, Rows};
use crate::tools::Tools;

/// The parts that all groups of rows are made from.
struct Bench {
    options: Options,
    program: PathBuf,
    tools: Tools,
}

fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let check = options.check;
    match bench(options) {
        Ok(all_hold) if all_hold || !check => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures and prints the chosen rows. Returns whether every bar held.
fn bench(options: Options) -> Result<bool> {
    let dir = tempfile::tempdir()?;
    let bench = Bench {
        program: program::build(dir.path())?,
        tools: Tools::find(dir.path()),
        options,
    };
    machine::describe(dir.path());
    let missing = bench.tools.missing();
    if !missing.is_empty() {
        println!("not installed: {}", missing.join(", "));
    }
    let mut report = Report::default();
    for group in GROUPS {
        run(group, &bench, &mut report)?;
    }
    Ok(report.end())
}

fn run(group: &Group, bench: &Bench, report: &mut Report) -> Result<()> {
    if group.on_request && !bench.options.million {
        return Ok(());
    }
    // The users' homes are removed with them.
    let Rows {
        mut rows,
        users: _users,
    } = (group.rows)(bench)?;
    rows.retain(|row| bench.options.wants(&row.name));
    if rows.is_empty() {
        return Ok(());
    }
    Report::begin(group.yardstick);
    for row in &mut rows {
        if let Some(what) = row.lacks {
            report.skipped(row, what);
            continue;
        }
        match row.measure() {
            Ok(outcome) => report.row(row, &outcome),
            Err(error) => report.failed(row, &error),
        }
    }
    Ok(())
}
