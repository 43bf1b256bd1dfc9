//! The registry as it was read at one moment, to look at it together with the content.

use super::Cache;
use crate::document::{Document, OpenDocument};
use crate::error::Result;

/// The registry of a home as it was read at one moment, to look at it together with the
/// content that lies in the cache now: several questions need one reading.
///
/// It holds the registry in memory. [`Cache::select`] needs none of it, because it passes
/// over the file once and holds what it chooses.
///
/// ```
/// use std::time::SystemTime;
///
/// use cldctl_registry::prune::PruneOptions;
/// use cldctl_registry::{Cache, Home};
///
/// # let dir = tempfile::tempdir()?;
/// let cache = Cache::open(Home::at(dir.path())?)?;
/// let snapshot = cache.snapshot()?;
///
/// let unreferenced = snapshot.unreferenced(SystemTime::now())?;
/// for total in snapshot.usage()?.totals(&unreferenced.found) {
///     println!("{}: {} bytes", total.name, total.disk);
/// }
/// let plan = snapshot.plan_prune(&PruneOptions::default())?;
/// assert!(plan.removed.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Snapshot<'c> {
    pub(super) cache: &'c Cache,
    pub(super) registry: OpenDocument,
}

impl Cache {
    /// Reads the registry, to look at it together with the content.
    ///
    /// # Errors
    ///
    /// As [`Registry::list`](crate::Registry::list).
    pub fn snapshot(&self) -> Result<Snapshot<'_>> {
        self.registry().require_memory()?;
        Ok(Snapshot {
            cache: self,
            registry: self.registry().load()?.into(),
        })
    }
}

impl Snapshot<'_> {
    /// Returns the registry.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub(crate) fn document(&self) -> Result<&Document> {
        self.registry.whole()
    }
}

impl std::fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("cache", &self.cache)
            .field("entries", &self.registry.len())
            .finish_non_exhaustive()
    }
}
