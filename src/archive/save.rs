//! Saving artifacts to an OCI image layout.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::image::{Descriptor, IMAGE_NAME, MANIFEST, REF_NAME, REFERENCE};
use super::output::{existing_index, write_archive, write_dir, write_file};
use super::pack::Packed;
use crate::content::Cache;
use crate::digest::Digest;
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::error::Result;

/// Where artifacts are saved to.
pub enum SaveTarget<'t> {
    /// A tar archive, written as it comes.
    Writer(&'t mut dyn Write),
    /// A tar archive in a file, which is replaced once the archive is complete. What is no
    /// regular file, such as a pipe, is written to as it is.
    File(PathBuf),
    /// A layout in a directory: a new one, an empty one, or a layout that is added to.
    Dir(PathBuf),
}

/// An artifact that was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Saved {
    /// Its reference.
    pub reference: String,
    /// Its type.
    pub artifact_type: ArtifactType,
    /// The digest of its content, as entries have it.
    pub content_digest: Digest,
    /// The digest of its manifest, as registries have it.
    pub manifest_digest: Digest,
    /// The sum of its files' lengths, in bytes.
    pub size: u64,
    /// The length of its compressed layer, in bytes.
    pub compressed_size: u64,
}

impl Cache {
    /// Saves artifacts to an OCI image layout. Equal content is in it once, and the same
    /// content makes the same archive on any machine.
    ///
    /// ```
    /// use cldctl_registry::archive::{LoadOptions, LoadSource, SaveTarget};
    /// use cldctl_registry::import::Import;
    /// use cldctl_registry::{Cache, Home, Reference};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let source = dir.path().join("app");
    /// # std::fs::create_dir(&source)?;
    /// # std::fs::write(source.join("cld.yml"), "name: app\n")?;
    /// let cache = Cache::open(Home::at(dir.path().join("here"))?)?;
    /// let reference = Reference::parse("app:v1")?;
    /// let entry = cache.import(&Import::directory(&reference, &source))?.entry;
    /// let mut archive = Vec::new();
    /// cache.save(&[entry], SaveTarget::Writer(&mut archive))?;
    ///
    /// let there = Cache::open(Home::at(dir.path().join("there"))?)?;
    /// let mut archive = &*archive;
    /// let loaded = there.load(LoadSource::Reader(&mut archive), &LoadOptions::default())?;
    /// assert_eq!(loaded[0].reference, "app:v1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NoContent`](crate::Error::NoContent), [`ContentAltered`](crate::Error::ContentAltered),
    /// [`StateInContent`](crate::Error::StateInContent), [`UnclearContent`](crate::Error::UnclearContent),
    /// [`Unsavable`](crate::Error::Unsavable) and [`NoLayout`](crate::Error::NoLayout), and I/O errors.
    /// Then nothing is saved, but what a [writer](SaveTarget::Writer) got.
    pub fn save(&self, entries: &[ArtifactEntry], target: SaveTarget<'_>) -> Result<Vec<Saved>> {
        // A directory that cannot be used is refused before all the work.
        if let SaveTarget::Dir(dir) = &target {
            existing_index(dir)?;
        }
        // An artifact that is given twice is saved once.
        let mut given = HashSet::new();
        let entries = entries
            .iter()
            .filter(|entry| given.insert(&entry.reference));
        let packed = entries.map(|entry| self.pack(entry));
        let packed = packed.collect::<Result<Vec<_>>>()?;
        let interrupt = self.registry().interrupt();
        match target {
            SaveTarget::Writer(out) => {
                let path = Path::new("standard output");
                write_archive(&packed, out, path, interrupt)?;
            }
            SaveTarget::File(path) => write_file(&packed, &path, interrupt)?,
            SaveTarget::Dir(dir) => write_dir(&packed, &dir, self.registry())?,
        }
        Ok(packed.into_iter().map(Saved::from).collect())
    }
}

impl From<Packed> for Saved {
    fn from(packed: Packed) -> Self {
        Saved {
            reference: packed.reference,
            artifact_type: packed.artifact_type,
            content_digest: packed.content.digest,
            manifest_digest: Digest::of(&packed.image.manifest),
            size: packed.content.bytes,
            compressed_size: packed.layer.bytes,
        }
    }
}

/// Returns the entry of the index for an artifact.
pub(super) fn described(packed: &Packed) -> Descriptor {
    let reference = &packed.reference;
    let mut annotations = BTreeMap::from([(REFERENCE.to_owned(), reference.clone())]);
    if is_image_name(reference) {
        annotations.insert(IMAGE_NAME.to_owned(), reference.clone());
    }
    if is_ref_name(reference) {
        annotations.insert(REF_NAME.to_owned(), reference.clone());
    }
    Descriptor {
        artifact_type: Some(packed.image.artifact_type.clone()),
        annotations,
        ..Descriptor::of(MANIFEST, &packed.image.manifest)
    }
}

/// Returns whether a reference is a name in the grammar of docker and containerd: with a
/// tag, and without upper case in the repository.
fn is_image_name(reference: &str) -> bool {
    let Some((repository, tag)) = reference.rsplit_once(':') else {
        return false;
    };
    let is_tag = |tag: &str| {
        let mut chars = tag.chars();
        let first = chars
            .next()
            .is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        first && tag.len() <= 128 && chars.all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    let is_part = |part: &str| {
        let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        is_end(part.chars().next())
            && is_end(part.chars().next_back())
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-:".contains(c))
    };
    is_tag(tag) && repository.split('/').all(is_part)
}

/// Returns whether a reference is a name in the grammar of `ref.name` (OCI image layout).
fn is_ref_name(reference: &str) -> bool {
    let is_component = |part: &str| {
        let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        is_end(part.chars().next())
            && is_end(part.chars().next_back())
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-._:@+".contains(c))
    };
    reference.split('/').all(is_component)
}
