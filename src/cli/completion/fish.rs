//! The word at the cursor as fish reads it. fish quotes what it inserts itself.

use super::quote::Quote;

/// Reads a word; returns it without its quotes, and the quote that is open at its
/// end.
pub(super) fn parse(word: &str) -> (String, Quote) {
    let mut text = String::with_capacity(word.len());
    let mut quote = Quote::None;
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Quote::None, '\'') => quote = Quote::Single,
            (Quote::None, '"') => quote = Quote::Double,
            (Quote::Single, '\'') | (Quote::Double, '"') => quote = Quote::None,
            (Quote::None, '\\') => text.extend(chars.next()),
            (Quote::Single, '\\') => {
                text.push(chars.next_if(|c| "\\'".contains(*c)).unwrap_or('\\'));
            }
            (Quote::Double, '\\') => {
                text.push(chars.next_if(|c| "\\\"$".contains(*c)).unwrap_or('\\'));
            }
            _ => text.push(c),
        }
    }
    (text, quote)
}

/// Returns true if fish completes this word, and inserts this text for it, unchanged.
pub(super) fn keeps(typed: &str, quote: Quote, text: &str) -> bool {
    // In the word that it completes, fish takes even a quoted `*` or `?` for a
    // wildcard.
    let is_wildcard = typed.contains(['*', '?']);
    // fish does not escape `~`, which outside of quotes is a home.
    let is_home = quote == Quote::None && text.starts_with('~');
    !is_wildcard && !is_home
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_fish_reads_them() {
        for (word, text, quote) in [
            ("", "", Quote::None),
            ("a:b", "a:b", Quote::None),
            (r"a\ b\\", r"a b\", Quote::None),
            (r"'it\'s \\ \x $", r"it's \ \x $", Quote::Single),
            (r#""it's \" \$ \\ \x"#, r#"it's " $ \ \x"#, Quote::Double),
            (r#"'a'"b"c"#, "abc", Quote::None),
        ] {
            assert_eq!(parse(word), (text.to_owned(), quote), "{word}");
        }
    }

    #[test]
    fn what_fish_would_change_is_left_out() {
        assert!(keeps("", Quote::None, "a~*?"));
        assert!(keeps("~", Quote::Single, "~/x"));
        assert!(!keeps("", Quote::None, "~/x"));
        assert!(!keeps("a*", Quote::Single, "a*b"));
    }
}
