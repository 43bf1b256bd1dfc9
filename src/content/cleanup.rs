//! Clearing away what a change of the registry finds besides: manifests that no entry
//! needs any more, and what killed processes left.

use super::Cache;
use super::cache_root::CacheRoot;
use super::workdir::QuietLeftover;
use crate::document::{Edit, OpenDocument};
use crate::error::Result;

/// The cleanup of a change under the registry's lock.
pub(super) struct Cleanup<'c> {
    cache: &'c Cache,
    /// The digests of the manifests that no entry needs after the change.
    unreferenced: Vec<String>,
    leftovers: Vec<QuietLeftover>,
}

impl<'c> Cleanup<'c> {
    /// Returns what goes with an edit. `kept` is the digest of the entry that it brings in.
    ///
    /// # Errors
    ///
    /// The document cannot be read.
    pub(super) fn after(
        cache: &'c Cache,
        document: &OpenDocument,
        edit: &Edit,
        kept: Option<&str>,
    ) -> Result<Self> {
        Ok(Cleanup {
            cache,
            unreferenced: cache.manifests.unreferenced_after(document, edit, kept)?,
            leftovers: Vec::new(),
        })
    }

    /// Removes what killed processes left among the manifests.
    pub(super) fn sweep_manifests(&self) -> Result<()> {
        self.cache.manifests.sweep()
    }

    /// Restores content that a killed process moved aside, keeps what has the state of a
    /// deployment, and finds what others left in the cache.
    pub(super) fn recover(&mut self, root: &CacheRoot) -> Result<()> {
        let recovered = root.recover()?;
        self.leftovers = recovered.leftovers;
        for kept in &recovered.kept {
            self.cache.kept_notice.call(kept);
        }
        Ok(())
    }

    /// Removes the manifests that no entry needs after the commit, and returns what is
    /// left to delete.
    ///
    /// The manifests stay if the commit may not survive a power loss, because the old
    /// entries may be back then.
    pub(super) fn committed(&mut self, durable: bool) -> Leftovers {
        if durable {
            self.cache.manifests.remove_all(&self.unreferenced);
        }
        Leftovers(std::mem::take(&mut self.leftovers))
    }
}

/// The leftovers of killed processes, to be deleted when the registry is free again.
pub(super) struct Leftovers(Vec<QuietLeftover>);

impl Leftovers {
    /// Deletes them, but for what a deployment wrote meanwhile. What cannot be deleted is
    /// found by its name another time.
    pub(super) fn delete(self, cache: &Cache) {
        for leftover in self.0 {
            if let Ok(Some(kept)) = leftover.delete() {
                cache.kept_notice.call(&kept);
            }
        }
    }
}
