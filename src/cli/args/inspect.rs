//! The arguments of `inspect`.

use clap::Args;

use crate::cli::completion::values as candidates;
use crate::cli::format::{self, ListFormat};

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The artifacts to show, by reference or digest
    #[arg(value_name = "REF", required = true, add = candidates::references())]
    pub(crate) references: Vec<String>,

    /// Choose the output: json, or a Go template such as '{{.Digest}}'
    #[arg(
        short = 'f',
        long,
        value_name = "FORMAT",
        default_value = "json",
        value_parser = format::inspect,
        add = candidates::formats(format::OF_INSPECT)
    )]
    pub(crate) format: ListFormat,
}
