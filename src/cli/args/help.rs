//! The arguments of `help`.

use clap::Args;

use crate::cli::completion::values as candidates;

#[derive(Debug, Args)]
pub(crate) struct Help {
    /// The command to explain [default: the whole program]
    #[arg(value_name = "COMMAND", add = candidates::commands())]
    pub(crate) command: Option<String>,
}
