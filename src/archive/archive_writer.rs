//! Writing an OCI image layout as a tar archive.

use std::fs::File;
use std::io::{self, Write};

use super::layout::{INDEX, MARKER, MARKER_TEXT};
use super::readers::Part;
use super::tar::{self, BLOCK, Written};

/// Writes a layout as an archive: the index first, so that it can be read as it comes.
pub(super) struct ArchiveWriter<W> {
    out: W,
}

impl<W: Write> ArchiveWriter<W> {
    pub(super) fn begin(out: W, index: &[u8]) -> io::Result<Self> {
        let mut writer = ArchiveWriter { out };
        writer.file(MARKER, MARKER_TEXT)?;
        writer.file(INDEX, index)?;
        for dir in ["blobs", "blobs/sha256"] {
            writer
                .out
                .write_all(&tar::headers(dir.as_bytes(), Written::Dir)?)?;
        }
        Ok(writer)
    }

    /// Appends a blob that is held in memory.
    pub(super) fn small(&mut self, blob: &[u8]) -> io::Result<()> {
        let digest = crate::digest::Digest::of(blob);
        self.file(&format!("blobs/sha256/{}", digest.hex()), blob)
    }

    /// Appends a blob of a length from a file.
    pub(super) fn blob(&mut self, hex: &str, bytes: u64, file: &File) -> io::Result<()> {
        self.begin_file(&format!("blobs/sha256/{hex}"), bytes)?;
        let copied = io::copy(&mut Part::of(file, 0, bytes), &mut self.out)?;
        if copied != bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.out.write_all(&[0; BLOCK][..tar::padding(bytes)])
    }

    fn file(&mut self, name: &str, text: &[u8]) -> io::Result<()> {
        self.begin_file(name, text.len() as u64)?;
        self.out.write_all(text)?;
        self.out
            .write_all(&[0; BLOCK][..tar::padding(text.len() as u64)])
    }

    fn begin_file(&mut self, name: &str, bytes: u64) -> io::Result<()> {
        let entry = Written::File {
            bytes,
            executable: false,
        };
        self.out.write_all(&tar::headers(name.as_bytes(), entry)?)
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.flush()?;
        Ok(self.out)
    }
}
