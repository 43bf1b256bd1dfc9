//! What users see, by the real binary in a fresh home. One file for each
//! command, and one for each concern that goes across them.

mod add;
mod cache_path;
mod images;
mod inspect;
mod rm;

mod support;
