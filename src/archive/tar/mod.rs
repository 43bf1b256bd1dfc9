//! The headers of tar archives: those that layers of ours have, and those that others
//! write. Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Interchange Format";
//! GNU tar, "Basic Tar Format".

mod read;
mod write;

pub(super) use read::{Entry, Kind, invalid, next, skip};
pub(super) use write::{Written, headers};

/// The size of a block, in bytes.
pub(super) const BLOCK: usize = 512;

/// Returns how many bytes follow content of a length up to the end of its last block.
pub(super) fn padding(bytes: u64) -> usize {
    let over = (bytes % BLOCK as u64) as usize;
    if over == 0 { 0 } else { BLOCK - over }
}

#[cfg(test)]
mod tests {
    use super::write::MAX_OCTAL;
    use super::*;
    use proptest::prelude::*;
    use std::io;

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
