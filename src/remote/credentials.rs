//! Credentials for registries: those that docker, podman and others keep. Source: docker's
//! `config.json`, containers-auth.json(5), and the protocol of docker's credential helpers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::{Deserialize, Deserializer};

use super::helper::Helpers;
use super::name::{DOCKER_HUB, RemoteName};
use crate::store;

/// The key of Docker Hub in all files.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// The longest file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// A credential for a registry. Its `Debug` form shows no secret.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token that the registry's token server gives others for (OAuth 2).
    IdentityToken(String),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Credential::Password { user, .. } => {
                f.debug_struct("Password").field("user", user).finish()
            }
            Credential::IdentityToken(_) => f.write_str("IdentityToken"),
        }
    }
}

/// The source of credentials.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum CredentialSource {
    /// Nowhere: requests are made without.
    #[default]
    None,
    /// These are for every registry.
    Given(Credential),
    /// Files in docker's form, the first one that has some for the registry counts. Helpers
    /// that they name are started.
    Files(Vec<PathBuf>),
}

/// The outcome of looking for credentials.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    pub(super) credential: Option<Credential>,
    /// The places, each with what is wrong with it, as the parts of a sentence.
    pub(super) looked: Vec<String>,
}

/// A file of credentials, as far as it is read.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AuthFile {
    #[serde(deserialize_with = "or_default")]
    auths: BTreeMap<String, Option<Auth>>,
    #[serde(deserialize_with = "or_default")]
    cred_helpers: BTreeMap<String, Option<String>>,
    #[serde(deserialize_with = "or_default")]
    creds_store: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    #[serde(deserialize_with = "or_default")]
    auth: String,
    #[serde(deserialize_with = "or_default")]
    username: String,
    #[serde(deserialize_with = "or_default")]
    password: String,
    #[serde(deserialize_with = "or_default")]
    identitytoken: String,
}

/// Reads a value; for `null`, as Go's programs do, the empty one.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> std::result::Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl CredentialSource {
    /// Looks for the credentials for an artifact. An interrupt ends it without any.
    pub(super) fn find(&self, name: &RemoteName, helpers: &Helpers<'_>) -> Lookup {
        let mut lookup = Lookup::default();
        match self {
            CredentialSource::None => {}
            CredentialSource::Given(credential) => lookup.credential = Some(credential.clone()),
            CredentialSource::Files(files) => {
                for file in files {
                    lookup.credential = find_in(file, name, helpers, &mut lookup.looked);
                    if lookup.credential.is_some() {
                        break;
                    }
                }
            }
        }
        lookup
    }
}

/// Looks for credentials in a file.
fn find_in(
    path: &Path,
    name: &RemoteName,
    helpers: &Helpers<'_>,
    looked: &mut Vec<String>,
) -> Option<Credential> {
    let shown = crate::escape::escape_display(&path.to_string_lossy()).into_owned();
    let text = match store::read_up_to(path, MAX_BYTES) {
        Ok(Some(text)) => text,
        Ok(None) => {
            looked.push(format!("`{shown}` (missing)"));
            return None;
        }
        Err(_) => {
            looked.push(format!("`{shown}` (unreadable)"));
            return None;
        }
    };
    let Ok(file) = serde_json::from_slice::<AuthFile>(&text) else {
        looked.push(format!("`{shown}` (damaged)"));
        return None;
    };
    looked.push(format!("`{shown}`"));
    let keys = keys_of(name);
    let server = match name.registry() {
        DOCKER_HUB => DOCKER_HUB_KEY,
        registry => registry,
    };
    let helper = values_of(&keys, &file.cred_helpers).next();
    if let Some(helper) = helper
        && let Some(found) = helpers.ask(helper, server, looked)
    {
        return Some(found);
    }
    let own = values_of(&keys, &file.auths).find_map(Auth::credential);
    if own.is_some() || file.creds_store.is_empty() {
        return own;
    }
    helpers.ask(&file.creds_store, server, looked)
}

/// Returns the values of the keys that an artifact may have, the most exact first.
fn values_of<'v, T>(
    keys: &'v [String],
    values: &'v BTreeMap<String, Option<T>>,
) -> impl Iterator<Item = &'v T> {
    let forms = |wanted| FORMS.iter().map(move |form| (wanted, form));
    let matching = keys.iter().flat_map(forms).flat_map(|(wanted, form)| {
        let values = values.iter();
        values.filter(move |(key, _)| form(key).is_some_and(|key| key == *wanted))
    });
    matching.filter_map(|(_, value)| value.as_ref())
}

/// Returns the keys that an artifact may have in files, the most exact first.
fn keys_of(name: &RemoteName) -> Vec<String> {
    let registries = match name.registry() {
        DOCKER_HUB => vec!["index.docker.io".to_owned(), DOCKER_HUB.to_owned()],
        registry => vec![registry.to_ascii_lowercase()],
    };
    let path = name.path();
    let ends = path.match_indices('/').map(|(at, _)| at).rev();
    let paths: Vec<&str> = std::iter::once(path)
        .chain(ends.map(|end| &path[..end]))
        .collect();
    let keys = paths.iter().flat_map(|path| {
        let registries = registries.iter();
        registries.map(move |registry| format!("{registry}/{path}"))
    });
    keys.chain(registries.iter().cloned()).collect()
}

/// The forms that a key is compared in, the most exact first.
const FORMS: [fn(&str) -> Option<String>; 3] = [
    |key| Some(key.to_owned()),
    |key| Some(without_scheme(key)),
    without_version,
];

/// Returns a key without scheme, and with its host in lower case.
fn without_scheme(key: &str) -> String {
    let key = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key)
        .trim_end_matches('/');
    let (host, path) = key.split_at(key.find('/').unwrap_or(key.len()));
    host.to_ascii_lowercase() + path
}

/// Returns the host of a key that names a version of the protocol behind it, as older ones of
/// docker do.
fn without_version(key: &str) -> Option<String> {
    let key = without_scheme(key);
    match key.split_once('/') {
        Some((host, "v1" | "v2")) => Some(host.to_owned()),
        _ => None,
    }
}

impl Auth {
    /// Returns the credentials, if there are any: beside a store, docker keeps entries
    /// without.
    fn credential(&self) -> Option<Credential> {
        if !self.identitytoken.is_empty() {
            return Some(Credential::IdentityToken(self.identitytoken.clone()));
        }
        let decoded = STANDARD
            .decode(&self.auth)
            .or_else(|_| STANDARD_NO_PAD.decode(&self.auth));
        let text = decoded.ok().and_then(|text| String::from_utf8(text).ok());
        let text = text.unwrap_or_default();
        // Some writers end it with zeros.
        let text = text.trim_end_matches('\0');
        let (user, password) = text
            .split_once(':')
            .unwrap_or((&self.username, &self.password));
        (!user.is_empty() && !password.is_empty()).then(|| Credential::Password {
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
