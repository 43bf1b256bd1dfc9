//! Unpacking layers into staging, whoever made them.
//!
//! Nothing is trusted: not what a manifest says of sizes and digests, not the names, kinds
//! and sizes in a layer. Limits hold before memory or disk is taken, and everything is read
//! to its end before it counts.

mod entry;
#[cfg(test)]
mod tests;
mod write_behind;

use std::collections::HashMap;
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;
use sha2::Digest as _;

pub(super) use self::entry::unfit_name;
use super::image::Descriptor;
use super::readers::{Hashed, Limited};
use super::tar;
use write_behind::WriteBehind;

use crate::content::file_tree::{FileTree, Opener};
use crate::content::manifest::{FileHash, Manifest};
use crate::content::stage::{Staged, Staging};
use crate::content::{Cache, Operation};
use crate::digest::Digest;
use crate::error::{AtPath, Error, Result};
use crate::parallel;

/// The most layers of an image.
pub(crate) const MAX_LAYERS: usize = 16;

/// The most files and directories of an artifact. Unit tests reach a lower limit sooner.
pub(crate) const MAX_ENTRIES: usize = if cfg!(test) { 200 } else { 200_000 };

/// What the headers of an archive may take besides the files, in bytes: each entry up to two
/// headers, the longest path and its padding.
pub(super) const MAX_HEADERS: u64 = MAX_ENTRIES as u64 * 5 * 1024;

/// How much is read at once, in bytes.
const BUFFER: usize = 256 * 1024;

/// Unpacks the layers of an image.
pub(crate) struct Unpacking<'c> {
    cache: &'c Cache,
    /// Shared with the threads that write files.
    staging: Arc<Staging<'c>>,
    /// The image, for messages.
    subject: PathBuf,
    /// What is done, for those who follow it.
    pub(super) operation: Operation,
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
    /// Links, and what deployments wrote, each with the layer that it is from.
    left_out: HashMap<PathBuf, usize>,
}

#[derive(Clone, Copy, Debug)]
enum Created {
    Dir {
        mode: u32,
    },
    /// Its hash, once it is written.
    File {
        hash: Option<FileHash>,
    },
}

/// Where the entries of a layer go to.
struct Output<'p, 's, 'c> {
    opener: Opener,
    buffer: Vec<u8>,
    behind: WriteBehind<'p, 's, 'c>,
}

/// Content that was unpacked.
pub(crate) struct Unpacked {
    pub(crate) staged: Staged,
    /// Links, and what deployments wrote.
    pub(crate) left_out: Vec<PathBuf>,
}

impl<'c> Unpacking<'c> {
    pub(crate) fn begin(
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
            staging: Arc::new(staging),
            subject,
            operation: Operation::Copying,
            max_bytes,
            leaves_deployment,
            created: HashMap::from([root]),
            bytes: 0,
            layer: 0,
            left_out: HashMap::new(),
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
        if let Err(interrupted) = self.cache.registry().interrupt().check() {
            return interrupted;
        }
        match error.kind() {
            io::ErrorKind::FileTooLarge => self.too_large(),
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

    fn too_large(&self) -> Error {
        Error::TooLarge {
            path: self.subject.clone(),
            max_bytes: self.max_bytes,
        }
    }

    /// Unpacks a layer over those before. `blob` has what the descriptor names.
    pub(crate) fn layer(&mut self, descriptor: &Descriptor, blob: &mut dyn Read) -> Result<()> {
        self.layer += 1;
        if self.layer > MAX_LAYERS {
            return Err(self.refused(format!("it has more than {MAX_LAYERS} layers")));
        }
        let progress = self.cache.progress_of(self.operation, descriptor.size);
        let hashed = Hashed::new(blob, descriptor.size, |bytes| progress.advance(bytes));
        let mut hashed = BufReader::with_capacity(BUFFER, hashed);
        // A connection may give less than that at once.
        let mut start = Vec::new();
        let read = hashed.by_ref().take(4).read_to_end(&mut start);
        read.map_err(|error| self.failed(error))?;
        let mut blob = start.as_slice().chain(&mut hashed);
        match &*start {
            [0x1f, 0x8b, ..] => {
                let mut decoder = MultiGzDecoder::new(&mut blob);
                self.entries(&mut decoder, descriptor.size)?;
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                return Err(self.refused("a layer is compressed with zstd, which is not supported"));
            }
            _ => self.entries(&mut blob, descriptor.size)?,
        }
        // What the decoder did not need is a part of the blob all the same.
        io::copy(&mut blob, &mut io::sink()).map_err(|error| self.failed(error))?;
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

    /// Unpacks a tar, and reads it to its end. It has about this many bytes at least.
    fn entries(&mut self, tar: &mut impl Read, bytes: u64) -> Result<()> {
        let staging = Arc::clone(&self.staging);
        parallel::scope(bytes > write_behind::LONGEST, |scope| {
            let mut out = Output {
                opener: Opener::default(),
                buffer: vec![0; BUFFER],
                behind: WriteBehind::new(scope, &staging),
            };
            self.entries_to(&mut out, tar)?;
            let written = out.behind.finish()?;
            self.note_written(written);
            Ok(())
        })
    }

    fn entries_to(&mut self, out: &mut Output<'_, '_, '_>, tar: &mut impl Read) -> Result<()> {
        let tar = &mut Limited {
            inner: tar,
            left: self.max_bytes.saturating_add(MAX_HEADERS),
            interrupt: self.cache.registry().interrupt(),
        };
        while let Some(entry) = tar::next(tar).map_err(|error| self.failed(error))? {
            self.entry(&entry, tar, out)?;
        }
        loop {
            let buffer = &mut out.buffer;
            let read = tar.read(buffer).map_err(|error| self.failed(error))?;
            if read == 0 {
                return Ok(());
            }
            if buffer[..read].iter().any(|byte| *byte != 0) {
                return Err(self.refused("something follows the archive in a layer"));
            }
        }
    }

    /// Notes the hashes of files that are written.
    fn note_written(&mut self, written: Vec<(PathBuf, FileHash)>) {
        for (path, written) in written {
            if let Some((_, Created::File { hash })) = self.created.get_mut(&path) {
                *hash = Some(written);
            }
        }
    }

    /// Returns whether a file or directory is in the content.
    pub(crate) fn has_file(&self, path: &str) -> bool {
        let created = self.created.get(Path::new(path));
        matches!(created, Some((_, Created::File { .. })))
    }

    /// Completes the content.
    pub(crate) fn finish(self) -> Result<Unpacked> {
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
                Created::File { hash } => Some((path.as_os_str().as_bytes().to_owned(), (*hash)?)),
                Created::Dir { .. } => None,
            });
        let manifest = Manifest::of(files.collect());
        let mut left_out: Vec<PathBuf> = self.left_out.into_keys().collect();
        left_out.sort();
        let staging = Arc::into_inner(self.staging).expect("all files are written");
        let tree = FileTree::stored(staging.dir())?;
        Ok(Unpacked {
            staged: staging.finish(tree.into(), manifest)?,
            left_out,
        })
    }
}
