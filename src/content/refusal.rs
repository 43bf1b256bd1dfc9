//! Why content is refused.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Refuses what cannot be imported.
pub(super) fn refused(path: &Path, reason: &str) -> Error {
    Error::UnsafeContent {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Refuses what lies in the cache and cannot be read as content.
pub(super) fn unreadable(path: PathBuf, reason: &'static str) -> Error {
    Error::Io {
        action: "read",
        path,
        cause: io::Error::other(reason),
    }
}
