//! The part of a text that is in memory while it is passed over.

use std::io;

use super::ReadAt;

/// A part of the text that is in memory.
pub(super) struct Window<'s, R: ?Sized> {
    source: &'s R,
    /// Where the part starts in the text.
    pub(super) offset: u64,
    bytes: &'s mut Vec<u8>,
    /// The number of bytes that are read.
    filled: usize,
    /// No larger than this does it become.
    largest: usize,
}

impl<'s, R: ReadAt + ?Sized> Window<'s, R> {
    /// Reads from an offset on.
    pub(super) fn open(
        source: &'s R,
        offset: u64,
        bytes: &'s mut Vec<u8>,
        largest: usize,
    ) -> io::Result<Self> {
        let mut window = Window {
            source,
            offset,
            bytes,
            filled: 0,
            largest,
        };
        window.fill()?;
        Ok(window)
    }

    /// Returns the text in the window, without a character that is there in part; `None`
    /// if that is no text.
    pub(super) fn text(&self) -> Option<&str> {
        let bytes = &self.bytes[..self.filled];
        match str::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(error) if error.error_len().is_none() && !self.is_at_end() => {
                str::from_utf8(&bytes[..error.valid_up_to()]).ok()
            }
            Err(_) => None,
        }
    }

    /// Returns whether the end of the text is in the window.
    pub(super) fn is_at_end(&self) -> bool {
        self.offset + self.filled as u64 == self.source.len()
    }

    /// Moves on by this many bytes. Without a move, the window becomes larger; returns
    /// false if it may not.
    pub(super) fn advance(&mut self, passed: usize) -> io::Result<bool> {
        if passed == 0 {
            let size = 2 * self.bytes.len();
            if size > self.largest {
                return Ok(false);
            }
            self.bytes.resize(size, 0);
        }
        self.bytes.copy_within(passed..self.filled, 0);
        self.filled -= passed;
        self.offset += passed as u64;
        self.fill()?;
        Ok(true)
    }

    fn fill(&mut self) -> io::Result<()> {
        let offset = self.offset + self.filled as u64;
        let read = read_all(self.source, &mut self.bytes[self.filled..], offset)?;
        self.filled += read;
        match read {
            // It became shorter.
            0 if !self.is_at_end() => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// Reads until the bytes are filled or the text ends.
pub(in crate::document) fn read_all(
    source: &(impl ReadAt + ?Sized),
    bytes: &mut [u8],
    offset: u64,
) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match source.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
