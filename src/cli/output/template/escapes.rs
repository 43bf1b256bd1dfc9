//! `\t` and `\n` in templates.

/// Replaces `\t` and `\n` by what they stand for, as docker does, but not in quoted
/// strings of actions: the template language replaces them there, and takes no line
/// break.
pub(super) fn expand(template: &str) -> String {
    let mut text = String::with_capacity(template.len());
    let mut state = State::Text;
    let mut rest = template;
    while let Some(first) = rest.chars().next() {
        let (next, taken) = state.after(rest, first);
        let piece = &rest[..taken];
        match piece {
            "\\t" if state != State::Quoted('"') => text.push('\t'),
            "\\n" if state != State::Quoted('"') => text.push('\n'),
            _ => text.push_str(piece),
        }
        (state, rest) = (next, &rest[taken..]);
    }
    text
}

/// The part of a template that is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    Action,
    Comment,
    /// Up to this quote.
    Quoted(char),
}

impl State {
    /// Returns the state after the next piece, and how long that is.
    fn after(self, rest: &str, first: char) -> (Self, usize) {
        use State::{Action, Comment, Quoted, Text};

        // A pair of characters is taken at once, so that no half of it counts.
        let switch = match self {
            Text => [("{{", Action)].as_slice(),
            Action => &[("}}", Text), ("/*", Comment)],
            Comment => &[("*/", Action)],
            Quoted(_) => &[],
        };
        if let Some((pair, state)) = switch.iter().find(|(pair, _)| rest.starts_with(pair)) {
            return (*state, pair.len());
        }
        match (self, first) {
            (Quoted('`'), '`') => (Action, 1),
            (Quoted(quote), _) if first == quote => (Action, 1),
            (Action, '"' | '`' | '\'') => (Quoted(first), 1),
            // A character after a backslash ends no string.
            (_, '\\')
                if self != Quoted('`') || rest.starts_with("\\t") || rest.starts_with("\\n") =>
            {
                let next = rest.chars().nth(1).map_or(0, char::len_utf8);
                (self, 1 + next)
            }
            _ => (self, first.len_utf8()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_replaced_but_in_quoted_strings() {
        for (template, expanded) in [
            (r"{{.A}}\t{{.B}}\n", "{{.A}}\t{{.B}}\n"),
            (r#"\t{{join .A "\n"}}\t"#, "\t{{join .A \"\\n\"}}\t"),
            (r#"{{join .A "\"\t"}}\t"#, "{{join .A \"\\\"\\t\"}}\t"),
            (r#"{{"}}\t"}}\t"#, "{{\"}}\\t\"}}\t"),
            (r"{{`\t`}}\t", "{{`\t`}}\t"),
            (r"{{`\`}}\t", "{{`\\`}}\t"),
            (r#""\t" {{'"'}}\t"#, "\"\t\" {{'\"'}}\t"),
            (r#"{{/* it's "a */}}\t"#, "{{/* it's \"a */}}\t"),
            (r"\\t \x é\t", "\\\\t \\x é\t"),
            ("{{", "{{"),
            ("\\", "\\"),
        ] {
            assert_eq!(expand(template), expanded, "{template}");
        }
    }
}
