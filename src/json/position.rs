//! Where in a text something is wrong, as people count.

/// A text that is no registry: not JSON, or of the wrong shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
#[non_exhaustive]
pub struct ParseError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// The reason.
    pub reason: String,
}

impl ParseError {
    /// An error at an offset in bytes into a text of any encoding.
    pub(crate) fn at(text: &[u8], offset: usize, reason: impl Into<String>) -> Self {
        let before = &text[..offset.min(text.len())];
        let line_start = before
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(0, |at| at + 1);
        ParseError {
            line: before.iter().filter(|&&b| b == b'\n').count() + 1,
            column: String::from_utf8_lossy(&before[line_start..])
                .chars()
                .count()
                + 1,
            reason: reason.into(),
        }
    }
}

/// Tells the places of many errors in a text, in one pass over it.
pub(crate) struct LineIndex<'t> {
    text: &'t [u8],
    at: usize,
    line: usize,
    column: usize,
}

impl<'t> LineIndex<'t> {
    pub(crate) fn new(text: &'t [u8]) -> Self {
        LineIndex {
            text,
            at: 0,
            line: 1,
            column: 1,
        }
    }

    /// As [`ParseError::at`], for an offset that is not before the last one.
    pub(crate) fn error(&mut self, offset: usize, reason: impl Into<String>) -> ParseError {
        let passed = &self.text[self.at..offset.clamp(self.at, self.text.len())];
        let chars = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().count();
        match passed.iter().rposition(|&b| b == b'\n') {
            None => self.column += chars(passed),
            Some(last) => {
                self.line += passed.iter().filter(|&&b| b == b'\n').count();
                self.column = 1 + chars(&passed[last + 1..]);
            }
        }
        self.at += passed.len();
        ParseError {
            line: self.line,
            column: self.column,
            reason: reason.into(),
        }
    }
}
