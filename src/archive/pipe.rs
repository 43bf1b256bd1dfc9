//! An archive that is read once, as it comes.
//!
//! Ours have what is small first, and then the layers in the order of the index. One that was
//! put together in another order is read all the same: what is needed later is kept in memory
//! if it is small, and otherwise the rest of the archive is stored.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::image::MAX_MANIFEST;
use super::layout::{failed, plain, read_small};
use super::readers::Counted;
use super::tar::{self, Kind, Written};
use crate::error::Result;
use crate::interrupt::Interrupt;

/// The most bytes of small blobs that are kept in memory: more than those of all artifacts
/// that an index can name. Unit tests reach a lower limit sooner.
const MAX_KEPT: u64 = if cfg!(test) { 4 << 10 } else { 64 << 20 };

/// Stores the rest of an archive in a file.
type Spool<'l> = Box<dyn FnOnce(&mut dyn Read) -> Result<File> + 'l>;

/// An archive that is read once.
pub(super) struct Pipe<'l> {
    archive: &'l mut dyn Read,
    spool: Option<Spool<'l>>,
    /// The blobs that are still needed, by their names; `None` as long as any may be.
    pub(super) wanted: Option<HashSet<Vec<u8>>>,
    /// The number of bytes that were kept in memory.
    kept: u64,
    /// What is left of the entry that was read last, with its padding.
    left: u64,
    /// The content that comes next.
    bytes: u64,
}

/// What was found in a pipe.
pub(super) enum Next {
    /// The blob that was looked for, of this length, comes [next](Pipe::with_blob).
    Blob(u64),
    /// What has not been read is in this file.
    Rest(File),
    /// The archive has ended.
    End,
}

impl<'l> Pipe<'l> {
    pub(super) fn new(archive: &'l mut dyn Read, spool: Spool<'l>) -> Self {
        Pipe {
            archive,
            spool: Some(spool),
            wanted: None,
            kept: 0,
            left: 0,
            bytes: 0,
        }
    }

    /// Reads up to a blob, and keeps the small ones before it that are needed.
    pub(super) fn find(
        &mut self,
        path: &Path,
        name: &[u8],
        read: &mut HashMap<Vec<u8>, Vec<u8>>,
    ) -> Result<Next> {
        let fail = |error| failed(path, error);
        loop {
            tar::skip(&mut self.archive, std::mem::take(&mut self.left)).map_err(fail)?;
            let Some(entry) = tar::next(&mut self.archive).map_err(fail)? else {
                return Ok(Next::End);
            };
            let found = plain(&entry.path);
            let padding = tar::padding(entry.bytes) as u64;
            if found == name {
                (self.bytes, self.left) = (entry.bytes, padding);
                self.wanted.as_mut().map(|wanted| wanted.remove(name));
                return Ok(Next::Blob(entry.bytes));
            }
            let is_needed = match &self.wanted {
                Some(wanted) => wanted.contains(&found),
                None => entry.kind == Kind::File,
            };
            if !is_needed || read.contains_key(&found) {
                self.left = entry.bytes + padding;
                continue;
            }
            let kept = self.kept + entry.bytes + found.len() as u64;
            match self.spool.take() {
                Some(spool) if entry.bytes > MAX_MANIFEST || kept > MAX_KEPT => {
                    let bytes = entry.bytes;
                    let written = Written::File {
                        bytes,
                        executable: false,
                    };
                    let start = tar::headers(&found, written).map_err(fail)?;
                    return spool(&mut (&*start).chain(&mut *self.archive)).map(Next::Rest);
                }
                spool => self.spool = spool,
            }
            let text = read_small((&mut *self.archive).take(entry.bytes), path)?;
            (self.kept, self.left) = (kept, padding);
            read.insert(found, text);
        }
    }

    /// Calls `work` with the blob that was [found](Self::find).
    pub(super) fn with_blob<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Read) -> Result<T>,
    ) -> Result<T> {
        let mut blob = Counted {
            inner: (&mut *self.archive).take(self.bytes),
            read: 0,
        };
        let done = work(&mut blob);
        self.left += self.bytes - blob.read;
        done
    }

    /// Reads to the end.
    pub(super) fn drain(self, interrupt: &Interrupt) -> Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            interrupt.check()?;
            let read = crate::store::uninterrupted(|| self.archive.read(&mut buffer));
            // What is needed has been read.
            if !matches!(read, Ok(1..)) {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_blobs_do_not_fill_the_memory() {
        let written = Written::File {
            bytes: 1024,
            executable: false,
        };
        let mut archive = Vec::new();
        for n in 0..100 {
            archive.extend(tar::headers(format!("{n}").as_bytes(), written).unwrap());
            archive.extend([0; 1024]);
        }
        let mut input = &*archive;
        let spool = |rest: &mut dyn Read| {
            let mut file = tempfile::tempfile().unwrap();
            std::io::copy(rest, &mut file).unwrap();
            Ok(file)
        };
        let mut read = HashMap::new();
        let mut pipe = Pipe::new(&mut input, Box::new(spool));
        let found = pipe.find(Path::new(""), b"none", &mut read).unwrap();
        let Next::Rest(file) = found else {
            panic!("it was not stored");
        };
        assert_eq!(read.len(), 3);
        let expected = archive.len() as u64 - 3 * 1536;
        assert_eq!(file.metadata().unwrap().len(), expected);
    }
}
