//! `version`: prints what `--version` prints.

use clap::CommandFactory;

use crate::cli::args::Args;
use crate::cli::exit::Exit;
use crate::cli::output::Out;

pub(super) fn run() -> anyhow::Result<Exit> {
    let mut out = Out::new();
    out.write(&Args::command().render_version())?;
    out.finish()?;
    Ok(Exit::Success)
}
