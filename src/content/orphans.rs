//! What lies in the cache, or among the manifests, and belongs to no entry.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Cache;
use super::cache_root::{CacheRoot, Trashed};
use super::deletion::refuse_mounts;
use super::file_tree::FileTree;
use super::ownership::Ownership;
use super::workdir::{Leftover, Purpose, WorkDir};
use crate::document::{Document, Edit};
use crate::error::{AtPath, Error, Result};
use crate::reference::can_be_key;
use crate::registry::Change;
use crate::store::{self, Kind, if_exists};

/// For how long nothing in a directory without an entry may have changed, to be
/// an orphan and not something that cldctl is pulling just now.
const SETTLED: Duration = Duration::from_secs(60 * 60);

/// Something that no entry needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreferenced {
    /// What it is.
    pub kind: UnreferencedKind,
    /// Where it lies.
    pub path: PathBuf,
    /// The sum of the files' lengths, in bytes.
    pub bytes: u64,
    /// How much disk there is to free, in bytes.
    pub allocated: u64,
}

/// What a item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnreferencedKind {
    /// A directory of the cache that no entry's key or path names, and in which
    /// nothing has changed for an hour.
    Orphan,
    /// What a killed process left, or the manifest of content that is gone.
    Leftover,
}

/// What lies in the cache and belongs to no entry.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct UnreferencedData {
    /// What can be removed, by path.
    pub found: Vec<Unreferenced>,
    /// Why it is not known of some directories whether they could be removed.
    pub unknown: Vec<Error>,
}

/// What came of removing unreferenced. Those in neither list changed meanwhile.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PruneOutcome {
    /// They are gone.
    pub gone: Vec<Unreferenced>,
    /// They could not be removed.
    pub failed: Vec<(Unreferenced, Error)>,
}

impl Cache {
    /// Returns what no entry needs. `now` is what ages are counted from.
    ///
    /// # Errors
    ///
    /// The registry or the cache cannot be read.
    pub fn unreferenced(&self, now: SystemTime) -> Result<UnreferencedData> {
        self.unreferenced_by(&self.registry().load()?, now)
    }

    /// Removes unreferenced, as far as they still are some.
    ///
    /// # Errors
    ///
    /// Those of every change. What cannot be deleted is named in the result.
    pub fn remove_unreferenced(
        &self,
        unreferenced: &[Unreferenced],
        now: SystemTime,
    ) -> Result<PruneOutcome> {
        let mut change = Sweep {
            cache: self,
            planned: unreferenced,
            now,
            current: Vec::new(),
            going: Vec::new(),
        };
        self.registry().update(&mut change)?;
        let mut swept = PruneOutcome::default();
        for (item, going) in change.going {
            let deleted = going.and_then(|going| match going {
                Going::Trash(trash) => trash.delete(),
                Going::Leftover(leftover) => leftover.delete(),
                Going::Gone => Ok(()),
            });
            match deleted {
                Ok(()) => swept.gone.push(item),
                Err(error) => swept.failed.push((item, error)),
            }
        }
        Ok(swept)
    }

    /// As [`unreferenced`](Self::unreferenced), for a registry that was read already.
    pub(crate) fn unreferenced_by(
        &self,
        document: &Document,
        now: SystemTime,
    ) -> Result<UnreferencedData> {
        let mut unreferenced = UnreferencedData::default();
        // What a registry does not name is only known of one that is there and
        // fully understood.
        if !self.registry().is_there()? || document.foreign_version().is_some() {
            return Ok(unreferenced);
        }
        if let Some(root) = self.root()? {
            let look = Look {
                ownership: Ownership::of(&root, document.entries()),
                interrupted: root.interrupted_swaps()?,
                root: &root,
                now,
            };
            for (name, listed) in root.names()? {
                match look.at(&name, listed) {
                    Ok(item) => unreferenced.found.extend(item),
                    Err(error) => unreferenced.unknown.push(error),
                }
            }
        }
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
        unreferenced.found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(unreferenced)
    }
}

/// A look at the names in the cache root.
struct Look<'r> {
    root: &'r CacheRoot,
    ownership: Ownership<'r>,
    /// Working directories that contain what the next change puts back.
    interrupted: Vec<(std::ffi::OsString, std::ffi::OsString)>,
    now: SystemTime,
}

impl Look<'_> {
    /// Returns what a name stands for, if it is something that no entry needs.
    fn at(&self, name: &OsStr, listed: Option<Kind>) -> Result<Option<Unreferenced>> {
        let kind = match Purpose::of_name(name) {
            Some(_) if self.interrupted.iter().any(|(holder, _)| holder == name) => None,
            Some(_) => {
                let leftover = Leftover::lock_if_stale(self.root.dir(), name)?;
                leftover.map(|_| UnreferencedKind::Leftover)
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

/// A item on its way out.
enum Going {
    Trash(WorkDir),
    Leftover(Leftover),
    Gone,
}

/// Removes unreferenced under the registry's lock, so that none of them gets an entry
/// meanwhile.
struct Sweep<'s> {
    cache: &'s Cache,
    planned: &'s [Unreferenced],
    now: SystemTime,
    /// Those of the planned that still are unreferenced.
    current: Vec<Unreferenced>,
    /// Those that are out of the way, or why they are not.
    going: Vec<(Unreferenced, Result<Going>)>,
}

impl Change for Sweep<'_> {
    fn edit(&mut self, document: &Document) -> Result<Edit> {
        let mut unreferenced = self.cache.unreferenced_by(document, self.now)?.found;
        // Only as they were seen: what grew meanwhile is being worked on.
        unreferenced.retain(|item| self.planned.contains(item));
        self.current = unreferenced;
        Ok(Edit::default())
    }

    fn touches_content(&self) -> bool {
        !self.current.is_empty()
    }

    fn after_commit(&mut self, _durable: bool) {
        let root = match self.cache.root() {
            Ok(root) => root,
            Err(error) => {
                // The first one tells why; the others count as changed.
                let first = self.current.drain(..).next();
                self.going.extend(first.map(|item| (item, Err(error))));
                return;
            }
        };
        for item in std::mem::take(&mut self.current) {
            let name = item.path.file_name().unwrap_or_default();
            let in_root = root
                .as_ref()
                .filter(|root| item.path.parent() == Some(root.path()));
            let going = match (in_root, Purpose::of_name(name)) {
                (Some(root), Some(_)) => match Leftover::lock_if_stale(root.dir(), name) {
                    Ok(Some(leftover)) => Ok(Going::Leftover(leftover)),
                    // It is being worked on after all.
                    Ok(None) => continue,
                    Err(error) => Err(error),
                },
                (Some(root), None) => root.move_to_trash(name).map(|trashed| match trashed {
                    Trashed::Moved(trash) => Going::Trash(trash),
                    Trashed::Nothing | Trashed::Deleted { .. } => Going::Gone,
                }),
                // A manifest.
                (None, _) => if_exists(fs::remove_file(&item.path))
                    .at("remove", &item.path)
                    .map(|_| Going::Gone),
            };
            self.going.push((item, going));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::MetadataImport;
    use crate::{ArtifactEntry, ArtifactType, Home, Reference};

    fn cache() -> (tempfile::TempDir, Cache, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(Home::at(dir.path()).unwrap()).unwrap();
        let root = cache.home().cache_root();
        for name in ["mine", "named", "unnamed", "unnamed/empty"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::write(root.join("unnamed/file"), "12345").unwrap();
        fs::write(root.join("a file"), "").unwrap();
        let named = root.join("named").to_str().unwrap().to_owned();
        for (reference, path) in [("mine", ""), ("other", &*named)] {
            let reference = Reference::parse(reference).unwrap();
            let now = chrono::Utc::now().fixed_offset();
            let entry = ArtifactEntry::new(&reference, ArtifactType::Component, now, path);
            cache
                .record(MetadataImport {
                    entry,
                    keeps_time: false,
                    no_clobber: false,
                })
                .unwrap();
        }
        (dir, cache, root)
    }

    #[test]
    fn a_directory_that_no_entry_names_is_an_orphan_once_it_has_rested() {
        let (_dir, cache, root) = cache();
        let now = SystemTime::now();
        assert_eq!(cache.unreferenced(now).unwrap().found, []);
        let later = now + SETTLED + Duration::from_secs(60);
        let orphan = Unreferenced {
            kind: UnreferencedKind::Orphan,
            path: fs::canonicalize(root.join("unnamed")).unwrap(),
            bytes: 5,
            allocated: 0,
        };
        let unreferenced = cache.unreferenced(later).unwrap().found;
        let found = |item: &Unreferenced| Unreferenced {
            allocated: 0,
            ..item.clone()
        };
        assert_eq!(unreferenced.iter().map(found).collect::<Vec<_>>(), [orphan]);
        // Before 1970 nothing is old.
        assert_eq!(
            cache.unreferenced(SystemTime::UNIX_EPOCH).unwrap().found,
            []
        );

        assert_eq!(
            cache
                .remove_unreferenced(&unreferenced, later)
                .unwrap()
                .gone,
            unreferenced
        );
        assert!(!root.join("unnamed").exists());
        assert!(root.join("mine").exists() && root.join("named").exists());
        assert_eq!(
            cache
                .remove_unreferenced(&unreferenced, later)
                .unwrap()
                .gone,
            []
        );
    }

    #[test]
    fn what_got_an_entry_since_it_was_seen_stays() {
        let (_dir, cache, root) = cache();
        let later = SystemTime::now() + SETTLED + Duration::from_secs(60);
        let unreferenced = cache.unreferenced(later).unwrap().found;
        let reference = Reference::parse("unnamed").unwrap();
        let now = chrono::Utc::now().fixed_offset();
        let entry = ArtifactEntry::new(&reference, ArtifactType::Component, now, "");
        cache.registry().add(entry).unwrap();
        assert_eq!(
            cache
                .remove_unreferenced(&unreferenced, later)
                .unwrap()
                .gone,
            []
        );
        assert!(root.join("unnamed/file").exists());
    }
}
