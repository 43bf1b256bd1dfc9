//! Serializes entries, names and reports, with the keys and names that the registry and the
//! program's reports have.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::ser::{Error as _, Serialize, SerializeStruct, Serializer};
use serde_json::value::RawValue;

use crate::deployed::DeployedBy;
use crate::prune::PruneReason;
use crate::status::{CacheState, ContentStatus, DigestState, FileTotal, Remote};
use crate::usage::{EntryUsage, UsageTotal};
use crate::verify::{Code, Finding, Report};
use crate::{
    Added, ArtifactEntry, ArtifactType, CacheKey, Digest, Reference, StoredEntry, timestamp,
};

/// Serializes types as the text that `as_str` returns.
macro_rules! serialize_as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    )*};
}

serialize_as_text!(
    Added,
    ArtifactType,
    CacheKey,
    CacheState,
    Code,
    Digest,
    DigestState,
    PruneReason,
    Reference
);

/// Deserializes types from a text, as `FromStr` does.
macro_rules! deserialize_from_text {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text(PhantomData))
            }
        }
    )*};
}

deserialize_from_text!(ArtifactType, Digest, Reference);

struct Text<T>(PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// Serializes structures as objects of these keys.
macro_rules! serialize_fields {
    ($($type:ty { $($key:literal: $field:ident),* $(; $rest:tt)? })*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                // So that a field that is added has to be listed here, or left out by `..`.
                let Self { $($field,)* $($rest)? } = self;
                let count = [$($key),*].len();
                let mut fields = serializer.serialize_struct(stringify!($type), count)?;
                $(fields.serialize_field($key, $field)?;)*
                fields.end()
            }
        }
    )*};
}

serialize_fields! {
    ContentStatus {
        "cache": cache, "files": files, "bytes": bytes, "digest": digest,
        "generated": generated, "deployed": deployed, "remotes": remotes
    }
    EntryUsage {
        "reference": reference, "type": artifact_type, "recordedSize": recorded_size,
        "size": size, "disk": disk, "generated": generated, "deployed": is_deployed; ..
    }
    FileTotal { "files": files, "bytes": bytes }
    Finding { "code": code, "subject": subject, "message": message, "remedy": remedy }
    Remote { "reference": reference, "manifestDigest": manifest_digest; .. }
    Report { "problems": problems, "notes": notes; .. }
    UsageTotal {
        "type": name, "count": count, "deployed": deployed, "size": size, "disk": disk,
        "generated": generated, "reclaimable": reclaimable
    }
}

/// The keys that say what deploys an artifact. What does not apply is left out.
#[derive(Default, serde::Serialize)]
struct DeployedFields<'d> {
    by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    datacenter: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<Cow<'d, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<u64>,
}

impl Serialize for DeployedBy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = DeployedFields {
            by: self.as_str(),
            ..DeployedFields::default()
        };
        match self {
            DeployedBy::Datacenter { datacenter } => DeployedFields {
                datacenter: Some(datacenter),
                ..fields
            },
            DeployedBy::Environment {
                datacenter,
                environment,
            } => DeployedFields {
                datacenter: Some(datacenter),
                environment: Some(environment),
                ..fields
            },
            DeployedBy::Extends { reference } => DeployedFields {
                reference: Some(reference),
                ..fields
            },
            DeployedBy::State { path, resources } => DeployedFields {
                path: Some(path.to_string_lossy()),
                resources: *resources,
                ..fields
            },
        }
        .serialize(serializer)
    }
}

/// The fields of an entry, with the keys of the registry. What is `None` is left out.
#[derive(Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Fields<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_path: Option<Cow<'e, str>>,
}

impl Serialize for ArtifactEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fn text(field: &Option<String>) -> Option<Cow<'_, str>> {
            field.as_deref().map(Cow::Borrowed)
        }
        let created_at = self.created_at.as_ref().map(|time| {
            let text = timestamp::format(time);
            text.ok_or_else(|| S::Error::custom(format!("cldctl could not read the time {time}")))
        });
        Fields {
            reference: text(&self.reference),
            repository: text(&self.repository),
            tag: text(&self.tag),
            r#type: self.artifact_type.as_ref().map(|it| it.as_str().into()),
            digest: text(&self.digest),
            size: self.size,
            created_at: created_at.transpose()?.map(Cow::Owned),
            cache_path: text(&self.cache_path),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ArtifactEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields::deserialize(deserializer)?;
        let created_at = fields.created_at.map(|text| {
            let time = timestamp::parse(&text);
            time.ok_or_else(|| D::Error::custom(format!("`{text}` is no time that cldctl reads")))
        });
        Ok(ArtifactEntry {
            reference: fields.reference.map(Cow::into_owned),
            repository: fields.repository.map(Cow::into_owned),
            tag: fields.tag.map(Cow::into_owned),
            artifact_type: fields.r#type.map(|name| ArtifactType::from(&*name)),
            digest: fields.digest.map(Cow::into_owned),
            size: fields.size,
            created_at: created_at.transpose()?,
            cache_path: fields.cache_path.map(Cow::into_owned),
        })
    }
}

/// Serializes the entry as it is in the file, with `serde_json` to the byte.
impl Serialize for StoredEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.json()).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    const ENTRY: &str = "{\"reference\":\"app:v1\",\"repository\":\"app\",\"tag\":\"v1\",\
        \"type\":\"component\",\"size\":5,\"createdAt\":\"2026-02-14T13:03:11.5-05:00\",\
        \"cachePath\":\"/c\"}";

    #[test]
    fn an_entry_is_read_and_written_with_the_keys_of_the_registry() {
        let entry: ArtifactEntry = serde_json::from_str(ENTRY).unwrap();
        assert_eq!(entry.artifact_type, Some(ArtifactType::Component));
        assert_eq!(serde_json::to_string(&entry).unwrap(), ENTRY);
        let text = "{\"createdAt\":\"2026-02-30T00:00:00Z\"}";
        assert!(serde_json::from_str::<ArtifactEntry>(text).is_err());
        let empty: ArtifactEntry = serde_json::from_str("{\"tag\":null,\"x\":1}").unwrap();
        assert_eq!(empty, ArtifactEntry::default());
        assert_eq!(serde_json::to_string(&empty).unwrap(), "{}");
    }

    #[test]
    fn a_stored_entry_is_written_as_it_stands() {
        let text = "{\"x\": [1.50],  \"tag\":\"a\\u0062\"}";
        let document = Document::parse(format!("{{\"artifacts\":[{text}]}}")).unwrap();
        let stored = StoredEntry::from(document.entry(0).unwrap());
        assert_eq!(serde_json::to_string(&stored).unwrap(), text);
    }

    #[test]
    fn names_are_texts() {
        let digest = Digest::of(b"");
        let text = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&text).unwrap(), digest);
        assert!(serde_json::from_str::<Digest>("\"sha256:0\"").is_err());
        assert!(serde_json::from_str::<Reference>("\"..\"").is_err());
        let other: ArtifactType = serde_json::from_str("\"chart\"").unwrap();
        assert_eq!(other, ArtifactType::Other("chart".to_owned()));
        assert_eq!(
            serde_json::to_string(&Code::FileExtra).unwrap(),
            "\"file-extra\""
        );
    }
}
