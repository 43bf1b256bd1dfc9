//! Shows what a prune would remove from a home, and with `--yes` removes it:
//! `cargo run --example prune -- ~/.cldctl [--yes]`. Without a home, a temporary one with an
//! untagged artifact is pruned.

#![allow(clippy::print_stdout, reason = "an example shows its results")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use cldctl_registry::import::{Import, ImportSource};
use cldctl_registry::prune::PruneOptions;
use cldctl_registry::{Cache, Home};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let temporary = tempfile::tempdir()?;
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let cache = match arguments.first().map(PathBuf::from) {
        Some(dir) => Cache::open(Home::at(dir)?)?,
        None => example(temporary.path())?,
    };

    let plan = cache.snapshot()?.plan_prune(&PruneOptions::default())?;
    for removed in &plan.removed {
        let reason = plan.reasons().get(&removed.reference);
        let reason = reason.map_or("", |reason| reason.as_str());
        println!("{} ({reason})", removed.reference);
    }
    for item in &plan.unreferenced {
        println!("{}: {} bytes", item.path.display(), item.bytes);
    }
    if arguments.is_empty() || arguments.iter().any(|it| it == "--yes") {
        let pruned = cache.prune(plan)?;
        println!("removed {} artifacts", pruned.removed.len());
        if let Some(error) = pruned.error {
            return Err(error.into());
        }
    }
    Ok(())
}

fn example(dir: &Path) -> Result<Cache, Box<dyn std::error::Error>> {
    let path = dir.join("app");
    fs::create_dir(&path)?;
    fs::write(path.join("cld.yml"), "name: app\n")?;
    let cache = Cache::open(Home::at(dir.join("home"))?)?;
    cache.import(&Import::new(ImportSource::Untagged { path }))?;
    Ok(cache)
}
