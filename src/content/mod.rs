//! Content: the directories of the cache, and how they follow the registry.
//!
//! Content is built in a staging directory and swapped in whole; it is removed through a
//! trash directory, after its entry. So no entry ever points at half a copy, and what a
//! crash leaves is found by its name, because no reference has a key such as `.staging-…`
//! or `.trash-…`.
//!
//! Only an entry's own directory is ever replaced or deleted, and below the cache root no
//! symbolic link is ever followed.

pub(crate) mod cache_root;
mod carry;
mod cleanup;
mod contents;
mod copy;
mod deletion;
mod deployed;
mod diff;
pub(crate) mod file_tree;
pub(crate) mod hash;
mod import;
mod install;
pub(crate) mod inventory;
pub(crate) mod manifest;
mod orphans;
mod ownership;
mod plugins;
mod progress;
mod prune;
pub(crate) mod refusal;
pub(crate) mod register;
mod removal;
pub(crate) mod residue;
pub(crate) mod rules;
mod snapshot;
pub(crate) mod source;
pub(crate) mod stage;
mod status;
mod tag;
mod usage;
mod verify;
mod workdir;

pub use deployed::DeployedBy;
pub use diff::{Change, Difference, DirectoryDiff, FileKind};
pub use file_tree::LeftOut;
pub use import::{Import, ImportSource, Imported, MetadataImport};
pub use orphans::{Unreferenced, UnreferencedData, UnreferencedKind, UnreferencedRemoval};
pub use progress::{Operation, Progress};
pub use prune::{KeptDeployed, PruneOptions, PrunePlan, PruneReason, Pruned};
pub use removal::{ChosenPlan, ChosenRemoval, NamedRemoval};
pub use removal::{ContentOutcome, RemoveOptions, Removed};
pub use snapshot::Snapshot;
pub use status::{CacheState, ContentStatus, DigestState, FileTotal};
pub use tag::TagOptions;
pub use usage::{EntryUsage, Usage, UsageTotal};
pub use verify::{Code, Finding, Repairs, Report, TakenOver, Verification};

pub(crate) use contents::Contents;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cache_root::CacheRoot;
use manifest::Manifests;
#[cfg(feature = "archive")]
use progress::ProgressGuard;
use progress::ProgressObserver;

use crate::error::Result;
use crate::home::Home;
use crate::interrupt::Interrupt;
use crate::registry::Registry;
use crate::store::Disk;

type Notice = dyn Fn(&Path) + Send + Sync;

/// Receives the paths of directories that are kept for good, if it is set.
#[derive(Clone, Default)]
struct KeptNotice(Option<Arc<Notice>>);

impl KeptNotice {
    fn call(&self, kept: &Path) {
        if let Some(notice) = &self.0 {
            notice(kept);
        }
    }
}

impl fmt::Debug for KeptNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeptNotice")
            .field(&self.0.is_some())
            .finish()
    }
}

/// The content of a home, together with its registry.
///
/// ```
/// use cldctl_registry::import::Import;
/// use cldctl_registry::{Cache, Home, Reference};
///
/// # let dir = tempfile::tempdir()?;
/// # let source = dir.path().join("app");
/// # std::fs::create_dir(&source)?;
/// # std::fs::write(source.join("cld.yml"), "name: app\n")?;
/// let home = Home::at(dir.path().join("home"))?;
/// let cache = Cache::open(home.clone())?;
///
/// let reference = Reference::parse("ghcr.io/org/app:v1")?;
/// let imported = cache.import(&Import::directory(&reference, &source))?;
/// assert_eq!(imported.entry.size, Some(10));
/// assert!(home.cache_path(&reference).join("cld.yml").is_file());
///
/// let removed = cache.remove("ghcr.io/org/app:v1")?;
/// assert_eq!(removed.len(), 1);
/// assert!(!home.cache_path(&reference).exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cache {
    home: Home,
    registry: Registry,
    manifests: Manifests,
    /// Where cldctl's local state lies; `None` for its place in the home.
    state_dir: Option<PathBuf>,
    progress: ProgressObserver,
    kept_notice: KeptNotice,
}

impl Cache {
    /// Opens the content of a home, with its registry.
    ///
    /// # Errors
    ///
    /// As [`Registry::open`].
    pub fn open(home: Home) -> Result<Self> {
        let registry = Registry::open(home.registry_path())?;
        Ok(Cache {
            manifests: Manifests::new(home.manifests_dir()),
            home,
            registry,
            state_dir: None,
            progress: ProgressObserver::default(),
            kept_notice: KeptNotice::default(),
        })
    }

    /// As [`Registry::with_lock_timeout`].
    #[must_use]
    pub fn with_lock_timeout(mut self, timeout: Duration) -> Self {
        self.registry = self.registry.with_lock_timeout(timeout);
        self
    }

    /// As [`Registry::with_lock_notice`].
    #[must_use]
    pub fn with_lock_notice(mut self, notice: impl Fn(&Path) + Send + Sync + 'static) -> Self {
        self.registry = self.registry.with_lock_notice(notice);
        self
    }

    /// As [`Registry::with_durability_notice`].
    #[must_use]
    pub fn with_durability_notice(
        mut self,
        notice: impl Fn(&Path) + Send + Sync + 'static,
    ) -> Self {
        self.registry = self.registry.with_durability_notice(notice);
        self
    }

    /// Calls `notice` with the path of each directory that a change keeps in the cache because
    /// an interrupted one left the state of a deployment in it, which may be the only one.
    #[must_use]
    pub fn with_kept_notice(mut self, notice: impl Fn(&Path) + Send + Sync + 'static) -> Self {
        self.kept_notice = KeptNotice(Some(Arc::new(notice)));
        self
    }

    /// As [`Registry::with_interrupt`]; copying and hashing can be interrupted
    /// too.
    #[must_use]
    pub fn with_interrupt(mut self, interrupt: Interrupt) -> Self {
        self.registry = self.registry.with_interrupt(interrupt);
        self
    }

    /// Calls `observer` with an operation and its size in bytes, 0 if that is not known,
    /// whenever an operation begins that may take long. The value that it returns follows
    /// the operation.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// use cldctl_registry::progress::Progress;
    /// use cldctl_registry::{Cache, Home};
    ///
    /// struct Count(Arc<AtomicU64>);
    ///
    /// impl Progress for Count {
    ///     fn advance(&self, bytes: u64) {
    ///         self.0.fetch_add(bytes, Ordering::Relaxed);
    ///     }
    /// }
    ///
    /// # let dir = tempfile::tempdir()?;
    /// let done = Arc::new(AtomicU64::new(0));
    /// let count = Arc::clone(&done);
    /// let cache = Cache::open(Home::at(dir.path())?)?
    ///     .with_progress(move |_operation, _total_bytes| Box::new(Count(Arc::clone(&count))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_progress(
        mut self,
        observer: impl Fn(Operation, u64) -> Box<dyn Progress> + Send + Sync + 'static,
    ) -> Self {
        self.progress = ProgressObserver::by(observer);
        self
    }

    /// Looks for cldctl's local state, which tells what is deployed, in this directory
    /// instead of `state` in the home. cldctl takes it from `CLDCTL_STATE_PATH`.
    #[must_use]
    pub fn with_state_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(dir.into());
        self
    }

    /// Returns where cldctl's local state lies.
    fn state_dir(&self) -> PathBuf {
        let own = || self.home.path().join("state");
        self.state_dir.clone().unwrap_or_else(own)
    }

    /// Opens the cache root; `None` if there is none.
    pub(crate) fn root(&self) -> Result<Option<CacheRoot>> {
        CacheRoot::open(&self.home, self.disk())
    }

    /// Opens the cache root, and creates it if need be.
    pub(crate) fn create_root(&self) -> Result<CacheRoot> {
        CacheRoot::create(&self.home, self.disk())
    }

    /// Reports that an operation begins, which lasts until the guard is dropped.
    #[cfg(feature = "archive")]
    pub(crate) fn progress_of(&self, operation: Operation, bytes: u64) -> ProgressGuard {
        self.progress.begin(operation, bytes)
    }

    /// Returns the disk that the registry and the cache lie on.
    fn disk(&self) -> &Disk {
        self.registry.disk()
    }

    /// Returns the home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Returns the registry.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
}
