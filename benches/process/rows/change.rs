//! Changes of the registry, each undone outside the measured time.

use std::process::Command;

use crate::measure::{Contender, time};
use crate::program::User;
use crate::tools::{Tools, sync};

const NEW: &str = "ghcr.io/acme/new:v1";

/// Registers a new reference.
pub(super) fn add(user: &User) -> Contender {
    let [mut add, mut rm] = commands(user);
    let dir = user.cache_root();
    Contender::new("add", move || {
        let taken = time(&mut add)?;
        time(&mut rm)?;
        sync(&dir)?;
        Ok(taken)
    })
}

/// Removes the last entry.
pub(super) fn rm(user: &User) -> Contender {
    let [mut add, mut rm] = commands(user);
    let dir = user.cache_root();
    Contender::new("rm", move || {
        time(&mut add)?;
        sync(&dir)?;
        let taken = time(&mut rm)?;
        sync(&dir)?;
        Ok(taken)
    })
}

/// Measures the peak memory of registering a new reference, and of removing it.
pub(super) fn peaks(user: &User, tools: &Tools) -> Option<[Contender; 2]> {
    let [add, rm] = commands(user);
    let peak_of_add = tools.peak("add", &add)?.then(rm);
    let [add, rm] = commands(user);
    let peak_of_rm = tools.peak("rm", &rm)?.after(add);
    Some([peak_of_add, peak_of_rm])
}

fn commands(user: &User) -> [Command; 2] {
    [
        user.command(&["add", NEW, "--metadata-only", "--type", "component"]),
        user.command(&["rm", NEW]),
    ]
}
