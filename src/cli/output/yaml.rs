//! YAML output: the same keys and values as in JSON. Strings are always quoted,
//! so that no reader takes `on` or a date for something else.

use std::fmt::Write as _;

use crate::json::tokens::{Token, tokens};
use crate::json::{Members, decode};

/// A list without items.
pub(in crate::cli) const EMPTY: &str = "[]";

/// In bytes; YAML allows 1024 characters.
const LONGEST_KEY: usize = 256;

/// Appends an object, a JSON text, as an item of a list.
pub(in crate::cli) fn item(out: &mut String, object: &str) {
    let mut start = "- ";
    for (key, value) in Members::of(object) {
        out.push_str(start);
        // Readers do not look further than this for the colon behind a key.
        let is_long = key.len() > LONGEST_KEY;
        if is_long {
            out.push_str("? ");
        }
        match decode(key) {
            Some(name)
                if name.bytes().all(|byte| byte.is_ascii_alphabetic()) && !is_word(&name) =>
            {
                out.push_str(&name);
            }
            _ => string(out, key),
        }
        out.push_str(if is_long { "\n  : " } else { ": " });
        flow(out, value);
        start = "\n  ";
    }
    if start == "- " {
        out.push_str("- {}");
    }
}

/// A JSON value in the flow style of YAML, which is nearly JSON.
fn flow(out: &mut String, value: &str) {
    for token in tokens(value) {
        match token {
            Token::Open(bracket) | Token::Close(bracket) => out.push(bracket),
            Token::Comma => out.push_str(", "),
            Token::Colon => out.push_str(": "),
            Token::Literal(literal) if literal.starts_with('"') => string(out, literal),
            Token::Literal(literal) => out.push_str(&number(literal)),
        }
    }
}

/// A string in double quotes, with the escapes that both JSON and YAML have.
/// Go's `\u003c` is a plain `<` here; characters beyond 16 bits stay as they
/// are, since YAML does not know surrogates.
fn string(out: &mut String, literal: &str) {
    let Some(text) = decode(literal) else {
        // A surrogate without its partner can only be carried over.
        out.push_str(literal);
        return;
    };
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if crate::escape::is_unsafe(c)
                || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A number that older YAML readers take for one too: `1e3` needs a point and
/// a sign for that.
fn number(literal: &str) -> String {
    if !literal.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return literal.to_owned();
    }
    let Some((digits, exponent)) = literal.split_once(['e', 'E']) else {
        return literal.to_owned();
    };
    let point = if digits.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['+', '-']) {
        ""
    } else {
        "+"
    };
    format!("{digits}{point}e{sign}{exponent}")
}

/// Returns true for a word that YAML readers take for a boolean or null.
fn is_word(name: &str) -> bool {
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
        .iter()
        .any(|word| name.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_and_nested_values_stand_in_flow_style() {
        let mut out = String::new();
        item(
            &mut out,
            r#"{"tag":"on","n":"\u003cnone\u003e","size":1e3,"x y":{"a":[1,"é\ud83d\ude00\u001b"],"b":{}},"z":null}"#,
        );
        assert_eq!(
            out,
            "- tag: \"on\"\n  \"n\": \"<none>\"\n  size: 1.0e+3\n  \"x y\": {\"a\": [1, \"é😀\\u001b\"], \"b\": {}}\n  z: null"
        );
        out.clear();
        item(&mut out, "{ }");
        assert_eq!(out, "- {}");
    }
}
