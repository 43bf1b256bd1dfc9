//! The challenges of registries: they ask for credentials (RFC 9110, section 11.6.1).

use std::collections::HashMap;

/// A challenge of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// In lower case.
    scheme: String,
    /// By their names in lower case.
    parameters: HashMap<String, String>,
}

impl Challenge {
    pub(super) fn is(&self, scheme: &str) -> bool {
        self.scheme == scheme
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }
}

/// Returns the challenges in a `WWW-Authenticate`.
pub(super) fn challenges(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let end = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
        let (token, behind) = rest.split_at(end);
        if token.is_empty() {
            return challenges;
        }
        let token = token.to_ascii_lowercase();
        match behind.trim_start().strip_prefix('=') {
            Some(value) => {
                let (value, behind) = value_in(value.trim_start());
                if let Some(challenge) = challenges.last_mut() {
                    challenge.parameters.insert(token, value);
                }
                rest = behind;
            }
            None => {
                challenges.push(Challenge {
                    scheme: token,
                    parameters: HashMap::new(),
                });
                rest = behind;
            }
        }
    }
}

/// Returns the value that a text begins with, quoted or not, and what follows.
fn value_in(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_told_apart_with_their_parameters() {
        let header = r#"Bearer realm="https://a.example/t?x=1,2",service=r.example , scope="repository:a:pull,push", Basic realm="a \"b\"" , Negotiate"#;
        let found = challenges(header);
        assert_eq!(found.len(), 3);
        assert!(found[0].is("bearer") && found[1].is("basic") && found[2].is("negotiate"));
        let bearer = |name| found[0].parameter(name);
        assert_eq!(bearer("realm"), Some("https://a.example/t?x=1,2"));
        assert_eq!(bearer("service"), Some("r.example"));
        assert_eq!(bearer("scope"), Some("repository:a:pull,push"));
        assert_eq!(found[1].parameter("realm"), Some("a \"b\""));
    }

    #[test]
    fn what_is_no_challenge_is_none() {
        for header in ["", " , ", "\"", "=x", "Bearer realm=\"open"] {
            assert!(challenges(header).len() <= 1, "{header}");
        }
    }
}
