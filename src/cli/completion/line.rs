//! The line that is being typed, as bash would read it.

/// A command line up to the cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The words without their quotes. The last is the one at the cursor, empty
    /// behind a blank.
    pub(super) words: Vec<String>,
    /// The quote that is open at the cursor.
    pub(super) quote: Quote,
}

/// How text is quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quote {
    None,
    Single,
    Double,
}

impl Line {
    pub(super) fn parse(line: &str) -> Self {
        let mut words = vec![String::new()];
        let mut quote = Quote::None;
        let mut in_word = false;
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            let literal = match (quote, c) {
                (Quote::None, ' ' | '\t' | '\n') => {
                    if in_word {
                        words.push(String::new());
                    }
                    in_word = false;
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
                _ => Some(c),
            };
            in_word = true;
            if let Some(word) = words.last_mut() {
                word.extend(literal);
            }
        }
        Line { words, quote }
    }
}

impl Quote {
    /// Whether there is a way to write this text inside of the quote.
    pub(super) fn can_hold(self, text: &str) -> bool {
        self != Quote::Single || !text.contains('\'')
    }

    /// Writes text so that the shell reads it as it is: a reference may hold
    /// `$(…)`.
    pub(super) fn push(self, out: &mut String, text: &str) {
        for c in text.chars() {
            let special = match self {
                Quote::None => !c.is_alphanumeric() && !"_-./:=@+,%~^".contains(c),
                Quote::Single => false,
                Quote::Double => "\"$`\\".contains(c),
            };
            if special {
                out.push('\\');
            }
            out.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(Line::parse(line), Line { words, quote }, "{line}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (quote, open) in [
            (Quote::None, ""),
            (Quote::Double, "\""),
            (Quote::Single, "'"),
        ] {
            for text in ["ghcr.io/acme/app:v1", "a b$(c)`d`\\\"*", "größe", "it's"] {
                if !quote.can_hold(text) {
                    continue;
                }
                let mut line = open.to_owned();
                quote.push(&mut line, text);
                let words = vec![text.to_owned()];
                assert_eq!(Line::parse(&line), Line { words, quote }, "{line}");
            }
        }
        assert!(!Quote::Single.can_hold("it's"));
    }
}
