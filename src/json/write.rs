//! Strings as Go's `encoding/json` writes them.

use std::fmt::Write as _;

/// Appends a string literal in the form that Go's `json.Marshal` gives it:
/// `<`, `>`, `&`, U+2028 and U+2029 are escaped besides what JSON demands.
pub(crate) fn go_string(out: &mut String, text: &str) {
    out.push('"');
    let mut written = 0;
    for (at, c) in text.char_indices() {
        let escape = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => "",
            _ => continue,
        };
        out.push_str(&text[written..at]);
        written = at + c.len_utf8();
        out.push_str(escape);
        if escape.is_empty() {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        }
    }
    out.push_str(&text[written..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_go_escapes_them() {
        let mut out = String::new();
        go_string(
            &mut out,
            "v2&<next> \"q\" \\ \n\r\t\u{8}\u{c}\u{1b}\u{2028}\u{7f}é",
        );
        assert_eq!(
            out,
            "\"v2\\u0026\\u003cnext\\u003e \\\"q\\\" \\\\ \\n\\r\\t\\b\\f\\u001b\\u2028\u{7f}é\""
        );
    }
}
