//! Pulling artifacts from registries.

use std::path::PathBuf;

use super::client::Client;
use super::fetch::Image;
use super::name::RemoteName;
use super::session::{Access, Session};
use crate::archive::MAX_BYTES;
use crate::archive::image::{self, Named};
use crate::archive::receive::{Incoming, Origin};
use crate::content::stage::Staged;
use crate::content::{Cache, Imported, Operation};
use crate::digest::Digest;
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::error::{Error, Result};
use crate::reference::Reference;
use crate::registry::{Added, Remote};

/// How an artifact is pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PullOptions {
    /// The reference that it gets instead of the one that it is pulled by.
    pub rename: Option<Reference>,
    /// Its type, if neither its manifest nor its files tell it.
    pub artifact_type: Option<ArtifactType>,
    /// Refuses a reference that is registered already.
    pub no_clobber: bool,
    /// The most bytes that its files may have together.
    pub max_bytes: u64,
}

impl Default for PullOptions {
    fn default() -> Self {
        PullOptions {
            rename: None,
            artifact_type: None,
            no_clobber: false,
            max_bytes: MAX_BYTES,
        }
    }
}

/// An artifact that was pulled.
#[derive(Debug)]
#[non_exhaustive]
pub struct Pulled {
    /// The name that it has in its registry.
    pub remote: RemoteName,
    /// The digest of its manifest.
    pub manifest_digest: Digest,
    /// The length of its compressed layers, in bytes.
    pub compressed_size: u64,
    /// Whether the entry is new, updated or unchanged.
    pub result: Added,
    /// The entry.
    pub entry: ArtifactEntry,
    /// Links and what only deployments write, by their paths: they were left out.
    pub left_out: Vec<PathBuf>,
    /// The files of deployments that were carried from the content that was replaced.
    pub carried: Vec<PathBuf>,
    /// Why not all of the content that was replaced could be deleted.
    pub not_deleted: Option<Error>,
}

impl Cache {
    /// Pulls an artifact from the registry that a reference names; Docker Hub, if it names
    /// none. Everything is checked before anything is registered, and nothing is fetched if
    /// the content in place is the one that the manifest names.
    ///
    /// # Errors
    ///
    /// [`Error::NotInRegistry`], [`Error::BlobMissing`], [`Error::Unavailable`],
    /// [`Error::Denied`], [`Error::NoRemoteName`], [`Error::UnsafeArchive`],
    /// [`Error::TooLarge`], and those of [`import`](Self::import).
    pub fn pull(&self, client: &Client, reference: &str, options: &PullOptions) -> Result<Pulled> {
        let remote = RemoteName::parse(reference)?;
        let local = match &options.rename {
            Some(rename) => rename.clone(),
            None => Reference::parse_new(reference)?,
        };
        local.check_new()?;
        self.refuse_existing(&local, options.no_clobber)?;
        let interrupt = self.registry().interrupt();
        client.interruptible(interrupt, || {
            let session = Session::open(client, remote, Access::Pull, interrupt)?;
            self.pull_as(&session, &local, options)
        })
    }

    fn pull_as(
        &self,
        session: &Session<'_>,
        local: &Reference,
        options: &PullOptions,
    ) -> Result<Pulled> {
        let found = session.image()?.ok_or_else(|| Error::NotInRegistry {
            reference: session.name.to_string(),
        })?;
        let mut incoming = Incoming {
            reference: local,
            manifest: &found.manifest,
            named: &found.named,
            artifact_type: options.artifact_type.as_ref(),
            no_clobber: options.no_clobber,
            max_bytes: options.max_bytes,
            origin: None,
            operation: Operation::Downloading,
        };
        incoming.require_artifact()?;
        let (imported, left_out) =
            match self.pulled_before(session, &found, local, options.artifact_type.as_ref())? {
                Some(imported) => (imported, Vec::new()),
                None => {
                    session.require_config(&found.manifest.config)?;
                    incoming.origin = Some(Origin {
                        reference: session.name.to_string(),
                        manifest_digest: found.digest.clone(),
                    });
                    let received = self.receive(&incoming, |layer, unpacking| {
                        session.unpack(layer, unpacking)
                    })?;
                    (received.imported, received.left_out)
                }
            };
        let sizes = found.manifest.layers.iter().map(|layer| layer.size);
        Ok(Pulled {
            remote: session.name.clone(),
            compressed_size: sizes.fold(0, u64::saturating_add),
            manifest_digest: found.digest,
            result: imported.result,
            entry: imported.entry,
            left_out,
            carried: imported.carried,
            not_deleted: imported.not_deleted,
        })
    }

    /// Registers what lies in place, if that is what a manifest names: the tree that it was
    /// verified with once, or one that makes the very same layer. `None` if it is not.
    fn pulled_before(
        &self,
        session: &Session<'_>,
        found: &Image,
        local: &Reference,
        wanted: Option<&ArtifactType>,
    ) -> Result<Option<Imported>> {
        let Some(entry) = self.registry().get(local.as_str())? else {
            return Ok(None);
        };
        let named = match &found.named {
            Named::Artifact(named) => Some(named),
            _ => wanted,
        };
        let artifact_type = match (named, &entry.artifact_type) {
            (Some(named), Some(own)) if named != own => return Ok(None),
            (_, Some(own)) => own.clone(),
            (_, None) => return Ok(None),
        };
        let Some(staged) = self.in_place(found, &entry)? else {
            return Ok(None);
        };
        session.interrupt().check()?;
        let remote = Remote {
            reference: session.name.to_string(),
            manifest_digest: found.digest.to_string(),
            tree: staged.tree_digest().to_string(),
        };
        let registration = self.received_as(local, artifact_type, &staged, false, Some(remote));
        match self.register(staged, None, registration) {
            Ok(imported) => Ok(Some(imported)),
            // It changed or went meanwhile.
            Err(Error::ContentChanged { .. } | Error::NoContent { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the content of an entry in its place, if it is what a manifest names.
    fn in_place(&self, found: &Image, entry: &ArtifactEntry) -> Result<Option<Staged>> {
        let content = entry.digest.as_deref().unwrap_or_default();
        let annotated = found.manifest.annotations.get(image::CONTENT_DIGEST);
        let known = self.registry().remotes().of(content);
        let mut known = known.iter();
        let known = known.find(|remote| remote.manifest_digest == found.digest.as_str());
        // Most differences are seen without reading the content.
        if known.is_none() && annotated.is_none_or(|it| it != content) {
            return Ok(None);
        }
        let staged = match Staged::of_entry(self, entry) {
            Ok(Some(staged)) => staged,
            Err(interrupted @ Error::Interrupted { .. }) => return Err(interrupted),
            // It is replaced.
            Ok(None) | Err(_) => return Ok(None),
        };
        if let Some(known) = known {
            let is_same = known.tree == staged.tree_digest().as_str();
            return Ok(is_same.then_some(staged));
        }
        let is_same = match &found.manifest.layers[..] {
            [layer] => self.layer_digest(&staged.content)?.as_str() == layer.digest,
            _ => false,
        };
        Ok(is_same.then_some(staged))
    }
}
