//! Manifests, configs and indexes: those that are written, in one form alone, and those that
//! others write. Source: the OCI image specification 1.1, and cldctl's `pkg/oci` for the
//! types of layers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::layer::Layer;
use crate::digest::Digest;
use crate::entry::ArtifactType;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The largest manifest, config or index that is read, in bytes.
pub(crate) const MAX_MANIFEST: u64 = 4 << 20;

/// The exact reference of an artifact in an archive.
pub(crate) const REFERENCE: &str = "dev.cldctl-registry.reference";
/// The digest of an artifact's content, as entries have it.
pub(crate) const CONTENT_DIGEST: &str = "dev.cldctl-registry.content.digest";
/// The name of an image for containerd, and the tag of an image for the OCI layout.
pub(crate) const IMAGE_NAME: &str = "io.containerd.image.name";
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
const TITLE: &str = "org.opencontainers.image.title";

/// What names a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// The machine that an image of an index is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Platform {
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) os: String,
}

impl Descriptor {
    pub(crate) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Descriptor {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes).to_string(),
            size: bytes.len() as u64,
            artifact_type: None,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Returns whether it names a manifest.
    pub(crate) fn is_manifest(&self) -> bool {
        [MANIFEST, DOCKER_MANIFEST].contains(&&*self.media_type)
    }

    /// Returns whether it names an index.
    pub(crate) fn is_index(&self) -> bool {
        [INDEX, DOCKER_INDEX].contains(&&*self.media_type)
    }
}

/// The manifest of an image, as others write it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImageManifest {
    #[serde(default)]
    pub(crate) artifact_type: Option<String>,
    pub(crate) config: Descriptor,
    #[serde(default)]
    pub(crate) layers: Vec<Descriptor>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// The manifest of an image, as it is written: the order of the fields is part of its form.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenManifest<'m> {
    schema_version: u32,
    media_type: &'static str,
    artifact_type: &'m str,
    config: Descriptor,
    layers: [Descriptor; 1],
    annotations: ContentAnnotations<'m>,
}

#[derive(Serialize)]
struct ContentAnnotations<'m> {
    #[serde(rename = "dev.cldctl-registry.content.digest")]
    digest: &'m str,
    #[serde(rename = "dev.cldctl-registry.content.files")]
    files: String,
    #[serde(rename = "dev.cldctl-registry.content.bytes")]
    bytes: String,
}

/// The manifests of an archive or of an image for several machines.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    schema_version: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    media_type: String,
    #[serde(default)]
    pub(crate) manifests: Vec<Descriptor>,
}

impl Index {
    pub(crate) fn new(manifests: Vec<Descriptor>) -> Self {
        Index {
            schema_version: 2,
            media_type: INDEX.to_owned(),
            manifests,
        }
    }
}

/// The config of an image: just what cldctl looks at to see that a tag has changed.
#[derive(Serialize)]
struct Config<'c> {
    architecture: &'static str,
    os: &'static str,
    config: Empty,
    rootfs: RootFs<'c>,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct RootFs<'c> {
    r#type: &'static str,
    diff_ids: [&'c str; 1],
}

/// Returns the config of an image whose layer has this digest before it is compressed.
fn config_of(diff_id: &Digest) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Config {
        architecture: "",
        os: "",
        config: Empty {},
        rootfs: RootFs {
            r#type: "layers",
            diff_ids: [diff_id.as_str()],
        },
    })
}

/// The content of an artifact, as its manifest tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContentSummary {
    pub(crate) digest: Digest,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

/// An image that was made: its manifest and config, each with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) manifest: Vec<u8>,
    pub(crate) config: Vec<u8>,
    pub(crate) artifact_type: String,
}

impl Image {
    /// Makes the image of an artifact. Nothing in it depends on the time, the reference or
    /// the machine.
    ///
    /// # Errors
    ///
    /// Never: the structures can be written as JSON.
    pub(crate) fn of(
        artifact: &ArtifactType,
        layer: &Layer,
        content: &ContentSummary,
    ) -> serde_json::Result<Self> {
        let config = config_of(&layer.diff_id)?;
        let name = artifact.as_str();
        let artifact_type = format!("application/vnd.architect.{name}.config.v1+json");
        let title = (TITLE.to_owned(), "content.tar.gz".to_owned());
        let manifest = serde_json::to_vec(&WrittenManifest {
            schema_version: 2,
            media_type: MANIFEST,
            artifact_type: &artifact_type,
            config: Descriptor::of(CONFIG, &config),
            layers: [Descriptor {
                media_type: format!("application/vnd.architect.{name}.layer.v1.tar+gzip"),
                digest: layer.digest.to_string(),
                size: layer.bytes,
                artifact_type: None,
                platform: None,
                annotations: BTreeMap::from([title]),
            }],
            annotations: ContentAnnotations {
                digest: content.digest.as_str(),
                files: content.files.to_string(),
                bytes: content.bytes.to_string(),
            },
        })?;
        Ok(Image {
            manifest,
            config,
            artifact_type,
        })
    }
}

/// What the types of a layer or an artifact say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Artifact(ArtifactType),
    /// A module of cldctl, which is no artifact of a registry.
    Module,
    /// Nothing: the type is a general one.
    Nothing,
}

/// Returns what a media type says of an artifact. Source: cldctl's `pkg/oci`.
pub(crate) fn named_by(media_type: &str) -> Named {
    let named = media_type.strip_prefix("application/vnd.architect.");
    match named.and_then(|rest| rest.split('.').next()) {
        Some("component") => Named::Artifact(ArtifactType::Component),
        Some("datacenter") => Named::Artifact(ArtifactType::Datacenter),
        Some("module") => Named::Module,
        _ => Named::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_has_one_form() {
        let digest = Digest::of(b"");
        let layer = Layer {
            digest: digest.clone(),
            bytes: 7,
            diff_id: digest.clone(),
        };
        let content = ContentSummary {
            digest,
            files: 2,
            bytes: 30,
        };
        let image = Image::of(&ArtifactType::Component, &layer, &content).unwrap();
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(
            String::from_utf8(image.config.clone()).unwrap(),
            format!(
                r#"{{"architecture":"","os":"","config":{{}},"rootfs":{{"type":"layers","diff_ids":["{empty}"]}}}}"#
            )
        );
        let config = Descriptor::of(CONFIG, &image.config);
        assert_eq!(
            String::from_utf8(image.manifest).unwrap(),
            format!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.architect.component.config.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[{{"mediaType":"application/vnd.architect.component.layer.v1.tar+gzip","digest":"{empty}","size":7,"annotations":{{"org.opencontainers.image.title":"content.tar.gz"}}}}],"annotations":{{"dev.cldctl-registry.content.digest":"{empty}","dev.cldctl-registry.content.files":"2","dev.cldctl-registry.content.bytes":"30"}}}}"#,
                config.digest, config.size
            )
        );
    }

    #[test]
    fn the_types_of_cldctl_name_artifacts() {
        let component = Named::Artifact(ArtifactType::Component);
        assert_eq!(
            named_by("application/vnd.architect.component.layer.v1.tar+gzip"),
            component
        );
        assert_eq!(
            named_by("application/vnd.architect.module.layer.v1.tar+gzip"),
            Named::Module
        );
        assert_eq!(
            named_by("application/vnd.oci.image.layer.v1.tar+gzip"),
            Named::Nothing
        );
    }
}
