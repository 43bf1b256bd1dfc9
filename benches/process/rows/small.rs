//! Small registries, where starting takes the time.

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
    let few = User::with_entries(&bench.program, 10)?;
    let last = registry::last_reference(10);
    let runs = bench.options.runs(151);
    let row = |name: &str, ours: Contender| {
        Row::new(format!("10: {name}"), runs, ours)
            .beside(bench.tools.empty())
            .bar(Bar::Above(0.9))
    };
    let reading = |name: &str, command: Command| row(name, Contender::timing(name, command));
    let images_json = few.command(&["images", "--format", "json"]);
    let mut rows = vec![
        reading("images", few.command(&["images"])).peers(tools::peer(&few, "podman", &["images"])),
        reading("images --format json", images_json),
        reading("inspect REF", few.command(&["inspect", &last])),
        reading("exists REF", few.command(&["exists", &last])),
        reading("cache-path REF", few.command(&["cache-path", &last])),
        reading("completion of REF", few.completion(&last)),
    ];

    let some = User::with_entries(&bench.program, 1_000)?;
    let images = Contender::timing("images", some.command(&["images"]));
    let images = Row::new("1,000: images", bench.options.runs(75), images);
    rows.push(images.beside(bench.tools.empty()).bar(Bar::Above(2.5)));
    Ok(Rows {
        rows,
        users: vec![few, some],
    })
}

/// Returns rows of changes, which wait for the disk as no empty program does.
pub(super) fn changes(bench: &Bench) -> Result<Rows> {
    let few = User::with_entries(&bench.program, 10)?;
    let row = |name: &str, ours: Contender| {
        Row::new(format!("10: {name}"), bench.options.runs(151), ours)
            .beside(bench.tools.durable(&few))
            .bar(Bar::Above(0.9))
    };
    let rows = vec![
        row("add --metadata-only", change::add(&few)),
        row("rm REF", change::rm(&few)),
    ];
    Ok(Rows {
        rows,
        users: vec![few],
    })
}
