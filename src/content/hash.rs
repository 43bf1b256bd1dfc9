//! Reading the files of a tree, each from its start to its end, and hashing what
//! is read.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::file_tree::{FileTree, Node, Opener};
use super::manifest::{FileHash, Manifest};
use super::progress::ProgressGuard;
use super::status::{Located, Location};
use crate::error::{AtPath, Result};
use crate::interrupt::Interrupt;
use crate::parallel;
use crate::store::{Dir, uninterrupted};

/// How much of a file each thread holds in memory, in bytes.
const BUFFER: usize = 256 * 1024;

/// A piece of a file, at its offset.
pub(super) enum Piece<'b> {
    Data(&'b [u8], u64),
    /// Bytes that are zero, and for which no disk is allocated.
    Hole,
}

/// Hashes a tree where it lies.
///
/// # Errors
///
/// I/O errors, and [`ContentChanged`](crate::Error::ContentChanged) if a file
/// or a directory is no longer what was seen.
pub(super) fn hash(
    tree: &FileTree,
    top: &Dir,
    interrupt: &Interrupt,
    ongoing: &ProgressGuard,
) -> Result<Manifest> {
    let manifest = each_file(tree, Reader::new, |reader, file| {
        reader.hash(tree, file, top, interrupt, ongoing)
    })?;
    tree.require_dirs_unchanged(top)?;
    Ok(manifest)
}

/// Hashes files of any number of trees, each for itself: one that cannot be read, or
/// that changes meanwhile, does not keep the others from it. `open` opens the
/// directory of a tree: not all of them can be open at once.
///
/// # Errors
///
/// Only [`Interrupted`](crate::Error::Interrupted).
pub(super) fn hash_each<'t>(
    files: Vec<(&'t Located, &'t Node)>,
    open: impl Fn(&Location) -> Result<Dir> + Send + Sync,
    interrupt: &Interrupt,
    ongoing: &ProgressGuard,
) -> Result<Vec<Result<FileHash>>> {
    let make = || (Reader::new(), None::<(&'t Located, Dir)>);
    parallel::try_map_with(files, make, |(reader, last), (located, file)| {
        interrupt.check()?;
        let tree = &located.tree;
        let is_open = last
            .as_ref()
            .is_some_and(|(it, _)| std::ptr::eq(*it, located));
        if !is_open {
            reader.forget();
            *last = None;
            match open(&located.place).and_then(|dir| tree.require_top(dir)) {
                Ok(dir) => *last = Some((located, dir)),
                Err(error) => return Ok(Err(error)),
            }
        }
        let (_, top) = last.as_ref().expect("it was opened above");
        let hash = reader.hash(tree, file, top, interrupt, ongoing);
        interrupt.check().map(|()| hash)
    })
}

/// Calls `work` for each file, on all cores; `make` makes what each thread works
/// with.
pub(super) fn each_file<S>(
    tree: &FileTree,
    make: impl Fn() -> S + Send + Sync,
    work: impl Fn(&mut S, &Node) -> Result<FileHash> + Send + Sync,
) -> Result<Manifest> {
    let files: Vec<&Node> = tree.files.iter().collect();
    let hashes = parallel::try_map_with(files, make, |made, file: &Node| {
        let hash = work(made, file)?;
        Ok((file.path.as_os_str().as_bytes().to_owned(), hash))
    });
    hashes.map(Manifest::of)
}

/// What a thread reads files with.
pub(super) struct Reader {
    buffer: Vec<u8>,
    opener: Opener,
}

impl Reader {
    pub(super) fn new() -> Self {
        Reader {
            buffer: vec![0; BUFFER],
            opener: Opener::default(),
        }
    }

    /// Forgets what it knows of a tree, to read another one.
    fn forget(&mut self) {
        self.opener = Opener::default();
    }

    fn hash(
        &mut self,
        tree: &FileTree,
        file: &Node,
        top: &Dir,
        interrupt: &Interrupt,
        ongoing: &ProgressGuard,
    ) -> Result<FileHash> {
        self.read(tree, file, top, interrupt, |_, len| {
            ongoing.advance(len);
            Ok(())
        })
    }

    /// Reads a file once and returns its hash. `each` gets its pieces, each with
    /// its length.
    pub(super) fn read(
        &mut self,
        tree: &FileTree,
        file: &Node,
        top: &Dir,
        interrupt: &Interrupt,
        mut each: impl FnMut(Piece<'_>, u64) -> Result<()>,
    ) -> Result<FileHash> {
        let source = tree.open(file, top, &mut self.opener)?;
        let mut hasher = Sha256::new();
        let mut offset = 0;
        while offset < file.len {
            let data = match file.is_sparse {
                true => next_data(&source, offset, file.len),
                false => Ok((offset, file.len)),
            };
            let (begin, end) = data.at("read", &tree.shown(file))?;
            if begin > offset {
                hash_zeros(&mut hasher, begin - offset, interrupt)?;
                each(Piece::Hole, begin - offset)?;
                offset = begin;
            }
            while offset < end {
                let most = usize::try_from(end - offset).unwrap_or(BUFFER).min(BUFFER);
                let buffer = &mut self.buffer[..most];
                let read = uninterrupted(|| source.read_at(buffer, offset));
                let read = read.at("read", &tree.shown(file))?;
                if read == 0 {
                    return Err(tree.changed(file));
                }
                interrupt.check()?;
                let bytes = &self.buffer[..read];
                hasher.update(bytes);
                each(Piece::Data(bytes, offset), read as u64)?;
                offset += read as u64;
            }
        }
        // A file that grew, or was written to, has another identity now.
        tree.require_same(file, &source)?;
        Ok(hasher.finalize().into())
    }
}

/// Returns where the next data in a sparse file begins and ends. What lies before it
/// is a hole; behind the last data lies a hole up to the end.
fn next_data(file: &File, from: u64, len: u64) -> io::Result<(u64, u64)> {
    let find = |from: SeekFrom| uninterrupted(|| Ok(seek(file, from)?));
    let begin = match find(SeekFrom::Data(from)) {
        Ok(begin) => begin.min(len),
        Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
            return Ok((len, len));
        }
        // The file system does not tell holes from data.
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
            return Ok((from, len));
        }
        Err(error) => return Err(error),
    };
    let end = find(SeekFrom::Hole(begin))?.min(len);
    Ok((begin.max(from), end.max(begin)))
}

/// Hashes the bytes of a hole.
fn hash_zeros(hasher: &mut Sha256, mut len: u64, interrupt: &Interrupt) -> Result<()> {
    static ZEROS: [u8; BUFFER] = [0; BUFFER];
    while len > 0 {
        interrupt.check()?;
        let most = usize::try_from(len).unwrap_or(BUFFER).min(BUFFER);
        hasher.update(&ZEROS[..most]);
        len -= most as u64;
    }
    Ok(())
}
