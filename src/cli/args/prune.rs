//! The arguments of `prune`.

use clap::Args;

use super::ReportFormat;
use crate::cli::completion::values as candidates;
use crate::cli::values;
use crate::select::{Filter, parse_size};

#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// Remove tagged artifacts too; needs --filter, --keep-last or --max-size
    #[arg(short, long)]
    pub(crate) all: bool,

    /// Remove only artifacts that match, such as until=30d
    #[arg(
        long = "filter",
        value_name = "KEY=VALUE",
        allow_hyphen_values = true,
        add = candidates::filters()
    )]
    pub(crate) filters: Vec<Filter>,

    /// With --all, keep the newest N artifacts of each repository
    #[arg(
        long,
        value_name = "N",
        requires = "all",
        value_parser = values::count,
        allow_hyphen_values = true
    )]
    pub(crate) keep_last: Option<usize>,

    /// With --all, remove the oldest until the rest fits into SIZE, such as 2GB
    #[arg(
        long,
        value_name = "SIZE",
        requires = "all",
        value_parser = parse_size,
        allow_hyphen_values = true
    )]
    pub(crate) max_size: Option<i64>,

    /// Remove the provider plugins of artifacts that stay too, which OpenTofu
    /// downloads again: .terraform directories unchanged for an hour
    #[arg(long)]
    pub(crate) generated: bool,

    /// Show what would be removed
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,

    /// Do not prompt for confirmation
    #[arg(short, long)]
    pub(crate) yes: bool,

    /// Refused with a hint: docker's name for -y
    #[arg(short, long, hide = true)]
    pub(crate) force: bool,

    /// Choose the output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,
}
