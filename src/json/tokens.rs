//! The tokens of a value.

use super::scan::Scanner;

/// A token of a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'t> {
    /// `{` or `[`.
    Open(char),
    /// `}` or `]`.
    Close(char),
    Comma,
    Colon,
    /// A string, a number, `true`, `false` or `null`, as it is in the text.
    Literal(&'t str),
}

/// Iterates over the tokens of a JSON text, without the white space between them.
/// Whether they are in a valid order is not checked. It ends where something is no
/// token.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\n', '\r', '\t']);
        let first = rest.chars().next()?;
        let (token, len) = match first {
            '{' | '[' => (Token::Open(first), 1),
            '}' | ']' => (Token::Close(first), 1),
            ',' => (Token::Comma, 1),
            ':' => (Token::Colon, 1),
            _ => {
                let span = Scanner::new(rest).value().ok()?;
                (Token::Literal(&rest[span.clone()]), span.end)
            }
        };
        rest = &rest[len..];
        Some(token)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_without_the_white_space_between_them() {
        let found: Vec<_> = tokens(" {\"a ]\" :[1.5e3,\n\tnull ] } ").collect();
        assert_eq!(
            found,
            [
                Token::Open('{'),
                Token::Literal("\"a ]\""),
                Token::Colon,
                Token::Open('['),
                Token::Literal("1.5e3"),
                Token::Comma,
                Token::Literal("null"),
                Token::Close(']'),
                Token::Close('}'),
            ]
        );
        assert_eq!(tokens("[ nil ]").collect::<Vec<_>>(), [Token::Open('[')]);
    }
}
