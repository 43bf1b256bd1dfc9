//! What lies in the cache, or among the manifests, and belongs to no entry.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Cache;
use super::claims::Claims;
use super::root::CacheRoot;
use super::scratch::Scratch;
use super::tree::{Tree, newest_change};
use crate::document::{Document, Edit};
use crate::error::{AtPath, Error, Result};
use crate::registry::Change;

/// For how long nothing in a directory without an entry may have changed, to be
/// an orphan and not something that cldctl is pulling just now.
const SETTLED: Duration = Duration::from_secs(60 * 60);

/// Something that no entry needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stray {
    /// What it is.
    pub kind: StrayKind,
    /// Where it lies.
    pub path: PathBuf,
    /// How much there is to free, in bytes.
    pub bytes: u64,
}

/// What a stray is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StrayKind {
    /// A directory of the cache that no entry's key or path names, and in which
    /// nothing has changed for an hour.
    Orphan,
    /// What a killed process left, or the manifest of content that is gone.
    Leftover,
}

/// What came of removing strays. Those in neither list changed meanwhile.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Swept {
    /// They are gone.
    pub gone: Vec<Stray>,
    /// They could not be removed.
    pub failed: Vec<(Stray, Error)>,
}

impl Cache {
    /// What no entry needs, by path. `now` is what ages are counted from.
    ///
    /// # Errors
    ///
    /// The registry or the cache cannot be read.
    pub fn strays(&self, now: SystemTime) -> Result<Vec<Stray>> {
        self.strays_beside(&self.registry().load()?, now)
    }

    /// Removes strays, as far as they still are some.
    ///
    /// # Errors
    ///
    /// Those of every change. What cannot be deleted is told in the result.
    pub fn remove_strays(&self, strays: &[Stray], now: SystemTime) -> Result<Swept> {
        let mut change = Sweep {
            cache: self,
            planned: strays,
            now,
            current: Vec::new(),
            discarded: Vec::new(),
        };
        self.registry().update(&mut change)?;
        let mut swept = Swept::default();
        for (stray, discarded) in change.discarded {
            let deleted = discarded.and_then(|trash| match trash {
                Some(trash) => trash.delete().at("delete", &stray.path),
                None => Ok(()),
            });
            match deleted {
                Ok(()) => swept.gone.push(stray),
                Err(error) => swept.failed.push((stray, error)),
            }
        }
        Ok(swept)
    }

    /// As [`strays`](Self::strays), for a registry that was read already.
    pub(crate) fn strays_beside(&self, document: &Document, now: SystemTime) -> Result<Vec<Stray>> {
        let mut strays = Vec::new();
        // Of a registry that is not there, or that we may not understand,
        // nobody can say what it does not name.
        if !self.registry().is_there()? || document.foreign_version().is_some() {
            return Ok(strays);
        }
        if let Some(root) = CacheRoot::open(self.home())? {
            let half_swaps = root.half_swaps();
            let claims = Claims::of(&root, document.entries());
            for name in root.names()? {
                let path = root.path().join(&name);
                let kind = if half_swaps.iter().any(|held| held.starts_with(&path)) {
                    // The next change puts back what is in it.
                    None
                } else if CacheRoot::is_scratch(&name) {
                    is_abandoned(&path).then_some(StrayKind::Leftover)
                } else {
                    is_orphan(&path, &claims, now).then_some(StrayKind::Orphan)
                };
                if let Some(kind) = kind {
                    let bytes = Tree::stored(&path).map_or(0, |tree| tree.bytes());
                    strays.push(Stray { kind, path, bytes });
                }
            }
        }
        for path in self.manifests.without_entry(document)? {
            let bytes = fs::symlink_metadata(&path).map_or(0, |metadata| metadata.len());
            let kind = StrayKind::Leftover;
            strays.push(Stray { kind, path, bytes });
        }
        strays.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(strays)
    }
}

/// Whether a staging or trash directory is nobody's any more.
fn is_abandoned(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
        && Scratch::abandoned(path).is_some()
}

/// Whether a directory of the cache root is nobody's, and at rest.
fn is_orphan(path: &Path, claims: &Claims<'_>, now: SystemTime) -> bool {
    let is_dir = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    let name = path.file_name().and_then(|name| name.to_str());
    let is_settled =
        |newest: SystemTime| now.duration_since(newest).is_ok_and(|age| age >= SETTLED);
    // A name that is no UTF-8 is no cache key, so what is there is somebody's.
    is_dir
        && name.is_some_and(|name| claims.on_name(name).is_ok_and(|it| it.is_none()))
        && newest_change(path).is_ok_and(is_settled)
}

/// Removes strays under the registry's lock, so that none of them gets an entry
/// meanwhile.
struct Sweep<'s> {
    cache: &'s Cache,
    planned: &'s [Stray],
    now: SystemTime,
    /// Those of the planned that still are strays.
    current: Vec<Stray>,
    /// Those that are out of the way, with the trash they are in, or why they
    /// are not.
    discarded: Vec<(Stray, Result<Option<Scratch>>)>,
}

impl Change for Sweep<'_> {
    fn edit(&mut self, document: &Document) -> Result<Edit> {
        let mut strays = self.cache.strays_beside(document, self.now)?;
        // As they were seen: what grew meanwhile is somebody's work.
        strays.retain(|stray| self.planned.contains(stray));
        self.current = strays;
        Ok(Edit::default())
    }

    fn touches_content(&self) -> bool {
        !self.current.is_empty()
    }

    fn after_commit(&mut self, _durable: bool) {
        let root = CacheRoot::open(self.cache.home()).unwrap_or(None);
        for stray in std::mem::take(&mut self.current) {
            let in_root = root
                .as_ref()
                .filter(|root| stray.path.parent() == Some(root.path()));
            let discarded = match in_root {
                Some(root) => root.discard_entry(&stray.path),
                // A manifest.
                None => fs::remove_file(&stray.path)
                    .at("remove", &stray.path)
                    .map(|()| None),
            };
            self.discarded.push((stray, discarded));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ArtifactEntry, ArtifactType, Home, Record, Reference};

    fn cache() -> (tempfile::TempDir, Cache, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(Home::at(dir.path()).unwrap()).unwrap();
        let root = cache.home().cache_root();
        for name in ["mine", "named", "nobody's", "nobody's/empty"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::write(root.join("nobody's/file"), "12345").unwrap();
        fs::write(root.join("a file"), "").unwrap();
        let named = root.join("named").to_str().unwrap().to_owned();
        for (reference, path) in [("mine", ""), ("other", &*named)] {
            let reference = Reference::parse(reference).unwrap();
            let now = chrono::Utc::now().fixed_offset();
            let entry = ArtifactEntry::new(&reference, ArtifactType::Component, now, path);
            cache
                .record(Record {
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
        assert_eq!(cache.strays(now).unwrap(), []);
        let later = now + SETTLED + Duration::from_secs(60);
        let orphan = Stray {
            kind: StrayKind::Orphan,
            path: fs::canonicalize(root.join("nobody's")).unwrap(),
            bytes: 5,
        };
        let strays = cache.strays(later).unwrap();
        assert_eq!(strays, [orphan]);
        // Before 1970 nothing is old.
        assert_eq!(cache.strays(SystemTime::UNIX_EPOCH).unwrap(), []);

        assert_eq!(cache.remove_strays(&strays, later).unwrap().gone, strays);
        assert!(!root.join("nobody's").exists());
        assert!(root.join("mine").exists() && root.join("named").exists());
        assert_eq!(cache.remove_strays(&strays, later).unwrap().gone, []);
    }

    #[test]
    fn what_got_an_entry_since_it_was_seen_stays() {
        let (_dir, cache, root) = cache();
        let later = SystemTime::now() + SETTLED + Duration::from_secs(60);
        let strays = cache.strays(later).unwrap();
        let reference = Reference::parse("nobody's").unwrap();
        let now = chrono::Utc::now().fixed_offset();
        let entry = ArtifactEntry::new(&reference, ArtifactType::Component, now, "");
        cache.registry().add(entry).unwrap();
        assert_eq!(cache.remove_strays(&strays, later).unwrap().gone, []);
        assert!(root.join("nobody's/file").exists());
    }
}
