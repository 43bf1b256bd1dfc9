//! The words of a line as bash reads and writes them; zsh reads them the same way.

use super::quote::Quote;

/// A command line up to the cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The words without their quotes. The last is the one at the cursor, empty
    /// after a blank.
    pub(super) words: Vec<String>,
    /// The quote that is open at the cursor.
    pub(super) quote: Quote,
    /// True if bash takes the last word as it is: there is nothing in it that
    /// bash would expand.
    pub(super) is_literal: bool,
}

impl Line {
    pub(super) fn parse(line: &str) -> Self {
        let mut words = vec![String::new()];
        let mut quote = Quote::None;
        let mut in_word = false;
        let mut is_literal = true;
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            let literal = match (quote, c) {
                (Quote::None, ' ' | '\t' | '\n') => {
                    if in_word {
                        words.push(String::new());
                    }
                    (in_word, is_literal) = (false, true);
                    continue;
                }
                (Quote::None, '\'') => {
                    quote = Quote::Single;
                    None
                }
                (Quote::None, '"') => {
                    quote = Quote::Double;
                    None
                }
                (Quote::Single, '\'') | (Quote::Double, '"') => {
                    quote = Quote::None;
                    None
                }
                (Quote::None, '\\') => chars.next(),
                (Quote::Double, '\\') => {
                    Some(chars.next_if(|c| "\"$`\\".contains(*c)).unwrap_or('\\'))
                }
                _ => {
                    is_literal &= !is_special(quote, c);
                    Some(c)
                }
            };
            in_word = true;
            if let Some(word) = words.last_mut() {
                word.extend(literal);
            }
        }
        Line {
            words,
            quote,
            is_literal,
        }
    }
}

/// Returns true if bash gives a character in such a quote a meaning of its own, in some
/// place of a word. `!` has one inside double quotes too.
fn is_special(quote: Quote, c: char) -> bool {
    match quote {
        Quote::None => !c.is_alphanumeric() && !"_-./:=@+,%^".contains(c),
        Quote::Single => false,
        Quote::Double => "\"$`\\!".contains(c),
    }
}

/// Returns the text as it belongs behind a quote, so that bash reads it back
/// unchanged. Returns `None` where there is no safe way to write it.
pub(super) fn quoted(quote: Quote, text: &str) -> Option<String> {
    let is_writable = match quote {
        Quote::None => true,
        // Inside quotes, whether `!` recalls a command depends on the rest of
        // the line, and a backslash before it would stay.
        Quote::Single => !text.contains(['\'', '!']),
        // After a `"`, bash does not close the quote.
        Quote::Double => !text.contains('!') && !text.ends_with('"'),
    };
    is_writable.then(|| {
        let mut out = String::with_capacity(text.len() + 8);
        for c in text.chars() {
            if is_special(quote, c) {
                out.push('\\');
            }
            out.push(c);
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> (Vec<String>, Quote) {
        let Line { words, quote, .. } = Line::parse(line);
        (words, quote)
    }

    #[test]
    fn words_are_read_as_bash_reads_them() {
        for (line, words, quote) in [
            ("", &[""][..], Quote::None),
            ("rm", &["rm"], Quote::None),
            ("  rm  a:b=c ", &["rm", "a:b=c", ""], Quote::None),
            ("rm \"a b", &["rm", "a b"], Quote::Double),
            ("rm 'a \\", &["rm", "a \\"], Quote::Single),
            ("rm \"a\"'b'c", &["rm", "abc"], Quote::None),
            ("rm a\\ b '' ", &["rm", "a b", "", ""], Quote::None),
            (r#"rm "\$\x\""#, &["rm", r#"$\x""#], Quote::Double),
            ("rm a\\", &["rm", "a"], Quote::None),
        ] {
            let words = words.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(parsed(line), (words, quote), "{line}");
        }
    }

    #[test]
    fn a_word_that_bash_expands_is_not_literal() {
        for (line, is_literal) in [
            ("rm ghcr.io/acme/app:", true),
            ("rm '$(x)!`*:", true),
            (r#"rm \$\!\~"\$\`:"#, true),
            ("rm $x ", true),
            ("rm $x:", false),
            ("rm a!b:", false),
            ("rm ~:", false),
            ("rm \"$x:", false),
            ("rm \"a!b:", false),
            ("rm $'x:", false),
            ("rm {a,b}:", false),
        ] {
            assert_eq!(Line::parse(line).is_literal, is_literal, "{line}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (quote, open) in [
            (Quote::None, ""),
            (Quote::Double, "\""),
            (Quote::Single, "'"),
        ] {
            for text in [
                "ghcr.io/acme/app:v1",
                "a b$(c)`d`\\\"*x",
                "~/größe",
                "it's!",
            ] {
                let Some(written) = quoted(quote, text) else {
                    continue;
                };
                let line = Line::parse(&format!("{open}{written}"));
                assert_eq!((line.words, line.quote), (vec![text.to_owned()], quote));
                assert!(line.is_literal, "{written}");
            }
        }
    }

    #[test]
    fn what_cannot_be_quoted_safely_is_not_written() {
        for (quote, text) in [
            (Quote::Single, "it's"),
            (Quote::Single, "a!b"),
            (Quote::Double, "a!b"),
            (Quote::Double, "a\""),
        ] {
            assert_eq!(quoted(quote, text), None, "{text}");
        }
    }
}
