//! The arguments of `verify`.

use clap::Args;

use super::ReportFormat;
use crate::cli::completion::values as candidates;

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Check only these artifacts, by reference or digest
    #[arg(value_name = "REF", add = candidates::references())]
    pub(crate) references: Vec<String>,

    /// Repair the registry first, as far as that needs no guessing; the original is
    /// kept under another name
    #[arg(long, conflicts_with = "references")]
    pub(crate) repair: bool,

    /// Choose the output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,
}
