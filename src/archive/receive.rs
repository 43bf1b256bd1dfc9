//! Registering the artifact of an image that comes from elsewhere: an archive or a registry.

use std::path::PathBuf;

use super::image::{CONTENT_DIGEST, Descriptor, ImageManifest, Named};
use super::unpack::{MAX_HEADERS, Unpacking};
use crate::content::file_tree::LeftOut;
use crate::content::register::Registration;
use crate::content::source::is_described_as;
use crate::content::stage::Staged;
use crate::content::{Cache, Imported, Operation};
use crate::digest::Digest;
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::error::{Error, Result};
use crate::reference::Reference;
use crate::registry::{Remote, Upsert};
use crate::timestamp;

/// An image that is to be registered.
pub(crate) struct Incoming<'i> {
    /// The reference that it gets.
    pub(crate) reference: &'i Reference,
    pub(crate) manifest: &'i ImageManifest,
    /// The kind of artifact that the image states.
    pub(crate) named: &'i Named,
    /// The type of the artifact if the image states none.
    pub(crate) artifact_type: Option<&'i ArtifactType>,
    pub(crate) no_clobber: bool,
    /// The most bytes that its files may have together.
    pub(crate) max_bytes: u64,
    /// The registry that it comes from.
    pub(crate) origin: Option<Origin>,
    /// The operation, for progress reports.
    pub(crate) operation: Operation,
}

/// The image in an OCI registry that content comes from.
pub(crate) struct Origin {
    /// The name that it was pulled by.
    pub(crate) reference: String,
    pub(crate) manifest_digest: Digest,
}

/// An artifact that was registered.
pub(crate) struct Received {
    pub(crate) imported: Imported,
    /// Links and what only deployments write, by their paths: they were left out.
    pub(crate) left_out: Vec<PathBuf>,
}

impl Incoming<'_> {
    fn refused(&self, reason: impl Into<String>) -> Error {
        Error::UnsafeArchive {
            path: PathBuf::from(self.reference.as_str()),
            reason: reason.into(),
        }
    }

    /// Refuses what is no artifact, before anything of it is read.
    ///
    /// # Errors
    ///
    /// [`Error::UnsafeArchive`].
    pub(crate) fn require_artifact(&self) -> Result<()> {
        match self.named {
            Named::Module => Err(self.refused("it is a module, which is no artifact")),
            _ if self.manifest.layers.is_empty() => Err(self.refused("it has no layers")),
            // No layer is longer than what it contains, but for some overhead.
            _ if self.layers_bytes() > self.max_bytes.saturating_add(2 * MAX_HEADERS) => {
                Err(Error::TooLarge {
                    path: PathBuf::from(self.reference.as_str()),
                    max_bytes: self.max_bytes,
                })
            }
            Named::Artifact(_) | Named::Nothing => Ok(()),
        }
    }

    fn layers_bytes(&self) -> u64 {
        let sizes = self.manifest.layers.iter().map(|layer| layer.size);
        sizes.fold(0, u64::saturating_add)
    }

    /// Returns the type by what the image says and the files in its root.
    fn type_of(&self, has_file: impl Fn(&str) -> bool) -> Result<ArtifactType> {
        let types = [ArtifactType::Component, ArtifactType::Datacenter];
        let described: Vec<&ArtifactType> = types
            .iter()
            .filter(|artifact_type| is_described_as(artifact_type, &has_file))
            .collect();
        let (named, by) = match self.named {
            Named::Artifact(named) => (Some(named), "its manifest says"),
            _ => (self.artifact_type, "`--type` says"),
        };
        match (named, &described[..]) {
            (_, []) => Err(self.refused("it has neither a `cld.yml` nor a `datacenter.dc`")),
            (Some(named), described) if !described.contains(&named) => {
                Err(self.contradiction(by, named, described[0]))
            }
            (Some(named), _) => Ok(named.clone()),
            (None, [one]) => Ok((*one).clone()),
            (None, _) => Err(self.refused("it has both a `cld.yml` and a `datacenter.dc`")),
        }
    }

    fn contradiction(&self, by: &str, named: &ArtifactType, described: &ArtifactType) -> Error {
        self.refused(format!(
            "{by} that it is a {}, and its files that it is a {}",
            named.as_str(),
            described.as_str()
        ))
    }

    /// Refuses what was registered already, under another reference, if this image says
    /// something else of it.
    pub(crate) fn require_same(&self, source: &ArtifactEntry) -> Result<()> {
        if let (Named::Artifact(named), Some(known)) = (self.named, &source.artifact_type)
            && named != known
        {
            return Err(self.contradiction("its manifest says", named, known));
        }
        self.require_content(source.digest.as_deref().unwrap_or_default())
    }

    /// Refuses content whose digest is not the one of the annotation, or of the reference.
    fn require_content(&self, content: &str) -> Result<()> {
        let expected = self.manifest.annotations.get(CONTENT_DIGEST);
        if let Some(expected) = expected.filter(|expected| *expected != content) {
            let reason = format!("its content has the digest `{content}` instead of `{expected}`");
            return Err(self.refused(reason));
        }
        let reference = self.reference.as_str();
        match reference.starts_with("sha256:") && reference != content {
            true => Err(self.refused(format!(
                "its reference is not the digest of its content, `{content}`"
            ))),
            false => Ok(()),
        }
    }
}

impl Cache {
    /// Unpacks an image and registers it, once all of it is checked. `read_layer` gives a
    /// layer to what unpacks it.
    ///
    /// # Errors
    ///
    /// [`Error::UnsafeArchive`] and [`Error::TooLarge`], those of `read_layer`, and those of
    /// [`import`](Self::import).
    pub(crate) fn receive(
        &self,
        incoming: &Incoming<'_>,
        mut read_layer: impl FnMut(&Descriptor, &mut Unpacking<'_>) -> Result<()>,
    ) -> Result<Received> {
        incoming.require_artifact()?;
        let (reference, manifest) = (incoming.reference, incoming.manifest);
        let digest = manifest.annotations.get(CONTENT_DIGEST);
        let subject = PathBuf::from(reference.as_str());
        let mut unpacking = Unpacking::begin(self, subject, incoming.max_bytes, digest.is_none())?;
        unpacking.operation = incoming.operation;
        // A layer that is named twice is the same both times.
        let mut applied: Vec<&str> = Vec::new();
        for layer in &manifest.layers {
            if !applied.contains(&&*layer.digest) {
                read_layer(layer, &mut unpacking)?;
                applied.push(&layer.digest);
            }
        }
        let artifact_type = incoming.type_of(|name| unpacking.has_file(name))?;
        let unpacked = unpacking.finish()?;
        let content = unpacked.staged.manifest.digest().clone();
        incoming.require_content(content.as_str())?;
        #[cfg(feature = "remote")]
        let remote = incoming.origin.as_ref().map(|origin| Remote {
            reference: origin.reference.clone(),
            manifest_digest: origin.manifest_digest.to_string(),
            tree: unpacked.staged.tree_digest().to_string(),
        });
        #[cfg(not(feature = "remote"))]
        let remote = None;
        let no_clobber = incoming.no_clobber;
        let staged = &unpacked.staged;
        let registration = self.received_as(reference, artifact_type, staged, no_clobber, remote);
        let there = unpacked
            .staged
            .same_in_place(self, &registration.key, None)?;
        Ok(Received {
            imported: self.register(unpacked.staged, there, registration)?,
            left_out: unpacked.left_out,
        })
    }
    /// Returns the registration of content that comes from elsewhere.
    pub(crate) fn received_as(
        &self,
        reference: &Reference,
        artifact_type: ArtifactType,
        staged: &Staged,
        no_clobber: bool,
        remote: Option<Remote>,
    ) -> Registration<'static> {
        let path = self.path_text(reference);
        let mut entry = ArtifactEntry::new(reference, artifact_type, timestamp::now(), &path);
        entry.digest = Some(staged.manifest.digest().to_string());
        entry.size = Some(staged.content.size());
        Registration {
            key: reference.cache_key(),
            upsert: Upsert {
                entry,
                keeps_time: true,
                no_clobber,
            },
            source: None,
            left_out: LeftOut::default(),
            remote,
        }
    }
}
