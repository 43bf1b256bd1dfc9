//! The names of artifacts in registries. Source: the OCI distribution specification 1.1,
//! "Pulling manifests", and docker's rule for names without a registry.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::digest::Digest;
use crate::error::{Error, NO_REGISTRY, Result};
use crate::reference::ReferenceParts;

/// The registry that a name without one means, as it is written in references, as docker
/// wrote it once, and as it is reached.
pub(super) const DOCKER_HUB: &str = "docker.io";
const OLD_DOCKER_HUB: &str = "index.docker.io";
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// An artifact in a registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoteName {
    /// The registry as it is written: a host, with a port where one is given.
    registry: String,
    /// The repository in the registry.
    path: String,
    version: Version,
}

/// The part of a name that tells the manifests of a repository apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Version {
    Tag(String),
    Digest(Digest),
}

impl RemoteName {
    /// Returns the artifact that a reference names. Where it names no registry, this is
    /// Docker Hub. A repository there without a path is in `library/`.
    ///
    /// # Errors
    ///
    /// [`Error::NoRemoteName`] for what cannot be the name of an artifact in a registry.
    pub fn parse(reference: &str) -> Result<Self> {
        RemoteName::new(reference, || Ok(DOCKER_HUB))
    }

    /// Returns the artifact that a reference names with its registry.
    ///
    /// # Errors
    ///
    /// [`Error::NoRemoteName`] also where no registry is named, because nothing is sent to one
    /// that the user did not name.
    pub fn parse_with_registry(reference: &str) -> Result<Self> {
        let name = RemoteName::new(reference, || Err(NO_REGISTRY))?;
        match name.version {
            Version::Tag(_) => Ok(name),
            Version::Digest(_) => Err(Error::NoRemoteName {
                reference: reference.to_owned(),
                reason: "it names a digest, and a tag is needed",
            }),
        }
    }

    fn new(
        reference: &str,
        without_registry: impl FnOnce() -> Result<&'static str, &'static str>,
    ) -> Result<Self> {
        let parts = ReferenceParts::of(reference);
        let refused = |reference: &str, reason| Error::NoRemoteName {
            reference: reference.to_owned(),
            reason,
        };
        if reference.starts_with("sha256:") || reference.starts_with("sha512:") {
            return Err(refused(reference, NO_REGISTRY));
        }
        // The part before it may have a password, so it is not shown.
        if let Some((user, _)) = parts.repository.rsplit_once('@')
            && !user.is_empty()
        {
            return Err(refused(
                &reference[user.len() + 1..],
                "a user or password comes before it",
            ));
        }
        let named = match parts.repository.split_once('/') {
            Some((host, _)) if is_registry(host) && !is_authority(host) => {
                Err("its registry is not a host with or without a port")
            }
            Some((host, path)) if is_registry(host) => Ok((host, path)),
            _ => without_registry().map(|host| (host, parts.repository)),
        };
        let named = named.map(|(host, path)| {
            let is_docker_hub =
                [DOCKER_HUB, OLD_DOCKER_HUB].map(|known| known.eq_ignore_ascii_case(host));
            match is_docker_hub.contains(&true) {
                true if path.contains('/') => (DOCKER_HUB.to_owned(), path.to_owned()),
                true => (DOCKER_HUB.to_owned(), format!("library/{path}")),
                false => (host.to_owned(), path.to_owned()),
            }
        });
        let version = match (parts.digest, parts.tag_or_latest()) {
            (Some(digest), _) => (digest.parse().map(Version::Digest))
                .map_err(|_| "its digest is not `sha256:` and 64 hex digits"),
            (None, tag) if is_tag(tag) => Ok(Version::Tag(tag.to_owned())),
            (None, _) => Err("a tag there has letters, digits, `_`, `.` and `-`"),
        };
        let name = named.and_then(|(registry, path)| match is_path(&path) {
            true => Ok((registry, path)),
            false => Err(
                "a repository there has lower-case letters and digits, with `.`, `_` or `-` between",
            ),
        });
        match (name, version) {
            (Ok((registry, path)), Ok(version)) => Ok(RemoteName {
                registry,
                path,
                version,
            }),
            (Err(reason), _) | (_, Err(reason)) => Err(refused(reference, reason)),
        }
    }

    /// Returns the registry as it is written; `docker.io` for all names of Docker Hub.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the host and port that the registry is reached at.
    pub(super) fn host(&self) -> &str {
        match &*self.registry {
            DOCKER_HUB => DOCKER_HUB_HOST,
            host => host,
        }
    }

    /// Returns the repository in the registry.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Returns the tag or digest.
    pub(super) fn version(&self) -> &str {
        match &self.version {
            Version::Tag(tag) => tag,
            Version::Digest(digest) => digest.as_str(),
        }
    }

    /// Returns the digest, if one is named.
    pub(super) fn digest(&self) -> Option<&Digest> {
        match &self.version {
            Version::Tag(_) => None,
            Version::Digest(digest) => Some(digest),
        }
    }

    /// Returns the repository, with its registry.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.registry, self.path)
    }

    /// Returns the name of a manifest of the repository by its digest.
    pub fn by_digest(&self, digest: &Digest) -> String {
        format!("{}/{}@{digest}", self.registry, self.path)
    }
}

impl fmt::Display for RemoteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.version {
            Version::Tag(_) => ':',
            Version::Digest(_) => '@',
        };
        let (registry, path) = (&self.registry, &self.path);
        write!(f, "{registry}/{path}{sign}{}", self.version())
    }
}

/// Returns whether the first part of a name is a registry. Source: docker's
/// `splitDockerDomain`.
fn is_registry(part: &str) -> bool {
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    (part.contains(['.', ':']) || part.eq_ignore_ascii_case("localhost"))
        && part.chars().all(is_host)
        && part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
}

/// Returns whether a registry can be a host, with or without a port.
fn is_authority(text: &str) -> bool {
    let (is_host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, after)) => (host.parse::<Ipv6Addr>().is_ok(), after),
            None => return false,
        },
        None => {
            let end = text.find(':').unwrap_or(text.len());
            (is_host(&text[..end]), &text[end..])
        }
    };
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    is_host && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

/// Returns whether a text is a name or an address as hosts have them.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_end = |c: char| c.is_ascii_alphanumeric() || c == '_';
        label.len() <= 63
            && label.starts_with(is_end)
            && label.ends_with(is_end)
            && label.chars().all(|c| is_end(c) || c == '-')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    let last = name.rsplit('.').next().unwrap_or_default();
    // No name ends with a number.
    match last.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<Ipv4Addr>().is_ok(),
        false => name.len() <= 253 && name.split('.').all(is_label),
    }
}

/// Returns whether a repository fits the grammar of the OCI distribution specification.
fn is_path(path: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_part = |part: &str| {
        let is_end = |c: Option<char>| c.is_some_and(is_word);
        let separators = part.split(is_word).filter(|between| !between.is_empty());
        is_end(part.chars().next())
            && is_end(part.chars().next_back())
            && separators.into_iter().all(|between| {
                matches!(between, "." | "_" | "__") || between.bytes().all(|byte| byte == b'-')
            })
    };
    path.len() <= 255 && path.split('/').all(is_part)
}

/// Returns whether a tag fits the grammar of the OCI distribution specification.
pub(crate) fn is_tag(tag: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= 128
        && tag.starts_with(is_word)
        && tag.chars().all(|c| is_word(c) || matches!(c, '.' | '-'))
}

/// Returns the host of an authority, without its port and without brackets.
pub(super) fn host_of(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

/// Returns whether an authority is this machine itself, so that no other machine reads
/// requests to it.
pub(super) fn is_loopback(authority: &str) -> bool {
    let host = host_of(authority).to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests;
