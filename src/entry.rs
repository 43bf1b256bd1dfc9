//! One artifact of the registry.

use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use chrono::{DateTime, FixedOffset};

use crate::reference::{Reference, UNTAGGED};
use crate::timestamp;

/// The kind of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

impl FromStr for ArtifactType {
    type Err = Infallible;

    /// Never fails, because any name may be that of a later version's type.
    fn from_str(name: &str) -> Result<Self, Infallible> {
        Ok(ArtifactType::from(name))
    }
}

impl AsRef<str> for ArtifactType {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for ArtifactType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An entry of the registry, with the fields of cldctl's `ArtifactEntry`.
///
/// A field is `None` where the file has none, has null, or has something that
/// cannot be read as what the field is. Written, `None` becomes what Go writes
/// for a field that was never set: an empty string, 0, the year 1.
///
/// ```
/// use cldctl_registry::{ArtifactEntry, ArtifactType, Reference};
///
/// let reference = Reference::parse("ghcr.io/org/app:v1")?;
/// let now = cldctl_registry::chrono::Utc::now().fixed_offset();
/// let mut entry = ArtifactEntry::new(&reference, ArtifactType::Component, now, "/srv/app");
/// entry.size = Some(4096);
/// # Ok::<(), cldctl_registry::InvalidReference>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
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

    /// Parses a time that an entry can be created with: RFC 3339 as Go reads it, with at
    /// most nine digits of a fraction. `None` if cldctl could not read it back.
    ///
    /// ```
    /// use cldctl_registry::ArtifactEntry;
    ///
    /// assert!(ArtifactEntry::parse_time("2026-02-14T13:03:11.5-05:00").is_some());
    /// assert!(ArtifactEntry::parse_time("2026-02-14T13:03:60Z").is_none());
    /// ```
    pub fn parse_time(text: &str) -> Option<DateTime<FixedOffset>> {
        timestamp::parse_to_store(text)
    }

    /// Returns whether two entries say the same, whatever the form: an empty digest is
    /// as good as none. Times are the same if they are written the same.
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
