//! The headers of tar archives: those that layers of ours have, and those that others
//! write. Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Interchange Format";
//! GNU tar, "Basic Tar Format".

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tar::{EntryType, Header};

/// The size of a block, in bytes.
pub(super) const BLOCK: usize = 512;

/// The longest extended header, in bytes.
const MAX_EXTENDED: u64 = 1 << 20;

/// The largest size that a ustar header can have, in bytes: 11 octal digits.
const MAX_OCTAL: u64 = 0o77_777_777_777;

/// An entry that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Dir,
    File { bytes: u64, executable: bool },
}

/// Returns the headers of an entry: a ustar header, after an extended one where the path or
/// the size does not fit into it. Nothing in them depends on the machine.
///
/// # Errors
///
/// The path cannot be that of an entry.
pub(super) fn headers(path: &[u8], entry: Written) -> io::Result<Vec<u8>> {
    let (bytes, mode, kind) = match entry {
        Written::Dir => (0, 0o755, EntryType::Directory),
        Written::File { bytes, executable } => {
            let mode = if executable { 0o755 } else { 0o644 };
            (bytes, mode, EntryType::Regular)
        }
    };
    let mut name = path.to_vec();
    if entry == Written::Dir {
        name.push(b'/');
    }
    let mut header = plain(kind, mode);
    let mut records = Vec::new();
    if header
        .set_path(Path::new(OsStr::from_bytes(&name)))
        .is_err()
    {
        records.extend(record("path", &name));
        // Readers without extended headers see its last part.
        let mut parts = path.rsplit(|byte| *byte == b'/');
        let part = parts.next().filter(|part| part.len() < 100);
        let name = OsStr::from_bytes(part.unwrap_or(b"long"));
        header.set_path(Path::new(name))?;
    }
    match bytes <= MAX_OCTAL {
        true => header.set_size(bytes),
        false => {
            records.extend(record("size", bytes.to_string().as_bytes()));
            header.set_size(0);
        }
    }
    header.set_cksum();
    let mut out = Vec::new();
    if !records.is_empty() {
        let mut extended = plain(EntryType::XHeader, 0o644);
        extended.set_path("PaxHeader")?;
        extended.set_size(records.len() as u64);
        extended.set_cksum();
        out.extend_from_slice(extended.as_bytes());
        let rest = padding(records.len() as u64);
        out.append(&mut records);
        out.extend_from_slice(&[0; BLOCK][..rest]);
    }
    out.extend_from_slice(header.as_bytes());
    Ok(out)
}

fn plain(kind: EntryType, mode: u32) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// Returns a record of an extended header: its length, which counts itself, a key and a
/// value.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    let mut record = format!("{len} {key}=").into_bytes();
    record.extend_from_slice(value);
    record.push(b'\n');
    record
}

/// Returns how many bytes follow content of a length up to the end of its last block.
pub(super) fn padding(bytes: u64) -> usize {
    let over = (bytes % BLOCK as u64) as usize;
    if over == 0 { 0 } else { BLOCK - over }
}

/// The kind of an entry that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Dir,
    Link,
    HardLink,
    /// A device, a pipe or something else.
    Other,
}

/// An entry that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The path as it stands in the archive.
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    /// The length of the content that follows, in bytes.
    pub(super) bytes: u64,
    pub(super) mode: u32,
}

/// Why an archive is refused.
pub(super) fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Reads the next entry, up to its content; `None` at the end of the archive. An archive
/// may end without the blocks of zeros that should.
///
/// # Errors
///
/// [`InvalidData`](io::ErrorKind::InvalidData) for what is no tar, and those of reading.
pub(super) fn next(archive: &mut impl Read) -> io::Result<Option<Entry>> {
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
pub(super) fn skip(archive: &mut impl Read, bytes: u64) -> io::Result<()> {
    let skipped = io::copy(&mut archive.by_ref().take(bytes), &mut io::sink())?;
    match skipped == bytes {
        true => Ok(()),
        false => Err(invalid("the archive ends early")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_all(mut bytes: &[u8]) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        while let Some(entry) = next(&mut bytes)? {
            skip(&mut bytes, entry.bytes + padding(entry.bytes) as u64)?;
            entries.push(entry);
        }
        Ok(entries)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            path in proptest::collection::vec("[a-z\u{e4}]{1,90}", 1..5),
            bytes in 0..2000_u64,
            is_dir in any::<bool>(),
            executable in any::<bool>(),
        ) {
            let path = path.join("/").into_bytes();
            let entry = match is_dir {
                true => Written::Dir,
                false => Written::File { bytes, executable },
            };
            let mut archive = headers(&path, entry).unwrap();
            if !is_dir {
                archive.extend(vec![1; bytes as usize + padding(bytes)]);
            }
            archive.extend([0; 2 * BLOCK]);
            let entries = read_all(&archive).unwrap();
            let mut expected = path;
            if is_dir {
                expected.push(b'/');
            }
            prop_assert_eq!(&entries[0].path, &expected);
            prop_assert_eq!(entries[0].kind, if is_dir { Kind::Dir } else { Kind::File });
            prop_assert_eq!(entries.len(), 1);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let _ = read_all(&bytes);
        }
    }

    #[test]
    fn a_size_beyond_ustar_is_in_an_extended_header() {
        let bytes = MAX_OCTAL + 1;
        let archive = headers(
            b"large",
            Written::File {
                bytes,
                executable: false,
            },
        )
        .unwrap();
        let entry = next(&mut &*archive).unwrap().unwrap();
        assert_eq!((entry.bytes, &*entry.path), (bytes, &b"large"[..]));
    }
}
