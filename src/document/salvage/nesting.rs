//! Tells from what follows a value whether it was a part of an element.
//!
//! Of a value whose beginning is there alone, the damage took what was around it. The
//! brackets behind it are left: those that no bracket before them opened close what
//! was around the value. An entry is in a list, which the root of the document
//! closes, and behind that nothing follows. Behind a part of an entry, the entry ends,
//! and another one follows, or the end of the list.

use crate::json::{Scanner, Span};

/// A token between values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenKind {
    Value,
    Comma,
    EndOfArray,
    EndOfObject,
    /// Anything else in JSON.
    Other,
    /// No JSON: what is before and what is behind need not belong together.
    Break,
}

/// Returns for each of the values, which come in the order of the text, whether it
/// was inside of an element.
pub(super) fn are_inside_elements(text: &str, values: &[Span]) -> Vec<bool> {
    let mut tokens = Vec::new();
    let mut end = 0;
    for value in values {
        tokenize(text, end..value.start, &mut tokens);
        tokens.push(TokenKind::Value);
        end = value.end;
    }
    tokenize(text, end..text.len(), &mut tokens);

    let mut are_inside = Vec::with_capacity(values.len());
    // The brackets that close what is around, the innermost last, each with whether an
    // element ends there.
    let mut around: Vec<(TokenKind, bool)> = Vec::new();
    let mut next = TokenKind::Break;
    for token in tokens.into_iter().rev() {
        match token {
            TokenKind::Value => are_inside.push(match *around {
                [.., (TokenKind::EndOfObject, is_end)] => is_end,
                [
                    ..,
                    (TokenKind::EndOfObject, is_end),
                    (TokenKind::EndOfArray, _),
                ] => is_end,
                _ => false,
            }),
            TokenKind::EndOfObject | TokenKind::EndOfArray => {
                around.push((
                    token,
                    matches!(next, TokenKind::Comma | TokenKind::EndOfArray),
                ));
            }
            TokenKind::Break => around.clear(),
            TokenKind::Comma | TokenKind::Other => {}
        }
        next = token;
    }
    are_inside.reverse();
    are_inside
}

/// Appends the tokens of a part of the text.
fn tokenize(text: &str, part: Span, tokens: &mut Vec<TokenKind>) {
    let text = &text[..part.end];
    let mut at = part.start;
    // Up to here no string ends that begins behind the one that was tried last.
    let mut no_end = part.start;
    while let Some(&byte) = text.as_bytes().get(at) {
        let start = at;
        at += 1;
        let token = match byte {
            b' ' | b'\n' | b'\r' | b'\t' => continue,
            b',' => TokenKind::Comma,
            b']' => TokenKind::EndOfArray,
            b'}' => TokenKind::EndOfObject,
            b':' => TokenKind::Other,
            b'{' | b'[' => TokenKind::Break,
            b'"' if start < no_end => TokenKind::Break,
            _ => match (byte, Scanner::at(text, start).value()) {
                (_, Ok(value)) => {
                    at = value.end;
                    TokenKind::Other
                }
                (b'"', Err(error)) => {
                    no_end = error.offset;
                    TokenKind::Break
                }
                (_, Err(error)) => {
                    at = at.max(error.offset);
                    TokenKind::Break
                }
            },
        };
        let is_repeated = matches!(token, TokenKind::Break | TokenKind::Other);
        if !is_repeated || tokens.last() != Some(&token) {
            tokens.push(token);
        }
    }
}
