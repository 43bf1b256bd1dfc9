//! One artifact of the registry.

use std::fmt;
use std::path::Path;

use chrono::{DateTime, FixedOffset};

use crate::reference::{Reference, UNTAGGED};

/// The type of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ArtifactType {
    /// A component, described by a `cld.yml`.
    Component,
    /// A datacenter, described by a `datacenter.dc`.
    Datacenter,
    /// A type that this version does not know; it is kept as it is.
    Other(String),
}

impl ArtifactType {
    /// Returns the name that the registry stores.
    pub fn as_str(&self) -> &str {
        match self {
            ArtifactType::Component => "component",
            ArtifactType::Datacenter => "datacenter",
            ArtifactType::Other(name) => name,
        }
    }
}

impl From<&str> for ArtifactType {
    fn from(name: &str) -> Self {
        match name {
            "component" => ArtifactType::Component,
            "datacenter" => ArtifactType::Datacenter,
            other => ArtifactType::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for ArtifactType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An entry of the registry, with the fields of cldctl's `ArtifactEntry`.
///
/// A field is `None` if the file lacks it, has null, or has a value of another type.
/// `None` is written as what Go writes for a field that was never set: an empty string,
/// 0, the year 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArtifactEntry {
    /// The full reference, such as `ghcr.io/org/app:v1.0.0`.
    pub reference: Option<String>,
    /// The repository, such as `ghcr.io/org/app`.
    pub repository: Option<String>,
    /// The tag, such as `v1.0.0`.
    pub tag: Option<String>,
    /// Component, datacenter, or a type of a later version.
    pub artifact_type: Option<ArtifactType>,
    /// The content's digest, such as `sha256:…`. Left out of the file if empty.
    pub digest: Option<String>,
    /// The content's size in bytes.
    pub size: Option<i64>,
    /// The time when the artifact was registered.
    pub created_at: Option<DateTime<FixedOffset>>,
    /// The absolute path of the directory that contains the content.
    pub cache_path: Option<String>,
}

impl ArtifactEntry {
    /// Creates an entry without a digest and of size 0; repository and tag follow from
    /// the reference.
    pub fn new(
        reference: &Reference,
        artifact_type: ArtifactType,
        created_at: DateTime<FixedOffset>,
        cache_path: &str,
    ) -> Self {
        let parts = reference.parts();
        ArtifactEntry {
            reference: Some(reference.to_string()),
            repository: Some(parts.repository.to_owned()),
            tag: Some(parts.tag_or_latest().to_owned()),
            artifact_type: Some(artifact_type),
            digest: None,
            size: Some(0),
            created_at: Some(created_at),
            cache_path: Some(cache_path.to_owned()),
        }
    }

    /// Sets the repository and tag of an artifact that was built without a tag:
    /// `<none>` for both.
    #[must_use]
    pub fn untagged(mut self) -> Self {
        self.repository = Some(UNTAGGED.to_owned());
        self.tag = Some(UNTAGGED.to_owned());
        self
    }

    /// Returns the content's directory, if the entry names one.
    pub fn cache_dir(&self) -> Option<&Path> {
        self.cache_path
            .as_deref()
            .filter(|path| !path.is_empty())
            .map(Path::new)
    }

    /// Returns whether two entries have the same values.
    ///
    /// An empty digest equals none. Times are equal if they are written the same.
    pub(crate) fn says_the_same_as(&self, other: &Self) -> bool {
        fn offset(entry: &ArtifactEntry) -> Option<i32> {
            entry.created_at.map(|time| time.offset().local_minus_utc())
        }
        let without_empty_digest = |entry: &Self| ArtifactEntry {
            digest: entry.digest.clone().filter(|digest| !digest.is_empty()),
            ..entry.clone()
        };
        without_empty_digest(self) == without_empty_digest(other) && offset(self) == offset(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp;

    fn entry() -> ArtifactEntry {
        let reference = Reference::parse("ghcr.io/org/app:v1&2").unwrap();
        let time = timestamp::parse("2026-03-01T00:00:00+00:00").unwrap();
        ArtifactEntry::new(&reference, ArtifactType::Component, time, "/c/x")
    }

    #[test]
    fn the_same_instant_at_another_offset_is_a_different_time() {
        let mut other = entry();
        assert!(entry().says_the_same_as(&other));
        other.digest = Some(String::new());
        assert!(entry().says_the_same_as(&other));
        other.created_at = timestamp::parse("2026-03-01T01:00:00+01:00");
        assert!(!entry().says_the_same_as(&other));
    }
}
