//! URLs as registries give them: where a request goes, and where it is sent on to.

use std::fmt;

use ureq::http::Uri;

/// An address that a request can be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) is_https: bool,
    /// The host, with a port where one is given.
    pub(super) authority: String,
    /// The path, with the query.
    pub(super) path: String,
}

impl Url {
    pub(super) fn new(is_https: bool, authority: &str, path: impl Into<String>) -> Self {
        Url {
            is_https,
            authority: authority.to_owned(),
            path: path.into(),
        }
    }

    /// Parses an absolute URL.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let is_https = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?.as_str();
        // The part before it would be sent as credentials.
        if authority.contains('@') {
            return None;
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Some(Url::new(is_https, authority, path))
    }

    /// Returns where a `Location` of an answer from here leads to (RFC 3986, section 5).
    pub(super) fn join(&self, location: &str) -> Option<Self> {
        let is_scheme = |text: &str| {
            let mut bytes = text.bytes();
            bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        };
        if location
            .split_once("://")
            .is_some_and(|(scheme, _)| is_scheme(scheme))
        {
            return Url::parse(location);
        }
        let scheme = if self.is_https { "https" } else { "http" };
        if location.starts_with("//") {
            return Url::parse(&format!("{scheme}:{location}"));
        }
        let own = self.path.split('?').next().unwrap_or_default();
        let path = match location.chars().next() {
            Some('/') => location.to_owned(),
            Some('?') => format!("{own}{location}"),
            _ => {
                let dir = own.rsplit_once('/').map_or("", |(dir, _)| dir);
                format!("{dir}/{location}")
            }
        };
        Url::parse(&format!("{scheme}://{}{path}", self.authority))
    }

    /// Adds a parameter to the query.
    pub(super) fn with(mut self, parameter: &str) -> Self {
        let sign = if self.path.contains('?') { '&' } else { '?' };
        self.path = format!("{}{sign}{parameter}", self.path);
        self
    }

    /// Returns whether both are the same scheme, host and port: what is meant for one may
    /// be sent to the other.
    pub(super) fn has_origin_of(&self, other: &Url) -> bool {
        self.is_https == other.is_https && self.host_and_port() == other.host_and_port()
    }

    fn host_and_port(&self) -> (String, u16) {
        let default = if self.is_https { 443 } else { 80 };
        let authority = self.authority.to_ascii_lowercase();
        let is_port = |port: &str| !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit());
        match authority.rsplit_once(':') {
            Some((host, port)) if is_port(port) => {
                (host.to_owned(), port.parse().unwrap_or(default))
            }
            _ => (authority, default),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

/// Returns a text as a part of a query, with what has a meaning there encoded.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_resolved_against_the_request() {
        let from = Url::parse("http://r.example:5000/v2/a/blobs/uploads/?x=1").unwrap();
        for (location, expected) in [
            ("https://s.example/b?c=d", "https://s.example/b?c=d"),
            ("/v2/b?c=/d", "http://r.example:5000/v2/b?c=/d"),
            ("17?s=1", "http://r.example:5000/v2/a/blobs/uploads/17?s=1"),
            (
                "17?to=https://s.example/",
                "http://r.example:5000/v2/a/blobs/uploads/17?to=https://s.example/",
            ),
            ("//s.example/b", "http://s.example/b"),
            (
                "/redirect?to=https://s.example/",
                "http://r.example:5000/redirect?to=https://s.example/",
            ),
        ] {
            let found = from.join(location).map(|url| url.to_string());
            assert_eq!(found.as_deref(), Some(expected));
        }
        let upload = Url::parse("https://r.example/v2/uploads/17?s=0").unwrap();
        let next = upload.join("?s=1").map(|url| url.to_string());
        assert_eq!(next.as_deref(), Some("https://r.example/v2/uploads/17?s=1"));
        assert_eq!(from.join("ftp://s.example/"), None);
        assert_eq!(from.join("http://user:secret@s.example/"), None);
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        let is_same = |a, b| {
            Url::parse(a)
                .unwrap()
                .has_origin_of(&Url::parse(b).unwrap())
        };
        assert!(is_same("https://R.example/a", "https://r.example:443/b"));
        for other in [
            "http://r.example/",
            "https://r.example:444/",
            "https://r.example.s/",
        ] {
            assert!(!is_same("https://r.example/", other), "{other}");
        }
    }
}
