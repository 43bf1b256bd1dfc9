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

/// The file that failed, with the error.
#[derive(Debug)]
pub(super) enum Failed {
    /// The one that a part was to be read from.
    Read(io::Error),
    /// The new one.
    Write(io::Error),
}

/// Appends parts to a file.
pub(super) fn write<'t>(
    file: &File,
    parts: impl IntoIterator<Item = Part<'t>>,
) -> Result<(), Failed> {
    let mut buffer = Vec::new();
    let put = |text: &[u8]| {
        let mut out = file;
        out.write_all(text).map_err(Failed::Write)
    };
    for part in parts {
        match part {
            Part::Text(text) if buffer.len() + text.len() <= BUFFER => buffer.extend(text),
            Part::Text(text) => {
                put(&buffer)?;
                buffer.clear();
                put(text)?;
            }
            Part::Span(source, span) if span.end - span.start <= (BUFFER - buffer.len()) as u64 => {
                append(&mut buffer, source.file(), span).map_err(Failed::Read)?;
            }
            Part::Span(source, span) => {
                put(&buffer)?;
                buffer.clear();
                copy(source.file(), span, file)?;
            }
        }
    }
    put(&buffer)
}

/// Copies a part of a file to the end of another one, inside the system where it can do
/// that.
fn copy(from: &File, span: Range<u64>, to: &File) -> Result<(), Failed> {
    let rest = copied_by_system(from, span, to);
    let mut buffer = vec![0; BUFFER];
    let mut at = rest.start;
    let mut to = to;
    while at < rest.end {
        let len = usize::try_from(rest.end - at).unwrap_or(usize::MAX);
        let part = &mut buffer[..len.min(BUFFER)];
        from.read_exact_at(part, at).map_err(Failed::Read)?;
        to.write_all(part).map_err(Failed::Write)?;
        at += part.len() as u64;
    }
    Ok(())
}

/// Copies as much of a part of a file to another one as the system copies by itself, and
/// returns what is left. Reading and writing the rest finds out whether the system cannot
/// copy, or cannot read or write.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn copied_by_system(from: &File, span: Range<u64>, to: &File) -> Range<u64> {
    let mut at = span.start;
    while at < span.end {
        let len = usize::try_from(span.end - at).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(from, Some(&mut at), to, None, len) {
            // Some file systems say so of a file that is longer; reading it tells.
            Ok(0) => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => break,
        }
    }
    at..span.end
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn copied_by_system(_: &File, span: Range<u64>, _: &File) -> Range<u64> {
    span
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
    fn a_failure_names_the_file_that_failed() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("old"), vec![7; 3 * BUFFER]).unwrap();
        let old = Opened::at(&dir.path().join("old")).unwrap().unwrap();
        let span = Part::Span(&old, 0..3 * BUFFER as u64);
        assert!(matches!(write(&full, [span]), Err(Failed::Write(_))));
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("old"), vec![7; BUFFER]).unwrap();
        let old = Opened::at(&dir.path().join("old")).unwrap().unwrap();
        let new = File::create(dir.path().join("new")).unwrap();
        for len in [BUFFER as u64 + 1, 2 * BUFFER as u64] {
            let failed = write(&new, [Part::Span(&old, 10..len)]).unwrap_err();
            let Failed::Read(error) = failed else {
                panic!("{failed:?}");
            };
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
