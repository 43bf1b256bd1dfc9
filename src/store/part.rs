//! Writing a file of new text and of parts of another file.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::Opened;

/// Smaller parts of a text are written together, in bytes.
const BUFFER: usize = 64 * 1024;

/// A part of the new text of a file.
#[derive(Clone)]
pub(crate) enum Part<'t> {
    Text(&'t [u8]),
    /// A part of another file, which is copied without being held in memory.
    Span(&'t Opened, Range<u64>),
}

impl<'t> From<&'t [u8]> for Part<'t> {
    fn from(text: &'t [u8]) -> Self {
        Part::Text(text)
    }
}

/// Appends parts to a file.
///
/// # Errors
///
/// That it cannot be written, or another one not be read.
pub(super) fn write<'t>(file: &File, parts: impl IntoIterator<Item = Part<'t>>) -> io::Result<()> {
    let mut buffer = Vec::new();
    let mut out = file;
    for part in parts {
        match part {
            Part::Text(text) if buffer.len() + text.len() <= BUFFER => buffer.extend(text),
            Part::Text(text) => {
                out.write_all(&buffer)?;
                buffer.clear();
                out.write_all(text)?;
            }
            Part::Span(source, span) if span.end - span.start <= (BUFFER - buffer.len()) as u64 => {
                append(&mut buffer, source.file(), span)?;
            }
            Part::Span(source, span) => {
                out.write_all(&buffer)?;
                buffer.clear();
                copy(source.file(), span, file)?;
            }
        }
    }
    out.write_all(&buffer)
}

/// Copies a part of a file to the end of another one, inside the system where it can do
/// that.
fn copy(from: &File, span: Range<u64>, to: &File) -> io::Result<()> {
    let rest = copied_by_system(from, span, to)?;
    let mut buffer = vec![0; BUFFER];
    let mut at = rest.start;
    let mut to = to;
    while at < rest.end {
        let len = usize::try_from(rest.end - at).unwrap_or(usize::MAX);
        let len = len.min(buffer.len());
        from.read_exact_at(&mut buffer[..len], at)?;
        to.write_all(&buffer[..len])?;
        at += len as u64;
    }
    Ok(())
}

/// Copies as much of a part of a file to another one as the system copies by itself, and
/// returns what is left.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn copied_by_system(from: &File, span: Range<u64>, to: &File) -> io::Result<Range<u64>> {
    use rustix::io::Errno;

    let mut at = span.start;
    while at < span.end {
        let len = usize::try_from(span.end - at).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(from, Some(&mut at), to, None, len) {
            // Some file systems say so of a file that is longer; reading it tells.
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) if cannot_copy(error) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(at..span.end)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn copied_by_system(_: &File, span: Range<u64>, _: &File) -> io::Result<Range<u64>> {
    Ok(span)
}

/// Returns whether an error says that the system cannot copy between these files by itself,
/// and nothing of reading and writing them.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn cannot_copy(error: rustix::io::Errno) -> bool {
    use rustix::io::Errno;

    // Sandboxes answer with EPERM.
    let unable = [Errno::XDEV, Errno::PERM, Errno::BADF, Errno::TXTBSY];
    super::is_unsupported(&error.into()) || unable.contains(&error)
}

/// Appends a part of a file to a buffer.
fn append(buffer: &mut Vec<u8>, from: &File, span: Range<u64>) -> io::Result<()> {
    let filled = buffer.len();
    // It fits into the buffer.
    buffer.resize(filled + (span.end - span.start) as usize, 0);
    from.read_exact_at(&mut buffer[filled..], span.start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    proptest! {
        #[test]
        fn the_parts_of_a_text_are_written_one_behind_the_other(
            parts in proptest::collection::vec((any::<bool>(), 0..300_000_u64, 0..200_000_u64), 0..8),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let text: Vec<u8> = (0..500_000_u32).map(|it| (it / 7) as u8).collect();
            fs::write(dir.path().join("old"), &text).unwrap();
            let old = Opened::at(&dir.path().join("old")).unwrap().unwrap();
            let mut expected = Vec::new();
            let mut written = Vec::new();
            for (is_new, start, len) in parts {
                let part = &text[start as usize..(start + len) as usize];
                expected.extend_from_slice(part);
                written.push(match is_new {
                    true => Part::Text(part),
                    false => Part::Span(&old, start..start + len),
                });
            }
            let path = dir.path().join("new");
            write(&File::create(&path).unwrap(), written).unwrap();
            prop_assert!(fs::read(&path).unwrap() == expected);
        }
    }

    #[test]
    fn what_the_system_does_not_copy_is_read_and_written() {
        let dir = tempfile::tempdir().unwrap();
        let to = File::create(dir.path().join("new")).unwrap();
        // The system copies nothing of a file that it makes up.
        let from = File::open("/proc/self/status").unwrap();
        copy(&from, 0..BUFFER as u64, &to).unwrap_err();
        copy(&from, 0..10, &to).unwrap();
        let written = fs::read(dir.path().join("new")).unwrap();
        assert!(written.ends_with(b"Name:\tcldc"), "{written:?}");
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("old"), vec![7; BUFFER]).unwrap();
        let old = Opened::at(&dir.path().join("old")).unwrap().unwrap();
        let new = File::create(dir.path().join("new")).unwrap();
        for len in [BUFFER as u64 + 1, 2 * BUFFER as u64] {
            let error = write(&new, [Part::Span(&old, 10..len)]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
