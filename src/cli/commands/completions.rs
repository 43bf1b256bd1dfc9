//! `completions`: prints what makes a shell complete the program's arguments.

use anyhow::Context as _;

use crate::cli::args::Completions;
use crate::cli::completion;
use crate::cli::exit::Exit;
use crate::cli::output::Out;

pub(super) fn run(args: &Completions) -> anyhow::Result<Exit> {
    let script = completion::script(args.shell).context("could not write the script")?;
    let mut out = Out::new();
    out.write(&script)?;
    out.finish()?;
    Ok(Exit::Success)
}
