//! Loading artifacts from an OCI image layout.

mod one;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::MAX_BYTES;
use super::chosen::chosen;
use super::image::Named;
use super::layout::Layout;
use crate::content::Cache;
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::error::{AtPath, Error, Result};
use crate::reference::Reference;
use crate::registry::Added;

/// Where artifacts are loaded from.
pub enum LoadSource<'s> {
    /// A tar archive, read as it comes.
    Reader(&'s mut dyn Read),
    /// A tar archive in a file.
    File(PathBuf),
    /// A layout in a directory.
    Dir(PathBuf),
}

/// How artifacts are loaded: by default, all of them, under the references that they were
/// saved with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadOptions {
    /// Only the artifacts of these references are loaded; all, if there are none.
    pub references: Vec<String>,
    /// The reference that a single artifact gets.
    pub rename: Option<Reference>,
    /// Refuses a reference that is registered already.
    pub no_clobber: bool,
    /// The most bytes that the files of an artifact may have together, and that an archive
    /// may have that has to be stored to be read.
    pub max_bytes: u64,
    /// Changes nothing, and returns what would be loaded.
    pub dry_run: bool,
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions {
            references: Vec::new(),
            rename: None,
            no_clobber: false,
            max_bytes: MAX_BYTES,
            dry_run: false,
        }
    }
}

/// What became of an artifact of an archive.
#[derive(Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// The reference that it has, or would have.
    pub reference: String,
    /// Its type, if its manifest says it.
    pub artifact_type: Option<ArtifactType>,
    /// The digest of its manifest, as registries have it.
    pub manifest_digest: String,
    /// The length of its compressed layers, in bytes.
    pub compressed_size: u64,
    /// Whether the entry is new, updated or unchanged, or why there is none; `None` if
    /// nothing was to change.
    pub result: Option<Result<Added>>,
    /// The entry.
    pub entry: Option<ArtifactEntry>,
    /// Links and what only deployments write, by their paths: they were left out.
    pub left_out: Vec<PathBuf>,
    /// The files of deployments that were carried from the content that was replaced.
    pub carried: Vec<PathBuf>,
    /// Why not all of the content that was replaced could be deleted.
    pub not_deleted: Option<Error>,
}

impl Cache {
    /// Loads artifacts from an OCI image layout: one of ours, or one that skopeo, podman or
    /// cldctl made. Everything is checked before anything is registered.
    ///
    /// # Errors
    ///
    /// [`Error::UnsafeArchive`] for what is no layout, or names what it does not have,
    /// [`Error::NoReference`], and I/O errors. What becomes of each artifact is in the
    /// result.
    pub fn load(&self, source: LoadSource<'_>, options: &LoadOptions) -> Result<Vec<Loaded>> {
        let loaded = self.load_all(source, options);
        // What failed after an interrupt may have failed because of it.
        loaded.or_else(|error| self.registry().interrupt().check().and(Err(error)))
    }

    fn load_all(&self, source: LoadSource<'_>, options: &LoadOptions) -> Result<Vec<Loaded>> {
        let mut layout = match source {
            LoadSource::Reader(archive) => {
                let path = Path::new("standard input");
                Layout::in_pipe(path, archive, |rest| self.spool(rest, options.max_bytes))?
            }
            LoadSource::File(path) => {
                let file = File::open(&path).at("open", &path)?;
                Layout::in_file(&path, file)?
            }
            LoadSource::Dir(path) => Layout::in_dir(&path)?,
        };
        let found = chosen(&mut layout, options)?;
        layout.expect(found.iter().flat_map(|found| &found.manifest.layers));
        let mut done: HashMap<Vec<(String, u64)>, ArtifactEntry> = HashMap::new();
        let mut all = Vec::new();
        for found in found {
            let layers = &found.manifest.layers;
            let key = layers
                .iter()
                .map(|layer| (layer.digest.clone(), layer.size));
            let key: Vec<(String, u64)> = key.collect();
            let mut loaded = Loaded {
                reference: found
                    .reference
                    .as_ref()
                    .map_or_else(String::new, Reference::to_string),
                artifact_type: match &found.named {
                    Named::Artifact(named) => Some(named.clone()),
                    _ => None,
                },
                manifest_digest: found.digest.clone(),
                compressed_size: layers.iter().map(|it| it.size).fold(0, u64::saturating_add),
                result: None,
                entry: None,
                left_out: Vec::new(),
                carried: Vec::new(),
                not_deleted: None,
            };
            if !options.dry_run {
                // Of a pipe, a layer comes once.
                let result = match done.get(&key) {
                    Some(source) => self.load_again(source, &found, options, &mut loaded),
                    None => self.load_one(&mut layout, &found, options, &mut loaded),
                };
                if let (Ok(_), Some(entry)) = (&result, &loaded.entry) {
                    done.insert(key, entry.clone());
                }
                if result.is_err() {
                    self.registry().interrupt().check()?;
                }
                loaded.result = Some(result);
            }
            all.push(loaded);
        }
        if !options.dry_run {
            layout.drain(self.registry().interrupt())?;
        }
        Ok(all)
    }

    /// Stores an archive that has to be read at several places. The file has no name, so
    /// that nothing is left of it.
    fn spool(&self, archive: &mut dyn Read, max_bytes: u64) -> Result<File> {
        let root = self.create_root()?;
        let dir = root.path();
        let mut file = tempfile::tempfile_in(dir).at("create a temporary file in", dir)?;
        let mut left = max_bytes;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            self.registry().interrupt().check()?;
            let input = Path::new("standard input");
            let read =
                crate::store::uninterrupted(|| archive.read(&mut buffer)).at("read", input)?;
            if read == 0 {
                return Ok(file);
            }
            left = left
                .checked_sub(read as u64)
                .ok_or_else(|| Error::TooLarge {
                    path: input.to_owned(),
                    max_bytes,
                })?;
            file.write_all(&buffer[..read]).at("write", dir)?;
        }
    }
}
