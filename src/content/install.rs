//! The changes to the registry that registering an artifact makes, with what
//! happens to its content on the way.

use std::ffi::OsStr;

use super::Cache;
use super::cache_root::Swap;
use super::copy;
use super::manifest::Manifests;
use super::ownership::Ownership;
use super::removal::delete_leftovers;
use super::stage::{InPlace, Staged, require_unchanged};
use super::workdir::Leftover;
use crate::document::{Edit, EntryRef, OpenDocument};
use crate::entry::ArtifactEntry;
use crate::error::{AtPath, Error, Result};
use crate::reference::CacheKey;
use crate::registry::{Added, Change, Upsert};

/// Registers content and swaps it into its place.
pub(super) struct Install<'c> {
    cache: &'c Cache,
    staged: Staged,
    key: CacheKey,
    /// The same content where it is to lie, as it was seen before the lock was
    /// acquired.
    there: Option<InPlace>,
    /// Whether the content is still there.
    in_place: bool,
    /// Whether an earlier attempt moved the content in for good: what was there before
    /// had to be deleted.
    is_moved_in: bool,
    /// Whether the manifest of the content has to be kept.
    needs_manifest: bool,
    keeps_time: bool,
    /// The entry that the content is a copy of.
    source: Option<ArtifactEntry>,
    upsert: Upsert,
    swap: Option<Swap>,
    kept_manifest: bool,
    unreferenced: Vec<String>,
    leftovers: Vec<Leftover>,
}

impl<'c> Install<'c> {
    pub(super) fn new(
        cache: &'c Cache,
        staged: Staged,
        key: CacheKey,
        there: Option<InPlace>,
        upsert: Upsert,
    ) -> Self {
        Install {
            cache,
            staged,
            key,
            there,
            in_place: false,
            is_moved_in: false,
            needs_manifest: false,
            keeps_time: upsert.keeps_time,
            source: None,
            upsert,
            swap: None,
            kept_manifest: false,
            unreferenced: Vec::new(),
            leftovers: Vec::new(),
        }
    }

    /// Refuses to register the content unless this entry, which it is a copy
    /// of, still stands as it was.
    pub(super) fn copied_from(mut self, source: Option<&ArtifactEntry>) -> Self {
        self.source = source.cloned();
        self
    }

    /// Deletes the content that was replaced, and what killed processes left.
    /// Returns what was registered, and why not all of the old content could be deleted.
    pub(super) fn finish(self) -> (Upsert, Option<Error>) {
        delete_leftovers(self.leftovers);
        let deleted = match (self.swap, self.staged.work) {
            (Some(Swap::InTwoSteps(aside, _)), _) => aside.delete(),
            // In the staged one's place is what was replaced, if anything was.
            (_, Some(work)) => work.delete(),
            (_, None) => Ok(()),
        };
        (self.upsert, deleted.err())
    }

    /// Refuses a copy whose source is another one now, or gone.
    fn require_same_source(&self, document: &OpenDocument) -> Result<()> {
        let Some(source) = &self.source else {
            return Ok(());
        };
        let is_there = document.find(|entry| (entry.to_entry() == *source).then_some(()))?;
        if !is_there.is_empty() {
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

    /// Returns whether the content lies where it is to lie, also now that no other
    /// process can replace it.
    fn is_in_place(&self) -> Result<bool> {
        let (root, key) = (&self.staged.root, &self.key);
        if self.is_moved_in {
            let found = root.look(OsStr::new(key.as_str()))?;
            let own = self.staged.dir.attributes();
            let own = own.at("read", &root.dir_of(key))?;
            return match found.is_some_and(|found| found.id == own.id) {
                true => Ok(true),
                false => Err(Error::ContentChanged {
                    path: root.dir_of(key),
                }),
            };
        }
        if self.staged.work.is_some() {
            let there = self.there.as_ref();
            return Ok(there.is_some_and(|there| there.require_unchanged(root, key).is_ok()));
        }
        if root.look(OsStr::new(key.as_str()))?.is_none() {
            return Err(Error::NoContent {
                reference: self.upsert.entry.reference.clone().unwrap_or_default(),
                path: root.dir_of(key),
            });
        }
        require_unchanged(&self.staged.tree, &self.staged.dir, root, key).map(|()| true)
    }

    /// Makes what is in place already survive a power loss. The process that put it
    /// there may have been killed before it synced it, or never does.
    fn settle(&self) -> Result<()> {
        let root = &self.staged.root;
        let there = self.there.as_ref().map_or(&self.staged.dir, InPlace::dir);
        copy::sync(there, root.dir())?;
        root.sync()
    }

    /// Returns the digest of the content, if its manifest belongs to the entry: a copy
    /// has the digest of its source, whatever that is the digest of.
    fn own_digest(&self) -> Option<&str> {
        let own = self.staged.manifest.digest().as_str();
        (self.upsert.entry.digest.as_deref() == Some(own)).then_some(own)
    }

    /// Swaps the content in, durably.
    fn swap_in(&mut self) -> Result<()> {
        let (Some(work), false) = (&mut self.staged.work, self.in_place) else {
            return Ok(());
        };
        let wait = self.cache.registry().lock_wait();
        self.swap = Some(self.staged.root.swap_in(work, &self.key, &wait)?);
        self.staged.root.sync()
    }
}

impl Change for Install<'_> {
    fn edit(&mut self, document: &OpenDocument) -> Result<Edit> {
        self.require_same_source(document)?;
        self.require_sole_owner(document)?;
        self.in_place = self.is_in_place()?;
        if self.in_place {
            self.settle()?;
        }
        // Other content is another artifact, made at another time.
        let is_same = self.in_place && !self.is_moved_in;
        self.upsert.keeps_time = self.keeps_time && is_same;
        let edit = self.upsert.edit(document)?;
        if !is_same && self.upsert.result == Added::Unchanged {
            self.upsert.result = Added::Updated;
        }
        self.needs_manifest = match self.own_digest() {
            Some(digest) => !self.cache.manifests.settle(digest, self.cache.disk())?,
            None => false,
        };
        Ok(edit)
    }

    fn touches_content(&self) -> bool {
        !self.in_place || self.needs_manifest
    }

    fn before_commit(&mut self, document: &OpenDocument, edit: &Edit) -> Result<()> {
        let digest = self.upsert.entry.digest.as_deref();
        self.unreferenced = Manifests::unreferenced_after(document, edit, digest)?;
        self.leftovers = self.staged.root.recover()?;
        self.cache.manifests.sweep()?;
        if self.needs_manifest {
            self.kept_manifest = true;
            self.cache
                .manifests
                .keep(&self.staged.manifest, self.cache.disk())?;
        }
        self.swap_in()
    }

    fn roll_back(&mut self) {
        if let (Some(swap), Some(work)) = (self.swap.take(), &mut self.staged.work) {
            self.is_moved_in |= matches!(swap, Swap::Deleted);
            self.staged.root.swap_back(work, &self.key, swap);
        }
        if std::mem::take(&mut self.kept_manifest) {
            let digest = self.staged.manifest.digest().as_str();
            // A manifest too many does no harm.
            let _ = self.cache.manifests.remove(digest);
        }
    }

    fn after_commit(&mut self, durable: bool) {
        if durable {
            // What was replaced is deleted when the registry is free again.
            self.cache.manifests.remove_all(&self.unreferenced);
            return;
        }
        // Should the power fail now, the old entry may be back; `prune` finds
        // its content if it is not.
        match (&mut self.swap, &mut self.staged.work) {
            (Some(Swap::Exchanged), Some(work)) => work.keep(),
            (Some(Swap::InTwoSteps(aside, _)), _) => aside.keep(),
            _ => {}
        }
    }
}

/// Registers metadata alone, and removes manifests that no entry needs then.
pub(super) struct Recording<'c> {
    cache: &'c Cache,
    upsert: Upsert,
    unreferenced: Vec<String>,
    leftovers: Vec<Leftover>,
}

impl<'c> Recording<'c> {
    pub(super) fn new(cache: &'c Cache, upsert: Upsert) -> Self {
        Recording {
            cache,
            upsert,
            unreferenced: Vec::new(),
            leftovers: Vec::new(),
        }
    }

    /// Deletes what killed processes left, and returns what was registered.
    pub(super) fn finish(self) -> Upsert {
        delete_leftovers(self.leftovers);
        self.upsert
    }
}

impl Change for Recording<'_> {
    fn edit(&mut self, document: &OpenDocument) -> Result<Edit> {
        self.upsert.edit(document)
    }

    fn before_commit(&mut self, document: &OpenDocument, edit: &Edit) -> Result<()> {
        let digest = self.upsert.entry.digest.as_deref();
        self.unreferenced = Manifests::unreferenced_after(document, edit, digest)?;
        self.cache.manifests.sweep()?;
        // Content is not what this is about, so trouble with it is no matter.
        if let Ok(Some(root)) = self.cache.root() {
            self.leftovers = root.recover().unwrap_or_default();
        }
        Ok(())
    }

    fn after_commit(&mut self, durable: bool) {
        if durable {
            self.cache.manifests.remove_all(&self.unreferenced);
        }
    }
}
