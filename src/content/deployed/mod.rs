//! Which artifacts are deployed.
//!
//! An artifact is deployed if its own directory holds live state, if cldctl's local state
//! names it, or if a deployed datacenter extends it. Each of the three is looked at where a
//! command asks for it, and nowhere else.

mod at_work;
mod extends;
mod index;
mod live;
mod look;
mod names;
mod quoted;
mod state_dir;

pub(crate) use at_work::{Quiet, Seen, StateLocks};
pub(crate) use live::{LiveState, ReadState};
pub(crate) use look::Deployed;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::escape::escape_display;

/// A reason for which an artifact counts as deployed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DeployedBy {
    /// A datacenter of cldctl's local state runs it.
    #[non_exhaustive]
    Datacenter {
        /// The name of the datacenter.
        datacenter: String,
    },
    /// An environment of cldctl's local state runs it.
    #[non_exhaustive]
    Environment {
        /// The name of the datacenter.
        datacenter: String,
        /// The name of the environment.
        environment: String,
    },
    /// A deployed datacenter extends it.
    #[non_exhaustive]
    Extends {
        /// The reference of the artifact of that datacenter.
        reference: String,
    },
    /// Its own directory holds live state.
    #[non_exhaustive]
    State {
        /// The file, relative to the directory.
        path: PathBuf,
        /// The number of resources that it names; `None` if it cannot be read as state.
        resources: Option<u64>,
    },
}

impl DeployedBy {
    /// Returns the reason that a state file is; `None` if it is none.
    fn state(path: &Path, state: LiveState) -> Option<Self> {
        let resources = match state {
            LiveState::None => return None,
            LiveState::Resources(count) => Some(count),
            LiveState::Unreadable => None,
        };
        let path = path.to_owned();
        Some(DeployedBy::State { path, resources })
    }

    /// Returns the name in reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            DeployedBy::Datacenter { .. } => "datacenter",
            DeployedBy::Environment { .. } => "environment",
            DeployedBy::Extends { .. } => "extends",
            DeployedBy::State { .. } => "state",
        }
    }
}

impl fmt::Display for DeployedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeployedBy::Datacenter { datacenter } => {
                write!(f, "by datacenter `{}`", escape_display(datacenter))
            }
            DeployedBy::Environment {
                datacenter,
                environment,
            } => write!(
                f,
                "by environment `{}` of datacenter `{}`",
                escape_display(environment),
                escape_display(datacenter)
            ),
            DeployedBy::Extends { reference } => {
                write!(f, "`{}` extends it", escape_display(reference))
            }
            DeployedBy::State { path, resources } => {
                let path = path.to_string_lossy();
                let path = escape_display(&path);
                match resources {
                    Some(1) => write!(f, "`{path}` has the state of 1 resource"),
                    Some(count) => write!(f, "`{path}` has the state of {count} resources"),
                    None => write!(f, "`{path}` may have the state of resources"),
                }
            }
        }
    }
}
