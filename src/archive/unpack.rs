//! Unpacking layers into staging, whoever made them.
//!
//! Nothing is trusted: not what a manifest says of sizes and digests, not the names, kinds
//! and sizes in a layer. Limits hold before memory or disk is taken, and everything is read
//! to its end before it counts.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use super::image::Descriptor;
use super::tar::{self, Entry, Kind};
use crate::content::file_tree::{FileTree, Opener};
use crate::content::hash::Chunk;
use crate::content::manifest::{FileHash, Manifest};
use crate::content::residue::{Residue, residue_of};
use crate::content::rules::unfit_path;
use crate::content::stage::{Staged, Staging};
use crate::content::{Cache, Operation};
use crate::digest::Digest;
use crate::error::{AtPath, Error, Result};
use crate::store;

/// The most layers of an image.
pub(super) const MAX_LAYERS: usize = 16;

/// The most files and directories of an artifact.
pub(crate) const MAX_ENTRIES: usize = 200_000;

/// The longest name of a file or directory, in bytes: that of most file systems.
const MAX_NAME: usize = 255;

/// How much is read at once, in bytes.
const BUFFER: usize = 256 * 1024;

/// Unpacks the layers of an image.
pub(super) struct Unpacking<'c> {
    cache: &'c Cache,
    staging: Staging<'c>,
    /// The image, for messages.
    subject: PathBuf,
    /// The most bytes that files may have together.
    max_bytes: u64,
    /// The bytes that were free on the disk.
    free_bytes: u64,
    /// Whether what only deployments write is left out: true unless the image has a digest
    /// of its content, which that is a part of then.
    leaves_deployment: bool,
    /// What was created, each with the layer that it is from.
    created: HashMap<PathBuf, (usize, Created)>,
    bytes: u64,
    layer: usize,
    left_out: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug)]
enum Created {
    Dir { mode: u32 },
    File { hash: FileHash },
}

/// Content that was unpacked.
pub(super) struct Unpacked {
    pub(super) staged: Staged,
    /// Links, and what deployments wrote.
    pub(super) left_out: Vec<PathBuf>,
}

impl<'c> Unpacking<'c> {
    pub(super) fn begin(
        cache: &'c Cache,
        subject: PathBuf,
        max_bytes: u64,
        leaves_deployment: bool,
    ) -> Result<Self> {
        let root = (PathBuf::new(), (0, Created::Dir { mode: 0o755 }));
        let staging = Staging::begin(cache)?;
        Ok(Unpacking {
            cache,
            free_bytes: staging
                .dir()
                .free_bytes()
                .at("read", staging.dir().path())?,
            staging,
            subject,
            max_bytes,
            leaves_deployment,
            created: HashMap::from([root]),
            bytes: 0,
            layer: 0,
            left_out: Vec::new(),
        })
    }

    fn refused(&self, reason: impl Into<String>) -> Error {
        Error::UnsafeArchive {
            path: self.subject.clone(),
            reason: reason.into(),
        }
    }

    /// Returns why reading failed: the input is at fault, or the system.
    fn failed(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::UnexpectedEof => self.refused(error.to_string()),
            _ => Error::Io {
                action: "read",
                path: self.subject.clone(),
                cause: error,
            },
        }
    }

    /// Unpacks a layer over those before. `blob` has what the descriptor names.
    pub(super) fn layer(&mut self, descriptor: &Descriptor, blob: &mut dyn Read) -> Result<()> {
        self.layer += 1;
        if self.layer > MAX_LAYERS {
            return Err(self.refused(format!("it has more than {MAX_LAYERS} layers")));
        }
        let progress = self.cache.progress_of(Operation::Copying, descriptor.size);
        let hashed = Hashed::new(blob, descriptor.size, |bytes| progress.advance(bytes));
        let mut hashed = BufReader::with_capacity(BUFFER, hashed);
        let start = io::BufRead::fill_buf(&mut hashed).map_err(|error| self.failed(error))?;
        match start {
            [0x1f, 0x8b, ..] => {
                let mut decoder = MultiGzDecoder::new(&mut hashed);
                self.entries(&mut decoder)?;
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                return Err(self.refused("a layer is compressed with zstd, which is not supported"));
            }
            _ => self.entries(&mut hashed)?,
        }
        // What the decoder did not need is a part of the blob all the same.
        io::copy(&mut hashed, &mut io::sink()).map_err(|error| self.failed(error))?;
        let hashed = hashed.into_inner();
        if hashed.read != descriptor.size {
            let (size, read) = (descriptor.size, hashed.read);
            return Err(self.refused(format!("a layer has {read} bytes instead of {size}")));
        }
        let digest = Digest::from_hash(hashed.hasher.finalize().into());
        if digest.as_str() != descriptor.digest {
            return Err(self.refused(format!(
                "a layer has the digest `{digest}` instead of `{}`",
                crate::escape::escape_display(&descriptor.digest)
            )));
        }
        Ok(())
    }

    /// Unpacks a tar, and reads it to its end.
    fn entries(&mut self, tar: &mut impl Read) -> Result<()> {
        let mut opener = Opener::default();
        let mut buffer = vec![0; BUFFER];
        while let Some(entry) = tar::next(tar).map_err(|error| self.failed(error))? {
            self.entry(&entry, tar, &mut opener, &mut buffer)?;
        }
        loop {
            let read = tar.read(&mut buffer).map_err(|error| self.failed(error))?;
            if read == 0 {
                return Ok(());
            }
            if buffer[..read].iter().any(|byte| *byte != 0) {
                return Err(self.refused("something follows the archive in a layer"));
            }
        }
    }

    fn entry(
        &mut self,
        entry: &Entry,
        tar: &mut impl Read,
        opener: &mut Opener,
        buffer: &mut [u8],
    ) -> Result<()> {
        let path = self.checked(&entry.path)?;
        let shown = path.display();
        if self.created.len() > MAX_ENTRIES {
            return Err(self.refused(format!(
                "it has more than {MAX_ENTRIES} files and directories"
            )));
        }
        match entry.kind {
            Kind::Dir if path.as_os_str().is_empty() => return Ok(()),
            Kind::Link => {
                self.left_out.push(path);
                return Ok(());
            }
            Kind::HardLink => return Err(self.refused(format!("`{shown}` is a hard link"))),
            Kind::Other => {
                return Err(self.refused(format!("`{shown}` is neither a file nor a directory")));
            }
            Kind::Dir | Kind::File => {}
        }
        let kind = match entry.kind {
            Kind::Dir => store::Kind::Dir,
            _ => store::Kind::File,
        };
        if self.leaves_deployment
            && matches!(
                residue_of(&path, kind),
                Some(Residue::State | Residue::Inputs)
            )
        {
            let bytes = entry.bytes + tar::padding(entry.bytes) as u64;
            tar::skip(tar, bytes).map_err(|error| self.failed(error))?;
            if kind == store::Kind::File {
                self.left_out.push(path);
            }
            return Ok(());
        }
        self.parents_of(&path, opener)?;
        match entry.kind {
            Kind::Dir => self.dir(path, entry.mode, opener),
            _ => self.file(path, entry, tar, opener, buffer),
        }
    }

    /// Returns the path of an entry, if content may have it.
    fn checked(&self, name: &[u8]) -> Result<PathBuf> {
        let shown = || String::from_utf8_lossy(name).into_owned();
        let refused = |reason: &str| self.refused(format!("`{}`: {reason}", shown()));
        if name.is_empty() || name.contains(&0) {
            return Err(refused("the name is empty or has a NUL byte"));
        }
        if name.starts_with(b"/") {
            return Err(refused("the name is absolute"));
        }
        let mut path = PathBuf::new();
        for part in name.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => return Err(refused("the name has `..` in it")),
                _ if part.len() > MAX_NAME => {
                    return Err(refused("a part of the name is longer than 255 bytes"));
                }
                _ if part.starts_with(b".wh.") => {
                    return Err(refused("it removes a file of another layer"));
                }
                _ => path.push(OsStr::from_bytes(part)),
            }
        }
        match unfit_path(&path) {
            Some(reason) => Err(refused(reason)),
            None => Ok(path),
        }
    }

    /// Creates the directories that a path needs.
    fn parents_of(&mut self, path: &Path, opener: &mut Opener) -> Result<()> {
        let mut missing = Vec::new();
        for dir in path.ancestors().skip(1) {
            match self.created.get(dir) {
                Some((_, Created::Dir { .. })) => break,
                Some((_, Created::File { .. })) => {
                    let (path, dir) = (path.display(), dir.display());
                    return Err(self.refused(format!("`{path}` lies in `{dir}`, which is a file")));
                }
                None => missing.push(dir.to_owned()),
            }
        }
        for dir in missing.into_iter().rev() {
            self.staging.create_dir(&dir, opener)?;
            // A later entry of its own may still follow.
            self.created.insert(dir, (0, Created::Dir { mode: 0o755 }));
        }
        Ok(())
    }

    fn dir(&mut self, path: PathBuf, mode: u32, opener: &mut Opener) -> Result<()> {
        let mode = mode & 0o777 | 0o700;
        match self.created.get_mut(&path) {
            None => {
                self.staging.create_dir(&path, opener)?;
                self.created
                    .insert(path, (self.layer, Created::Dir { mode }));
            }
            Some((layer, Created::Dir { .. })) if *layer == self.layer => {
                return Err(self.twice(&path));
            }
            Some((layer, created @ Created::Dir { .. })) => {
                *layer = self.layer;
                *created = Created::Dir { mode };
            }
            Some((_, Created::File { .. })) => {
                let path = path.display();
                return Err(self.refused(format!("`{path}` is a file and a directory")));
            }
        }
        Ok(())
    }

    fn twice(&self, path: &Path) -> Error {
        self.refused(format!("`{}` is in a layer twice", path.display()))
    }

    fn file(
        &mut self,
        path: PathBuf,
        entry: &Entry,
        tar: &mut impl Read,
        opener: &mut Opener,
        buffer: &mut [u8],
    ) -> Result<()> {
        match self.created.get(&path) {
            None => {}
            Some((layer, Created::File { .. })) if *layer == self.layer => {
                return Err(self.twice(&path));
            }
            Some((_, Created::File { .. })) => self.staging.remove_file(&path, opener)?,
            Some((_, Created::Dir { .. })) => {
                let path = path.display();
                return Err(self.refused(format!("`{path}` is a file and a directory")));
            }
        }
        self.bytes = self.bytes.saturating_add(entry.bytes);
        if self.bytes > self.max_bytes {
            return Err(Error::TooLarge {
                path: self.subject.clone(),
                max_bytes: self.max_bytes,
            });
        }
        if self.bytes > self.free_bytes {
            let full = io::Error::from(io::ErrorKind::StorageFull);
            return Err(full).at("write", &self.staging.dir().path_of(&path));
        }
        let mut file = self.staging.create_file(&path, opener)?;
        let mut left = entry.bytes;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
            let read = tar
                .read(&mut buffer[..most])
                .map_err(|error| self.failed(error))?;
            if read == 0 {
                return Err(self.refused("a layer ends within a file"));
            }
            file.append(Chunk::Data(&buffer[..read]))?;
            left -= read as u64;
        }
        let padding = tar::padding(entry.bytes) as u64;
        tar::skip(tar, padding).map_err(|error| self.failed(error))?;
        let hash = file.finish(entry.mode & 0o777 | 0o400)?;
        self.created
            .insert(path, (self.layer, Created::File { hash }));
        Ok(())
    }

    /// Returns whether a file or directory is in the content.
    pub(super) fn has_file(&self, path: &str) -> bool {
        let created = self.created.get(Path::new(path));
        matches!(created, Some((_, Created::File { .. })))
    }

    /// Completes the content.
    pub(super) fn finish(self) -> Result<Unpacked> {
        let mut dirs: Vec<(&PathBuf, u32)> = self
            .created
            .iter()
            .filter_map(|(path, (_, created))| match created {
                Created::Dir { mode } => Some((path, *mode)),
                Created::File { .. } => None,
            })
            .collect();
        // Each directory after those that it contains.
        dirs.sort_by(|a, b| b.0.cmp(a.0));
        for (path, mode) in dirs {
            self.staging.finish_dir(path, mode)?;
        }
        let files = self
            .created
            .iter()
            .filter_map(|(path, (_, created))| match created {
                Created::File { hash } => Some((path.as_os_str().as_bytes().to_owned(), *hash)),
                Created::Dir { .. } => None,
            });
        let manifest = Manifest::of(files.collect());
        let tree = FileTree::stored(self.staging.dir())?;
        Ok(Unpacked {
            staged: self.staging.finish(tree.into(), manifest)?,
            left_out: self.left_out,
        })
    }
}

/// Hashes what is read, and reads no more than it should.
struct Hashed<'r, F> {
    inner: &'r mut dyn Read,
    hasher: Sha256,
    read: u64,
    size: u64,
    advance: F,
}

impl<'r, F: Fn(u64)> Hashed<'r, F> {
    fn new(inner: &'r mut dyn Read, size: u64, advance: F) -> Self {
        Hashed {
            inner,
            hasher: Sha256::new(),
            read: 0,
            size,
            advance,
        }
    }
}

impl<F: Fn(u64)> Read for Hashed<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // One byte more shows that there is more.
        let most = (self.size.saturating_add(1) - self.read).min(buffer.len() as u64);
        let read = self.inner.read(&mut buffer[..most as usize])?;
        self.hasher.update(&buffer[..read]);
        self.read += read as u64;
        if self.read > self.size {
            return Err(tar::invalid("a layer is longer than its manifest says"));
        }
        (self.advance)(read as u64);
        Ok(read)
    }
}
