//! OCI image layouts: in a tar archive, from a pipe, or in a directory. Source: the OCI image
//! specification 1.1, "Image Layout".

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::image::{Descriptor, Index, MAX_MANIFEST, REFERENCE};
use super::pipe::{Next, Pipe};
use super::readers::{Noted, Part};
use super::tar::{self, BLOCK, Kind};
use crate::digest::digest_hex;
use crate::error::{AtPath, Error, Result};
use crate::interrupt::Interrupt;
use crate::store::{Dir, if_exists};

/// The file that says what this is, and its content.
pub(super) const MARKER: &str = "oci-layout";
pub(super) const MARKER_TEXT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
pub(super) const INDEX: &str = "index.json";
const BLOBS: &str = "blobs/sha256";

/// The most entries of an archive: each artifact has three.
const MAX_BLOBS: usize = 100_000;

/// Returns the error for an input that is no layout, or a damaged one.
fn refused(path: &Path, reason: impl Into<String>) -> Error {
    Error::UnsafeArchive {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

/// Returns why an input could not be read: it is at fault, or the system.
pub(super) fn failed(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            refused(path, error.to_string())
        }
        _ => Error::Io {
            action: "read",
            path: path.to_owned(),
            cause: error,
        },
    }
}

/// The blobs of a layout.
pub(super) struct Layout<'l> {
    /// The layout, for messages.
    pub(super) path: PathBuf,
    blobs: Blobs<'l>,
    /// The small blobs that were read from a pipe, by their names in it.
    read: HashMap<Vec<u8>, Vec<u8>>,
    index: Index,
}

enum Blobs<'l> {
    Dir(Dir),
    /// The places of the files in an archive.
    Archive(File, Places),
    /// An archive that is read once.
    Pipe(Pipe<'l>),
}

/// Where each file of an archive begins, and its length.
type Places = HashMap<Vec<u8>, (u64, u64)>;

impl<'l> Layout<'l> {
    /// Opens a layout in a directory.
    pub(super) fn in_dir(path: &Path) -> Result<Self> {
        let dir = Dir::open(path).at("open", path)?;
        let read = |name: &str| -> Result<Vec<u8>> {
            let at = dir.path_of(name);
            let file = if_exists(dir.open_file(OsStr::new(name))).at("open", &at)?;
            read_small(file.ok_or_else(|| no_layout(path))?, &at)
        };
        require_marker(path, &read(MARKER)?)?;
        let index = parse_index(path, &read(INDEX)?)?;
        Ok(Layout {
            path: path.to_owned(),
            blobs: Blobs::Dir(dir),
            read: HashMap::new(),
            index,
        })
    }

    /// Opens a layout in an archive that can be read at any place.
    pub(super) fn in_file(path: &Path, mut file: File) -> Result<Self> {
        let mut start = Vec::new();
        let read = Part::of(&file, 0, BLOCK as u64).read_to_end(&mut start);
        read.map_err(|error| failed(path, error))?;
        require_tar(path, &start)?;
        let places = places_in(path, &mut file)?;
        let read = |name: &str| -> Result<Vec<u8>> {
            let found = places.get(name.as_bytes());
            let (start, bytes) = *found.ok_or_else(|| no_layout(path))?;
            read_small(Part::of(&file, start, bytes), path)
        };
        require_marker(path, &read(MARKER)?)?;
        let index = parse_index(path, &read(INDEX)?)?;
        Ok(Layout {
            path: path.to_owned(),
            blobs: Blobs::Archive(file, places),
            read: HashMap::new(),
            index,
        })
    }

    /// Opens a layout in an archive that can be read once. One that begins with its index,
    /// as ours do, is read as it comes; of any other one `spool` makes a file.
    pub(super) fn in_pipe(
        path: &Path,
        archive: &'l mut dyn Read,
        spool: impl FnOnce(&mut dyn Read) -> Result<File> + 'l,
    ) -> Result<Self> {
        let fail = |error| failed(path, error);
        let mut start = Vec::new();
        // The marker and the index, each with its header, are few blocks.
        let mut found: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
        for _ in 0..2 {
            let mut noted = Noted {
                inner: &mut *archive,
                noted: &mut start,
            };
            let next = tar::next(&mut noted);
            require_tar(path, &start)?;
            let Some(entry) = next.map_err(fail)? else {
                break;
            };
            let mut noted = Noted {
                inner: &mut *archive,
                noted: &mut start,
            };
            if entry.bytes > MAX_MANIFEST || entry.kind != Kind::File {
                break;
            }
            let text = read_small(noted.by_ref().take(entry.bytes), path)?;
            tar::skip(&mut noted, tar::padding(entry.bytes) as u64).map_err(fail)?;
            found.insert(plain(&entry.path), text);
        }
        if let (Some(marker), Some(index)) =
            (found.get(MARKER.as_bytes()), found.get(INDEX.as_bytes()))
        {
            require_marker(path, marker)?;
            let index = parse_index(path, index)?;
            let is_ours = |manifest: &Descriptor| manifest.annotations.contains_key(REFERENCE);
            if index.manifests.iter().all(is_ours) {
                return Ok(Layout {
                    path: path.to_owned(),
                    blobs: Blobs::Pipe(Pipe::new(archive, Box::new(spool))),
                    read: HashMap::new(),
                    index,
                });
            }
        }
        let file = spool(&mut (&*start).chain(archive))?;
        Layout::in_file(path, file)
    }

    /// Returns what the index names.
    pub(super) fn manifests(&self) -> &[Descriptor] {
        &self.index.manifests
    }

    /// Reads a manifest, an index or a config, and checks it.
    pub(super) fn small(&mut self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let path = self.path.clone();
        if descriptor.size > MAX_MANIFEST {
            return Err(refused(&path, "a manifest is longer than 4 MiB"));
        }
        let text = self.blob(descriptor, true, |blob| read_small(blob, &path))?;
        let found = Descriptor::of(&descriptor.media_type, &text);
        match (found.size, &found.digest) == (descriptor.size, &descriptor.digest) {
            true => Ok(text),
            false => Err(refused(&path, "a manifest is not what its digest says")),
        }
    }

    /// Calls `work` with the bytes of a blob. It checks them.
    pub(super) fn with_blob<T>(
        &mut self,
        descriptor: &Descriptor,
        work: impl FnOnce(&mut dyn Read) -> Result<T>,
    ) -> Result<T> {
        self.blob(descriptor, false, work)
    }

    /// Says which blobs are still needed, so that those that come before can be told from
    /// those that can be passed over.
    pub(super) fn expect<'d>(&mut self, layers: impl Iterator<Item = &'d Descriptor>) {
        let names = layers
            .filter_map(|layer| self.name_of(layer).ok())
            .collect();
        if let Blobs::Pipe(pipe) = &mut self.blobs {
            pipe.wanted = Some(names);
        }
    }

    /// Reads what is left of a pipe, so that the process that writes it can end.
    pub(super) fn drain(self, interrupt: &Interrupt) -> Result<()> {
        match self.blobs {
            Blobs::Pipe(pipe) => pipe.drain(interrupt),
            _ => Ok(()),
        }
    }

    /// Returns the name of a blob in a layout.
    fn name_of(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let Some(hex) = digest_hex(&descriptor.digest) else {
            return Err(refused(&self.path, "a digest in it is none"));
        };
        match descriptor.digest.strip_suffix(hex) {
            Some("sha256:") => Ok(format!("{BLOBS}/{hex}").into_bytes()),
            _ => Err(refused(&self.path, "it has digests other than SHA-256")),
        }
    }

    /// Calls `work` with the bytes of a blob, which is kept for another call if it comes
    /// from a pipe and `keep` says so.
    fn blob<T>(
        &mut self,
        descriptor: &Descriptor,
        keep: bool,
        work: impl FnOnce(&mut dyn Read) -> Result<T>,
    ) -> Result<T> {
        let name = self.name_of(descriptor)?;
        let missing = || Error::BlobMissing {
            path: self.path.clone(),
            digest: descriptor.digest.clone(),
        };
        if let Blobs::Pipe(pipe) = &mut self.blobs
            && !self.read.contains_key(&name)
        {
            match pipe.find(&self.path, &name, &mut self.read)? {
                Next::Blob(_) if !keep => return pipe.with_blob(work),
                Next::Blob(bytes) => {
                    let text = pipe.with_blob(|blob| read_small(blob.take(bytes), &self.path))?;
                    self.read.insert(name.clone(), text);
                }
                Next::Rest(mut file) => {
                    let places = places_in(&self.path, &mut file)?;
                    self.blobs = Blobs::Archive(file, places);
                }
                Next::End => return Err(missing()),
            }
        }
        if let Some(text) = self.read.get(&name) {
            return work(&mut &**text);
        }
        match &self.blobs {
            Blobs::Dir(dir) => {
                let name = Path::new(OsStr::from_bytes(&name));
                let parent = dir.open_beneath(Path::new(BLOBS));
                let file = name.file_name().unwrap_or_default();
                let opened = parent.and_then(|parent| parent.open_file(file));
                let opened = if_exists(opened).at("open", &dir.path_of(name))?;
                work(&mut opened.ok_or_else(missing)?)
            }
            Blobs::Archive(file, places) => {
                let (start, bytes) = *places.get(&name).ok_or_else(missing)?;
                work(&mut Part::of(file, start, bytes))
            }
            Blobs::Pipe(_) => Err(missing()),
        }
    }
}

/// Returns the places of the files in an archive.
fn places_in(path: &Path, file: &mut File) -> Result<Places> {
    let mut places = HashMap::new();
    let fail = |error| failed(path, error);
    let len = file.seek(SeekFrom::End(0)).map_err(fail)?;
    file.rewind().map_err(fail)?;
    while let Some(entry) = tar::next(file).map_err(fail)? {
        let start = file.stream_position().map_err(fail)?;
        if entry.kind == Kind::File {
            places.insert(plain(&entry.path), (start, entry.bytes));
        }
        if places.len() > MAX_BLOBS {
            return Err(refused(path, format!("it has more than {MAX_BLOBS} files")));
        }
        let end = start
            .checked_add(entry.bytes)
            .and_then(|end| end.checked_add(tar::padding(entry.bytes) as u64));
        match end {
            Some(end) if end <= len => file.seek(SeekFrom::Start(end)).map_err(fail)?,
            _ => return Err(refused(path, "the archive ends early")),
        };
    }
    Ok(places)
}

/// Reads something that is no longer than a manifest may be.
pub(super) fn read_small(from: impl Read, path: &Path) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = from.take(MAX_MANIFEST + 1).read_to_end(&mut text);
    read.map_err(|error| failed(path, error))?;
    match text.len() as u64 <= MAX_MANIFEST {
        true => Ok(text),
        false => Err(refused(path, "a manifest is longer than 4 MiB")),
    }
}

fn no_layout(path: &Path) -> Error {
    refused(path, "it is no OCI image layout")
}

/// Refuses what is no tar archive by its first block, in words that help.
fn require_tar(path: &Path, start: &[u8]) -> Result<()> {
    let compressed = |by: &str| format!("it is compressed with {by}: decompress it first");
    let reason = match start {
        [] => "it is empty".to_owned(),
        [0x1f, 0x8b, ..] => compressed("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => compressed("zstd"),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => compressed("xz"),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => compressed("bzip2"),
        _ if start.len() < BLOCK => "it is no tar archive".to_owned(),
        _ => return Ok(()),
    };
    Err(refused(path, reason))
}

fn require_marker(path: &Path, text: &[u8]) -> Result<()> {
    #[derive(serde::Deserialize)]
    struct Marker {
        #[serde(rename = "imageLayoutVersion")]
        version: String,
    }
    let marker: Marker = serde_json::from_slice(text).map_err(|_| no_layout(path))?;
    match marker.version.starts_with("1.") {
        true => Ok(()),
        false => Err(refused(path, "its image layout has an unknown version")),
    }
}

fn parse_index(path: &Path, text: &[u8]) -> Result<Index> {
    serde_json::from_slice(text).map_err(|error| refused(path, format!("its index: {error}")))
}

/// Returns a name of an archive without a leading `./`.
pub(super) fn plain(name: &[u8]) -> Vec<u8> {
    name.strip_prefix(b"./").unwrap_or(name).to_vec()
}
