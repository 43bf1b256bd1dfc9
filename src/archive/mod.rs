//! Sharing artifacts through OCI image layouts.
//!
//! An artifact becomes an image of one layer, in a form that cldctl, skopeo, podman and OCI
//! registries read. What others made is read with limits and trusted in nothing.

mod archive_writer;
pub(crate) mod chosen;
pub(crate) mod image;
mod layer;
mod layout;
mod load;
mod output;
pub(crate) mod pack;
mod pipe;
mod read_ahead;
mod readers;
pub(crate) mod receive;
mod save;
mod tar;
pub(crate) mod unpack;

pub use load::{LoadOptions, LoadSource, Loaded};
pub use save::{SaveTarget, Saved};

/// The most bytes that the files of an artifact may have together, unless a caller says
/// otherwise.
pub const MAX_BYTES: u64 = 10_000_000_000;
