//! The options for reaching registries.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::credentials::CredentialSource;

/// The tries after the first one, unless a caller says otherwise.
pub const DEFAULT_RETRIES: u32 = 5;

/// The longest silence of a registry, unless a caller says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// The options for reaching registries. The library does not look at the environment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RemoteOptions {
    /// The source of credentials.
    pub credentials: CredentialSource,
    /// The registries that are reached without TLS: hosts, with the port that references
    /// give. Those on this machine itself need not be named.
    pub plain_http: Vec<String>,
    /// A file of certificates in PEM form that are trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// The proxies.
    pub proxies: Proxies,
    /// The number of times that a request is sent again where that may help.
    pub retries: u32,
    /// The longest silence of a registry; after it, the connection counts as broken.
    pub timeout: Duration,
}

impl Default for RemoteOptions {
    fn default() -> Self {
        RemoteOptions {
            credentials: CredentialSource::None,
            plain_http: Vec::new(),
            ca_file: None,
            proxies: Proxies::default(),
            retries: DEFAULT_RETRIES,
            timeout: DEFAULT_TIMEOUT,
        }
    }
}

/// The proxies. What is on this machine itself is reached without. The `Debug` form shows no
/// password.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxies {
    /// The URL of the proxy for plain HTTP.
    pub http: Option<String>,
    /// The URL of the proxy for HTTPS.
    pub https: Option<String>,
    /// The hosts that are reached without, as in `NO_PROXY`.
    pub exceptions: String,
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies")
            .field("http", &self.http.as_deref().map(without_user))
            .field("https", &self.https.as_deref().map(without_user))
            .field("exceptions", &self.exceptions)
            .finish()
    }
}

/// Returns the part of a URL behind the name and the password of a user, if there are any.
fn without_user(url: &str) -> &str {
    url.rsplit('@').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_of_a_proxy_is_in_the_debug_form() {
        let options = RemoteOptions {
            proxies: Proxies {
                http: Some("http://user:sec@ret@p.example:3128".to_owned()),
                https: Some("http://q.example:3128".to_owned()),
                exceptions: "r.example".to_owned(),
            },
            ..RemoteOptions::default()
        };
        let shown = format!("{options:?}");
        assert!(!shown.contains("sec") && !shown.contains("ret@"), "{shown}");
        for part in ["p.example:3128", "http://q.example:3128", "r.example"] {
            assert!(shown.contains(part), "{shown}");
        }
    }
}
