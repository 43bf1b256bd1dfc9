//! Words for PowerShell, quoted so that it evaluates nothing in them.

use std::borrow::Cow;

/// Returns the text as a word that PowerShell passes on unchanged: bare where
/// nothing in it has a meaning, otherwise as a literal string. Returns `None` for
/// `--%`, which PowerShell takes for its own even if it is quoted.
pub(super) fn quoted(text: &str) -> Option<Cow<'_, str>> {
    if text == "--%" {
        return None;
    }
    if is_bare(text) {
        return Some(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        if is_single_quote(c) {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
    Some(Cow::Owned(out))
}

/// Returns true if PowerShell reads a word as text without quotes. A digit at its begin
/// could make it a number, `@` a variable.
fn is_bare(text: &str) -> bool {
    // The text of an option, such as `--filter=x` or `-f`.
    let name = text.strip_prefix("--").or_else(|| {
        let name = text.strip_prefix('-')?;
        (name.len() == 1).then_some(name)
    });
    let name = name.unwrap_or(text);
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-./:=@".contains(c))
}

/// Returns true if PowerShell ends a literal string at this character.
fn is_single_quote(c: char) -> bool {
    matches!(c, '\'' | '\u{2018}'..='\u{201b}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a word by the rules of PowerShell's language.
    fn read(word: &str) -> String {
        let Some(rest) = word.strip_prefix('\'') else {
            assert!(!word.contains(|c: char| "'\"`$@#(){}[];,|&<>*?~ ".contains(c)));
            return word.to_owned();
        };
        let mut text = String::new();
        let mut chars = rest.chars();
        while let Some(c) = chars.next() {
            if is_single_quote(c) {
                match chars.next() {
                    Some(second) => {
                        assert!(is_single_quote(second), "{word} ends before its end");
                        text.push(second);
                    }
                    None => return text,
                }
            } else {
                text.push(c);
            }
        }
        unreachable!("{word} has no end")
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "$(x)", "`x`", "it's", "‘a’", "'", "a b", "-yx", "--x y", "*", "~/x", "#x", "&x",
            "a|b", "<x", "a\\", "@x/y", "1kb", "–x", "\"a\"", "{x}", "größe",
        ] {
            let word = quoted(text).unwrap();
            assert!(word.starts_with('\'') && word.ends_with('\''), "{word}");
            assert_eq!(read(&word), text);
        }
        for text in [
            "ghcr.io/acme/app:v1",
            "--filter=type=d",
            "-f",
            "-y",
            "images",
        ] {
            assert_eq!(quoted(text).unwrap(), text);
        }
        assert_eq!(quoted("--%"), None);
    }
}
