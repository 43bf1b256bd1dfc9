//! The `status` that `inspect` adds to an artifact.

use serde::Serialize;

use super::template::StatusFields;
use crate::Error;
use crate::deployed::DeployedBy;
use crate::status::{ContentStatus, FileTotal, Remote};

/// The `status` of an artifact; its shape is part of the stable interface.
#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::cli) enum Status {
    Known {
        cache: &'static str,
        files: u64,
        bytes: u64,
        digest: &'static str,
        generated: FileTotal,
        deployed: Vec<DeployedBy>,
        remotes: Vec<Remote>,
    },
    /// The content could not be looked at.
    Unknown { error: String },
}

impl Status {
    /// Returns the status of content that could not be looked at.
    pub(in crate::cli) fn unknown(error: &Error) -> Self {
        let error = error.to_string();
        Status::Unknown { error }
    }
}

impl From<ContentStatus> for Status {
    fn from(status: ContentStatus) -> Self {
        Status::Known {
            cache: status.cache.as_str(),
            files: status.files,
            bytes: status.bytes,
            digest: status.digest.as_str(),
            generated: status.generated,
            deployed: status.deployed,
            remotes: status.remotes,
        }
    }
}

impl From<Status> for StatusFields {
    fn from(status: Status) -> Self {
        match status {
            Status::Known {
                cache,
                files,
                bytes,
                digest,
                generated,
                deployed,
                ..
            } => StatusFields {
                cache,
                files,
                bytes,
                digest,
                generated,
                deployed,
                error: String::new(),
            },
            Status::Unknown { error } => StatusFields {
                error,
                ..StatusFields::default()
            },
        }
    }
}
