//! The image of an artifact in a registry.

use std::path::PathBuf;

use super::download::Small;
use super::session::Session;
use crate::archive::chosen::{choose, named};
use crate::archive::image::{
    DOCKER_INDEX, DOCKER_MANIFEST, Descriptor, INDEX, ImageManifest, Index, MANIFEST, MAX_MANIFEST,
    Named,
};
use crate::archive::unpack::Unpacking;
use crate::digest::{Digest, digest_hex};
use crate::error::{Error, Result};

/// The manifest of an artifact, checked against its digest.
pub(super) struct Image {
    pub(super) manifest: ImageManifest,
    pub(super) digest: Digest,
    /// What it says that it is.
    pub(super) named: Named,
}

impl Session<'_> {
    pub(super) fn refused(&self, reason: impl Into<String>) -> Error {
        Error::UnsafeArchive {
            path: PathBuf::from(self.name.to_string()),
            reason: self.presentable(reason.into()),
        }
    }

    /// Returns the image that the name of this session has; `None` if there is none.
    pub(super) fn image(&self) -> Result<Option<Image>> {
        let Some(top) = self.manifest(self.name.version())? else {
            return Ok(None);
        };
        let digest = Digest::of(&top.text);
        // One of another algorithm says nothing here.
        let is_of_another = |it: &str| it.starts_with("sha512:") && digest_hex(it).is_some();
        let says_other = |it: &str| it != digest.as_str() && !is_of_another(it);
        if self.name.digest().is_some_and(|it| says_other(it.as_str()))
            || top.digest.as_deref().is_some_and(says_other)
        {
            return Err(self.refused("its manifest is not what its digest says"));
        }
        if !self.is_index(&top) {
            return self.parse(top, digest).map(Some);
        }
        let index: Index = serde_json::from_slice(&top.text)
            .map_err(|error| self.refused(format!("its index: {error}")))?;
        let chosen = choose(&index).ok_or_else(|| {
            self.refused("it is an index, and there is no manifest in it to choose")
        })?;
        let found = self.manifest(self.digest_of(chosen)?.as_str())?;
        let missing = || Error::BlobMissing {
            path: PathBuf::from(self.name.to_string()),
            digest: chosen.digest.clone(),
        };
        let found = found.ok_or_else(missing)?;
        let digest = self.checked(chosen, &found.text)?;
        self.parse(found, digest).map(Some)
    }

    /// Reads a manifest or an index by its tag or digest.
    fn manifest(&self, version: &str) -> Result<Option<Small>> {
        let accept = [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX].join(", ");
        let url = self.url(&format!("manifests/{version}"));
        let found = self.small(url, &accept, MAX_MANIFEST)?;
        match found {
            Some(found) if found.text.len() as u64 > MAX_MANIFEST => {
                Err(self.refused("its manifest is longer than 4 MiB"))
            }
            found => Ok(found),
        }
    }

    fn is_index(&self, found: &Small) -> bool {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Kind {
            #[serde(default)]
            media_type: String,
        }
        let kind = serde_json::from_slice::<Kind>(&found.text).ok();
        let stated = kind.map(|kind| kind.media_type).unwrap_or_default();
        let stated = match stated.is_empty() {
            true => found
                .media_type
                .split(';')
                .next()
                .unwrap_or_default()
                .trim(),
            false => &stated,
        };
        [INDEX, DOCKER_INDEX].contains(&stated)
    }

    fn parse(&self, found: Small, digest: Digest) -> Result<Image> {
        let manifest: ImageManifest = serde_json::from_slice(&found.text)
            .map_err(|error| self.refused(format!("its manifest: {error}")))?;
        // They become a part of a URL.
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            self.digest_of(blob)?;
        }
        Ok(Image {
            named: named(&manifest),
            manifest,
            digest,
        })
    }

    fn digest_of(&self, blob: &Descriptor) -> Result<Digest> {
        let parsed = blob.digest.parse();
        parsed.map_err(|_| self.refused("a digest in it is not `sha256:` and 64 hex digits"))
    }

    fn checked(&self, blob: &Descriptor, text: &[u8]) -> Result<Digest> {
        let digest = Digest::of(text);
        match digest.as_str() == blob.digest && text.len() as u64 == blob.size {
            true => Ok(digest),
            false => Err(self.refused("a manifest is not what its digest says")),
        }
    }

    /// Requires the config of an image: nothing in it counts, but it belongs to the image.
    pub(super) fn require_config(&self, config: &Descriptor) -> Result<()> {
        if config.size > MAX_MANIFEST {
            return Err(self.refused("its config is longer than 4 MiB"));
        }
        let url = self.url(&format!("blobs/{}", config.digest));
        let Some(found) = self.small(url, "*/*", MAX_MANIFEST)? else {
            return Err(Error::BlobMissing {
                path: PathBuf::from(self.name.to_string()),
                digest: config.digest.clone(),
            });
        };
        self.checked(config, &found.text).map(|_| ())
    }

    /// Unpacks a layer as it comes.
    pub(super) fn unpack(&self, layer: &Descriptor, unpacking: &mut Unpacking<'_>) -> Result<()> {
        let mut blob = self.download(layer);
        let unpacked = unpacking.layer(layer, &mut blob);
        // That it ended early says more than what was missing then.
        match blob.take_failure() {
            Some(failure) => Err(failure),
            None => unpacked,
        }
    }
}
