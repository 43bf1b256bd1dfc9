//! Changes the white space of a JSON text, and none of its values.

use super::tokens::{Token, tokens};
use crate::escape::visible_json;

/// Beyond this depth lines are no longer indented: a hostile file of 100,000
/// nested brackets would otherwise print gigabytes of blanks.
const MAX_INDENT: usize = 32;
const BLANKS: &str = match std::str::from_utf8(&[b' '; 2 * MAX_INDENT]) {
    Ok(blanks) => blanks,
    Err(_) => "",
};

/// Appends a valid JSON value with two spaces of indentation a level, the first
/// line unindented and the others set in by `indent` levels. Literals stay as
/// they are, but characters that could act on a terminal are escaped.
pub(crate) fn pretty(out: &mut String, value: &str, indent: usize) {
    lay_out(out, value, Some(indent));
}

/// As [`pretty`], but on one line without any white space.
pub(crate) fn compact(out: &mut String, value: &str) {
    lay_out(out, value, None);
}

fn lay_out(out: &mut String, value: &str, indent: Option<usize>) {
    let mut depth = indent.unwrap_or_default();
    let break_line = |out: &mut String, depth: usize| {
        if indent.is_some() {
            out.push('\n');
            out.push_str(&BLANKS[..2 * depth.min(MAX_INDENT)]);
        }
    };
    let mut tokens = tokens(value).peekable();
    while let Some(token) = tokens.next() {
        match token {
            Token::Open(bracket) => {
                out.push(bracket);
                // Go and jq write an empty container on one line.
                if !matches!(tokens.peek(), Some(Token::Close(_))) {
                    depth += 1;
                    break_line(out, depth);
                }
            }
            Token::Close(bracket) => {
                if !out.ends_with(['{', '[']) {
                    depth -= 1;
                    break_line(out, depth);
                }
                out.push(bracket);
            }
            Token::Comma => {
                out.push(',');
                break_line(out, depth);
            }
            Token::Colon => out.push_str(if indent.is_some() { ": " } else { ":" }),
            Token::Literal(literal) => out.push_str(&visible_json(literal)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pretty_of(value: &str) -> String {
        let mut out = String::new();
        pretty(&mut out, value, 0);
        out
    }

    #[test]
    fn values_are_laid_out_with_two_spaces_a_level() {
        assert_eq!(
            pretty_of("{\"a\":[1,{ }, [ ],\"x,{:\"],\"b\":{\"c\":1.50}}"),
            "{\n  \"a\": [\n    1,\n    {},\n    [],\n    \"x,{:\"\n  ],\n  \"b\": {\n    \"c\": 1.50\n  }\n}"
        );
    }

    #[test]
    fn a_compact_value_has_no_space_outside_of_strings() {
        let mut out = String::new();
        compact(&mut out, "{ \"a\" : [ 1,\n 2 ],\t\"b c\": \"d e\" }");
        assert_eq!(out, "{\"a\":[1,2],\"b c\":\"d e\"}");
    }

    #[test]
    fn literals_keep_their_spelling_but_for_what_a_terminal_would_obey() {
        assert_eq!(
            pretty_of("[1e3, \"\\u003c\u{9b}\"]"),
            "[\n  1e3,\n  \"\\u003c\\u009b\"\n]"
        );
    }

    #[test]
    fn deep_nesting_does_not_explode() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(pretty_of(&deep).len() < 2_000_000);
    }
}
