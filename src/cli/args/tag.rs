//! The arguments of `tag`.

use clap::Args;

use crate::cli::completion::values as candidates;

#[derive(Debug, Args)]
pub(crate) struct Tag {
    /// The artifact to copy, by reference or digest
    #[arg(value_name = "SRC", add = candidates::references())]
    pub(crate) source: String,

    /// The references to register the copies under
    #[arg(value_name = "DST", required = true, add = candidates::references())]
    pub(crate) targets: Vec<String>,

    /// Refuse to replace an artifact that is already registered
    #[arg(long)]
    pub(crate) no_clobber: bool,
}
