//! A registry that stays in its file while it is changed.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::resolve::{DigestPrefix, Resolution, Resolved};
use super::*;
use crate::document::{EntryRef, OpenDocument, StoredEntry};

/// A number of entries that make a large registry.
const COUNT: usize = 1000;

fn names() -> Vec<String> {
    (0..COUNT)
        .map(|index| format!("ghcr.io/org/app-{index}:v1"))
        .collect()
}

/// A registry of these references in the form that Go writes.
fn large() -> (tempfile::TempDir, Registry, PathBuf) {
    let (dir, registry, path) = registry();
    let mut edit = Edit::default();
    for name in names() {
        edit.append(entry(&name).encode(&[]).unwrap());
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, Document::empty().edited(&edit).unwrap()).unwrap();
    assert!(fs::metadata(&path).unwrap().len() > 1 << 17);
    (dir, registry, path)
}

/// Returns what an edit of the file leaves, made in memory.
fn edited(path: &Path, build: impl FnOnce(&Document, &mut Edit)) -> String {
    let document = Document::parse(fs::read_to_string(path).unwrap()).unwrap();
    let mut edit = Edit::default();
    build(&document, &mut edit);
    document.edited(&edit).unwrap()
}

#[test]
fn its_bytes_are_those_of_an_edit_in_memory() {
    let (_dir, registry, path) = large();
    let expected = edited(&path, |_, edit| {
        edit.append(entry("new:1").encode(&[]).unwrap())
    });
    assert_eq!(registry.add(entry("new:1")).unwrap(), Added::Added);
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    assert_eq!(registry.add(entry("new:1")).unwrap(), Added::Unchanged);

    let names = names();
    for index in [0, COUNT / 2, COUNT - 1] {
        let changed = ArtifactEntry {
            size: Some(7),
            ..entry(&names[index])
        };
        let text = changed.encode(&[]).unwrap();
        let expected = edited(&path, |_, edit| edit.replace(index, text));
        assert_eq!(registry.add(changed).unwrap(), Added::Updated);
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    }
    for name in [&*names[0], &*names[COUNT / 2], "new:1"] {
        let expected = edited(&path, |document, edit| {
            let is_it = |(_, entry): &(usize, EntryRef<'_>)| entry.reference() == name;
            edit.remove(document.entries().enumerate().find(is_it).unwrap().0);
        });
        assert!(registry.remove(name).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        assert!(!registry.remove(name).unwrap());
    }
    registry.clear().unwrap();
    let expected = "{\n  \"version\": \"v2\",\n  \"artifacts\": []\n}";
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
}

#[test]
fn what_is_written_in_place_meanwhile_is_not_mixed_with_what_was_there() {
    let (_dir, registry, path) = large();
    let write_in_place = |attempt: usize| {
        // Without one entry, the places of the others change.
        let text = edited(&path, |_, edit| {
            edit.remove(1);
            edit.append(entry(&format!("theirs:{attempt}")).encode(&[]).unwrap());
        });
        fs::write(&path, text).unwrap();
    };
    let upsert = Upsert {
        entry: entry("ours:1"),
        ..Upsert::default()
    };
    let mut attempts = 0;
    let update = registry.update(|document| {
        attempts += 1;
        // Twice before the entries are looked at, and twice behind that.
        if matches!(attempts, 1 | 2) {
            write_in_place(attempts);
        }
        let decided = upsert.decide(document);
        if matches!(attempts, 3 | 4) {
            write_in_place(attempts);
        }
        Ok(Update::new(decided?.0, attempts))
    });
    assert_eq!(update.unwrap(), 5);
    let names = names();
    let mut expected = vec![&*names[0]];
    expected.extend(names[5..].iter().map(String::as_str));
    expected.extend(["ours:1", "theirs:1", "theirs:2", "theirs:3", "theirs:4"]);
    expected.sort_unstable();
    assert_eq!(references(&registry), expected);
}

#[test]
fn operands_name_the_same_entries_however_the_registry_is_read() {
    const HEX: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9";
    let (_dir, registry, path) = large();
    let names = names();
    let with_digest = |name: &str, last: char| ArtifactEntry {
        digest: Some(format!("sha256:{HEX}{last}")),
        ..entry(name)
    };
    let text = edited(&path, |_, edit| {
        for entry in [
            entry(&names[3]),
            entry("app:latest"),
            with_digest("one:v1", '1'),
            with_digest("two:v1", '2'),
        ] {
            edit.append(entry.encode(&[]).unwrap());
        }
    });
    fs::write(&path, text).unwrap();
    let whole = format!("{HEX}1");
    let sets: [&[&str]; 7] = [
        &[&names[7], &names[3]],
        &[&names[7], &names[7], "nothing"],
        &["app", "app:latest"],
        &[&HEX[..12], &names[3]],
        &[&whole, ""],
        &[&names[1], "app", &HEX[..12], "nothing", &whole, &names[3]],
        &[],
    ];
    let digits = DigestPrefix::Long;
    for operands in sets {
        let document = registry.load().unwrap();
        let in_memory = Resolved::of(&document, operands, digits);
        let in_file = registry
            .update(|document| {
                assert!(matches!(document, OpenDocument::InFile(_)));
                let found = registry.resolve_in_open(document, operands, digits)?;
                Ok(Update::new(Edit::default(), found))
            })
            .unwrap();
        let streamed = registry.resolve(operands, digits).unwrap();

        let places: Vec<_> = in_memory.all().collect();
        assert_eq!(in_file.all().collect::<Vec<_>>(), places, "{operands:?}");
        let texts = places.iter().map(|&at| document.entry(at).unwrap().text());
        let found = streamed.resolutions().iter().flat_map(|found| match found {
            Resolution::Found(entries) => &entries[..],
            _ => &[],
        });
        let found: Vec<_> = found.map(StoredEntry::json).collect();
        assert_eq!(found, texts.collect::<Vec<_>>(), "{operands:?}");

        let unresolved = streamed.unresolved();
        assert_eq!(in_memory.unresolved(), unresolved);
        assert_eq!(in_file.unresolved(), unresolved);
    }
}

#[test]
fn a_pass_over_a_file_that_is_written_meanwhile_counts_for_nothing() {
    let (_dir, registry, path) = large();
    let last = names().pop().unwrap();
    let is_first = AtomicBool::new(true);
    // At the last entry the whole file has been read, so that only its metadata tells.
    let visit = |count: &mut usize, entry_ref: &EntryRef<'_>| {
        if entry_ref.reference() == last && is_first.swap(false, Ordering::Relaxed) {
            let text = edited(&path, |_, edit| {
                edit.append(entry("theirs:1").encode(&[]).unwrap());
            });
            fs::write(&path, text).unwrap();
        }
        *count += 1;
    };
    let scanned = registry.scan(ReadMode::Patient, visit).unwrap();
    assert_eq!(scanned.parts.iter().sum::<usize>(), COUNT + 1);
}

#[test]
fn similar_references_are_searched_among_ten_thousand_entries_and_no_more() {
    let (_dir, registry, path) = registry();
    let write = |count: usize| {
        let mut edit = Edit::default();
        edit.append(entry("ghcr.io/acme/web:v1").encode(&[]).unwrap());
        for index in 1..count {
            edit.append(entry(&format!("{index}:v1")).encode(&[]).unwrap());
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, Document::empty().edited(&edit).unwrap()).unwrap();
    };
    let similar = || registry.similar(&["ghcr.io/acme/web:v2"]).unwrap();
    write(10_000);
    assert_eq!(similar(), [Some("ghcr.io/acme/web:v1".to_owned())]);
    write(10_001);
    assert_eq!(similar(), [None]);
}
