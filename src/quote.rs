//! Quoting for a POSIX shell.

use crate::escape::is_unsafe;

/// Quotes a word if a shell would change its meaning.
///
/// `None` if a terminal cannot show it as it is, because the escapes that messages
/// print for such characters mean something else to a shell.
pub(crate) fn word(text: &str) -> Option<String> {
    if text.contains(is_unsafe) {
        return None;
    }
    let is_plain = |c: char| c.is_alphanumeric() || "@%+=:,./-_".contains(c);
    // zsh replaces `=name` with the path of a program.
    if !text.is_empty() && !text.starts_with('=') && text.chars().all(is_plain) {
        return Some(text.to_owned());
    }
    Some(format!("'{}'", text.replace('\'', r"'\''")))
}

/// Quotes a word as [`word`] does, and keeps it from being read as an option.
pub(crate) fn operand(text: &str) -> Option<String> {
    let word = word(text)?;
    Some(match text.starts_with('-') {
        true => format!("-- {word}"),
        false => word,
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn only_words_that_need_it_are_quoted() {
        for (text, quoted) in [
            (
                "ghcr.io/acme/app:v1@sha256:abc",
                "ghcr.io/acme/app:v1@sha256:abc",
            ),
            ("@clerk/clerk", "@clerk/clerk"),
            ("größe-日本", "größe-日本"),
            ("", "''"),
            ("*web*", "'*web*'"),
            ("it's", r"'it'\''s'"),
            ("=ls", "'=ls'"),
            ("~/x", "'~/x'"),
        ] {
            assert_eq!(word(text).as_deref(), Some(quoted));
        }
        assert_eq!(word("a\nb"), None);
        assert_eq!(word("a\u{202e}b"), None);
        assert_eq!(operand("-y").as_deref(), Some("-- -y"));
        assert_eq!(operand("-$x").as_deref(), Some("-- '-$x'"));
        assert_eq!(operand("app").as_deref(), Some("app"));
    }

    #[test]
    fn a_shell_reads_a_quoted_word_unchanged() {
        for text in [
            "$(touch x)",
            "`x`",
            "a;b",
            "a&b",
            "a|b",
            "a>b",
            "a b",
            "!x",
            "\"x\"",
            "'",
            "''",
            "\\",
            "a\\",
            "#x",
            "{a,b}",
            "[a]",
            "?",
            "~",
            "^x",
            "-n",
            "%1",
            "é'日",
        ] {
            let script = format!("printf %s {}", word(text).unwrap());
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }
}
