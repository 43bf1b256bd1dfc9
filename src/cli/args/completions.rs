//! The arguments of `completions`.

use clap::Args;

use crate::cli::completion::shell::Shell;

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}
