//! The changes to the registry that registering an artifact makes, with what
//! happens to its content on the way.
//!
//! An attempt looks at the disk first and decides then; what the decision needs on the
//! disk is put in place by a guard.

mod guard;

use std::cell::Cell;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::Cache;
use super::carry::Carried;
use super::cleanup::{Cleanup, Leftovers};
use super::copy;
use super::file_tree::FileTree;
use super::inventory::Inventory;
use super::manifest::Manifest;
use super::ownership::Ownership;
use super::progress::Operation;
use super::stage::Staged;
use super::workdir::WorkDir;
use guard::{Installed, Installing};

use crate::document::{EntryRef, OpenDocument};
use crate::entry::ArtifactEntry;
use crate::error::{AtPath, Error, Result};
use crate::fields::Field;
use crate::reference::CacheKey;
use crate::registry::{Added, Remote, Update, Upsert, Upserted};
use crate::store::{Guard, Locked};

/// Registers content and swaps it into its place.
pub(super) struct Install<'c> {
    cache: &'c Cache,
    staged: Staged,
    key: CacheKey,
    /// The same content in its place, as it was seen before the lock was acquired.
    there: Option<Inventory>,
    /// The entry that the content is a copy of.
    source: Option<ArtifactEntry>,
    upsert: Upsert,
    /// The manifest in another registry that the content came from.
    remote: Option<Remote>,
    /// True if the content was staged, so that it is not in its place yet.
    is_staged: bool,
    /// The directory that the content is staged in, while no attempt has it.
    work: Cell<Option<WorkDir>>,
    /// True if an earlier attempt moved the content in for good: what was there before
    /// had to be deleted.
    is_moved_in: Cell<bool>,
    /// Where an earlier attempt kept the content, because a deployment wrote into it while it
    /// was in its place.
    kept_aside: Cell<Option<Result<PathBuf>>>,
}

/// The registered entry.
pub(crate) struct Registered {
    pub(super) upserted: Upserted,
    /// The paths of the files of deployments that were carried over.
    pub(super) carried: Vec<PathBuf>,
    /// Why not all of the content that was replaced could be deleted.
    pub(super) not_deleted: Option<Error>,
}

/// The state of the disk that an attempt finds.
struct Observed {
    place: InPlace,
    /// True if the manifest of the content has to be kept.
    needs_manifest: bool,
    /// True if it has to be remembered where the content came from.
    needs_remote: bool,
}

/// The content that lies in the place of the new one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum InPlace {
    /// The same content, durably.
    Same,
    /// The content itself, durably: an earlier attempt moved it in.
    MovedIn,
    /// Something else, or nothing.
    Other,
}

impl<'c> Install<'c> {
    pub(super) fn new(
        cache: &'c Cache,
        mut staged: Staged,
        key: CacheKey,
        there: Option<Inventory>,
        upsert: Upsert,
    ) -> Self {
        let work = staged.work.take();
        Install {
            cache,
            staged,
            key,
            there,
            source: None,
            upsert,
            remote: None,
            is_staged: work.is_some(),
            work: Cell::new(work),
            is_moved_in: Cell::new(false),
            kept_aside: Cell::new(None),
        }
    }

    /// Refuses to register the content unless this entry, which it is a copy
    /// of, is still as it was.
    pub(super) fn copied_from(mut self, source: Option<&ArtifactEntry>) -> Self {
        self.source = source.cloned();
        self
    }

    /// Remembers which manifest in another registry the content came from.
    pub(super) fn remembering(mut self, remote: Option<Remote>) -> Self {
        self.remote = remote;
        self
    }

    /// Registers the content, and deletes what it replaced and what killed processes
    /// left.
    pub(super) fn run(self) -> Result<Registered> {
        let installed = self.cache.registry().update(|document| {
            self.require_not_kept_aside()?;
            self.require_same_source(document)?;
            self.require_sole_owner(document)?;
            let observed = self.observe()?;
            self.decide(document, &observed)
        });
        if let Some(Ok(kept)) = self.kept_aside.take() {
            self.cache.kept_notice.call(&kept);
        }
        let Installed {
            upserted,
            replaced,
            carried,
            kept_aside,
            leftovers,
        } = installed?;
        let deleted = self.cache.progress.during(Operation::Deleting, || {
            leftovers.delete(self.cache);
            match (replaced, &carried) {
                (Some(replaced), Some(carried)) => {
                    let path = self.staged.root.dir_of(&self.key);
                    replaced.delete_seen(carried, &path)
                }
                (Some(replaced), None) => replaced.delete(),
                (None, _) => Ok(()),
            }
        });
        Ok(Registered {
            upserted,
            carried: carried.map(Carried::into_paths).unwrap_or_default(),
            not_deleted: kept_aside.or(deleted.err()),
        })
    }

    /// Refuses another attempt with content that was kept aside.
    fn require_not_kept_aside(&self) -> Result<()> {
        match self.kept_aside.take() {
            None => Ok(()),
            Some(kept) => Err(Error::KeptAside {
                path: self.staged.root.dir_of(&self.key),
                kept: kept?,
            }),
        }
    }

    /// Returns whether the content is in its place now.
    fn is_in_place(&self) -> bool {
        let here = self.staged.root.look(OsStr::new(self.key.as_str()));
        let own = self.staged.content.dir().attributes();
        let here = here.ok().flatten().map(|here| here.id);
        here.is_some() && here == own.ok().map(|own| own.id)
    }

    /// Returns whether the content has files of deployments that did not come with it, or
    /// may have.
    fn was_deployed(&self) -> bool {
        let content = &self.staged.content;
        let files = content.tree().files.iter();
        let own: HashSet<&Path> = files.map(|file| &*file.path).collect();
        match FileTree::stored(content.dir()) {
            Ok(tree) => {
                let divided = tree.divide(|path, _| own.contains(path));
                !divided.deployment.is_empty()
            }
            Err(_) => true,
        }
    }

    /// Refuses a copy whose source is another one now, or gone.
    fn require_same_source(&self, document: &OpenDocument) -> Result<()> {
        let Some(source) = &self.source else {
            return Ok(());
        };
        let reference = source.reference.as_deref().unwrap_or_default();
        let found = document.find_named(reference, |entry| entry.to_entry() == *source)?;
        if found.iter().any(|&(_, is_source)| is_source) {
            return Ok(());
        }
        Err(Error::ContentChanged {
            path: source.cache_path.as_deref().unwrap_or_default().into(),
        })
    }

    /// Refuses to take a directory that is another entry's too.
    fn require_sole_owner(&self, document: &OpenDocument) -> Result<()> {
        let reference = self.upsert.entry.reference.as_deref().unwrap_or_default();
        let is_other = |_, entry: &EntryRef<'_>| entry.reference() != reference;
        let names = [self.key.as_str()];
        let ownership = Ownership::of_names(&self.staged.root, document, &names, is_other)?;
        match ownership.holder_of(&self.key)? {
            None => Ok(()),
            Some(other) => Err(Error::Collision {
                reference: reference.to_owned(),
                other: other.to_owned(),
                path: self.staged.root.dir_of(&self.key),
            }),
        }
    }

    /// Looks at what is in place already, and makes it survive a power loss, because it
    /// is reported as done: the process that put it there may have been killed before it
    /// synced it, or never does.
    fn observe(&self) -> Result<Observed> {
        let place = self.place()?;
        let dir = match place {
            InPlace::Same => Some(self.there.as_ref().unwrap_or(&self.staged.content).dir()),
            InPlace::MovedIn => Some(self.staged.content.dir()),
            InPlace::Other => None,
        };
        if let Some(dir) = dir {
            let root = &self.staged.root;
            copy::sync(dir, root.dir())?;
            root.sync()?;
        }
        let (manifests, disk) = (&self.cache.manifests, self.cache.disk());
        let needs_manifest = match self.own_digest() {
            Some(digest) => !manifests.settle(digest, disk)?,
            None => false,
        };
        let needs_remote = match (self.own_digest(), &self.remote) {
            (Some(digest), Some(remote)) => self.cache.registry().remotes().lacks(digest, remote),
            _ => false,
        };
        Ok(Observed {
            place,
            needs_manifest,
            needs_remote,
        })
    }

    /// Returns what lies in the place of the content, now that no other process can
    /// replace it.
    fn place(&self) -> Result<InPlace> {
        let (root, key) = (&self.staged.root, &self.key);
        if self.is_moved_in.get() {
            let found = root.look(OsStr::new(key.as_str()))?;
            let own = self.staged.content.dir().attributes();
            let own = own.at("read", &root.dir_of(key))?;
            return match found.is_some_and(|found| found.id == own.id) {
                true => Ok(InPlace::MovedIn),
                false => Err(Error::ContentChanged {
                    path: root.dir_of(key),
                }),
            };
        }
        if self.is_staged {
            let there = self.there.as_ref();
            let is_same = there.is_some_and(|there| there.require_unchanged_at(root, key).is_ok());
            return Ok(match is_same {
                true => InPlace::Same,
                false => InPlace::Other,
            });
        }
        if root.look(OsStr::new(key.as_str()))?.is_none() {
            return Err(Error::NoContent {
                reference: self.upsert.entry.reference.clone().unwrap_or_default(),
                path: root.dir_of(key),
            });
        }
        self.staged
            .content
            .require_unchanged_at(root, key)
            .map(|()| InPlace::Same)
    }

    /// Returns the digest of the content, if its manifest belongs to the entry: a copy
    /// has the digest of its source, whatever that is the digest of.
    fn own_digest(&self) -> Option<&str> {
        let own = self.staged.manifest.digest().as_str();
        (self.upsert.entry.digest.as_deref() == Some(own)).then_some(own)
    }

    /// Returns the manifest of the content that the entry has now.
    fn old_manifest(&self, document: &OpenDocument) -> Result<Option<Manifest>> {
        let reference = self.upsert.entry.reference.as_deref().unwrap_or_default();
        let digest = |entry: &EntryRef<'_>| entry.text_of(Field::Digest).into_owned();
        match document.find_named(reference, digest)?.first() {
            Some((_, digest)) => self.cache.manifests.find(digest),
            None => Ok(None),
        }
    }

    /// Decides what is registered, and what has to be in place before.
    fn decide(
        &self,
        document: &OpenDocument,
        observed: &Observed,
    ) -> Result<Update<Installing<'_>>> {
        let is_same = observed.place == InPlace::Same;
        let upsert = Upsert {
            // Other content is another artifact, made at another time.
            keeps_time: self.upsert.keeps_time && is_same,
            ..self.upsert.clone()
        };
        let (edit, mut upserted) = upsert.decide(document)?;
        if !is_same && upserted.result == Added::Unchanged {
            upserted.result = Added::Updated;
        }
        let digest = upserted.entry.digest.as_deref();
        let cleanup = Cleanup::after(self.cache, document, &edit, digest)?;
        let moves_in = observed.place == InPlace::Other;
        let old_manifest = match moves_in {
            true => self.old_manifest(document)?,
            false => None,
        };
        let installing = Installing {
            install: self,
            upserted,
            moves_in,
            old_manifest,
            carried: None,
            needs_manifest: observed.needs_manifest,
            needs_remote: observed.needs_remote,
            work: self.work.take(),
            swap: None,
            kept_manifest: false,
            cleanup,
        };
        Ok(Update::guarded(edit, installing))
    }
}

/// Registers metadata alone.
pub(super) fn record(cache: &Cache, upsert: &Upsert) -> Result<Registered> {
    let (upserted, leftovers) = cache.registry().update(|document| {
        let (edit, upserted) = upsert.decide(document)?;
        let digest = upserted.entry.digest.as_deref();
        let cleanup = Cleanup::after(cache, document, &edit, digest)?;
        let recording = Recording {
            cache,
            upserted,
            cleanup,
        };
        Ok(Update::guarded(edit, recording))
    })?;
    let progress = &cache.progress;
    progress.during(Operation::Deleting, || leftovers.delete(cache));
    Ok(Registered {
        upserted,
        carried: Vec::new(),
        not_deleted: None,
    })
}

/// Clears away what no entry needs any more when metadata alone is registered.
struct Recording<'c> {
    cache: &'c Cache,
    upserted: Upserted,
    cleanup: Cleanup<'c>,
}

impl Guard for Recording<'_> {
    type Value = (Upserted, Leftovers);

    fn prepare(&mut self, _locked: &Locked<'_>) -> Result<()> {
        self.cleanup.sweep_manifests()?;
        // Content is not what this is about, so trouble with it does not matter.
        if let Ok(Some(root)) = self.cache.root() {
            let _ = self.cleanup.recover(&root);
        }
        Ok(())
    }

    fn committed(mut self, durable: bool) -> Self::Value {
        let leftovers = self.cleanup.committed(durable);
        (self.upserted, leftovers)
    }
}
