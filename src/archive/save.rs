//! Saving artifacts to an OCI image layout.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::archive_writer::ArchiveWriter;
use super::image::{Descriptor, IMAGE_NAME, Index, MANIFEST, REF_NAME, REFERENCE};
use super::layout::{Layout, MARKER_TEXT};
use super::pack::Packed;
use crate::content::Cache;
use crate::digest::Digest;
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::error::{AtPath, Error, Result};

/// Where artifacts are saved to.
pub enum SaveTarget<'t> {
    /// A tar archive, written as it comes.
    Writer(&'t mut dyn Write),
    /// A tar archive in a file, which is replaced once the archive is complete.
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
    /// [`Error::NoContent`], [`Error::ContentAltered`], [`Error::UnclearContent`],
    /// [`Error::UnsafeContent`] and [`Error::NoLayout`], and I/O errors. Then nothing is
    /// saved, but what a [writer](SaveTarget::Writer) got.
    pub fn save(&self, entries: &[ArtifactEntry], target: SaveTarget<'_>) -> Result<Vec<Saved>> {
        // A directory that cannot be used is refused before all the work.
        let existing = match &target {
            SaveTarget::Dir(dir) => existing_index(dir)?,
            _ => Vec::new(),
        };
        let packed = entries.iter().map(|entry| self.pack(entry));
        let packed = packed.collect::<Result<Vec<_>>>()?;
        match target {
            SaveTarget::Writer(out) => {
                write_archive(&packed, out).at("write", Path::new("standard output"))?;
            }
            SaveTarget::File(path) => write_file(&packed, &path)?,
            SaveTarget::Dir(dir) => write_dir(&packed, existing, &dir)?,
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
fn described(packed: &Packed) -> Descriptor {
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

fn json(index: &Index) -> io::Result<Vec<u8>> {
    serde_json::to_vec(index).map_err(io::Error::from)
}

fn write_archive(packed: &[Packed], out: impl Write) -> io::Result<()> {
    let index = Index::new(packed.iter().map(described).collect());
    let out = BufWriter::with_capacity(1 << 20, out);
    let mut archive = ArchiveWriter::begin(out, &json(&index)?)?;
    let mut written = HashSet::new();
    // What is small comes first, so that it is known what layers are needed for.
    for blob in packed
        .iter()
        .flat_map(|it| [&it.image.manifest, &it.image.config])
    {
        if written.insert(Digest::of(blob)) {
            archive.small(blob)?;
        }
    }
    for Packed { layer, file, .. } in packed {
        if written.insert(layer.digest.clone()) {
            archive.blob(layer.digest.hex(), layer.bytes, file)?;
        }
    }
    archive.finish()?;
    Ok(())
}

/// Writes an archive to a file, which is whole or not there.
fn write_file(packed: &[Packed], path: &Path) -> Result<()> {
    let dir = parent_of(path);
    let file = tempfile::Builder::new()
        .prefix(".cldctl-registry-")
        .suffix(".tmp")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(dir)
        .at("create a temporary file in", dir)?;
    write_archive(packed, file.as_file()).at("write", file.path())?;
    file.as_file().sync_all().at("sync", file.path())?;
    file.persist(path)
        .map_err(|error| error.error)
        .at("replace", path)?;
    sync_dir(dir)
}

fn parent_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn sync_dir(dir: &Path) -> Result<()> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    match synced {
        Err(error) if crate::store::is_unsupported(&error) => Ok(()),
        synced => synced.at("sync", dir),
    }
}

/// Returns what the index of a directory names; nothing if it is new or empty.
fn existing_index(dir: &Path) -> Result<Vec<Descriptor>> {
    let names = crate::store::if_exists(fs::read_dir(dir)).at("read the directory", dir)?;
    let is_empty = names.is_none_or(|mut names| names.next().is_none());
    if is_empty {
        return Ok(Vec::new());
    }
    match Layout::in_dir(dir) {
        Ok(layout) => Ok(layout.manifests().to_vec()),
        Err(_) => Err(Error::NoLayout {
            path: dir.to_owned(),
        }),
    }
}

/// Adds artifacts to a layout in a directory: the blobs first, and the index by a rename.
fn write_dir(packed: &[Packed], existing: Vec<Descriptor>, dir: &Path) -> Result<()> {
    let blobs = dir.join("blobs/sha256");
    fs::create_dir_all(&blobs).at("create the directory", &blobs)?;
    for packed in packed {
        for blob in [&packed.image.manifest, &packed.image.config] {
            let path = blobs.join(Digest::of(blob).hex());
            put(&path, |file| (&*file).write_all(blob))?;
        }
        put(&blobs.join(packed.layer.digest.hex()), |file| {
            let mut layer = &packed.file;
            io::Seek::rewind(&mut layer)?;
            io::copy(&mut layer, &mut &*file).map(|_| ())
        })?;
    }
    sync_dir(&blobs)?;
    let added: Vec<Descriptor> = packed.iter().map(described).collect();
    let is_replaced = |old: &Descriptor| {
        let name = old.annotations.get(REFERENCE);
        name.is_some()
            && added
                .iter()
                .any(|new| new.annotations.get(REFERENCE) == name)
    };
    let kept = existing.into_iter().filter(|old| !is_replaced(old));
    let index = Index::new(kept.chain(added.iter().cloned()).collect());
    let index = json(&index).at("write", dir)?;
    put(&dir.join("oci-layout"), |file| {
        (&*file).write_all(MARKER_TEXT)
    })?;
    put(&dir.join("index.json"), |file| (&*file).write_all(&index))?;
    sync_dir(dir)
}

/// Writes a file of a layout, by a temporary one and a rename.
fn put(path: &Path, write: impl FnOnce(&File) -> io::Result<()>) -> Result<()> {
    let dir = parent_of(path);
    let file = tempfile::Builder::new()
        .prefix(".cldctl-registry-")
        .suffix(".tmp")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(dir)
        .at("create a temporary file in", dir)?;
    write(file.as_file()).at("write", file.path())?;
    file.as_file().sync_all().at("sync", file.path())?;
    file.persist(path)
        .map_err(|error| error.error)
        .at("replace", path)?;
    Ok(())
}
