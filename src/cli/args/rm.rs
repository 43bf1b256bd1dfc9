//! The arguments of `rm`.

use clap::{ArgGroup, Args};

use super::ReportFormat;
use crate::ArtifactType;
use crate::cli::completion::values as candidates;
use crate::cli::values;
use crate::select::Filter;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").args(["references", "all", "filters"]).required(true)))]
pub(crate) struct Rm {
    /// The artifacts to remove, by reference or digest; - reads references
    /// from standard input, one per line
    #[arg(value_name = "REF", add = candidates::references())]
    pub(crate) references: Vec<String>,

    /// Remove all artifacts
    #[arg(long)]
    pub(crate) all: bool,

    /// Remove artifacts that match, such as tag=v1*, size>10MB or until=30d
    #[arg(
        long = "filter",
        value_name = "KEY=VALUE",
        allow_hyphen_values = true,
        add = candidates::filters()
    )]
    pub(crate) filters: Vec<Filter>,

    /// With --all or --filter, remove only artifacts of this type
    #[arg(
        long = "type",
        value_name = "TYPE",
        conflicts_with = "references",
        value_parser = values::artifact_type()
    )]
    pub(crate) artifact_type: Option<ArtifactType>,

    /// Ignore artifacts that do not exist
    #[arg(short, long)]
    pub(crate) force: bool,

    /// Show what would be removed
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,

    /// Remove artifacts that are deployed too, and lose the state of their
    /// deployments
    #[arg(long, conflicts_with_all = ["all", "filters"])]
    pub(crate) deployed: bool,

    /// Keep the content in the cache
    #[arg(long)]
    pub(crate) keep_cache: bool,

    /// Do not prompt for confirmation
    #[arg(short, long)]
    pub(crate) yes: bool,

    /// Choose the output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,
}
