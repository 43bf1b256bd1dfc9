//! The layer of an artifact: a deterministic tar, compressed with gzip.
//!
//! The same content gives the same tar on any machine, whatever the times, owners and umask
//! there, and the same compressed bytes for one version of the compressor, whatever the
//! number of threads: it is compressed in members of 1 MiB of input, each alone.

use std::collections::VecDeque;
use std::io::{self, Write};

use libdeflater::{CompressionLvl, Compressor};
use sha2::{Digest as _, Sha256};

use super::tar::{self, BLOCK, Written};
use crate::digest::Digest;
use crate::parallel::{self, Pending};

/// The input of a member, in bytes.
const MEMBER: usize = 1 << 20;

/// The members that are compressed meanwhile, for each core.
const AT_ONCE: usize = 2;

/// The level of the compressor.
const LEVEL: i32 = 6;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    /// The digest of the compressed bytes.
    pub(crate) digest: Digest,
    /// The length of the compressed bytes.
    pub(crate) bytes: u64,
    /// The digest of the tar.
    pub(crate) diff_id: Digest,
}

/// Writes a layer entry by entry, in the byte order of their paths.
pub(crate) struct LayerWriter<W> {
    out: W,
    /// Whole members that other threads compress.
    pending: VecDeque<Pending<io::Result<Vec<u8>>>>,
    current: Vec<u8>,
    tar: Sha256,
    compressed: Sha256,
    bytes: u64,
}

impl<W: Write> LayerWriter<W> {
    pub(crate) fn new(out: W) -> Self {
        LayerWriter {
            out,
            pending: VecDeque::new(),
            current: Vec::with_capacity(MEMBER),
            tar: Sha256::new(),
            compressed: Sha256::new(),
            bytes: 0,
        }
    }

    /// Appends a directory.
    pub(crate) fn dir(&mut self, path: &[u8]) -> io::Result<()> {
        self.put(&tar::headers(path, Written::Dir)?)
    }

    /// Begins a file of a length in bytes. Its content is [put](Self::put) next, and then it
    /// [ends](Self::end_file).
    pub(crate) fn begin_file(
        &mut self,
        path: &[u8],
        bytes: u64,
        executable: bool,
    ) -> io::Result<()> {
        self.put(&tar::headers(path, Written::File { bytes, executable })?)
    }

    /// Ends a file of a length in bytes.
    pub(crate) fn end_file(&mut self, bytes: u64) -> io::Result<()> {
        self.put(&[0; BLOCK][..tar::padding(bytes)])
    }

    /// Appends bytes.
    pub(crate) fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let taken = bytes.len().min(MEMBER - self.current.len());
            self.current.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.current.len() == MEMBER {
                let next = Vec::with_capacity(MEMBER);
                let member = std::mem::replace(&mut self.current, next);
                // The hash takes time that another thread uses for the member before.
                self.tar.update(&member);
                self.pending
                    .push_back(parallel::start(move || gzip(&member)));
                if self.pending.len() > AT_ONCE * parallel::width() {
                    self.write_next()?;
                }
            }
        }
        Ok(())
    }

    /// Ends the tar and writes what is left.
    pub(crate) fn finish(mut self) -> io::Result<(W, Layer)> {
        self.put(&[0; 2 * BLOCK])?;
        let last = std::mem::take(&mut self.current);
        self.tar.update(&last);
        if !last.is_empty() {
            self.pending.push_back(Pending::Done(gzip(&last)));
        }
        while !self.pending.is_empty() {
            self.write_next()?;
        }
        self.out.flush()?;
        let layer = Layer {
            digest: Digest::from_hash(self.compressed.finalize().into()),
            bytes: self.bytes,
            diff_id: Digest::from_hash(self.tar.finalize().into()),
        };
        Ok((self.out, layer))
    }

    /// Writes the next member once it is compressed.
    fn write_next(&mut self) -> io::Result<()> {
        if let Some(member) = self.pending.pop_front() {
            let member = member.wait()?;
            self.compressed.update(&member);
            self.bytes += member.len() as u64;
            self.out.write_all(&member)?;
        }
        Ok(())
    }
}

/// Compresses a member. Its header has no time and no system: libdeflate writes MTIME 0 and
/// OS 255 (RFC 1952).
fn gzip(member: &[u8]) -> io::Result<Vec<u8>> {
    let level = CompressionLvl::new(LEVEL).map_err(|_| io::Error::other("no such level"))?;
    let mut compressor = Compressor::new(level);
    let mut out = vec![0; compressor.gzip_compress_bound(member.len())];
    let len = compressor.gzip_compress(member, &mut out);
    out.truncate(len.map_err(|error| io::Error::other(error.to_string()))?);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn layer(bytes: usize) -> (Vec<u8>, Layer) {
        let mut writer = LayerWriter::new(Vec::new());
        writer.dir(b"lib").unwrap();
        writer.begin_file(b"lib/file", bytes as u64, true).unwrap();
        let text: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
        text.chunks(70_000)
            .for_each(|part| writer.put(part).unwrap());
        writer.end_file(bytes as u64).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn the_members_are_one_gzip_of_the_tar() {
        for bytes in [0, 1, MEMBER - 2 * BLOCK, 5 * MEMBER + 7] {
            let (compressed, layer) = layer(bytes);
            assert_eq!(layer.digest, Digest::of(&compressed));
            assert_eq!(layer.bytes, compressed.len() as u64);
            assert_eq!(
                compressed[4..10],
                [0, 0, 0, 0, 0, 255],
                "no time, no system"
            );
            let mut tar = Vec::new();
            let mut decoder = flate2::read::MultiGzDecoder::new(&*compressed);
            decoder.read_to_end(&mut tar).unwrap();
            assert_eq!(layer.diff_id, Digest::of(&tar));
            let mut rest = &*tar;
            let entries: Vec<_> = (0..2)
                .map(|_| tar::next(&mut rest).unwrap().unwrap().path)
                .collect();
            assert_eq!(entries, [b"lib/".to_vec(), b"lib/file".to_vec()]);
        }
    }

    /// What was shared once must have the same name for ever.
    #[test]
    fn the_tar_of_known_content_has_a_known_digest() {
        let (_, layer) = layer(3);
        assert_eq!(
            layer.diff_id.as_str(),
            "sha256:aeb736fd76ab7e15ac23805927a04d0cb9762ba20d5c6810f7bf21d1f16bf29a"
        );
    }
}
