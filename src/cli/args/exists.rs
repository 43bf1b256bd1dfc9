//! The arguments of `exists`.

use clap::Args;

use crate::cli::completion::values as candidates;

#[derive(Debug, Args)]
pub(crate) struct Exists {
    /// The artifacts to look for, by reference or whole digest
    #[arg(value_name = "REF", required = true, add = candidates::references())]
    pub(crate) references: Vec<String>,
}
