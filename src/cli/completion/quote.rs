//! Quotes, as all shells have them.

/// The quote that is open at a place in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quote {
    None,
    Single,
    Double,
}
