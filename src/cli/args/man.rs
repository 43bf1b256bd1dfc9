//! The arguments of `man`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::cli::values;

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write a page for each command to files in DIR
    #[arg(long, value_name = "DIR", value_parser = values::path(), value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}
