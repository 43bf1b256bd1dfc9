//! The arguments of `diff`.

use clap::Args;

use super::ReportFormat;
use crate::cli::completion::values as candidates;

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The artifact whose directory to look at, by reference or digest
    #[arg(value_name = "REF", add = candidates::references())]
    pub(crate) reference: String,

    /// Another artifact, to compare the content of the two
    #[arg(value_name = "REF", add = candidates::references())]
    pub(crate) other: Option<String>,

    /// Choose the output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,
}
