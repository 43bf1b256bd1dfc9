//! The registry: the list of artifacts, and how it is read and changed.

mod backup;
mod complete;
mod load;
mod remotes;
mod repair;
pub mod resolve;
mod scan;
mod update;
mod upsert;

pub(crate) use backup::Backup;
pub use remotes::Remote;
pub(crate) use remotes::{ENDING as REMOTES_ENDING, Remotes};
pub use repair::{Damage, LostEntry, Repaired};
pub(crate) use scan::ReadMode;
pub(crate) use update::Update;
pub(crate) use upsert::{Upsert, Upserted};

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::document::{Edit, EntryRef, StoredEntry};
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::error::{AtPath, Result};
use crate::fields::Field;
use crate::home::Home;
use crate::interrupt::Interrupt;
use crate::store::{Disk, stat};

/// The time that a change waits for the lock by default.
pub const DEFAULT_LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// The local registry of artifacts, as cldctl keeps it.
///
/// Reading takes no lock. Each change takes a lock on `artifacts.json.lock`,
/// reads the file, and replaces it as a whole; entries that it was not asked to
/// change keep every byte. A `Registry` can be shared by threads, and any
/// number of processes can use the same file.
///
/// The operations here are those of cldctl's Go package and touch metadata
/// alone; [`Cache`](crate::Cache) brings and removes content.
///
/// ```
/// use cldctl_registry::{ArtifactEntry, ArtifactType, Reference, Registry};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("registry/artifacts.json");
/// let registry = Registry::open(path)?; // or Registry::open_default()?
///
/// let reference = Reference::parse("ghcr.io/org/app:v1.0.0")?;
/// let now = chrono::Utc::now().fixed_offset();
/// registry.add(ArtifactEntry::new(&reference, ArtifactType::Component, now, "/srv/app"))?;
///
/// assert_eq!(registry.list()?.len(), 1);
/// assert_eq!(registry.list_by_type(ArtifactType::Datacenter)?.len(), 0);
///
/// let entry = registry.get("ghcr.io/org/app:v1.0.0")?.expect("it was added above");
/// assert_eq!(entry.tag.as_deref(), Some("v1.0.0"));
///
/// assert!(registry.remove("ghcr.io/org/app:v1.0.0")?); // was it there?
/// assert!(!registry.remove("ghcr.io/org/app:v1.0.0")?);
/// registry.clear()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Registry {
    path: PathBuf,
    lock_timeout: Duration,
    lock_notice: Arc<dyn Fn(&Path) + Send + Sync>,
    interrupt: Interrupt,
    disk: Disk,
}

/// The outcome of an [`add`](Registry::add).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Added {
    /// The reference is new.
    Added,
    /// There was an entry of this reference; it is replaced in its place.
    Updated,
    /// The very same entry was there; nothing was written.
    #[default]
    Unchanged,
}

impl Added {
    /// Returns the name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Added::Added => "added",
            Added::Updated => "updated",
            Added::Unchanged => "unchanged",
        }
    }
}

impl Registry {
    /// The registry of the user: `~/.cldctl/registry/artifacts.json`.
    ///
    /// ```no_run
    /// let registry = cldctl_registry::Registry::open_default()?;
    /// println!("{} artifacts", registry.list()?.len());
    /// # Ok::<(), cldctl_registry::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Home::of_user`].
    pub fn open_default() -> Result<Self> {
        Registry::open(Home::of_user()?.registry_path())
    }

    /// A registry in any file. Neither the file nor its directory have to
    /// exist; the first change creates them.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) if the path is empty, or relative without a current
    /// directory.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let path = std::path::absolute(path).at("find", path)?;
        Ok(Registry {
            disk: Disk::of(&path),
            path,
            lock_timeout: DEFAULT_LOCK_TIMEOUT,
            lock_notice: Arc::new(|_| ()),
            interrupt: Interrupt::default(),
        })
    }

    /// Gives up waiting for the lock after this time.
    #[must_use]
    pub fn with_lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// Calls `notice` with the path of the lock file when a change has waited
    /// for it for half a second.
    #[must_use]
    pub fn with_lock_notice(mut self, notice: impl Fn(&Path) + Send + Sync + 'static) -> Self {
        self.lock_notice = Arc::new(notice);
        self
    }

    /// Calls `notice` with the first directory whose file system cannot sync it, once
    /// for all clones: a change there is made and reported as any other, but may not
    /// survive a power loss.
    #[must_use]
    pub fn with_durability_notice(
        mut self,
        notice: impl Fn(&Path) + Send + Sync + 'static,
    ) -> Self {
        self.disk = self.disk.with_notice(notice);
        self
    }

    /// Lets changes be interrupted until their commit.
    #[must_use]
    pub fn with_interrupt(mut self, interrupt: Interrupt) -> Self {
        self.interrupt = interrupt;
        self
    }

    /// The disk that the registry and its content lie on.
    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Returns the interrupt, which ends changes early.
    pub(crate) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Returns whether there is a registry, in the form of today or the legacy one.
    pub(crate) fn is_there(&self) -> Result<bool> {
        let is_there = |path: &Path| stat(path).at("read", path).map(|found| found.is_some());
        Ok(is_there(&self.path)? || is_there(&self.legacy_path())?)
    }

    /// Returns whether the legacy registry lies at this path.
    pub(crate) fn is_legacy_path(&self, path: &Path) -> bool {
        path == self.legacy_path()
    }

    /// The file that the registry lies in, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All entries, the newest first; those of the same time by reference,
    /// those without a readable time last.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is no registry. A missing file is an empty
    /// registry.
    pub fn list(&self) -> Result<Vec<ArtifactEntry>> {
        self.list_where(|_| true)
    }

    /// As [`list`](Self::list), but only the entries of one type.
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    pub fn list_by_type(&self, artifact_type: ArtifactType) -> Result<Vec<ArtifactEntry>> {
        let name = artifact_type.as_str();
        self.list_where(|entry| {
            entry
                .string(Field::Type)
                .is_ok_and(|it| it.as_deref() == Some(name))
        })
    }

    fn list_where(
        &self,
        is_wanted: impl Fn(&EntryRef<'_>) -> bool + Send + Sync,
    ) -> Result<Vec<ArtifactEntry>> {
        self.require_memory()?;
        let scanned = self.scan(ReadMode::Patient, |entries: &mut Vec<_>, entry| {
            if is_wanted(entry) {
                entries.push(entry.to_entry());
            }
        })?;
        let mut entries: Vec<ArtifactEntry> = scanned.parts.into_iter().flatten().collect();
        entries.sort_by(|a, b| {
            let by_time = b.created_at.cmp(&a.created_at);
            by_time.then_with(|| a.reference.cmp(&b.reference))
        });
        Ok(entries)
    }

    /// The entry with exactly this reference, if there is one.
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    pub fn get(&self, reference: &str) -> Result<Option<ArtifactEntry>> {
        let scanned = self.scan(ReadMode::Patient, |found: &mut Option<_>, entry| {
            if found.is_none() && entry.has(Field::Reference, reference) {
                *found = Some(entry.to_entry());
            }
        })?;
        Ok(scanned.parts.into_iter().flatten().next())
    }

    /// Returns all entries as they are in the file and in its order, unknown fields
    /// included: a program that knows other fields loses none of them.
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    pub fn list_stored(&self) -> Result<Vec<StoredEntry>> {
        self.require_memory()?;
        let scanned = self.scan(ReadMode::Patient, |entries: &mut Vec<_>, entry| {
            entries.push(StoredEntry::from(*entry));
        })?;
        Ok(scanned.parts.into_iter().flatten().collect())
    }

    /// Inserts the entry, or replaces the one of the same reference in its
    /// place; fields that we do not know stay. Repository and tag are stored as
    /// they are given, and each reference that
    /// [`Reference::parse`](crate::Reference::parse) takes is stored, as cldctl
    /// does; [`Reference::parse_new`](crate::Reference::parse_new) is stricter.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidReference`](crate::Error::InvalidReference), [`Error::UnwritableTime`](crate::Error::UnwritableTime),
    /// [`Error::NegativeSize`](crate::Error::NegativeSize), and those of every change: I/O,
    /// [`Error::Corrupt`](crate::Error::Corrupt), [`Error::LockTimeout`](crate::Error::LockTimeout), …
    pub fn add(&self, entry: ArtifactEntry) -> Result<Added> {
        let upsert = Upsert {
            entry,
            ..Upsert::default()
        };
        self.update(|document| {
            let (edit, upserted) = upsert.decide(document)?;
            Ok(Update::new(edit, upserted.result))
        })
    }

    /// Removes all entries with exactly this reference. Was one there?
    ///
    /// # Errors
    ///
    /// Those of every change.
    pub fn remove(&self, reference: &str) -> Result<bool> {
        self.update(|document| {
            let mut edit = Edit::default();
            let found = document.find_named(reference, |_| ())?;
            found.iter().for_each(|&(index, ())| edit.remove(index));
            Ok(Update::new(edit, !found.is_empty()))
        })
    }

    /// Removes all entries.
    ///
    /// # Errors
    ///
    /// Those of every change.
    pub fn clear(&self) -> Result<()> {
        self.update(|_| Ok(Update::new(Edit::clear(), ())))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("path", &self.path)
            .field("lock_timeout", &self.lock_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
