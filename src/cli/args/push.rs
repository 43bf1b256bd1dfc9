//! The arguments of `push`.

use clap::{ArgGroup, Args};

use super::{Connection, ReportFormat};
use crate::cli::completion::values as candidates;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("pushed").args(["references", "all_tags"]).required(true)))]
pub(crate) struct Push {
    /// The artifacts to push, by reference or digest
    #[arg(value_name = "REF", add = candidates::references())]
    pub(crate) references: Vec<String>,

    /// Push all tags of a repository
    #[arg(long, value_name = "REPOSITORY", add = candidates::repositories())]
    pub(crate) all_tags: Option<String>,

    /// Push the only artifact to this name; with --all-tags, to this repository
    #[arg(long = "as", value_name = "DST")]
    pub(crate) rename: Option<String>,

    /// Show what would be sent, and whether it would be taken
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,

    /// Print repository@digest only
    #[arg(short, long, conflicts_with_all = ["format", "dry_run"])]
    pub(crate) quiet: bool,

    /// Choose the output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,

    /// How registries are reached.
    #[command(flatten)]
    pub(crate) connection: Connection,
}
