//! The arguments of `cache-path`.

use clap::Args;

use crate::cli::completion::values as candidates;

#[derive(Debug, Args)]
pub(crate) struct CachePath {
    /// The artifact, by reference or digest
    #[arg(value_name = "REF", required_unless_present = "root", add = candidates::references())]
    pub(crate) reference: Option<String>,

    /// Print nothing; exit with 3 unless the artifact and its content exist
    #[arg(long)]
    pub(crate) check: bool,

    /// Print the directory that contains all content
    #[arg(long, conflicts_with_all = ["reference", "check"])]
    pub(crate) root: bool,
}
