//! One artifact of the registry.

use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use chrono::{DateTime, FixedOffset};

use crate::error::Error;
use crate::fields::FieldTexts;
use crate::json::go_string;
use crate::reference::{Reference, UNTAGGED};
use crate::timestamp;

/// What an artifact is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ArtifactType {
    /// A component, described by a `cld.yml`.
    Component,
    /// A datacenter, described by a `datacenter.dc`.
    Datacenter,
    /// A type that this version does not know; kept as it is.
    Other(String),
}

impl ArtifactType {
    /// The name that stands in the registry.
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
    /// When the artifact was registered.
    pub created_at: Option<DateTime<FixedOffset>>,
    /// The directory that holds the content, an absolute path.
    pub cache_path: Option<String>,
}

impl ArtifactEntry {
    /// An entry without a digest and of size 0; repository and tag follow from
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

    /// Gives the entry the names of an artifact that was built without a tag:
    /// `<none>` for both.
    #[must_use]
    pub fn untagged(mut self) -> Self {
        self.repository = Some(UNTAGGED.to_owned());
        self.tag = Some(UNTAGGED.to_owned());
        self
    }

    /// The content's directory, where the entry names one.
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

    /// Whether two entries say the same, whatever the form: an empty digest is
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

    /// The entry as it stands in `artifacts.json`, in the form that Go's
    /// `json.MarshalIndent` gives it there: the eight fields in their order,
    /// then `unknown` fields, each a key and a value in JSON.
    ///
    /// # Errors
    ///
    /// A time that Go cannot read back, or a negative size.
    pub(crate) fn encode(&self, unknown: &[(&str, &str)]) -> Result<String, Error> {
        let time = match &self.created_at {
            None => timestamp::ZERO.to_owned(),
            Some(time) => {
                timestamp::format(time).ok_or_else(|| Error::UnwritableTime(time.to_rfc3339()))?
            }
        };
        let size = self.size.unwrap_or_default();
        if size < 0 {
            return Err(Error::NegativeSize(size));
        }
        let string = |text: Option<&str>| {
            let mut literal = String::new();
            go_string(&mut literal, text.unwrap_or_default());
            literal
        };
        let digest = self.digest.as_deref().filter(|digest| !digest.is_empty());
        Ok(FieldTexts {
            reference: string(self.reference.as_deref()),
            repository: string(self.repository.as_deref()),
            tag: string(self.tag.as_deref()),
            artifact_type: string(self.artifact_type.as_ref().map(ArtifactType::as_str)),
            digest: digest.map(|digest| string(Some(digest))),
            size: size.to_string(),
            created_at: string(Some(&time)),
            cache_path: string(self.cache_path.as_deref()),
        }
        .join(unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> ArtifactEntry {
        let reference = Reference::parse("ghcr.io/org/app:v1&2").unwrap();
        let time = timestamp::parse("2026-03-01T00:00:00+00:00").unwrap();
        ArtifactEntry::new(&reference, ArtifactType::Component, time, "/c/x")
    }

    #[test]
    fn an_entry_is_written_as_go_writes_it() {
        let expected = r#"{
      "reference": "ghcr.io/org/app:v1\u00262",
      "repository": "ghcr.io/org/app",
      "tag": "v1\u00262",
      "type": "component",
      "size": 0,
      "createdAt": "2026-03-01T00:00:00Z",
      "cachePath": "/c/x",
      "x": [1,  2]
    }"#;
        assert_eq!(entry().encode(&[("\"x\"", "[1,  2]")]).unwrap(), expected);
    }

    #[test]
    fn fields_that_were_never_set_are_written_as_go_writes_them() {
        let text = ArtifactEntry::default().encode(&[]).unwrap();
        assert!(
            text.contains("\"createdAt\": \"0001-01-01T00:00:00Z\""),
            "{text}"
        );
        assert!(text.contains("\"size\": 0"), "{text}");
        assert!(!text.contains("digest"), "{text}");
    }

    #[test]
    fn an_entry_that_cldctl_could_not_read_is_not_written() {
        let negative = ArtifactEntry {
            size: Some(-1),
            ..entry()
        };
        assert!(matches!(negative.encode(&[]), Err(Error::NegativeSize(-1))));
        let leap = DateTime::parse_from_rfc3339("2016-12-31T23:59:60Z").unwrap();
        let leap = ArtifactEntry {
            created_at: Some(leap),
            ..entry()
        };
        assert!(matches!(leap.encode(&[]), Err(Error::UnwritableTime(_))));
    }

    #[test]
    fn the_same_instant_at_another_offset_is_another_time() {
        let mut other = entry();
        assert!(entry().says_the_same_as(&other));
        other.digest = Some(String::new());
        assert!(entry().says_the_same_as(&other));
        other.created_at = timestamp::parse("2026-03-01T01:00:00+01:00");
        assert!(!entry().says_the_same_as(&other));
    }
}
