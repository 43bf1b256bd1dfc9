//! Data in the cache, or among the manifests, that belongs to no entry.

mod sweep;

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::cache_root::CacheRoot;
use super::deletion::refuse_mounts;
use super::deployed::{Deployed, DeployedBy};
use super::file_tree::FileTree;
use super::ownership::Ownership;
use super::prune::KeptDeployed;
use super::workdir::{Leftover, Purpose};
use super::{Cache, Snapshot};
use crate::document::Document;
use crate::error::{AtPath, Error, Result};
use crate::reference::can_be_key;
use crate::store::{self, Kind, if_exists};

/// The time for which nothing in a directory without an entry may have changed, so that
/// it is an orphan and not something that cldctl is pulling right now.
pub(super) const SETTLED: Duration = Duration::from_secs(60 * 60);

/// Something that no entry needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreferenced {
    /// The kind of data.
    pub kind: UnreferencedKind,
    /// Where it lies.
    pub path: PathBuf,
    /// The sum of the files' lengths, in bytes.
    pub bytes: u64,
    /// The disk that is allocated for it, in bytes.
    pub allocated: u64,
}

/// The kind of unreferenced data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnreferencedKind {
    /// A directory of the cache that no entry's key or path names, and in which
    /// nothing has changed for an hour.
    Orphan,
    /// A leftover of a killed process, the manifest of content that is gone, or a damaged
    /// record of where content came from.
    Leftover,
    /// Provider plugins in the directory of an artifact.
    Generated,
}

/// Data in the cache that belongs to no entry.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct UnreferencedData {
    /// The data that can be removed, by path.
    pub found: Vec<Unreferenced>,
    /// The directories without an entry that are deployed, so that they stay.
    pub kept: Vec<KeptDeployed>,
    /// Why some directories could not be judged.
    pub unknown: Vec<Error>,
}

/// The outcome of removing unreferenced data. What is in neither list has changed since it
/// was found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct UnreferencedRemoval {
    /// The data that is removed.
    pub gone: Vec<Unreferenced>,
    /// The data that could not be removed, and why.
    pub failed: Vec<(Unreferenced, Error)>,
}

impl Snapshot<'_> {
    /// Returns what no entry needs. `now` is what ages are counted from.
    ///
    /// # Errors
    ///
    /// The registry or the cache cannot be read. A directory that cannot be looked at is
    /// in the result.
    pub fn unreferenced(&self, now: SystemTime) -> Result<UnreferencedData> {
        self.cache.unreferenced_by(self.document()?, now)
    }
}

impl Cache {
    /// Returns what no entry of a document needs.
    pub(super) fn unreferenced_by(
        &self,
        document: &Document,
        now: SystemTime,
    ) -> Result<UnreferencedData> {
        let mut unreferenced = UnreferencedData::default();
        self.find_unreferenced(document, now, &mut unreferenced)?;
        Ok(unreferenced)
    }

    /// Adds what no entry of a document needs. After an error, what was found before it is
    /// there.
    pub(super) fn find_unreferenced(
        &self,
        document: &Document,
        now: SystemTime,
        unreferenced: &mut UnreferencedData,
    ) -> Result<()> {
        // What a registry does not name is only known of one that is there and
        // fully understood.
        if !self.registry().is_there()? || document.foreign_version().is_some() {
            return Ok(());
        }
        let found = self
            .dirs_without_entry(document, now, unreferenced)
            .and_then(|()| self.manifests_without_entry(document, unreferenced));
        unreferenced.found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    fn dirs_without_entry(
        &self,
        document: &Document,
        now: SystemTime,
        unreferenced: &mut UnreferencedData,
    ) -> Result<()> {
        if let Some(root) = self.root()? {
            let scan = RootScan {
                cache: self,
                deployed: OnceCell::new(),
                ownership: Ownership::of(&root, document.entries()),
                interrupted: root.interrupted_swaps()?,
                root: &root,
                now,
            };
            for (name, listed) in root.names()? {
                match scan.at(&name, listed) {
                    Ok(Some(item)) => match scan.deployed_by(&item) {
                        Ok(by) if by.is_empty() => unreferenced.found.push(item),
                        Ok(by) => unreferenced.kept.push(KeptDeployed {
                            reference: item.path.to_string_lossy().into_owned(),
                            by,
                        }),
                        Err(error) => unreferenced.unknown.push(error),
                    },
                    Ok(None) => {}
                    Err(error) => unreferenced.unknown.push(error),
                }
            }
        }
        Ok(())
    }

    fn manifests_without_entry(
        &self,
        document: &Document,
        unreferenced: &mut UnreferencedData,
    ) -> Result<()> {
        for path in self.manifests.without_entry(document)? {
            let found = store::uninterrupted(|| fs::symlink_metadata(&path));
            let found = if_exists(found).at("read", &path)?;
            let Some(found) = found else {
                continue;
            };
            unreferenced.found.push(Unreferenced {
                kind: UnreferencedKind::Leftover,
                path,
                bytes: found.len(),
                allocated: found.blocks().saturating_mul(512),
            });
        }
        Ok(())
    }
}

/// A pass over the names in the cache root.
struct RootScan<'r> {
    cache: &'r Cache,
    /// The deployed artifacts, once they were asked for.
    deployed: OnceCell<Deployed<'r>>,
    root: &'r CacheRoot,
    ownership: Ownership<'r>,
    /// Working directories that contain what the next change puts back.
    interrupted: Vec<(std::ffi::OsString, std::ffi::OsString)>,
    now: SystemTime,
}

impl RootScan<'_> {
    /// Returns what a name stands for, if it is something that no entry needs.
    fn at(&self, name: &OsStr, listed: Option<Kind>) -> Result<Option<Unreferenced>> {
        let kind = match Purpose::of_name(name) {
            Some(Purpose::Kept) => None,
            Some(_) if self.interrupted.iter().any(|(holder, _)| holder == name) => None,
            Some(_) => {
                let leftover = Leftover::lock_if_stale(self.root.dir(), name)?;
                // What has state is kept by the next change.
                match leftover {
                    Some(leftover) if !leftover.may_have_state()? => {
                        Some(UnreferencedKind::Leftover)
                    }
                    Some(_) | None => None,
                }
            }
            None => self
                .is_orphan(name, listed)?
                .then_some(UnreferencedKind::Orphan),
        };
        let Some(kind) = kind else {
            return Ok(None);
        };
        refuse_mounts(self.root.dir(), name)?;
        let tree = FileTree::stored(&self.root.open_dir(name)?)?;
        Ok(Some(Unreferenced {
            kind,
            path: self.root.path().join(name),
            bytes: tree.bytes(),
            allocated: tree.allocated,
        }))
    }

    /// Returns why a directory that no entry needs has to stay all the same.
    fn deployed_by(&self, item: &Unreferenced) -> Result<Vec<DeployedBy>> {
        if item.kind != UnreferencedKind::Orphan {
            return Ok(Vec::new());
        }
        let deployed = match self.deployed.get() {
            Some(deployed) => deployed,
            None => {
                let read = Deployed::read(self.cache)?;
                self.deployed.get_or_init(|| read)
            }
        };
        deployed.of_dir(item.path.file_name().unwrap_or_default())
    }

    /// Returns whether a directory has the name of an artifact's, no entry needs
    /// it, and nothing has changed in it lately.
    fn is_orphan(&self, name: &OsStr, listed: Option<Kind>) -> Result<bool> {
        let Some(key) = name.to_str().filter(|name| can_be_key(name)) else {
            return Ok(false);
        };
        let kind = match listed {
            Some(kind) => Some(kind),
            None => self.root.look(name)?.map(|found| found.kind),
        };
        if kind != Some(Kind::Dir) || self.ownership.holder_of_name(key)?.is_some() {
            return Ok(false);
        }
        let newest = newest_change(self.root, name)?;
        Ok(newest.is_some_and(|newest| {
            let age = self.now.duration_since(newest);
            age.is_ok_and(|age| age >= SETTLED)
        }))
    }
}

/// Returns when something in a directory changed last: its content, its mode or its
/// name; `None` if it changes right now.
fn newest_change(root: &CacheRoot, name: &OsStr) -> Result<Option<SystemTime>> {
    let tree = match FileTree::stored(&root.open_dir(name)?) {
        Err(Error::ContentChanged { .. }) => return Ok(None),
        tree => tree?,
    };
    let since = tree.newest_change();
    Ok(Some(UNIX_EPOCH + since))
}

#[cfg(test)]
mod tests;
