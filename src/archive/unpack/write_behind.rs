//! Writing files on all cores while the layer that they are from is read on.

use std::collections::VecDeque;
use std::path::PathBuf;

use crate::content::file_tree::Opener;
use crate::content::hash::Chunk;
use crate::content::manifest::FileHash;
use crate::content::stage::Staging;
use crate::error::Result;
use crate::parallel::{self, Pending, Scope};

/// The longest file that is held in memory until it is written, in bytes.
pub(super) const LONGEST: u64 = 1 << 20;

/// The files that another thread writes together: at most this many, until they have this
/// many bytes.
const FILES: usize = 64;
const BYTES: usize = 1 << 20;

/// The groups of files that are written meanwhile, for each core.
const AT_ONCE: usize = 2;

/// A file that is to be written.
struct File {
    path: PathBuf,
    mode: u32,
    content: Vec<u8>,
}

/// The files that were written, each with its hash.
type Written = Vec<(PathBuf, FileHash)>;

/// Writes files whose directories are there. Which one is written first is left to chance.
pub(super) struct WriteBehind<'p, 's, 'c> {
    scope: &'p Scope<'p, 's>,
    staging: &'s Staging<'c>,
    group: Vec<File>,
    bytes: usize,
    pending: VecDeque<Pending<Result<Written>>>,
}

impl<'p, 's, 'c> WriteBehind<'p, 's, 'c> {
    pub(super) fn new(scope: &'p Scope<'p, 's>, staging: &'s Staging<'c>) -> Self {
        WriteBehind {
            scope,
            staging,
            group: Vec::new(),
            bytes: 0,
            pending: VecDeque::new(),
        }
    }

    /// Takes a file. Returns some that are written by now.
    ///
    /// # Errors
    ///
    /// Some that was taken earlier cannot be written.
    pub(super) fn put(&mut self, path: PathBuf, mode: u32, content: Vec<u8>) -> Result<Written> {
        self.bytes += content.len();
        self.group.push(File {
            path,
            mode,
            content,
        });
        if self.group.len() < FILES && self.bytes < BYTES {
            return Ok(Written::new());
        }
        self.start();
        match self.pending.len() > AT_ONCE * parallel::width() {
            true => self.next(),
            false => Ok(Written::new()),
        }
    }

    /// Waits until all files are written, and returns the remaining ones.
    pub(super) fn finish(mut self) -> Result<Written> {
        let mut all = Written::new();
        if !self.group.is_empty() {
            self.start();
        }
        while !self.pending.is_empty() {
            all.extend(self.next()?);
        }
        Ok(all)
    }

    fn start(&mut self) {
        let (files, staging) = (std::mem::take(&mut self.group), self.staging);
        self.bytes = 0;
        self.pending
            .push_back(self.scope.start(move || write(files, staging)));
    }

    fn next(&mut self) -> Result<Written> {
        self.pending
            .pop_front()
            .map_or_else(|| Ok(Written::new()), Pending::wait)
    }
}

fn write(files: Vec<File>, staging: &Staging<'_>) -> Result<Written> {
    let mut opener = Opener::default();
    let mut written = Written::with_capacity(files.len());
    for file in files {
        let mut staged = staging.create_file(&file.path, &mut opener)?;
        if !file.content.is_empty() {
            staged.append(Chunk::Data(&file.content))?;
        }
        written.push((file.path, staged.finish(file.mode)?));
    }
    Ok(written)
}
