//! Passes over the entries of a document that is not held in memory.
//!
//! To find memory for a large file takes the system longer than to read and to
//! scan it. So the file goes through a small window, in parts on all cores, and
//! only what is made of the entries stays.
//!
//! Entries are scanned by the one scanner. Around them, and before the parts but
//! the first, only the form that Go writes is understood. Of any other text, and
//! of any that is damaged, this says nothing: it has to be read whole.

use std::io;

use super::EntryView;
use super::elements::{element_behind, entry};
use crate::json::Scanner;
use crate::parallel;

/// What stands before the first entry in the form that Go writes.
const HEAD: &str = "{\n  \"version\": \"v2\",\n  \"artifacts\": [\n    ";

/// What stands behind the array of entries in that form.
const TAIL: &str = "\n}";

/// How the text is cut up, in bytes.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// So much of it is a part of its own.
    part: u64,
    /// So much of a part is in memory at a time, unless an entry is longer.
    window: usize,
}

/// There are more parts than cores, in case that one of them has other work. The
/// window is small enough for the caches of a core.
const CUT: Cut = Cut {
    part: 4 << 20,
    window: 128 << 10,
};

/// A text that can be read from any place.
pub(crate) trait ReadAt: Sync {
    /// How long it is, in bytes.
    fn len(&self) -> u64;

    /// Reads from an offset on as much as there is and fits. What stands there
    /// stays the same, or [`fold`] may tell of entries that are half one text
    /// and half another.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// Calls `visit` with each entry of a document, in their order within each part.
/// Returns what came of the parts, in their order. `None` if the document has
/// another form than Go writes, or is damaged.
pub(crate) fn fold<S: Default + Send>(
    source: &impl ReadAt,
    visit: impl Fn(&mut S, &EntryView<'_>) + Send + Sync,
) -> io::Result<Option<Vec<S>>> {
    fold_in(source, visit, CUT)
}

fn fold_in<S: Default + Send>(
    source: &impl ReadAt,
    visit: impl Fn(&mut S, &EntryView<'_>) + Send + Sync,
    cut: Cut,
) -> io::Result<Option<Vec<S>>> {
    let mut head = [0; HEAD.len()];
    if read_all(source, &mut head, 0)? != head.len() || head != *HEAD.as_bytes() {
        return Ok(None);
    }
    let mut starts = vec![head.len() as u64];
    for part in 1..source.len() / cut.part {
        starts.extend(guess(source, part * cut.part, cut.window)?);
    }
    starts.dedup();
    let ends = starts.iter().skip(1).copied().chain([u64::MAX]);
    let parts: Vec<(u64, u64)> = starts.iter().copied().zip(ends).collect();
    let size = usize::try_from(source.len()).unwrap_or(usize::MAX);
    let buffer = || vec![0; cut.window.min(size)];
    let folded = parallel::try_map_with(parts.clone(), buffer, |buffer, (from, until)| {
        let mut state = S::default();
        let mut window = Window::open(source, from, buffer)?;
        let end = part(&mut window, until, |entry| visit(&mut state, entry))?;
        Ok::<_, io::Error>((state, end))
    })?;

    let last = parts.len() - 1;
    let mut states = Vec::with_capacity(parts.len());
    for (index, ((state, end), (_, until))) in folded.into_iter().zip(parts).enumerate() {
        // Each part counts only if the one before it ended where it started.
        let is_right = match end {
            Some(End::OfDocument) => index == last,
            Some(End::Before(next)) => next == until,
            None => false,
        };
        if !is_right {
            return Ok(None);
        }
        states.push(state);
    }
    Ok(Some(states))
}

/// A place behind another where an entry might start.
fn guess(source: &impl ReadAt, at: u64, look: usize) -> io::Result<Option<u64>> {
    let mut bytes = vec![0; look];
    let len = read_all(source, &mut bytes, at)?;
    Ok(element_behind(&bytes[..len], 0).map(|found| at + found as u64))
}

/// Where a part of the text ended.
enum End {
    /// Before an entry.
    Before(u64),
    /// Nothing is left.
    OfDocument,
}

/// Passes over entries up to one at or behind `until`, or else to the end of the
/// document. `None` if that cannot be done here.
fn part(
    window: &mut Window<'_, impl ReadAt>,
    until: u64,
    mut visit: impl FnMut(&EntryView<'_>),
) -> io::Result<Option<End>> {
    loop {
        let Some(text) = window.text() else {
            return Ok(None);
        };
        let mut scanner = Scanner::new(text);
        let mut passed = 0;
        loop {
            if window.offset + passed as u64 >= until {
                return Ok(Some(End::Before(window.offset + passed as u64)));
            }
            let found = entry(text, &mut scanner, "artifacts").ok();
            let Some((found, is_last)) = found.zip(scanner.end_of_element().ok()) else {
                break;
            };
            let rest = &text[scanner.offset()..];
            // Whether what follows is in the window; else both are looked at again.
            let is_seen = match is_last {
                true => rest == TAIL && window.is_at_end(),
                false => !rest.is_empty(),
            };
            if !is_seen {
                break;
            }
            visit(&EntryView::new(text, &found));
            if is_last {
                return Ok(Some(End::OfDocument));
            }
            passed = scanner.offset();
        }
        if window.is_at_end() {
            return Ok(None);
        }
        window.advance(passed)?;
    }
}

/// A part of the text that is in memory.
struct Window<'s, R> {
    source: &'s R,
    /// Where the part starts in the text.
    offset: u64,
    bytes: &'s mut Vec<u8>,
    /// So many of the bytes are read.
    filled: usize,
}

impl<'s, R: ReadAt> Window<'s, R> {
    fn open(source: &'s R, offset: u64, bytes: &'s mut Vec<u8>) -> io::Result<Self> {
        let mut window = Window {
            source,
            offset,
            bytes,
            filled: 0,
        };
        window.fill()?;
        Ok(window)
    }

    /// What is in the window, but for a character that is there in part. `None`
    /// if that is no text.
    fn text(&self) -> Option<&str> {
        let bytes = &self.bytes[..self.filled];
        match str::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(error) if error.error_len().is_none() && !self.is_at_end() => {
                str::from_utf8(&bytes[..error.valid_up_to()]).ok()
            }
            Err(_) => None,
        }
    }

    /// Whether the end of the text is in the window.
    fn is_at_end(&self) -> bool {
        self.offset + self.filled as u64 >= self.source.len()
    }

    /// Moves on by so many bytes. Without a move, the window becomes larger.
    fn advance(&mut self, passed: usize) -> io::Result<()> {
        if passed == 0 {
            self.bytes.resize(2 * self.bytes.len(), 0);
        }
        self.bytes.copy_within(passed..self.filled, 0);
        self.filled -= passed;
        self.offset += passed as u64;
        self.fill()
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
fn read_all(source: &impl ReadAt, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
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

#[cfg(test)]
mod tests;
