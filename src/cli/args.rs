//! The command tree. No logic: completions, manual pages and tests share it.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum, ValueHint};

use super::completion::shell::Shell;
use super::completion::values as candidates;
use super::format::{self, ListFormat};
use super::select::{Filter, Pattern, SortKey};
use super::values;
use crate::ArtifactType;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  not found
  4  refused: ambiguous, unsafe, colliding or already there
  5  the registry's lock was not had in time";

/// List, add, inspect and remove the artifacts in cldctl's local registry.
#[derive(Debug, Parser)]
#[command(name = "cldctl-registry", version, propagate_version = false)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
#[command(after_long_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Args {
    /// Options of every command.
    #[command(flatten)]
    pub(crate) global: Global,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Use DIR in place of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    #[arg(long, value_name = "DIR", global = true, value_hint = ValueHint::DirPath)]
    pub(crate) home: Option<PathBuf>,

    /// Wait this long for another process to finish its change
    #[arg(
        long,
        value_name = "DURATION",
        global = true,
        default_value = "10s",
        value_parser = values::duration,
        help = "Wait this long for another process to finish its change, such as 30s or 5m"
    )]
    pub(crate) lock_timeout: Duration,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List artifacts
    #[command(visible_aliases = ["ls", "list"])]
    Images(Images),
    /// Register an artifact, with its content or as metadata alone
    Add(Add),
    /// Remove artifacts and their content
    #[command(visible_alias = "rmi")]
    Rm(Rm),
    /// Show everything known about artifacts, as JSON
    Inspect(Inspect),
    /// Print the directory that holds an artifact's content
    CachePath(CachePath),
    /// Say by the exit code whether artifacts are registered
    Exists(Exists),
    /// Register an artifact's content under other references too
    Tag(Tag),
    /// Look for damage in the registry and in the content, and mend the registry
    Verify(Verify),
    /// Show how much disk artifacts take
    Df(Df),
    /// Free disk: remove what is untagged, gone, orphaned or left over
    Prune(Prune),
    /// Print what makes a shell complete references, filters and flags
    #[command(visible_alias = "completion")]
    Completions(Completions),
    /// Print the manual, or write a page for each command
    Man(Man),
}

/// Arguments of `images`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Images {
    /// List only these: a glob on the repository, or on repository:tag
    #[arg(value_name = "PATTERN")]
    pub(crate) patterns: Vec<Pattern>,

    /// List only artifacts of this type
    #[arg(long = "type", value_name = "TYPE", value_parser = values::artifact_type())]
    pub(crate) artifact_type: Option<ArtifactType>,

    /// List only what matches, such as tag=v1*, size>10MB or until=30d
    #[arg(short, long = "filter", value_name = "KEY=VALUE", add = candidates::filters())]
    pub(crate) filters: Vec<Filter>,

    /// Choose the order
    #[arg(long, value_name = "KEY", default_value = "created")]
    pub(crate) sort: SortKey,

    /// Reverse the order
    #[arg(long)]
    pub(crate) reverse: bool,

    /// List at most N artifacts
    #[arg(long, value_name = "N")]
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

    /// Print only references, one a line
    #[arg(short, long, conflicts_with = "format")]
    pub(crate) quiet: bool,

    /// Show whole digests in the table
    #[arg(long)]
    pub(crate) no_trunc: bool,

    /// Add a column of digests to the table
    #[arg(long)]
    pub(crate) digests: bool,

    /// Leave out the header of the table
    #[arg(long)]
    pub(crate) no_headers: bool,
}

/// Arguments of `add`.
#[derive(Debug, ClapArgs)]
#[command(group(clap::ArgGroup::new("name").args(["reference", "untagged"]).required(true)))]
pub(crate) struct Add {
    /// The reference to register, such as ghcr.io/acme/app:v1
    #[arg(value_name = "REF")]
    pub(crate) reference: Option<String>,

    /// The directory to import, or its cld.yml or datacenter.dc; by default
    /// what lies in the reference's own directory of the cache
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) path: Option<PathBuf>,

    /// Import PATH under its digest, without repository and tag
    #[arg(long, value_name = "PATH", conflicts_with = "path", value_hint = ValueHint::AnyPath)]
    pub(crate) untagged: Option<PathBuf>,

    /// Say what the artifact is; by default its cld.yml or datacenter.dc does
    #[arg(long = "type", value_name = "TYPE", value_parser = values::artifact_type())]
    pub(crate) artifact_type: Option<ArtifactType>,

    /// Record metadata alone, without touching content
    #[arg(long, requires = "artifact_type", conflicts_with_all = ["path", "untagged"])]
    pub(crate) metadata_only: bool,

    /// The size to record, such as 46766489 or 1.5MB
    #[arg(
        long,
        value_name = "SIZE",
        requires = "metadata_only",
        value_parser = values::size,
        allow_hyphen_values = true
    )]
    pub(crate) size: Option<i64>,

    /// The digest to record
    #[arg(long, value_name = "DIGEST", requires = "metadata_only")]
    pub(crate) digest: Option<String>,

    /// The directory to record; by default the reference's own
    #[arg(long, value_name = "DIR", requires = "metadata_only", value_hint = ValueHint::DirPath)]
    pub(crate) cache_path: Option<PathBuf>,

    /// The time to record, such as 2026-02-14T13:03:11Z; by default now
    #[arg(long, value_name = "TIME", value_parser = values::created_at)]
    pub(crate) created_at: Option<DateTime<FixedOffset>>,

    /// Refuse to replace an artifact that is registered already
    #[arg(long)]
    pub(crate) no_clobber: bool,

    /// Import hidden files, node_modules and the like too
    #[arg(long, conflicts_with = "metadata_only")]
    pub(crate) all_files: bool,

    /// Choose the output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,
}

/// How a change is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// Lines of text
    Text,
    /// One JSON object
    Json,
}

/// Arguments of `rm`.
#[derive(Debug, ClapArgs)]
#[command(group(clap::ArgGroup::new("what").args(["references", "all", "filters"]).required(true)))]
pub(crate) struct Rm {
    /// The artifacts to remove, by reference or digest; - reads references
    /// from standard input, one a line
    #[arg(value_name = "REF", add = candidates::references())]
    pub(crate) references: Vec<String>,

    /// Remove all artifacts
    #[arg(long)]
    pub(crate) all: bool,

    /// Remove what matches, such as tag=v1*, size>10MB or until=30d
    #[arg(long = "filter", value_name = "KEY=VALUE", add = candidates::filters())]
    pub(crate) filters: Vec<Filter>,

    /// With --all or --filter, remove only artifacts of this type
    #[arg(
        long = "type",
        value_name = "TYPE",
        conflicts_with = "references",
        value_parser = values::artifact_type()
    )]
    pub(crate) artifact_type: Option<ArtifactType>,

    /// Do not mind artifacts that do not exist
    #[arg(short, long)]
    pub(crate) force: bool,

    /// Show what would be removed
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,

    /// Leave the content in the cache
    #[arg(long)]
    pub(crate) keep_cache: bool,

    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,

    /// Choose the output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,
}

/// Arguments of `inspect`.
#[derive(Debug, ClapArgs)]
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

/// Arguments of `cache-path`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CachePath {
    /// The artifact, by reference or digest
    #[arg(value_name = "REF", required_unless_present = "root", add = candidates::references())]
    pub(crate) reference: Option<String>,

    /// Print nothing; exit with 3 unless the artifact is registered and there
    #[arg(long)]
    pub(crate) check: bool,

    /// Print the directory that holds all content
    #[arg(long, conflicts_with_all = ["reference", "check"])]
    pub(crate) root: bool,
}

/// Arguments of `exists`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Exists {
    /// The artifacts to look for, by reference or whole digest
    #[arg(value_name = "REF", required = true, add = candidates::references())]
    pub(crate) references: Vec<String>,
}

/// Arguments of `tag`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Tag {
    /// The artifact to copy, by reference or digest
    #[arg(value_name = "SRC", add = candidates::references())]
    pub(crate) source: String,

    /// The references to register the copies under
    #[arg(value_name = "DST", required = true, add = candidates::references())]
    pub(crate) targets: Vec<String>,

    /// Refuse to replace an artifact that is registered already
    #[arg(long)]
    pub(crate) no_clobber: bool,
}

/// Arguments of `verify`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Verify {
    /// Check only these artifacts, by reference or digest
    #[arg(value_name = "REF", add = candidates::references())]
    pub(crate) references: Vec<String>,

    /// First mend the registry file, as far as that needs no guess; it is kept
    /// as it was under another name
    #[arg(long, conflicts_with = "references")]
    pub(crate) repair: bool,

    /// Choose the output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,
}

/// Arguments of `df`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Df {
    /// Show each artifact, with its recorded and its real size
    #[arg(short, long)]
    pub(crate) verbose: bool,

    /// Choose the output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,
}

/// Arguments of `prune`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Prune {
    /// Remove tagged artifacts too; needs --filter, --keep-last or --max-size
    #[arg(short, long)]
    pub(crate) all: bool,

    /// Remove only artifacts that match, such as until=30d
    #[arg(long = "filter", value_name = "KEY=VALUE", add = candidates::filters())]
    pub(crate) filters: Vec<Filter>,

    /// With --all, keep the newest N artifacts of each repository
    #[arg(long, value_name = "N", requires = "all")]
    pub(crate) keep_last: Option<usize>,

    /// With --all, remove the oldest until the rest fits into SIZE, such as 2GB
    #[arg(long, value_name = "SIZE", requires = "all", value_parser = values::size)]
    pub(crate) max_size: Option<i64>,

    /// Show what would be removed
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,

    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,

    /// Docker's -y, to be told so
    #[arg(short, long, hide = true)]
    pub(crate) force: bool,

    /// Choose the output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,
}

/// Arguments of `completions`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// Arguments of `man`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Man {
    /// Write a page for each command to files in DIR
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_tree_is_consistent() {
        Args::command().debug_assert();
    }
}
