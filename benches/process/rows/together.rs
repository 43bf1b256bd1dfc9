//! Concurrent changes of one registry by many processes.

use std::fs;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Rows;
use crate::Bench;
use crate::measure::{Contender, time};
use crate::program::User;
use crate::row::{Bar, Row};

const PROCESSES: usize = 32;
const ADDS: usize = 50;

pub(super) fn rows(bench: &Bench) -> Result<Rows> {
    let program = bench.program.clone();
    let adding = Contender::new("adds", move || add_at_once(&User::new(&program)?));
    let row = Row::new("32 processes × 50 adds", bench.options.runs(3), adding);
    Ok(Rows {
        rows: vec![row.bar(Bar::Within(10_000.0))],
        users: Vec::new(),
    })
}

/// Adds entries with one thread for each process, one after the other in each thread.
///
/// # Errors
///
/// An entry was lost.
fn add_at_once(user: &User) -> Result<f64> {
    let start = Instant::now();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..PROCESSES)
            .map(|process| scope.spawn(move || add_in_turn(user, process)))
            .collect();
        let ends = threads.into_iter().map(|thread| thread.join());
        ends.map(|end| end.expect("the thread returns its errors"))
            .collect::<Result<Vec<()>>>()
    })?;
    let taken = start.elapsed();

    let registry: Value = serde_json::from_slice(&fs::read(user.registry())?)?;
    let entries = registry["artifacts"]
        .as_array()
        .context("there are no artifacts")?;
    if entries.len() != PROCESSES * ADDS {
        bail!("{} of {} entries exist", entries.len(), PROCESSES * ADDS);
    }
    Ok(taken.as_secs_f64() * 1e3)
}

fn add_in_turn(user: &User, process: usize) -> Result<()> {
    for turn in 0..ADDS {
        let reference = format!("ghcr.io/acme/app-{process}:v{turn}");
        let args = ["add", &reference, "--metadata-only", "--type", "component"];
        time(&mut user.command(&args))?;
    }
    Ok(())
}
