//! Comparing an artifact's directory with what was registered, and two artifacts.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Cache;
use super::file_tree::Left;
use super::hash;
use super::inventory::Inventory;
use super::manifest::Manifest;
use super::progress::Operation;
use crate::entry::ArtifactEntry;
use crate::error::{Error, Result};

/// A path that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The path from the artifact's directory.
    pub path: PathBuf,
    /// The way it differs.
    pub change: Change,
    /// The purpose of the file.
    pub kind: FileKind,
    /// The length of the file, in bytes; 0 for one that is gone.
    pub bytes: u64,
}

/// The way a path differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// It was not there.
    Added,
    /// It is gone.
    Removed,
    /// It has different content.
    Changed,
}

/// The purpose of a file in an artifact's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// It belongs to the artifact, or lies there like something that does.
    Content,
    /// It can be made again: hidden files, provider plugins, dependencies.
    Generated,
    /// A deployment wrote it: state, or inputs that may contain secrets.
    Deployment,
}

impl Change {
    /// Returns the name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Changed => "changed",
        }
    }
}

impl FileKind {
    /// Returns the name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            FileKind::Content => "content",
            FileKind::Generated => "generated",
            FileKind::Deployment => "deployment",
        }
    }
}

/// The changes in an artifact's directory since the artifact was registered.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct DirectoryDiff {
    /// The paths that differ, sorted.
    pub differences: Vec<Difference>,
    /// True if it is known what was registered. If not, only what is no content differs.
    pub has_manifest: bool,
}

/// The files of content, each with its hash in hex and its length, if that is known.
type Files = BTreeMap<PathBuf, (String, u64)>;

impl Cache {
    /// Returns what changed in the directory of an artifact since it was registered: by
    /// people, by processes, by deployments.
    ///
    /// ```
    /// use cldctl_registry::diff::Change;
    /// use cldctl_registry::import::Import;
    /// use cldctl_registry::{Cache, Home, Reference};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let source = dir.path().join("app");
    /// # std::fs::create_dir(&source)?;
    /// # std::fs::write(source.join("cld.yml"), "name: app\n")?;
    /// let cache = Cache::open(Home::at(dir.path().join("home"))?)?;
    /// let reference = Reference::parse("app:v1")?;
    /// let entry = cache.import(&Import::directory(&reference, &source))?.entry;
    /// std::fs::write(cache.home().cache_path(&reference).join("new"), "")?;
    /// let diff = cache.diff(&entry)?;
    /// assert_eq!(diff.differences[0].change, Change::Added);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoContent`] if the artifact's own directory is not there, and I/O errors.
    pub fn diff(&self, entry: &ArtifactEntry) -> Result<DirectoryDiff> {
        let manifest = self.manifest_of(entry.digest.as_deref())?;
        let divided = {
            let contents = self.contents();
            let (reference, path) = names_of(entry);
            let (_, place) = contents.look(reference, path)?;
            let place = place.ok_or_else(|| no_content(entry))?;
            contents.read(&place, entry.digest.as_deref().unwrap_or_default())?
        };
        let mut differences = Vec::new();
        let has_manifest = manifest.is_some();
        if let Some(manifest) = manifest {
            let links = divided.content.links.iter().map(|(path, _)| path);
            let others = links.chain(&divided.content.others);
            differences.extend(others.map(|path| Difference {
                path: path.clone(),
                change: Change::Added,
                kind: FileKind::Content,
                bytes: 0,
            }));
            let now = self.files_now(entry, Some(&manifest))?;
            differences.extend(compare(&files_of(&manifest), &now));
        }
        differences.extend(added(&divided.deployment, FileKind::Deployment));
        differences.extend(added(&divided.generated, FileKind::Generated));
        sort(&mut differences);
        Ok(DirectoryDiff {
            differences,
            has_manifest,
        })
    }

    /// Returns how the content of an artifact differs from that of another one, which
    /// comes first: as it was registered, or as it is where that is not known.
    ///
    /// # Errors
    ///
    /// As [`diff`](Self::diff).
    pub fn diff_between(
        &self,
        before: &ArtifactEntry,
        after: &ArtifactEntry,
    ) -> Result<Vec<Difference>> {
        Ok(compare(&self.content_of(before)?, &self.content_of(after)?))
    }

    /// Returns the content of an artifact as it was registered, or as it is.
    fn content_of(&self, entry: &ArtifactEntry) -> Result<Files> {
        let Some(manifest) = self.manifest_of(entry.digest.as_deref())? else {
            return self.files_now(entry, None);
        };
        let mut files = files_of(&manifest);
        // Only lengths are missing, and are not worth an error.
        if let Ok(there) = self.inventory_of(entry, Some(&manifest)) {
            for file in &there.tree().files {
                if let Some((_, bytes)) = files.get_mut(&file.path) {
                    *bytes = file.len;
                }
            }
        }
        Ok(files)
    }

    /// Returns the content of an artifact as it is.
    fn files_now(&self, entry: &ArtifactEntry, manifest: Option<&Manifest>) -> Result<Files> {
        let there = self.inventory_of(entry, manifest)?;
        let hashing = self
            .progress
            .begin(Operation::Hashing, there.tree().bytes());
        let hashed = hash::hash(&there, self.registry().interrupt(), &hashing)?;
        let mut files = files_of(&hashed);
        for file in &there.tree().files {
            if let Some((_, bytes)) = files.get_mut(&file.path) {
                *bytes = file.len;
            }
        }
        Ok(files)
    }

    fn inventory_of(
        &self,
        entry: &ArtifactEntry,
        manifest: Option<&Manifest>,
    ) -> Result<Inventory> {
        let contents = self.contents();
        let (reference, path) = names_of(entry);
        let (_, place) = contents.look(reference, path)?;
        let place = place.ok_or_else(|| no_content(entry))?;
        Inventory::stored(contents.open(&place)?, manifest)
    }
}

fn names_of(entry: &ArtifactEntry) -> (&str, &str) {
    (
        entry.reference.as_deref().unwrap_or_default(),
        entry.cache_path.as_deref().unwrap_or_default(),
    )
}

fn no_content(entry: &ArtifactEntry) -> Error {
    let (reference, path) = names_of(entry);
    Error::NoContent {
        reference: reference.to_owned(),
        path: path.into(),
    }
}

fn files_of(manifest: &Manifest) -> Files {
    let files = manifest.files().into_iter();
    files
        .map(|(path, hash)| {
            (
                PathBuf::from(OsStr::from_bytes(&path)),
                (hash.to_owned(), 0),
            )
        })
        .collect()
}

/// Returns how files differ from those before.
fn compare(before: &Files, after: &Files) -> Vec<Difference> {
    let difference = |path: &Path, change, bytes| Difference {
        path: path.to_owned(),
        change,
        kind: FileKind::Content,
        bytes,
    };
    let here = after
        .iter()
        .filter_map(|(path, (hash, bytes))| match before.get(path) {
            None => Some(difference(path, Change::Added, *bytes)),
            Some((old, _)) if old != hash => Some(difference(path, Change::Changed, *bytes)),
            Some(_) => None,
        });
    let gone = before.keys().filter(|path| !after.contains_key(*path));
    let gone = gone.map(|path| difference(path, Change::Removed, 0));
    let mut all: Vec<Difference> = here.chain(gone).collect();
    sort(&mut all);
    all
}

/// Sorts by the bytes of whole paths, as manifests do.
fn sort(differences: &mut [Difference]) {
    differences.sort_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
}

fn added(left: &Left, kind: FileKind) -> Vec<Difference> {
    let files = left.files.iter().map(|file| (&file.path, file.len));
    let links = left.links.iter().map(|(path, _)| (path, 0));
    files
        .chain(links)
        .map(|(path, bytes)| Difference {
            path: path.clone(),
            change: Change::Added,
            kind,
            bytes,
        })
        .collect()
}
