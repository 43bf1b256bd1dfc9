use std::fs;
use std::path::PathBuf;

mod large;
mod model;
mod stored;

use super::*;
use crate::document::Document;
use crate::error::Error;
use crate::reference::Reference;
use crate::timestamp;

fn registry() -> (tempfile::TempDir, Registry, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("registry").join("artifacts.json");
    let registry = Registry::open(&path).unwrap();
    (dir, registry, path)
}

fn entry(reference: &str) -> ArtifactEntry {
    let time = timestamp::parse("2026-03-01T00:00:00Z").unwrap();
    let reference = Reference::parse(reference).unwrap();
    ArtifactEntry::new(&reference, ArtifactType::Component, time, "/c/x")
}

fn references(registry: &Registry) -> Vec<String> {
    let mut references: Vec<_> = registry
        .list()
        .unwrap()
        .into_iter()
        .map(|entry| entry.reference.unwrap())
        .collect();
    references.sort();
    references
}

/// Appends an entry as cldctl would, without any lock.
fn append_without_lock(path: &std::path::Path, reference: &str) {
    let document = match fs::read_to_string(path) {
        Ok(text) => Document::parse(text).unwrap(),
        Err(_) => Document::empty(),
    };
    let mut edit = Edit::default();
    edit.append(entry(reference).encode(&[]).unwrap());
    let temporary = path.with_extension("json.tmp");
    fs::write(&temporary, document.edited(&edit).unwrap()).unwrap();
    fs::rename(temporary, path).unwrap();
}

/// Adds an entry, and calls `meanwhile` with the number of each attempt between our read
/// and our rename. Returns how many attempts it took.
fn add_while(registry: &Registry, mut meanwhile: impl FnMut(usize)) -> Result<usize> {
    let upsert = Upsert {
        entry: entry("ours:1"),
        ..Upsert::default()
    };
    let mut attempts = 0;
    registry.update(|document| {
        let (edit, _) = upsert.decide(document)?;
        meanwhile(attempts);
        attempts += 1;
        Ok(Update::new(edit, attempts))
    })
}

#[test]
fn a_file_that_is_replaced_while_we_edit_is_read_again_and_nothing_is_lost() {
    for exists_before in [true, false] {
        let (_dir, registry, path) = registry();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if exists_before {
            registry.add(entry("before:1")).unwrap();
        }
        let race = |attempt| {
            if attempt < 3 {
                append_without_lock(&path, &format!("theirs:{attempt}"));
            }
        };
        assert_eq!(add_while(&registry, race).unwrap(), 4);
        let mut expected = vec!["ours:1", "theirs:0", "theirs:1", "theirs:2"];
        if exists_before {
            expected.insert(0, "before:1");
        }
        assert_eq!(references(&registry), expected);
    }
}

#[test]
fn the_result_is_that_of_the_last_attempt() {
    let (_dir, registry, path) = registry();
    registry.add(entry("a:1")).unwrap();
    let upsert = Upsert {
        entry: ArtifactEntry {
            created_at: timestamp::parse("2026-04-01T00:00:00Z"),
            ..entry("a:1")
        },
        keeps_time: true,
        ..Upsert::default()
    };
    let mut attempts = 0;
    let upserted = registry.update(|document| {
        let (edit, upserted) = upsert.decide(document)?;
        if attempts == 0 {
            assert_eq!(upserted.result, Added::Unchanged);
            let text = fs::read_to_string(&path).unwrap();
            let without = path.with_extension("other");
            fs::write(&without, text.replace("a:1", "b:1")).unwrap();
            fs::rename(without, &path).unwrap();
        }
        attempts += 1;
        Ok(Update::new(edit, upserted))
    });
    let upserted = upserted.unwrap();
    assert_eq!(upserted.result, Added::Added);
    // The time that an earlier attempt found is not the time of this one.
    assert_eq!(upserted.entry.created_at, upsert.entry.created_at);
    assert_eq!(references(&registry), ["a:1", "b:1"]);
}

#[test]
fn a_change_that_is_always_raced_gives_up_in_time() {
    let (_dir, registry, path) = registry();
    registry.add(entry("before:1")).unwrap();
    let registry = registry.with_lock_timeout(Duration::from_millis(100));
    let race = |attempt| append_without_lock(&path, &format!("theirs:{attempt}"));
    let error = add_while(&registry, race).unwrap_err();
    assert!(matches!(error, Error::Contended { .. }), "{error}");
}

#[test]
fn a_lock_file_that_is_removed_while_we_edit_is_created_again() {
    let (_dir, registry, path) = registry();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let lock = path.with_file_name("artifacts.json.lock");
    let attempts = add_while(&registry, |attempt| {
        if attempt == 0 {
            fs::remove_file(&lock).unwrap();
        }
    });
    assert_eq!(attempts.unwrap(), 2);
    assert_eq!(references(&registry), ["ours:1"]);
    assert!(lock.exists());
}

#[test]
fn an_interrupt_before_the_commit_changes_nothing() {
    let (_dir, registry, path) = registry();
    let interrupt = Interrupt::default();
    let registry = registry.with_interrupt(interrupt.clone());
    let error = add_while(&registry, |_| interrupt.raise(2)).unwrap_err();
    assert!(matches!(error, Error::Interrupted { signal: 2 }), "{error}");
    let names: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(names.len(), 1, "the lock alone: {names:?}");
}

#[test]
fn a_file_that_is_torn_for_a_moment_is_read_again() {
    let (_dir, registry, path) = registry();
    registry.add(entry("a:1")).unwrap();
    let whole = fs::read(&path).unwrap();
    for torn in [Vec::new(), whole[..whole.len() / 2].to_vec()] {
        fs::write(&path, torn).unwrap();
        let writer = {
            let (path, whole) = (path.clone(), whole.clone());
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(60));
                fs::write(path, whole).unwrap();
            })
        };
        assert_eq!(references(&registry), ["a:1"]);
        writer.join().unwrap();
    }
    fs::write(&path, &whole[..20]).unwrap();
    assert!(matches!(registry.list(), Err(Error::Corrupt { .. })));
}

#[test]
fn the_same_change_twice_writes_once() {
    let (_dir, registry, path) = registry();
    assert_eq!(registry.add(entry("a:1")).unwrap(), Added::Added);
    let identity = || crate::store::Identity::of(&path).unwrap();
    let before = identity();
    assert_eq!(registry.add(entry("a:1")).unwrap(), Added::Unchanged);
    assert!(!registry.remove("b:1").unwrap());
    assert_eq!(identity(), before);
    let other = ArtifactEntry {
        size: Some(5),
        ..entry("a:1")
    };
    assert_eq!(registry.add(other).unwrap(), Added::Updated);
    assert_ne!(identity(), before);
}

#[test]
fn an_update_keeps_unknown_fields_and_leaves_one_entry_of_the_reference() {
    let (_dir, registry, path) = registry();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text = "{\"x\": 1, \"artifacts\": [{\"reference\": \"a:1\", \"note\":  [1]}, {\"reference\": \"a:1\"}]}";
    fs::write(&path, text).unwrap();
    assert_eq!(registry.add(entry("a:1")).unwrap(), Added::Updated);
    assert_eq!(references(&registry), ["a:1"]);
    let after = fs::read_to_string(&path).unwrap();
    assert!(
        after.starts_with("{\"x\": 1, ") && after.contains("\"note\": [1]"),
        "{after}"
    );
}

#[test]
fn one_registry_can_be_used_from_many_threads() {
    let (_dir, registry, _) = registry();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let registry = &registry;
            scope.spawn(move || {
                for number in 0..8 {
                    registry.add(entry(&format!("t{thread}:{number}"))).unwrap();
                    registry.list().unwrap();
                }
                assert!(registry.remove(&format!("t{thread}:0")).unwrap());
            });
        }
    });
    assert_eq!(registry.list().unwrap().len(), 16 * 7);
}

#[test]
fn the_newest_comes_first_and_unreadable_times_last() {
    let (_dir, registry, path) = registry();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let entries = [
        ("bad", "\"soon\""),
        ("old", "\"2026-01-01T00:00:00Z\""),
        ("none", "null"),
        ("b", "\"2026-03-01T01:00:00+01:00\""),
        ("a", "\"2026-03-01T00:00:00Z\""),
    ]
    .map(|(reference, time)| format!("{{\"reference\": \"{reference}\", \"createdAt\": {time}}}"));
    fs::write(&path, format!("{{\"artifacts\": [{}]}}", entries.join(","))).unwrap();
    let listed: Vec<_> = registry
        .list()
        .unwrap()
        .into_iter()
        .map(|entry| entry.reference.unwrap())
        .collect();
    assert_eq!(listed, ["a", "b", "old", "bad", "none"]);
}
