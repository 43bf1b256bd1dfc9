//! Imports a directory, damages the copy, and lets `verify` name the damage. All of it in a
//! temporary home.

#![allow(clippy::print_stdout, reason = "an example shows its results")]

use std::fs;
use std::time::SystemTime;

use cldctl_registry::import::Import;
use cldctl_registry::{Cache, Home, Reference};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let source = dir.path().join("app");
    fs::create_dir(&source)?;
    fs::write(source.join("cld.yml"), "name: app\n")?;

    let home = Home::at(dir.path().join("home"))?;
    let cache = Cache::open(home.clone())?;
    let reference = Reference::parse_new("ghcr.io/org/app:v1")?;
    let imported = cache.import(&Import::directory(&reference, &source))?;
    println!("{} {reference}", imported.result.as_str());

    let verification = cache.verification(&["app"])?;
    println!("not found: {:?}", verification.unresolved());

    fs::write(
        home.cache_path(&reference).join("cld.yml"),
        "name: changed\n",
    )?;
    let report = cache
        .verification(&[reference.as_str()])?
        .run(SystemTime::now())?;
    for problem in &report.problems {
        println!("{}: {}: {}", problem.code, problem.subject, problem.message);
    }
    assert_eq!(report.problems.len(), 1);
    Ok(())
}
