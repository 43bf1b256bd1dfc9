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

fn file(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_path(name).unwrap();
    header.set_entry_type(EntryType::Regular);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let mut entry = header.as_bytes().to_vec();
    entry.extend_from_slice(content);
    entry.resize(entry.len() + tar::padding(content.len() as u64), 0);
    entry
}

/// Short files and long ones, more than are written at once, and some of them again.
#[test]
fn every_file_has_the_content_of_the_last_layer_that_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(Home::at(dir.path().join("home")).unwrap()).unwrap();
    let mut unpacking = Unpacking::begin(&cache, "app:v1".into(), u64::MAX, true).unwrap();
    let mut expected = HashMap::new();
    for layer in 0..2_usize {
        let mut tar = Vec::new();
        for at in (0..150).step_by(layer + 1) {
            let len = if at % 50 == 0 { 1_500_000 } else { at * 700 };
            let (name, content) = (format!("{}/{at}", at / 10), vec![(at + layer) as u8; len]);
            tar.extend(file(&name, &content));
            expected.insert(name, content);
        }
        let blob = Descriptor::of("", &tar);
        unpacking.layer(&blob, &mut &*tar).unwrap();
    }
    let unpacked = unpacking.finish().unwrap();
    let staged = unpacked.staged.content.dir().path().to_owned();
    let hash = |content: &[u8]| sha2::Sha256::digest(content).into();
    let hashes = expected.iter().map(|(name, content)| {
        assert!(
            std::fs::read(staged.join(name)).unwrap() == *content,
            "{name}"
        );
        (name.clone().into_bytes(), hash(content))
    });
    let manifest = Manifest::of(hashes.collect());
    assert_eq!(unpacked.staged.manifest.digest(), manifest.digest());
}
