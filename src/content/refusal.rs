//! Why content is refused.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The reason for a link that [`Import::dereference`](super::Import) follows.
pub(crate) const LINK_OUT: &str = "it is a link that leaves the directory";

/// As [`LINK_OUT`].
pub(crate) const LINK_TO_DIR: &str = "it is a link to a directory";

/// The reason for a source as a whole, which no glob can leave out.
pub(crate) const NO_SOURCE: &str = "it is neither a directory nor a `cld.yml` or `datacenter.dc`";

/// As [`NO_SOURCE`], for content in its place.
pub(crate) const NO_DIR: &str = "it is not a directory";

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
