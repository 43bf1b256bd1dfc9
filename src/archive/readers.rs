//! Readers that look only at a part, or count, keep or hash what is read.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use sha2::{Digest as _, Sha256};

use super::tar;
use crate::interrupt::Interrupt;

/// A part of a file.
pub(super) struct Part<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl<'f> Part<'f> {
    pub(super) fn of(file: &'f File, start: u64, bytes: u64) -> Self {
        Part {
            file,
            at: start,
            end: start.saturating_add(bytes),
        }
    }
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = (self.end - self.at).min(buffer.len() as u64) as usize;
        let read = crate::store::uninterrupted(|| self.file.read_at(&mut buffer[..most], self.at))?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Counts what is read.
pub(super) struct Counted<R> {
    pub(super) inner: R,
    pub(super) read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        Ok(read)
    }
}

/// Keeps what is read.
pub(super) struct Noted<'n> {
    pub(super) inner: &'n mut dyn Read,
    pub(super) noted: &'n mut Vec<u8>,
}

impl Read for Noted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.noted.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}

/// Ends what others compressed at a limit, and at an interrupt.
pub(super) struct Limited<'r, R> {
    pub(super) inner: R,
    /// How much may still be read, in bytes.
    pub(super) left: u64,
    pub(super) interrupt: &'r Interrupt,
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt.check().map_err(io::Error::other)?;
        let read = crate::store::uninterrupted(|| self.inner.read(buffer))?;
        let left = self.left.checked_sub(read as u64);
        self.left = left.ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(read)
    }
}

/// Hashes what is read, and reads no more than it should.
pub(super) struct Hashed<'r, F> {
    inner: &'r mut dyn Read,
    pub(super) hasher: Sha256,
    pub(super) read: u64,
    size: u64,
    advance: F,
}

impl<'r, F: Fn(u64)> Hashed<'r, F> {
    pub(super) fn new(inner: &'r mut dyn Read, size: u64, advance: F) -> Self {
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
        let buffer = &mut buffer[..most as usize];
        let read = crate::store::uninterrupted(|| self.inner.read(buffer))?;
        self.hasher.update(&buffer[..read]);
        self.read += read as u64;
        if self.read > self.size {
            return Err(tar::invalid("a layer is longer than its manifest says"));
        }
        (self.advance)(read as u64);
        Ok(read)
    }
}
