//! The arguments of `images`.

use clap::Args;

use crate::ArtifactType;
use crate::cli::completion::values as candidates;
use crate::cli::format::{self, ListFormat};
use crate::cli::values;
use crate::select::{Filter, Pattern, SortKey};

#[derive(Debug, Args)]
pub(crate) struct Images {
    /// List only artifacts that match a glob on the repository, or on repository:tag
    #[arg(value_name = "PATTERN")]
    pub(crate) patterns: Vec<Pattern>,

    /// List only artifacts of this type
    #[arg(long = "type", value_name = "TYPE", value_parser = values::artifact_type())]
    pub(crate) artifact_type: Option<ArtifactType>,

    /// List only artifacts that match, such as tag=v1*, size>10MB or until=30d
    #[arg(
        short,
        long = "filter",
        value_name = "KEY=VALUE",
        allow_hyphen_values = true,
        add = candidates::filters()
    )]
    pub(crate) filters: Vec<Filter>,

    /// Choose the order
    #[arg(long, value_name = "KEY", default_value = "created")]
    pub(crate) sort: SortKey,

    /// Reverse the order
    #[arg(long)]
    pub(crate) reverse: bool,

    /// List at most N artifacts
    #[arg(long, value_name = "N", value_parser = values::count, allow_hyphen_values = true)]
    pub(crate) limit: Option<usize>,

    /// Choose the output: table, json, jsonl, yaml, a Go template such as
    /// '{{.Repository}}:{{.Tag}}', or 'table TEMPLATE'
    #[arg(
        short = 'o',
        long,
        visible_alias = "output",
        value_name = "FORMAT",
        default_value = "table",
        value_parser = format::list,
        add = candidates::formats(format::OF_LISTS)
    )]
    pub(crate) format: ListFormat,

    /// Print only references, one per line
    #[arg(short, long, conflicts_with = "format")]
    pub(crate) quiet: bool,

    /// Show whole digests in the table
    #[arg(long)]
    pub(crate) no_trunc: bool,

    /// Add a column of digests to the table
    #[arg(long)]
    pub(crate) digests: bool,

    /// Omit the table header
    #[arg(long)]
    pub(crate) no_headers: bool,

    /// Accepted for docker compatibility; all artifacts are always listed
    #[arg(short, long)]
    all: bool,
}
