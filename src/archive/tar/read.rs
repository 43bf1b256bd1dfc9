//! The headers that are read.

use std::io::{self, Read};

use tar::{EntryType, Header};

use super::{BLOCK, padding};

/// The largest size of a file, in bytes: what systems have for it.
const MAX_SIZE: u64 = i64::MAX as u64;

/// The longest extended header, in bytes.
const MAX_EXTENDED: u64 = 1 << 20;

/// The kind of an entry that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::archive) enum Kind {
    File,
    Dir,
    Link,
    HardLink,
    /// A device, a pipe or something else.
    Other,
}

/// An entry that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::archive) struct Entry {
    /// The path as it stands in the archive.
    pub(in crate::archive) path: Vec<u8>,
    pub(in crate::archive) kind: Kind,
    /// The length of the content that follows, in bytes.
    pub(in crate::archive) bytes: u64,
    pub(in crate::archive) mode: u32,
}

/// Why an archive is refused.
pub(in crate::archive) fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Reads the next entry, up to its content; `None` at the end of the archive. An archive
/// may end without the blocks of zeros that should.
///
/// # Errors
///
/// [`InvalidData`](io::ErrorKind::InvalidData) for what is no tar, and those of reading.
pub(in crate::archive) fn next(archive: &mut impl Read) -> io::Result<Option<Entry>> {
    let mut extended = Extended::default();
    loop {
        let Some(header) = block(archive)? else {
            return match extended.is_empty() {
                true => Ok(None),
                false => Err(invalid("the archive ends after an extended header")),
            };
        };
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            return match extended.is_empty() {
                true => Ok(None),
                false => Err(invalid("the archive ends after an extended header")),
            };
        }
        require_checksum(&header)?;
        let bytes = header.entry_size()?;
        match header.entry_type() {
            EntryType::XHeader => extended.add_records(&content(archive, bytes)?)?,
            EntryType::XGlobalHeader => {
                content(archive, bytes)?;
            }
            EntryType::GNULongName => {
                let mut name = content(archive, bytes)?;
                name.truncate(
                    name.iter()
                        .position(|byte| *byte == 0)
                        .unwrap_or(name.len()),
                );
                extended.path = Some(name);
            }
            EntryType::GNULongLink => {
                content(archive, bytes)?;
            }
            kind => {
                let path = extended
                    .path
                    .unwrap_or_else(|| header.path_bytes().into_owned());
                let bytes = extended.size.unwrap_or(bytes);
                if bytes > MAX_SIZE {
                    return Err(invalid("it has a file of an impossible size"));
                }
                let is_dir = path.ends_with(b"/");
                let kind = match kind {
                    EntryType::Directory => Kind::Dir,
                    // Older archives mark directories by the slash alone.
                    EntryType::Regular | EntryType::Continuous if is_dir && bytes == 0 => Kind::Dir,
                    EntryType::Regular | EntryType::Continuous => Kind::File,
                    EntryType::Symlink => Kind::Link,
                    EntryType::Link => Kind::HardLink,
                    _ => Kind::Other,
                };
                return Ok(Some(Entry {
                    path,
                    kind,
                    bytes: if kind == Kind::File { bytes } else { 0 },
                    mode: header.mode().unwrap_or(0o644),
                }));
            }
        }
    }
}

/// What extended headers say of the next entry.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    size: Option<u64>,
    has_records: bool,
}

impl Extended {
    fn is_empty(&self) -> bool {
        self.path.is_none() && self.size.is_none() && !self.has_records
    }

    fn add_records(&mut self, mut text: &[u8]) -> io::Result<()> {
        let broken = || invalid("an extended header is damaged");
        self.has_records = true;
        while !text.is_empty() {
            let blank = text
                .iter()
                .position(|byte| *byte == b' ')
                .ok_or_else(broken)?;
            let len = str::from_utf8(&text[..blank])
                .ok()
                .and_then(|len| len.parse().ok());
            let len: usize = len.ok_or_else(broken)?;
            if len <= blank + 1 || len > text.len() || text[len - 1] != b'\n' {
                return Err(broken());
            }
            let record = &text[blank + 1..len - 1];
            text = &text[len..];
            let equals = record
                .iter()
                .position(|byte| *byte == b'=')
                .ok_or_else(broken)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"size" => {
                    let size = str::from_utf8(value)
                        .ok()
                        .and_then(|size| size.parse().ok());
                    self.size = Some(size.ok_or_else(broken)?);
                }
                // Sparse files are stored otherwise than they are.
                _ if key.starts_with(b"GNU.sparse.") => {
                    return Err(invalid("it has a sparse file, which is not supported"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Reads a block; `None` at the end of the archive.
fn block(archive: &mut impl Read) -> io::Result<Option<Header>> {
    let mut header = Header::new_old();
    let block = header.as_mut_bytes();
    let mut filled = 0;
    while filled < BLOCK {
        match archive.read(&mut block[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(invalid("the archive ends within a header")),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some(header))
}

fn require_checksum(header: &Header) -> io::Result<()> {
    let bytes = header.as_bytes();
    let blanked = bytes[..148].iter().chain(&[b' '; 8]).chain(&bytes[156..]);
    let sum: u32 = blanked.map(|byte| u32::from(*byte)).sum();
    match header.cksum() {
        Ok(found) if found == sum => Ok(()),
        _ => Err(invalid("it is no tar archive, or damaged")),
    }
}

/// Reads the content of an extended header.
fn content(archive: &mut impl Read, bytes: u64) -> io::Result<Vec<u8>> {
    if bytes > MAX_EXTENDED {
        return Err(invalid("an extended header is longer than 1 MiB"));
    }
    let mut text = Vec::new();
    archive.by_ref().take(bytes).read_to_end(&mut text)?;
    if text.len() as u64 != bytes {
        return Err(invalid("the archive ends within an extended header"));
    }
    skip(archive, padding(bytes) as u64)?;
    Ok(text)
}

/// Reads over some bytes.
pub(in crate::archive) fn skip(archive: &mut impl Read, bytes: u64) -> io::Result<()> {
    let skipped = io::copy(&mut archive.by_ref().take(bytes), &mut io::sink())?;
    match skipped == bytes {
        true => Ok(()),
        false => Err(invalid("the archive ends early")),
    }
}
