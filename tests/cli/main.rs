//! What users see, by the real binary in a fresh home. One file for each
//! command, and one for each concern that goes across them.

// A helper that cannot go on is a test that fails.
#![allow(clippy::unwrap_used)]

mod add;
mod cache_path;
mod concurrency;
mod images;
mod inspect;
mod interop;
mod kills;
mod lock;
mod rm;
mod signals;

mod running;
mod support;
