//! Saves an artifact of a home to an OCI archive and loads it into another home:
//! `cargo run --example save_and_load -- ~/.cldctl ghcr.io/acme/app:v1 app.tar ./other`. Without
//! arguments, temporary homes are used.

#![allow(clippy::print_stdout, reason = "an example shows its results")]

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

use cldctl_registry::archive::{LoadOptions, LoadSource, SaveTarget};
use cldctl_registry::import::Import;
use cldctl_registry::{Cache, Home, Reference};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [home, reference, archive, other] => {
            let here = Cache::open(Home::at(home)?)?;
            let there = Cache::open(Home::at(other)?)?;
            carry(&here, reference, Path::new(archive), &there)
        }
        [] => {
            let dir = tempfile::tempdir()?;
            let source = dir.path().join("app");
            fs::create_dir(&source)?;
            fs::write(source.join("cld.yml"), "name: app\n")?;
            let here = Cache::open(Home::at(dir.path().join("here"))?)?;
            let there = Cache::open(Home::at(dir.path().join("there"))?)?;
            here.import(&Import::directory(&Reference::parse("app:v1")?, &source))?;
            carry(&here, "app:v1", &dir.path().join("app.tar"), &there)
        }
        _ => Err("expected HOME REF ARCHIVE OTHER_HOME, or nothing".into()),
    }
}

/// Carries an artifact from one home to another one, which may be on another machine.
fn carry(
    here: &Cache,
    reference: &str,
    archive: &Path,
    there: &Cache,
) -> Result<(), Box<dyn Error>> {
    let entry = here.registry().get(reference)?;
    let entry = entry.ok_or_else(|| format!("`{reference}` is not registered"))?;
    for saved in here.save(&[entry], SaveTarget::File(archive.to_owned()))? {
        println!("saved {} as {}", saved.reference, saved.manifest_digest);
    }

    // What an archive holds is checked before anything of it is registered.
    let options = LoadOptions::default();
    for loaded in there.load(LoadSource::File(archive.to_owned()), &options)? {
        if let Some(result) = loaded.result {
            println!("{} {}", result?.as_str(), loaded.reference);
        }
    }
    Ok(())
}
