//! The headers that are written.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tar::{EntryType, Header};

use super::{BLOCK, padding};

/// The largest size that a ustar header can have, in bytes: 11 octal digits.
pub(super) const MAX_OCTAL: u64 = 0o77_777_777_777;

/// An entry that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::archive) enum Written {
    Dir,
    File { bytes: u64, executable: bool },
}

/// Returns the headers of an entry: a ustar header, after an extended one where the path or
/// the size does not fit into it. Nothing in them depends on the machine.
///
/// # Errors
///
/// The path cannot be that of an entry.
pub(in crate::archive) fn headers(path: &[u8], entry: Written) -> io::Result<Vec<u8>> {
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
