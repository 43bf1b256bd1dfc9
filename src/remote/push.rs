//! Pushing artifacts to registries.

use std::collections::HashMap;

use super::client::Client;
use super::fetch::Image;
use super::name::RemoteName;
use super::session::{Access, Session};
use super::subject::Subject;
use super::upload::Blob;
use crate::archive::image::Named;
use crate::archive::pack::Packed;
use crate::content::{Cache, Operation};
use crate::digest::Digest;
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::error::{Error, Result};
use crate::registry::Remote;

/// Pushes artifacts to one registry after the other. What it has pushed once, it does not
/// pack again for another tag.
pub struct Push<'p> {
    cache: &'p Cache,
    client: &'p Client,
    dry_run: bool,
    sent: HashMap<Key, Sent>,
}

/// What makes two pushes the same but for the tag.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    repository: String,
    artifact_type: ArtifactType,
    /// The digest of the content, as the entry has it.
    content: String,
    /// The digest of the tree.
    tree: String,
}

/// What was sent of an artifact.
#[derive(Clone)]
struct Sent {
    manifest: Vec<u8>,
    manifest_digest: Digest,
    compressed_size: u64,
    size: u64,
    /// The digest of the content.
    content: Digest,
    /// The digest of the tree.
    tree: Digest,
}

/// An artifact that was pushed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Pushed {
    /// The name that it has in its registry.
    pub remote: RemoteName,
    /// The digest of its manifest.
    pub manifest_digest: Digest,
    /// The digest of its content, as entries have it.
    pub content_digest: Digest,
    /// Its type.
    pub artifact_type: ArtifactType,
    /// The sum of its files' lengths, in bytes.
    pub size: u64,
    /// The length of its compressed layer, in bytes.
    pub compressed_size: u64,
    /// The bytes that were sent, or would be: 0 if the registry had all blobs.
    pub sent: u64,
    /// Whether the registry had the artifact under this name.
    pub is_unchanged: bool,
    /// Why it is not remembered here that it was pushed.
    pub not_remembered: Option<Error>,
}

impl<'p> Push<'p> {
    /// Prepares to push artifacts of a cache.
    pub fn new(cache: &'p Cache, client: &'p Client) -> Self {
        Push {
            cache,
            client,
            dry_run: false,
            sent: HashMap::new(),
        }
    }

    /// Sends nothing, and finds out whether it would be taken.
    #[must_use]
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Pushes an artifact to a registry: its blobs first, so that its name never leads to
    /// something incomplete.
    ///
    /// # Errors
    ///
    /// [`Error::NoContent`], [`Error::ContentAltered`], [`Error::UnclearContent`] and
    /// [`Error::UnsafeContent`] before anything is sent; [`Error::Unavailable`],
    /// [`Error::Denied`] and [`Error::NotTaken`].
    pub fn artifact(&mut self, entry: &ArtifactEntry, to: &RemoteName) -> Result<Pushed> {
        let (client, interrupt) = (self.client, self.cache.registry().interrupt());
        client.interruptible(interrupt, || {
            let session = Session::open(client, to.clone(), Access::Push, interrupt)?;
            self.push(&session, entry)
        })
    }

    fn push(&mut self, session: &Session<'_>, entry: &ArtifactEntry) -> Result<Pushed> {
        let there = self.there(session)?;
        let mut subject = Subject::of(entry);
        if let Some(pushed) = self.unchanged(session, &mut subject, there.as_ref())? {
            return Ok(pushed);
        }
        if let Some(sent) = self.sent_before(session, &mut subject)? {
            return self.give_name(session, &subject, sent, 0);
        }
        let packed = self.cache.pack(entry)?;
        let progress = self
            .cache
            .progress_of(Operation::Uploading, packed.layer.bytes);
        let bytes = self.send_blobs(session, &packed, &|bytes| progress.advance(bytes))?;
        let sent = Sent {
            manifest_digest: Digest::of(&packed.image.manifest),
            manifest: packed.image.manifest,
            compressed_size: packed.layer.bytes,
            size: packed.content.bytes,
            content: packed.content.digest,
            tree: packed.tree,
        };
        // The very same manifest is there: its name leads to it already.
        if bytes == 0 && there.is_some_and(|there| there.digest == sent.manifest_digest) {
            return Ok(self.pushed(session, &subject, sent, 0, true));
        }
        self.give_name(session, &subject, sent, bytes)
    }

    /// Returns the image that the registry has under the name; `None` if there is none that
    /// could be looked at. Some registries deny a look at names that do not exist yet.
    fn there(&self, session: &Session<'_>) -> Result<Option<Image>> {
        match session.image() {
            Ok(there) => Ok(there),
            Err(Error::UnsafeArchive { .. } | Error::BlobMissing { .. } | Error::Denied { .. }) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns what a push does if there is nothing to send: the registry has the manifest
    /// that this content was pushed as or pulled by once, and all that it names. `None` if
    /// that is not so, or not known.
    fn unchanged(
        &self,
        session: &Session<'_>,
        subject: &mut Subject<'_>,
        there: Option<&Image>,
    ) -> Result<Option<Pushed>> {
        let Some(there) = there else {
            return Ok(None);
        };
        let content = subject.content();
        let known = self.cache.registry().remotes().of(content);
        let mut known = known.iter();
        let known = known.find(|known| known.manifest_digest == there.digest.as_str());
        let is_of_type = there.named == Named::Artifact(subject.artifact_type.clone());
        let (Some(known), [layer], true) = (known, &there.manifest.layers[..], is_of_type) else {
            return Ok(None);
        };
        let read = subject.read(self.cache)?;
        let is_there = known.tree == read.tree.as_str()
            && session.has_blob(&layer.digest)?
            && session.has_blob(&there.manifest.config.digest)?;
        if !is_there {
            return Ok(None);
        }
        let sent = Sent {
            manifest: Vec::new(),
            manifest_digest: there.digest.clone(),
            compressed_size: layer.size,
            size: read.bytes,
            content: read.content,
            tree: read.tree,
        };
        Ok(Some(self.pushed(session, subject, sent, 0, true)))
    }

    /// Returns what was sent of the same content to the same repository before, under
    /// another name.
    fn sent_before(
        &self,
        session: &Session<'_>,
        subject: &mut Subject<'_>,
    ) -> Result<Option<Sent>> {
        let repository = session.name.repository();
        let content = subject.content().to_owned();
        let is_candidate = |key: &&Key| {
            key.repository == repository
                && key.artifact_type == subject.artifact_type
                && key.content == content
        };
        // Whatever differs needs no look at the content.
        let candidates: Vec<Key> = self.sent.keys().filter(is_candidate).cloned().collect();
        if candidates.is_empty() {
            return Ok(None);
        }
        let tree = subject.read(self.cache)?.tree;
        let key = candidates.into_iter().find(|key| key.tree == tree.as_str());
        Ok(key.and_then(|key| self.sent.get(&key).cloned()))
    }

    /// Uploads the blobs that the registry does not have, and returns how many bytes those
    /// are.
    fn send_blobs(
        &self,
        session: &Session<'_>,
        packed: &Packed,
        sent: &dyn Fn(u64),
    ) -> Result<u64> {
        if self.dry_run {
            session.require_writable()?;
        }
        let config = Digest::of(&packed.image.config);
        let layer = Blob::File(&packed.file, packed.layer.bytes);
        let mut bytes = 0;
        for (digest, blob) in [
            (&packed.layer.digest, layer),
            (&config, Blob::Bytes(&packed.image.config)),
        ] {
            if !session.has_blob(digest.as_str())? {
                if !self.dry_run {
                    session.upload(digest, blob, sent)?;
                }
                bytes += blob.len();
            }
        }
        Ok(bytes)
    }

    /// Gives what is in the registry its name there.
    fn give_name(
        &mut self,
        session: &Session<'_>,
        subject: &Subject<'_>,
        sent: Sent,
        bytes: u64,
    ) -> Result<Pushed> {
        if !self.dry_run {
            session.put_manifest(&sent.manifest)?;
        }
        let key = Key {
            repository: session.name.repository(),
            artifact_type: subject.artifact_type.clone(),
            content: subject.content().to_owned(),
            tree: sent.tree.to_string(),
        };
        self.sent.insert(key, sent.clone());
        Ok(self.pushed(session, subject, sent, bytes, false))
    }

    /// Remembers which manifest an artifact was pushed as, and reports it.
    fn pushed(
        &self,
        session: &Session<'_>,
        subject: &Subject<'_>,
        sent: Sent,
        bytes: u64,
        is_unchanged: bool,
    ) -> Pushed {
        // Another digest, as cldctl writes it, says nothing of the content.
        let may_remember = !self.dry_run && subject.content() == sent.content.as_str();
        let remembered = may_remember.then(|| {
            let remote = Remote {
                reference: session.name.to_string(),
                manifest_digest: sent.manifest_digest.to_string(),
                tree: sent.tree.to_string(),
            };
            let registry = self.cache.registry();
            registry.remember(sent.content.as_str(), remote)
        });
        Pushed {
            remote: session.name.clone(),
            manifest_digest: sent.manifest_digest,
            content_digest: sent.content,
            artifact_type: subject.artifact_type.clone(),
            size: sent.size,
            compressed_size: sent.compressed_size,
            sent: bytes,
            is_unchanged,
            not_remembered: remembered.and_then(Result::err),
        }
    }
}
