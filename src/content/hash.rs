//! Reading the files of a tree, each from its start to its end, and hashing what
//! is read.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::contents::{Located, Location};
use super::file_tree::{FileTree, Node, Opener};
use super::inventory::Inventory;
use super::manifest::{FileHash, Manifest};
use super::progress::ProgressGuard;
use crate::error::{AtPath, Error, Result};
use crate::interrupt::Interrupt;
use crate::parallel;
use crate::store::{Dir, uninterrupted};

/// The part of a file that each thread holds in memory, in bytes.
const BUFFER: usize = 256 * 1024;

/// The next piece of a file.
#[derive(Clone, Copy)]
pub(crate) enum Chunk<'b> {
    Data(&'b [u8]),
    /// The length of a hole: bytes that are zero, and for which no disk is allocated.
    Hole(u64),
}

impl Chunk<'_> {
    /// Returns the length in bytes.
    pub(crate) fn len(self) -> u64 {
        match self {
            Chunk::Data(bytes) => bytes.len() as u64,
            Chunk::Hole(len) => len,
        }
    }
}

/// Computes the hash of a file from its pieces, in their order.
pub(crate) struct FileHasher<'i> {
    hasher: Sha256,
    interrupt: &'i Interrupt,
}

impl<'i> FileHasher<'i> {
    pub(crate) fn new(interrupt: &'i Interrupt) -> Self {
        FileHasher {
            hasher: Sha256::new(),
            interrupt,
        }
    }

    /// Adds the next piece.
    ///
    /// # Errors
    ///
    /// Only [`Interrupted`](Error::Interrupted).
    pub(crate) fn add(&mut self, piece: Chunk<'_>) -> Result<()> {
        static ZEROS: [u8; BUFFER] = [0; BUFFER];
        self.interrupt.check()?;
        let mut zeros = match piece {
            Chunk::Data(bytes) => {
                self.hasher.update(bytes);
                return Ok(());
            }
            Chunk::Hole(len) => len,
        };
        while zeros > 0 {
            self.interrupt.check()?;
            let most = usize::try_from(zeros).unwrap_or(BUFFER).min(BUFFER);
            self.hasher.update(&ZEROS[..most]);
            zeros -= most as u64;
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> FileHash {
        self.hasher.finalize().into()
    }
}

/// Hashes content.
///
/// # Errors
///
/// I/O errors, and [`ContentChanged`](Error::ContentChanged) if a file or a directory
/// is no longer what was seen.
pub(crate) fn hash(
    content: &Inventory,
    interrupt: &Interrupt,
    progress: &ProgressGuard,
) -> Result<Manifest> {
    let (tree, dir) = (content.tree(), content.dir());
    let files = tree.files.iter().collect();
    let manifest = each_file(files, Reader::new, |reader, file: &Node| {
        let hash = reader.hash(tree, file, dir, interrupt, progress)?;
        Ok::<_, Error>((file, hash))
    })?;
    tree.require_dirs_unchanged(dir)?;
    Ok(manifest)
}

/// Hashes content, and other content of the same layout beside it up to the first file
/// that differs. Returns `None` if one does.
///
/// Other content that cannot be read, or changes, counts as different.
///
/// # Errors
///
/// Those of [`hash`], of the first content.
pub(crate) fn hash_if_same(
    content: &Inventory,
    other: &Inventory,
    interrupt: &Interrupt,
    progress: &ProgressGuard,
) -> Result<Option<Manifest>> {
    enum Stop {
        Failed(Error),
        Differs,
    }
    let hash = |reader: &mut Reader, of: &Inventory, file: &Node| {
        reader.hash(of.tree(), file, of.dir(), interrupt, progress)
    };
    let files = content.tree().files_by_path();
    let pairs = files.into_iter().zip(other.tree().files_by_path());
    let readers = || (Reader::new(), Reader::new());
    let hashed = each_file(pairs.collect(), readers, |(ours, theirs), (file, twin)| {
        let own = hash(ours, content, file).map_err(Stop::Failed)?;
        match hash(theirs, other, twin) {
            Ok(same) if same == own => Ok((file, own)),
            Err(interrupted @ Error::Interrupted { .. }) => Err(Stop::Failed(interrupted)),
            Ok(_) | Err(_) => Err(Stop::Differs),
        }
    });
    let manifest = match hashed {
        Ok(manifest) => manifest,
        Err(Stop::Failed(error)) => return Err(error),
        Err(Stop::Differs) => return Ok(None),
    };
    // Nothing is copied, so the content has to be up to here what was read. Files in place
    // are compared again under the registry's lock.
    content.require_unchanged()?;
    let is_same = other.tree().require_dirs_unchanged(other.dir()).is_ok();
    Ok(is_same.then_some(manifest))
}

/// Hashes files of any number of trees. One that cannot be read, or that changes
/// meanwhile, does not stop the others. `open` opens the directory of a tree, because not
/// all of them can be open at once.
///
/// # Errors
///
/// Only [`Interrupted`](Error::Interrupted).
pub(crate) fn hash_each<'t>(
    files: Vec<(&'t Located, &'t Node)>,
    open: impl Fn(&Location) -> Result<Dir> + Send + Sync,
    interrupt: &Interrupt,
    progress: &ProgressGuard,
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
        let hash = reader.hash(tree, file, top, interrupt, progress);
        interrupt.check().map(|()| hash)
    })
}

/// Calls `work` for each file on all cores, and returns the manifest of the files and
/// hashes that it returns. `make` makes what `work` reuses from file to file.
pub(crate) fn each_file<'t, P, S, E>(
    files: Vec<P>,
    make: impl Fn() -> S + Send + Sync,
    work: impl Fn(&mut S, P) -> std::result::Result<(&'t Node, FileHash), E> + Send + Sync,
) -> std::result::Result<Manifest, E>
where
    P: Send,
    E: Send,
{
    let hashes = parallel::try_map_with(files, make, |made, file| {
        let (file, hash) = work(made, file)?;
        Ok((file.path.as_os_str().as_bytes().to_owned(), hash))
    });
    hashes.map(Manifest::of)
}

/// Reads files, one after the other, with one buffer.
pub(crate) struct Reader {
    buffer: Vec<u8>,
    opener: Opener,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Reader {
            buffer: vec![0; BUFFER],
            opener: Opener::default(),
        }
    }

    /// Prepares for another tree.
    fn forget(&mut self) {
        self.opener = Opener::default();
    }

    fn hash(
        &mut self,
        tree: &FileTree,
        file: &Node,
        top: &Dir,
        interrupt: &Interrupt,
        progress: &ProgressGuard,
    ) -> Result<FileHash> {
        let mut hasher = FileHasher::new(interrupt);
        self.read(tree, file, top, |piece| {
            hasher.add(piece)?;
            progress.advance(piece.len());
            Ok(())
        })?;
        Ok(hasher.finish())
    }

    /// Reads a file once. `each` gets its pieces in their order.
    ///
    /// # Errors
    ///
    /// Those of `each`, I/O errors, and [`ContentChanged`](Error::ContentChanged) if the
    /// file is no longer what was seen, before or after it is read.
    pub(crate) fn read(
        &mut self,
        tree: &FileTree,
        file: &Node,
        top: &Dir,
        mut each: impl FnMut(Chunk<'_>) -> Result<()>,
    ) -> Result<()> {
        let source = tree.open(file, top, &mut self.opener)?;
        let mut offset = 0;
        while offset < file.len {
            let data = match file.is_sparse {
                true => next_data(&source, offset, file.len),
                false => Ok((offset, file.len)),
            };
            let (begin, end) = data.at("read", &tree.shown(file))?;
            if begin > offset {
                each(Chunk::Hole(begin - offset))?;
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
                each(Chunk::Data(&self.buffer[..read]))?;
                offset += read as u64;
            }
        }
        // A file that grew, or was written to, has another identity now.
        tree.require_same(file, &source)
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
