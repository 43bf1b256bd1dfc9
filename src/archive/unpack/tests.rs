use ::tar::{EntryType, Header};

use super::*;
use crate::Home;

/// Unpacks a layer in which these follow each other.
fn unpack(headers: impl IntoIterator<Item = Vec<u8>>, max_bytes: u64) -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(Home::at(dir.path().join("home")).unwrap()).unwrap();
    let layer: Vec<u8> = headers.into_iter().flatten().collect();
    let mut unpacking = Unpacking::begin(&cache, "app:v1".into(), max_bytes, true).unwrap();
    unpacking.layer(&Descriptor::of("", &layer), &mut &*layer)
}

fn header(name: &str, kind: EntryType) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_path(name).unwrap();
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_mode(0o644);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// Their names are kept in memory.
#[test]
fn links_that_are_left_out_count_as_entries() {
    let links = |count| (0..count).map(|n| header(&format!("l{n}"), EntryType::Symlink));
    assert!(unpack(links(MAX_ENTRIES), 0).is_ok());
    let error = unpack(links(MAX_ENTRIES + 2), 0).unwrap_err().to_string();
    assert!(
        error.contains("more than 200 files and directories"),
        "{error}"
    );
}

#[test]
fn what_takes_no_place_in_the_content_is_limited_too() {
    let much = usize::try_from(MAX_HEADERS).unwrap() + BUFFER;
    let zeros = std::iter::once(vec![0; much]);
    assert!(matches!(unpack(zeros, 0), Err(Error::TooLarge { .. })));
    let globals = (0..much / 512).map(|_| header("g", EntryType::XGlobalHeader));
    assert!(matches!(unpack(globals, 0), Err(Error::TooLarge { .. })));
    let roots = (0..much / 512).map(|_| header("./", EntryType::Directory));
    assert!(matches!(unpack(roots, 0), Err(Error::TooLarge { .. })));
}
