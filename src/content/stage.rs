//! Content that is ready to be registered.

use std::ffi::OsStr;
use std::path::Path;

use super::Cache;
use super::cache_root::CacheRoot;
use super::copy;
use super::file_tree::FileTree;
use super::hash;
use super::manifest::Manifest;
use super::progress::Operation;
use super::refusal::{NO_DIR, refused};
use super::rules::Rules;
use super::source::{open_source, refuse_cache_in, type_of};
use super::status::Location;
use super::workdir::WorkDir;
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::error::{Error, Result};
use crate::reference::{CacheKey, Reference};
use crate::store::{Dir, Kind};

/// Content that is in the cache's file system, hashed and durable, but in no
/// entry.
pub(super) struct Staged {
    pub(super) root: CacheRoot,
    pub(super) tree: FileTree,
    pub(super) manifest: Manifest,
    pub(super) artifact_type: ArtifactType,
    /// Where it lies.
    pub(super) dir: Dir,
    /// What it is staged in, unless it lies where it is to lie.
    pub(super) work: Option<WorkDir>,
}

impl Staged {
    /// Copies a directory into staging.
    pub(super) fn copy_in(
        cache: &Cache,
        path: &Path,
        artifact_type: Option<&ArtifactType>,
        rules: &Rules,
    ) -> Result<Self> {
        let source = open_source(path)?;
        let artifact_type = type_of(&source, artifact_type)?;
        if refuse_cache_in(&source, cache.home(), rules)? {
            // Created later, it would change the directory that is being read.
            cache.create_root()?;
        }
        let present = cache.root()?;
        let tree = FileTree::to_import(&source, rules, present.map(|root| root.id()))?;
        Self::copy(cache, tree, &source, artifact_type)
    }

    /// Copies the content of an entry into staging.
    pub(super) fn copy_of(cache: &Cache, entry: &ArtifactEntry, place: &Location) -> Result<Self> {
        let contents = cache.contents();
        let source = contents.open(place)?;
        let artifact_type = entry
            .artifact_type
            .clone()
            .unwrap_or(ArtifactType::Component);
        let tree = FileTree::stored(&source)?;
        Self::copy(cache, tree, &source, artifact_type)
    }

    fn copy(
        cache: &Cache,
        tree: FileTree,
        source: &Dir,
        artifact_type: ArtifactType,
    ) -> Result<Self> {
        let root = cache.create_root()?;
        let registry = cache.registry();
        let (work, dir) = root.staging(&registry.lock_wait())?;
        let copying = cache.progress.begin(Operation::Copying, tree.bytes());
        let manifest = copy::copy(
            &tree,
            source,
            &dir,
            root.owner()?,
            registry.interrupt(),
            &copying,
        )?;
        copy::sync(&dir, root.dir())?;
        Ok(Staged {
            root,
            tree,
            manifest,
            artifact_type,
            dir,
            work: Some(work),
        })
    }

    /// Takes the content that lies in the reference's own directory.
    pub(super) fn in_place(
        cache: &Cache,
        reference: &Reference,
        artifact_type: Option<&ArtifactType>,
    ) -> Result<Self> {
        let no_content = || Error::NoContent {
            reference: reference.to_string(),
            path: cache.home().cache_path(reference),
        };
        let root = cache.root()?.ok_or_else(no_content)?;
        let key = reference.cache_key();
        let name = OsStr::new(key.as_str());
        match root.look(name)? {
            Some(found) if found.kind == Kind::Dir => {}
            Some(_) => return Err(refused(&root.dir_of(&key), NO_DIR)),
            None => return Err(no_content()),
        }
        let dir = root.open_dir(name)?;
        let artifact_type = type_of(&dir, artifact_type)?;
        let tree = FileTree::stored(&dir)?;
        let hashing = cache.progress.begin(Operation::Hashing, tree.bytes());
        let manifest = hash::hash(&tree, &dir, cache.registry().interrupt(), &hashing)?;
        Ok(Staged {
            root,
            tree,
            manifest,
            artifact_type,
            dir,
            work: None,
        })
    }

    /// Returns the size of the content as it is registered, in bytes.
    pub(super) fn size(&self) -> i64 {
        i64::try_from(self.tree.bytes()).unwrap_or(i64::MAX)
    }

    /// Returns what lies in the directory of a key, if that is the same as this:
    /// content, modes and empty directories.
    pub(super) fn same_in_place(&self, cache: &Cache, key: &CacheKey) -> Result<Option<InPlace>> {
        let name = OsStr::new(key.as_str());
        let found = self.root.look(name)?;
        if found.is_none_or(|found| found.kind != Kind::Dir) {
            return Ok(None);
        }
        let interrupt = cache.registry().interrupt();
        let there = self.root.open_dir(name).and_then(|dir| {
            let tree = FileTree::stored(&dir)?;
            if !tree.same_layout(&self.tree, true) {
                return Ok(None);
            }
            let hashing = cache.progress.begin(Operation::Hashing, tree.bytes());
            let same = hash::hash(&tree, &dir, interrupt, &hashing)? == self.manifest;
            Ok(same.then_some(InPlace { tree, dir }))
        });
        match there {
            Err(interrupted @ Error::Interrupted { .. }) => Err(interrupted),
            // What cannot be read, or changes, is to be replaced.
            Err(_) => Ok(None),
            there => there,
        }
    }
}

/// Content that lies where it is to lie, as it was seen.
pub(super) struct InPlace {
    tree: FileTree,
    dir: Dir,
}

impl InPlace {
    /// Returns the directory that it lies in.
    pub(super) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Refuses content that is no longer what was seen, or no longer there.
    pub(super) fn require_unchanged(&self, root: &CacheRoot, key: &CacheKey) -> Result<()> {
        require_unchanged(&self.tree, &self.dir, root, key)
    }
}

/// Refuses content that is no longer what was seen in the directory of a key, or no
/// longer there.
pub(super) fn require_unchanged(
    tree: &FileTree,
    dir: &Dir,
    root: &CacheRoot,
    key: &CacheKey,
) -> Result<()> {
    let found = root.look(OsStr::new(key.as_str()))?;
    if found.map(|found| found.id) != Some(tree.id) {
        return Err(Error::ContentChanged {
            path: root.dir_of(key),
        });
    }
    tree.require_unchanged(dir)
}
