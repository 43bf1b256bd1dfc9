//! Lists the artifacts of a home, the largest first:
//! `cargo run --example list -- ~/.cldctl`. Without an argument, an empty temporary home is
//! listed.

#![allow(clippy::print_stdout, reason = "an example shows its results")]

use std::env;
use std::path::PathBuf;

use cldctl_registry::select::{Selection, SortKey};
use cldctl_registry::{Cache, Home};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let temporary = tempfile::tempdir()?;
    let dir = env::args_os().nth(1).map(PathBuf::from);
    let home = Home::at(dir.as_deref().unwrap_or(temporary.path()))?;
    let cache = Cache::open(home)?;

    let mut selection = Selection::default();
    selection.filters.push("dangling=false".parse()?);
    let mut entries = cache.select(&selection)?.entries;
    SortKey::Size.sort(&mut entries);
    for stored in &entries {
        let entry = stored.to_entry();
        let size = entry.size.unwrap_or_default();
        println!("{size:>12} {}", stored.reference());
    }
    println!("{} artifacts", entries.len());
    Ok(())
}
