//! The arguments of `pull`.

use clap::Args;

use super::{Connection, ReportFormat};
use crate::ArtifactType;
use crate::archive::MAX_BYTES;
use crate::cli::completion::values as candidates;
use crate::cli::values;
use crate::select::parse_size;

#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// The artifacts to pull, such as ghcr.io/acme/app:v1
    #[arg(value_name = "REF", required = true, add = candidates::references())]
    pub(crate) references: Vec<String>,

    /// Register the only artifact under this reference
    #[arg(long = "as", value_name = "REF")]
    pub(crate) rename: Option<String>,

    /// The type, if neither the manifest nor the files tell it
    #[arg(long = "type", value_name = "TYPE", value_parser = values::artifact_type())]
    pub(crate) artifact_type: Option<ArtifactType>,

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

    /// Print repository@digest only
    #[arg(short, long, conflicts_with = "format")]
    pub(crate) quiet: bool,

    /// Choose the output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,

    /// How registries are reached.
    #[command(flatten)]
    pub(crate) connection: Connection,
}
