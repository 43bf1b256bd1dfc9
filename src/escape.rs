//! Escapes text, so that the content of a file cannot control a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns whether a character could move the cursor, change colours, or turn the
/// reading direction: C0, DEL, C1, and Unicode's line and bidi controls.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Returns the text with every [unsafe](is_unsafe) character written `\u{1b}`.
pub(crate) fn escape_display(text: &str) -> Cow<'_, str> {
    escape(text, |out, c| {
        let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
    })
}

/// Returns a JSON text with every [unsafe](is_unsafe) character written `\u001b`.
///
/// Only inside of string literals can a JSON text hold one besides its white
/// space, so the caller passes literals, not whole documents.
pub(crate) fn visible_json(literal: &str) -> Cow<'_, str> {
    escape(literal, |out, c| {
        let _ = write!(out, "\\u{:04x}", u32::from(c));
    })
}

/// Returns a text in which the middle of what is longer than a number of characters is left
/// out, so that a name or value of others cannot flood a message.
pub(crate) fn brief(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most || text.chars().count() <= most {
        return Cow::Borrowed(text);
    }
    let at_end = most / 4;
    let mut out: String = text.chars().take(most - at_end).collect();
    out.push('\u{2026}');
    let end = text.char_indices().rev().nth(at_end.saturating_sub(1));
    out.push_str(end.map_or("", |(at, _)| &text[at..]));
    Cow::Owned(out)
}

fn escape(text: &str, write: impl Fn(&mut String, char)) -> Cow<'_, str> {
    // Every unsafe character is below the space, DEL, or not ASCII. The text is checked
    // in pieces, so that the compiler can check many bytes at once.
    let is_safe = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(true, |safe, b| safe & (b' '..0x7f).contains(b))
    };
    if text.as_bytes().chunks(32).all(is_safe) || !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            write(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_long_text_is_left_out() {
        assert!(matches!(brief("\u{e4}bcdefgh", 8), Cow::Borrowed(_)));
        assert_eq!(
            brief("\u{e4}bcdefghi\u{f6}", 8),
            "\u{e4}bcdef\u{2026}i\u{f6}"
        );
    }

    #[test]
    fn controls_are_escaped_and_letters_are_kept() {
        assert_eq!(escape_display("a\u{1b}[31mb\n"), r"a\u{1b}[31mb\u{a}");
        assert_eq!(
            escape_display("\u{202e}x\u{9b}\u{7f}"),
            r"\u{202e}x\u{9b}\u{7f}"
        );
        assert_eq!(visible_json("\"\u{9b}\u{2066}\""), r#""\u009b\u2066""#);
        assert!(matches!(escape_display("größe-日本"), Cow::Borrowed(_)));
    }
}
