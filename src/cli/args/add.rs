//! The arguments of `add`.

use std::path::PathBuf;

use chrono::{DateTime, FixedOffset};
use clap::{ArgGroup, Args, ValueHint};

use super::ReportFormat;
use crate::ArtifactType;
use crate::cli::values;
use crate::select::parse_size;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("name").args(["reference", "untagged"]).required(true)))]
#[command(group(ArgGroup::new("source").args(["path", "untagged"])))]
pub(crate) struct Add {
    /// The reference to register, such as ghcr.io/acme/app:v1
    #[arg(value_name = "REF")]
    pub(crate) reference: Option<String>,

    /// The directory to import, or its cld.yml or datacenter.dc [default: the
    /// reference's own directory in the cache]
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) path: Option<PathBuf>,

    /// Import PATH under its digest, without repository and tag
    #[arg(
        long,
        value_name = "PATH",
        conflicts_with = "path",
        value_parser = values::path(),
        value_hint = ValueHint::AnyPath
    )]
    pub(crate) untagged: Option<PathBuf>,

    /// Set the artifact type [default: detected from cld.yml or datacenter.dc]
    #[arg(long = "type", value_name = "TYPE", value_parser = values::artifact_type())]
    pub(crate) artifact_type: Option<ArtifactType>,

    /// Record only metadata, and leave content as it is
    #[arg(long, requires = "artifact_type", conflicts_with_all = ["path", "untagged"])]
    pub(crate) metadata_only: bool,

    /// The size to record, such as 46766489 or 1.5MB
    #[arg(
        long,
        value_name = "SIZE",
        requires = "metadata_only",
        value_parser = parse_size,
        allow_hyphen_values = true
    )]
    pub(crate) size: Option<i64>,

    /// The digest to record
    #[arg(long, value_name = "DIGEST", requires = "metadata_only")]
    pub(crate) digest: Option<String>,

    /// The directory to record [default: the reference's own, if it exists]
    #[arg(
        long,
        value_name = "DIR",
        requires = "metadata_only",
        value_parser = values::path(),
        value_hint = ValueHint::DirPath
    )]
    pub(crate) cache_path: Option<PathBuf>,

    /// The time to record, such as 2026-02-14T13:03:11Z [default: now]
    #[arg(
        long,
        value_name = "TIME",
        value_parser = values::created_at,
        allow_hyphen_values = true
    )]
    pub(crate) created_at: Option<DateTime<FixedOffset>>,

    /// Refuse to replace an artifact that is already registered
    #[arg(long)]
    pub(crate) no_clobber: bool,

    /// Also import hidden files, node_modules and the like
    #[arg(long, conflicts_with = "metadata_only")]
    pub(crate) all_files: bool,

    /// Store the targets of links that leave the directory or lead to directories,
    /// instead of refusing such links
    #[arg(short = 'L', long, requires = "source")]
    pub(crate) dereference: bool,

    /// Leave out what matches GLOB, a glob on names or, if it contains a /, on paths from
    /// the top; * also matches /; can be repeated
    #[arg(long, value_name = "GLOB", requires = "source")]
    pub(crate) exclude: Vec<String>,

    /// Import what matches GLOB even if it would be left out; can be repeated; --exclude
    /// takes precedence
    #[arg(long, value_name = "GLOB", requires = "source")]
    pub(crate) include: Vec<String>,

    /// Choose the output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,
}
