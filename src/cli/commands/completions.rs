//! `completions`: prints what makes a shell complete the program's arguments.

use crate::cli::args::Completions;
use crate::cli::completion;
use crate::cli::exit::Exit;
use crate::cli::output::Out;

pub(super) fn run(args: &Completions) -> anyhow::Result<Exit> {
    let mut out = Out::new();
    out.write(&completion::script(args.shell))?;
    out.finish()?;
    Ok(Exit::Success)
}
