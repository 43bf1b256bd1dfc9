//! The command tree, with a file for each command. No logic: completions, manual
//! pages and tests share it.

mod add;
mod cache_path;
mod completions;
#[cfg(feature = "remote")]
mod connection;
mod df;
mod diff;
mod exists;
mod help;
mod images;
mod inspect;
#[cfg(feature = "archive")]
mod load;
mod man;
mod prune;
#[cfg(feature = "remote")]
mod pull;
#[cfg(feature = "remote")]
mod push;
mod rm;
#[cfg(feature = "archive")]
mod save;
mod tag;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum, ValueHint};

pub(crate) use add::Add;
pub(crate) use cache_path::CachePath;
pub(crate) use completions::Completions;
#[cfg(feature = "remote")]
pub(crate) use connection::Connection;
pub(crate) use df::Df;
pub(crate) use diff::Diff;
pub(crate) use exists::Exists;
pub(crate) use help::Help;
pub(crate) use images::Images;
pub(crate) use inspect::Inspect;
#[cfg(feature = "archive")]
pub(crate) use load::Load;
pub(crate) use man::Man;
pub(crate) use prune::Prune;
#[cfg(feature = "remote")]
pub(crate) use pull::Pull;
#[cfg(feature = "remote")]
pub(crate) use push::Push;
pub(crate) use rm::Rm;
#[cfg(feature = "archive")]
pub(crate) use save::Save;
pub(crate) use tag::Tag;
pub(crate) use verify::Verify;

use super::values;

const EXIT_CODES: &str = "\
Exit codes:
  0  success
  1  failed
  2  wrong usage
  3  not found
  4  refused: ambiguous, unsafe, colliding or already registered
  5  timed out waiting for the registry lock
  6  an OCI registry could not be used now; another try may help
  7  an OCI registry denied access, or has no such artifact";

/// List, add, inspect and remove the artifacts in cldctl's local registry.
#[derive(Debug, Parser)]
#[command(name = "cldctl-registry", version, propagate_version = false)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
#[command(args_override_self = true, disable_version_flag = true)]
#[command(after_long_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Args {
    /// Print version
    #[arg(short = 'V', visible_short_alias = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,

    /// Options of every command.
    #[command(flatten)]
    pub(crate) global: Global,

    /// The command to run.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    #[arg(
        long,
        value_name = "DIR",
        global = true,
        display_order = 900,
        value_hint = ValueHint::DirPath
    )]
    pub(crate) home: Option<PathBuf>,

    /// Wait this long for another process to finish its change
    #[arg(
        long,
        value_name = "DURATION",
        global = true,
        display_order = 900,
        default_value = "10s",
        value_parser = values::duration,
        allow_hyphen_values = true,
        help = "Wait this long for another process to finish its change, such as 30s or 5m"
    )]
    pub(crate) lock_timeout: Duration,
}

/// The commands. The options of one are built when it is chosen, because to build those of
/// all takes a tenth of the time of a short command.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    /// List artifacts
    #[command(visible_aliases = ["ls", "list"])]
    Images(Images),
    /// Register an artifact, with its content or as metadata only
    Add(Add),
    /// Remove artifacts and their content
    #[command(visible_alias = "rmi")]
    Rm(Rm),
    /// Show everything known about artifacts, as JSON
    Inspect(Inspect),
    /// Print the directory that contains an artifact's content
    CachePath(CachePath),
    /// Check whether artifacts are registered (exit code only)
    Exists(Exists),
    /// Register an artifact's content under additional references
    Tag(Tag),
    /// Show what changed in an artifact's directory, or between two artifacts
    Diff(Diff),
    /// Check the registry and its content, and optionally repair the registry
    Verify(Verify),
    /// Show the disk usage of artifacts
    Df(Df),
    /// Remove unused data: untagged or missing artifacts, orphaned directories, leftovers
    Prune(Prune),
    /// Write artifacts to an archive that other machines can load
    #[cfg(feature = "archive")]
    Save(Save),
    /// Register the artifacts of an archive
    #[cfg(feature = "archive")]
    Load(Load),
    /// Send artifacts to OCI registries
    #[cfg(feature = "remote")]
    Push(Push),
    /// Fetch artifacts from OCI registries and register them
    #[cfg(feature = "remote")]
    Pull(Pull),
    /// Generate a shell completion script
    #[command(visible_alias = "completion")]
    Completions(Completions),
    /// Print the manual, or write a page for each command
    Man(Man),
    /// Print help for the program or a command
    Help(Help),
    /// Print version
    Version,
}

/// The format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// Lines of text
    Text,
    /// One JSON object
    Json,
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
