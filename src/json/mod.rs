//! JSON as text: the places of its values, and the way Go writes them.
//!
//! The registry must carry over what it was not asked to change to the byte,
//! so its documents are never turned into values and back. The scanner says
//! the places of things; what a program needs of them is decoded on demand.

mod members;
#[cfg(test)]
pub(crate) mod oracle;
mod position;
mod pretty;
mod scan;
pub(crate) mod tokens;
mod write;

pub(crate) use members::Members;
pub(crate) use position::LineIndex;
pub use position::ParseError;
pub(crate) use pretty::{compact, pretty};
pub(crate) use scan::{Scanner, Span, SyntaxError, ValueKind, Visitor};
pub(crate) use write::go_string;

/// Decodes a string literal. `None` if it is none, or if it holds a surrogate
/// without its partner, which no Rust string can.
pub(crate) fn decode(literal: &str) -> Option<std::borrow::Cow<'_, str>> {
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    if has_escape(inner) {
        serde_json::from_str::<String>(literal).ok().map(Into::into)
    } else {
        Some(inner.into())
    }
}

/// Returns whether there is a backslash in a JSON text.
fn has_escape(text: &str) -> bool {
    // In pieces, so that the compiler can look at many bytes at once.
    let is_in = |bytes: &[u8]| bytes.iter().fold(false, |found, &b| found | (b == b'\\'));
    text.as_bytes().chunks(32).any(is_in)
}
