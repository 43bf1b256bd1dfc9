//! The arguments of `load`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::ReportFormat;
use crate::archive::MAX_BYTES;
use crate::select::parse_size;

#[derive(Debug, Args)]
pub(crate) struct Load {
    /// Load only these artifacts, by the references that they were saved with
    #[arg(value_name = "REF")]
    pub(crate) references: Vec<String>,

    /// Read a file or a directory instead of standard input
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) input: Option<PathBuf>,

    /// Register the only artifact under this reference
    #[arg(long = "as", value_name = "REF")]
    pub(crate) rename: Option<String>,

    /// Refuse to replace artifacts that are already registered
    #[arg(long)]
    pub(crate) no_clobber: bool,

    /// Refuse artifacts with more than this, such as 20GB
    #[arg(
        long,
        value_name = "SIZE",
        default_value_t = i64::try_from(MAX_BYTES).unwrap_or(i64::MAX),
        hide_default_value = true,
        value_parser = parse_size,
        allow_hyphen_values = true
    )]
    pub(crate) max_size: i64,

    /// Show what would be loaded
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,

    /// Choose the output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,
}
