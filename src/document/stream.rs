//! Passes over the entries of a document that is not held in memory.
//!
//! To find memory for a large file takes the system longer than to read and to
//! scan it. So the file goes through a small window, in parts on all cores, and
//! only what is made of the entries stays.
//!
//! Entries are scanned by the one scanner. Between them, and at both ends, only the
//! form that Go writes is understood. Of any other text, and of any that is damaged,
//! this says nothing: it has to be read whole.

mod window;

use std::io;

use super::EntryRef;
use super::go_form::{BEFORE_REFERENCE, BETWEEN_ENTRIES, END, HEAD};
use super::index::entry;
use crate::json::Scanner;
use crate::parallel;
use window::Window;
pub(super) use window::read_all;

/// The distance behind a place within which an entry is looked for, in bytes.
const LOOK: usize = 16 << 10;

/// No error of a text that only ends too early is found farther from its end.
const LONGEST_TOKEN: usize = "\\uffff".len();

/// The division of the text, in bytes.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// So much of it is a part of its own.
    part: u64,
    /// So much of a part is in memory at a time, unless an entry is longer.
    window: usize,
    /// No entry may be longer than this.
    largest: usize,
}

/// A large text has more parts than there are cores, in case that one of them has
/// other work. The window is small enough for the caches of a core.
const CUT: Cut = Cut {
    part: 4 << 20,
    window: 128 << 10,
    largest: 8 << 20,
};

/// A text that can be read from any place.
pub(crate) trait ReadAt: Sync {
    /// Returns the length in bytes.
    fn len(&self) -> u64;

    /// Reads from an offset on as much as there is and fits. Who calls [`fold`]
    /// has to see to it that the text stays the same: entries of two texts could
    /// be mixed.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.get(offset..).unwrap_or_default();
        let len = rest.len().min(bytes.len());
        bytes[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}

/// Calls `visit` with each entry of a document and its offset, in their order within
/// each part. Returns what came of the parts, in their order. `None` if the document has
/// another form than Go writes, or is damaged.
pub(crate) fn fold<S: Default + Send>(
    source: &(impl ReadAt + ?Sized),
    visit: impl Fn(&mut S, u64, &EntryRef<'_>) + Send + Sync,
) -> io::Result<Option<Vec<S>>> {
    fold_in(source, visit, CUT)
}

fn fold_in<S: Default + Send>(
    source: &(impl ReadAt + ?Sized),
    visit: impl Fn(&mut S, u64, &EntryRef<'_>) + Send + Sync,
    cut: Cut,
) -> io::Result<Option<Vec<S>>> {
    let mut head = [0; HEAD.len()];
    if read_all(source, &mut head, 0)? != head.len() || head != *HEAD.as_bytes() {
        return Ok(None);
    }
    let mut starts = vec![head.len() as u64];
    for part in 1..source.len() / cut.part {
        starts.extend(guess(source, part * cut.part, cut.window.min(LOOK))?);
    }
    starts.dedup();
    fold_parts(source, starts, visit, cut)
}

/// As [`fold`], where it is known at which offsets the entries start.
pub(super) fn fold_from<S: Default + Send>(
    source: &(impl ReadAt + ?Sized),
    starts: &[u64],
    visit: impl Fn(&mut S, u64, &EntryRef<'_>) + Send + Sync,
) -> io::Result<Option<Vec<S>>> {
    fold_from_in(source, starts, visit, CUT)
}

fn fold_from_in<S: Default + Send>(
    source: &(impl ReadAt + ?Sized),
    starts: &[u64],
    visit: impl Fn(&mut S, u64, &EntryRef<'_>) + Send + Sync,
    cut: Cut,
) -> io::Result<Option<Vec<S>>> {
    let first = |at: u64| starts.get(starts.partition_point(|&start| start < at));
    let parts = 0..(source.len() / cut.part).max(1);
    let mut starts: Vec<u64> = parts
        .filter_map(|part| first(part * cut.part).copied())
        .collect();
    starts.dedup();
    fold_parts(source, starts, visit, cut)
}

/// Passes over parts that start at these offsets.
fn fold_parts<S: Default + Send>(
    source: &(impl ReadAt + ?Sized),
    starts: Vec<u64>,
    visit: impl Fn(&mut S, u64, &EntryRef<'_>) + Send + Sync,
    cut: Cut,
) -> io::Result<Option<Vec<S>>> {
    let ends = starts.iter().skip(1).copied().chain([u64::MAX]);
    let parts: Vec<(u64, u64)> = starts.iter().copied().zip(ends).collect();
    let size = usize::try_from(source.len()).unwrap_or(usize::MAX);
    let buffer = || vec![0; cut.window.min(size)];
    let folded = parallel::try_map_with(parts.clone(), buffer, |buffer, (from, until)| {
        let mut state = S::default();
        let mut window = Window::open(source, from, buffer, cut.largest)?;
        let end = part(&mut window, until, |offset, entry| {
            visit(&mut state, offset, entry)
        })?;
        Ok::<_, io::Error>((state, end))
    })?;

    let last = parts.len() - 1;
    let mut states = Vec::with_capacity(parts.len());
    for (index, ((state, end), (_, until))) in folded.into_iter().zip(parts).enumerate() {
        // Each part counts only if the one before it ended where it started.
        let is_right = match end {
            End::OfDocument => index == last,
            End::Before(next) => next == until,
            End::Unknown => false,
        };
        if !is_right {
            return Ok(None);
        }
        states.push(state);
    }
    Ok(Some(states))
}

/// A place behind another where an entry might start.
fn guess(source: &(impl ReadAt + ?Sized), at: u64, look: usize) -> io::Result<Option<u64>> {
    let mut bytes = vec![0; look];
    let len = read_all(source, &mut bytes, at)?;
    let mut places = bytes[..len].windows(BEFORE_REFERENCE.len());
    let found = places.position(|bytes| bytes == BEFORE_REFERENCE.as_bytes());
    let brace = BEFORE_REFERENCE.find('{').unwrap_or_default();
    Ok(found.map(|found| at + (found + brace) as u64))
}

/// Where a part of the text ended.
enum End {
    /// Before an entry.
    Before(u64),
    /// Nothing is left.
    OfDocument,
    /// Where something has another form, or is damaged.
    Unknown,
}

/// Passes over entries up to one at or behind `until`, or else to the end of the
/// document.
fn part(
    window: &mut Window<'_, impl ReadAt + ?Sized>,
    until: u64,
    mut visit: impl FnMut(u64, &EntryRef<'_>),
) -> io::Result<End> {
    loop {
        let Some(text) = window.text() else {
            return Ok(End::Unknown);
        };
        let mut scanner = Scanner::new(text);
        let mut passed = 0;
        loop {
            let offset = window.offset + passed as u64;
            if offset >= until {
                return Ok(End::Before(offset));
            }
            let found = match entry(text, &mut scanner, "artifacts") {
                Ok(found) if found.start == passed => found,
                // It is cut off.
                Err(error) if error.offset + LONGEST_TOKEN >= text.len() => break,
                Ok(_) | Err(_) => return Ok(End::Unknown),
            };
            // Where what has to follow is not there as a whole, both are looked at again.
            let is_last = !scanner.skip(BETWEEN_ENTRIES);
            let rest = &text[scanner.offset()..];
            if is_last && rest != END {
                if BETWEEN_ENTRIES.starts_with(rest) || END.starts_with(rest) {
                    break;
                }
                return Ok(End::Unknown);
            } else if is_last && !window.is_at_end() {
                break;
            }
            visit(offset, &EntryRef::new(text, &found));
            if is_last {
                return Ok(End::OfDocument);
            }
            passed = scanner.offset();
        }
        if window.is_at_end() || !window.advance(passed)? {
            return Ok(End::Unknown);
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
