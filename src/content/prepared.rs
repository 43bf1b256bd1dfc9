//! Content that is ready to be registered.

use std::fs;
use std::io;
use std::path::Path;

use super::Cache;
use super::copy;
use super::manifest::Manifest;
use super::progress::{Observed, Work};
use super::root::CacheRoot;
use super::scratch::{self, Scratch};
use super::source::{source_dir, type_of};
use super::tree::Tree;
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::error::{AtPath, Error, Result};
use crate::home::Home;
use crate::interrupt::Interrupt;
use crate::reference::{CacheKey, Reference};

/// Content that is in the cache's file system, hashed and durable, but in no
/// entry yet.
pub(super) struct Prepared {
    pub(super) root: CacheRoot,
    pub(super) tree: Tree,
    pub(super) manifest: Manifest,
    pub(super) artifact_type: ArtifactType,
    /// Where it lies, unless it lies where it is to lie.
    pub(super) staged: Option<Scratch>,
}

impl Prepared {
    /// Copies a directory into staging.
    pub(super) fn stage(
        home: &Home,
        path: &Path,
        artifact_type: Option<&ArtifactType>,
        all_files: bool,
        interrupt: &Interrupt,
        progress: &Observed,
    ) -> Result<Self> {
        let source = source_dir(path)?;
        CacheRoot::refuse_source_around(home, &source)?;
        let artifact_type = type_of(&source, artifact_type)?;
        let tree = Tree::to_import(&source, all_files)?;
        Self::copy(
            CacheRoot::create(home)?,
            tree,
            artifact_type,
            interrupt,
            progress,
        )
    }

    /// Copies the content of a stored entry into staging.
    pub(super) fn copy_of(
        cache: &Cache,
        entry: &ArtifactEntry,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let reference = entry.reference.clone().unwrap_or_default();
        let path = entry.cache_path.clone().unwrap_or_default();
        let (_, Some(dir)) = cache.contents().look(&reference, &path) else {
            let path = path.into();
            return Err(Error::NoContent { reference, path });
        };
        let artifact_type = entry
            .artifact_type
            .clone()
            .unwrap_or(ArtifactType::Component);
        let tree = Tree::stored(&dir)?;
        Self::copy(
            CacheRoot::create(cache.home())?,
            tree,
            artifact_type,
            interrupt,
            &cache.progress,
        )
    }

    fn copy(
        root: CacheRoot,
        tree: Tree,
        artifact_type: ArtifactType,
        interrupt: &Interrupt,
        progress: &Observed,
    ) -> Result<Self> {
        let opened = scratch::handle(root.path())?;
        let staged = root.staging()?;
        let copying = progress.begin(Work::Copying, tree.bytes());
        let manifest = copy::copy(&tree, staged.path(), interrupt, &copying)?;
        copy::sync(staged.path(), &opened)?;
        Ok(Prepared {
            root,
            tree,
            manifest,
            artifact_type,
            staged: Some(staged),
        })
    }

    /// Takes the content that lies in the reference's own directory.
    pub(super) fn take(
        home: &Home,
        reference: &Reference,
        artifact_type: Option<&ArtifactType>,
        interrupt: &Interrupt,
        progress: &Observed,
    ) -> Result<Self> {
        let no_content = || Error::NoContent {
            reference: reference.to_string(),
            path: home.cache_path(reference),
        };
        let root = CacheRoot::open(home)?.ok_or_else(no_content)?;
        let dir = root.dir_of(&reference.cache_key());
        match fs::symlink_metadata(&dir) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => {
                return Err(Error::UnsafeContent {
                    path: dir,
                    reason: "it is not a directory".to_owned(),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(no_content()),
            Err(error) => return Err(error).at("read", &dir),
        }
        let artifact_type = type_of(&dir, artifact_type)?;
        let opened = scratch::handle(root.path())?;
        let tree = Tree::stored(&dir)?;
        let hashing = progress.begin(Work::Hashing, tree.bytes());
        let manifest = copy::hash(&tree, interrupt, &hashing)?;
        copy::sync(&dir, &opened)?;
        Ok(Prepared {
            root,
            tree,
            manifest,
            artifact_type,
            staged: None,
        })
    }

    /// What lies in the directory of the key, if that is the same as this:
    /// content, modes and empty directories.
    pub(super) fn same_in_place(
        &self,
        key: &CacheKey,
        interrupt: &Interrupt,
        progress: &Observed,
    ) -> Result<Option<Tree>> {
        let dir = self.root.dir_of(key);
        if !fs::symlink_metadata(&dir).is_ok_and(|metadata| metadata.is_dir()) {
            return Ok(None);
        }
        let there = Tree::stored(&dir).and_then(|there| {
            if !there.has_the_shape_of(&self.tree) {
                return Ok(None);
            }
            let hashing = progress.begin(Work::Hashing, there.bytes());
            let same = copy::hash(&there, interrupt, &hashing)? == self.manifest;
            Ok(same.then_some(there))
        });
        match there {
            Err(interrupted @ Error::Interrupted { .. }) => Err(interrupted),
            // What cannot be read, or changes, is to be replaced.
            Err(_) => Ok(None),
            there => there,
        }
    }
}
