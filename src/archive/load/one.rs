//! Loading one artifact of a layout.

use std::path::PathBuf;

use super::super::chosen::Found;
use super::super::image::{CONTENT_DIGEST, Named};
use super::super::layout::Layout;
use super::super::unpack::Unpacking;
use super::{LoadOptions, Loaded};
use crate::content::file_tree::LeftOut;
use crate::content::register::Registration;
use crate::content::source::is_described_as;
use crate::content::{Cache, TagOptions};
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::error::{Error, Result};
use crate::reference::Reference;
use crate::registry::{Added, Upsert};
use crate::timestamp;

impl Cache {
    pub(super) fn load_one(
        &self,
        layout: &mut Layout<'_>,
        found: &Found,
        options: &LoadOptions,
        loaded: &mut Loaded,
    ) -> Result<Added> {
        let Some(reference) = &found.reference else {
            return Err(Error::NoReference {
                path: layout.path.clone(),
            });
        };
        let subject = PathBuf::from(reference.as_str());
        let refused = |reason: String| refused_as(reference, reason);
        reference.check_new()?;
        self.refuse_existing(reference, options.no_clobber)?;
        match &found.named {
            Named::Module => {
                return Err(refused("it is a module, which is no artifact".to_owned()));
            }
            _ if found.manifest.layers.is_empty() => {
                return Err(refused("it has no layers".to_owned()));
            }
            Named::Artifact(_) | Named::Nothing => {}
        }
        let digest = found.manifest.annotations.get(CONTENT_DIGEST);
        let max_bytes = options.max_bytes;
        let mut unpacking = Unpacking::begin(self, subject, max_bytes, digest.is_none())?;
        // A layer that is named twice is the same both times.
        let mut applied: Vec<&str> = Vec::new();
        for layer in &found.manifest.layers {
            if !applied.contains(&&*layer.digest) {
                layout.with_blob(layer, |blob| unpacking.layer(layer, blob))?;
                applied.push(&layer.digest);
            }
        }
        let artifact_type =
            type_of(&found.named, |name| unpacking.has_file(name)).map_err(refused)?;
        let unpacked = unpacking.finish()?;
        let content = unpacked.staged.manifest.digest().clone();
        require_content(found, reference, content.as_str())?;
        let path = self.path_text(reference);
        let now = timestamp::now();
        let mut entry = ArtifactEntry::new(reference, artifact_type, now, &path);
        entry.digest = Some(content.to_string());
        entry.size = Some(unpacked.staged.content.size());
        let registration = Registration {
            key: reference.cache_key(),
            upsert: Upsert {
                entry,
                keeps_time: true,
                no_clobber: options.no_clobber,
            },
            source: None,
            left_out: LeftOut::default(),
        };
        let there = unpacked
            .staged
            .same_in_place(self, &registration.key, None)?;
        let imported = self.register(unpacked.staged, there, registration)?;
        loaded.left_out = unpacked.left_out;
        loaded.artifact_type = imported.entry.artifact_type.clone();
        loaded.carried = imported.carried;
        loaded.not_deleted = imported.not_deleted;
        loaded.entry = Some(imported.entry);
        Ok(imported.result)
    }

    /// Registers content that was loaded under another reference already.
    pub(super) fn load_again(
        &self,
        source: &ArtifactEntry,
        found: &Found,
        options: &LoadOptions,
        loaded: &mut Loaded,
    ) -> Result<Added> {
        let Some(reference) = &found.reference else {
            return Err(Error::NoReference {
                path: PathBuf::new(),
            });
        };
        // Another manifest may say other things of the same layers.
        if let (Named::Artifact(named), Some(known)) = (&found.named, &source.artifact_type)
            && named != known
        {
            return Err(refused_as(reference, contradiction(named, known)));
        }
        let content = source.digest.as_deref().unwrap_or_default();
        require_content(found, reference, content)?;
        let tag = TagOptions {
            no_clobber: options.no_clobber,
        };
        let imported = self.tag(source, reference, tag)?;
        loaded.artifact_type = imported.entry.artifact_type.clone();
        loaded.carried = imported.carried;
        loaded.not_deleted = imported.not_deleted;
        loaded.entry = Some(imported.entry);
        Ok(imported.result)
    }
}

fn refused_as(reference: &Reference, reason: String) -> Error {
    Error::UnsafeArchive {
        path: PathBuf::from(reference.as_str()),
        reason,
    }
}

/// Refuses content whose digest is not the one of the annotation, or of the reference.
fn require_content(found: &Found, reference: &Reference, content: &str) -> Result<()> {
    let expected = found.manifest.annotations.get(CONTENT_DIGEST);
    if let Some(expected) = expected.filter(|expected| *expected != content) {
        let reason = format!("its content has the digest `{content}` instead of `{expected}`");
        return Err(refused_as(reference, reason));
    }
    match reference.as_str().starts_with("sha256:") && reference.as_str() != content {
        true => {
            let reason = format!("its reference is not the digest of its content, `{content}`");
            Err(refused_as(reference, reason))
        }
        false => Ok(()),
    }
}

/// Returns why the type of an artifact and its files contradict each other.
fn contradiction(named: &ArtifactType, described: &ArtifactType) -> String {
    format!(
        "its manifest says that it is a {}, and its files that it is a {}",
        named.as_str(),
        described.as_str()
    )
}

/// Returns the type of an artifact by what its image says and the files in its root.
fn type_of(
    named: &Named,
    has_file: impl Fn(&str) -> bool,
) -> std::result::Result<ArtifactType, String> {
    let types = [ArtifactType::Component, ArtifactType::Datacenter];
    let described: Vec<&ArtifactType> = types
        .iter()
        .filter(|artifact_type| is_described_as(artifact_type, &has_file))
        .collect();
    match (named, &described[..]) {
        (_, []) => Err("it has neither a `cld.yml` nor a `datacenter.dc`".to_owned()),
        (Named::Artifact(named), described) if !described.contains(&named) => {
            Err(contradiction(named, described[0]))
        }
        (Named::Artifact(named), _) => Ok(named.clone()),
        (_, [one]) => Ok((*one).clone()),
        (_, _) => Err("it has both a `cld.yml` and a `datacenter.dc`".to_owned()),
    }
}
