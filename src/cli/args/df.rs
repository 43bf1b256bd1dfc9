//! The arguments of `df`.

use clap::Args;

use super::ReportFormat;

#[derive(Debug, Args)]
pub(crate) struct Df {
    /// Show each artifact, with its recorded and its real size
    #[arg(short, long)]
    pub(crate) verbose: bool,

    /// Choose the output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,
}
