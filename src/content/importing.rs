//! The changes to the registry that registering an artifact makes, with what
//! happens to its content on the way.

use std::fs;

use super::Cache;
use super::claims::Claims;
use super::manifest::Manifests;
use super::prepared::Prepared;
use super::root::{CacheRoot, Swap};
use super::scratch::Scratch;
use super::tree::Tree;
use crate::document::{Document, Edit};
use crate::entry::ArtifactEntry;
use crate::error::{Error, Result};
use crate::reference::CacheKey;
use crate::registry::{Added, Change, Put};

/// Registers content and swaps it into its place.
pub(super) struct Importing<'c> {
    cache: &'c Cache,
    prepared: Prepared,
    key: CacheKey,
    /// The same content where it is to lie, as it was seen before the lock was
    /// had.
    there: Option<Tree>,
    /// Whether the content is still there.
    in_place: bool,
    keeps_time: bool,
    /// The entry that the content is a copy of.
    source: Option<ArtifactEntry>,
    put: Put,
    swap: Option<Swap>,
    kept_manifest: bool,
    retired: Vec<String>,
    /// What killed processes left.
    swept: Option<Scratch>,
}

impl<'c> Importing<'c> {
    pub(super) fn new(
        cache: &'c Cache,
        prepared: Prepared,
        key: CacheKey,
        there: Option<Tree>,
        put: Put,
    ) -> Self {
        Importing {
            cache,
            prepared,
            key,
            there,
            in_place: false,
            keeps_time: put.keeps_time,
            source: None,
            put,
            swap: None,
            kept_manifest: false,
            retired: Vec::new(),
            swept: None,
        }
    }

    /// Refuses to register the content unless this entry, which it is a copy
    /// of, still stands as it was.
    pub(super) fn copied_from(mut self, source: Option<&ArtifactEntry>) -> Self {
        self.source = source.cloned();
        self
    }

    pub(super) fn into_put(self) -> Put {
        self.put
    }

    /// Refuses a copy whose source is another one now, or gone.
    fn require_same_source(&self, document: &Document) -> Result<()> {
        let Some(source) = &self.source else {
            return Ok(());
        };
        if document.entries().any(|entry| entry.to_entry() == *source) {
            return Ok(());
        }
        Err(Error::ContentChanged {
            path: source.cache_path.as_deref().unwrap_or_default().into(),
        })
    }

    /// Refuses to take a directory that is another entry's too.
    fn require_sole_owner(&self, document: &Document) -> Result<()> {
        let reference = self.put.entry.reference.as_deref().unwrap_or_default();
        let others = document
            .entries()
            .filter(|entry| entry.reference() != reference);
        match Claims::of(&self.prepared.root, others).on(&self.key)? {
            None => Ok(()),
            Some(other) => Err(Error::Collision {
                reference: reference.to_owned(),
                other: other.to_owned(),
                path: self.prepared.root.dir_of(&self.key),
            }),
        }
    }

    /// Refuses content that is no longer what was taken where it lay.
    fn require_still_there(&self) -> Result<()> {
        let dir = self.prepared.root.dir_of(&self.key);
        if fs::symlink_metadata(&dir).is_err() {
            return Err(Error::NoContent {
                reference: self.put.entry.reference.clone().unwrap_or_default(),
                path: dir,
            });
        }
        self.prepared.tree.require_unchanged()
    }

    /// Swaps the content in, durably.
    fn swap_in(&mut self) -> Result<()> {
        let (Some(staged), false) = (&self.prepared.staged, self.in_place) else {
            return Ok(());
        };
        self.swap = Some(self.prepared.root.swap_in(staged.path(), &self.key)?);
        self.prepared.root.sync()
    }
}

impl Change for Importing<'_> {
    fn edit(&mut self, document: &Document) -> Result<Edit> {
        self.require_same_source(document)?;
        self.require_sole_owner(document)?;
        // Whoever held the lock before us may have replaced or removed it.
        self.in_place = match (&self.prepared.staged, &self.there) {
            (Some(_), there) => there
                .as_ref()
                .is_some_and(|tree| tree.require_unchanged().is_ok()),
            (None, _) => {
                self.require_still_there()?;
                true
            }
        };
        // Other content is another artifact, made at another time.
        self.put.keeps_time = self.keeps_time && self.in_place;
        let edit = self.put.edit(document)?;
        if !self.in_place && self.put.result == Added::Unchanged {
            self.put.result = Added::Updated;
        }
        Ok(edit)
    }

    fn touches_content(&self) -> bool {
        !self.in_place
    }

    fn before_commit(&mut self, document: &Document, edit: &Edit) -> Result<()> {
        let manifest = &self.prepared.manifest;
        let digest = self.put.entry.digest.as_deref();
        self.retired = Manifests::retired_by(document, edit, digest);
        self.swept = self.prepared.root.mend()?;
        self.cache.manifests.sweep()?;
        let own = manifest.digest().as_str();
        // A copy has the digest of its source, whatever that is the digest of.
        if digest == Some(own) && !self.cache.manifests.vouch_for(own) {
            self.kept_manifest = true;
            self.cache.manifests.keep(manifest)?;
        }
        self.swap_in()
    }

    fn roll_back(&mut self) {
        if let (Some(swap), Some(staged)) = (self.swap.take(), &self.prepared.staged) {
            self.prepared.root.swap_back(staged.path(), &self.key, swap);
        }
        if std::mem::take(&mut self.kept_manifest) {
            let digest = self.prepared.manifest.digest().as_str();
            // A manifest too many does no harm.
            let _ = self.cache.manifests.remove(digest);
        }
    }

    fn after_commit(&mut self, durable: bool) {
        if durable {
            // What was replaced is deleted when the registry is free again.
            self.cache.manifests.retire(&self.retired);
            return;
        }
        // Should the power fail now, the old entry may be back; `prune` finds
        // its content if it is not.
        match (self.swap.take(), &mut self.prepared.staged) {
            (Some(Swap::Exchanged), Some(staged)) => staged.leave(),
            (Some(Swap::InTwoSteps(mut aside)), _) => aside.leave(),
            _ => {}
        }
    }
}

/// Registers metadata alone, and lets go of manifests that nobody needs then.
pub(super) struct Recording<'c> {
    cache: &'c Cache,
    put: Put,
    retired: Vec<String>,
    /// What killed processes left.
    swept: Option<Scratch>,
}

impl<'c> Recording<'c> {
    pub(super) fn new(cache: &'c Cache, put: Put) -> Self {
        Recording {
            cache,
            put,
            retired: Vec::new(),
            swept: None,
        }
    }

    pub(super) fn into_put(self) -> Put {
        self.put
    }
}

impl Change for Recording<'_> {
    fn edit(&mut self, document: &Document) -> Result<Edit> {
        self.put.edit(document)
    }

    fn before_commit(&mut self, document: &Document, edit: &Edit) -> Result<()> {
        self.retired = Manifests::retired_by(document, edit, self.put.entry.digest.as_deref());
        self.cache.manifests.sweep()?;
        // Content is not what this is about, so trouble with it is no matter.
        if let Ok(Some(root)) = CacheRoot::open(self.cache.home()) {
            self.swept = root.mend().unwrap_or(None);
        }
        Ok(())
    }

    fn after_commit(&mut self, durable: bool) {
        if durable {
            self.cache.manifests.retire(&self.retired);
        }
    }
}
