//! The arguments of `save`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueHint};

use super::ReportFormat;
use crate::ArtifactType;
use crate::cli::completion::values as candidates;
use crate::cli::values;
use crate::select::Filter;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("saved").args(["references", "all", "filters"]).required(true)))]
pub(crate) struct Save {
    /// The artifacts to save, by reference or digest
    #[arg(value_name = "REF", add = candidates::references())]
    pub(crate) references: Vec<String>,

    /// Save all artifacts
    #[arg(long)]
    pub(crate) all: bool,

    /// Save artifacts that match, such as tag=v1* or type=component
    #[arg(
        long = "filter",
        value_name = "KEY=VALUE",
        allow_hyphen_values = true,
        add = candidates::filters()
    )]
    pub(crate) filters: Vec<Filter>,

    /// With --all or --filter, save only artifacts of this type
    #[arg(
        long = "type",
        value_name = "TYPE",
        conflicts_with = "references",
        value_parser = values::artifact_type()
    )]
    pub(crate) artifact_type: Option<ArtifactType>,

    /// Write to a file, or to a directory (a name that ends with /, or an existing one),
    /// instead of standard output
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) output: Option<PathBuf>,

    /// Choose the output format
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        requires = "output"
    )]
    pub(crate) format: ReportFormat,
}
