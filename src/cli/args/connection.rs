//! The arguments of what reaches registries.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use crate::cli::values;

#[derive(Debug, Args)]
pub(crate) struct Connection {
    /// Sign in with this name and the password on standard input
    #[arg(long, value_name = "USER", requires = "password_stdin")]
    pub(crate) username: Option<String>,

    /// Read the password from standard input
    #[arg(long, requires = "username")]
    pub(crate) password_stdin: bool,

    /// Reach this registry without TLS; one on this machine needs no such option
    #[arg(long, value_name = "HOST", value_hint = ValueHint::Hostname)]
    pub(crate) plain_http: Vec<String>,

    /// Trust the certificates in this file too
    #[arg(long, value_name = "FILE", value_parser = values::path(), value_hint = ValueHint::FilePath)]
    pub(crate) ca_file: Option<PathBuf>,

    /// Try again this often if a registry fails
    #[arg(
        long,
        value_name = "N",
        default_value_t = 5,
        value_parser = values::retries,
        allow_hyphen_values = true
    )]
    pub(crate) retries: u32,

    /// Give up if a registry is silent for this long, such as 30s or 5m
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "60s",
        value_parser = values::duration,
        allow_hyphen_values = true
    )]
    pub(crate) timeout: Duration,

    /// Transfer this many artifacts at a time
    #[arg(
        short = 'j',
        long,
        value_name = "N",
        default_value_t = 3,
        value_parser = values::count,
        allow_hyphen_values = true
    )]
    pub(crate) jobs: usize,
}
