use super::*;
use crate::import::MetadataImport;
use crate::{ArtifactEntry, ArtifactType, Home, Reference};

fn cache() -> (tempfile::TempDir, Cache, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(Home::at(dir.path()).unwrap()).unwrap();
    let root = cache.home().cache_root();
    for name in ["mine", "named", "unnamed", "unnamed/empty"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::write(root.join("unnamed/file"), "12345").unwrap();
    fs::write(root.join("a file"), "").unwrap();
    let named = root.join("named").to_str().unwrap().to_owned();
    for (reference, path) in [("mine", ""), ("other", &*named)] {
        let reference = Reference::parse(reference).unwrap();
        let now = chrono::Utc::now().fixed_offset();
        let entry = ArtifactEntry::new(&reference, ArtifactType::Component, now, path);
        cache
            .record(MetadataImport {
                entry,
                keeps_time: false,
                no_clobber: false,
            })
            .unwrap();
    }
    (dir, cache, root)
}

#[test]
fn a_directory_that_no_entry_names_is_an_orphan_once_it_has_rested() {
    let (_dir, cache, root) = cache();
    let now = SystemTime::now();
    assert_eq!(
        cache.snapshot().unwrap().unreferenced(now).unwrap().found,
        []
    );
    let later = now + SETTLED + Duration::from_secs(60);
    let orphan = Unreferenced {
        kind: UnreferencedKind::Orphan,
        path: fs::canonicalize(root.join("unnamed")).unwrap(),
        bytes: 5,
        allocated: 0,
    };
    let unreferenced = cache.snapshot().unwrap().unreferenced(later).unwrap().found;
    let found = |item: &Unreferenced| Unreferenced {
        allocated: 0,
        ..item.clone()
    };
    assert_eq!(unreferenced.iter().map(found).collect::<Vec<_>>(), [orphan]);
    // Before 1970 nothing is old.
    assert_eq!(
        cache
            .snapshot()
            .unwrap()
            .unreferenced(SystemTime::UNIX_EPOCH)
            .unwrap()
            .found,
        []
    );

    assert_eq!(
        cache
            .remove_unreferenced(&unreferenced, later)
            .unwrap()
            .gone,
        unreferenced
    );
    assert!(!root.join("unnamed").exists());
    assert!(root.join("mine").exists() && root.join("named").exists());
    assert_eq!(
        cache
            .remove_unreferenced(&unreferenced, later)
            .unwrap()
            .gone,
        []
    );
}

#[test]
fn what_got_an_entry_since_it_was_seen_stays() {
    let (_dir, cache, root) = cache();
    let later = SystemTime::now() + SETTLED + Duration::from_secs(60);
    let unreferenced = cache.snapshot().unwrap().unreferenced(later).unwrap().found;
    let reference = Reference::parse("unnamed").unwrap();
    let now = chrono::Utc::now().fixed_offset();
    let entry = ArtifactEntry::new(&reference, ArtifactType::Component, now, "");
    cache.registry().add(entry).unwrap();
    assert_eq!(
        cache
            .remove_unreferenced(&unreferenced, later)
            .unwrap()
            .gone,
        []
    );
    assert!(root.join("unnamed/file").exists());
}

#[test]
fn a_damaged_record_of_where_content_came_from_is_a_leftover() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(Home::at(dir.path()).unwrap()).unwrap();
    let reference = Reference::parse("mine").unwrap();
    let now = chrono::Utc::now().fixed_offset();
    let mut entry = ArtifactEntry::new(&reference, ArtifactType::Component, now, "");
    let digest = crate::Digest::of(b"content");
    entry.digest = Some(digest.to_string());
    cache
        .record(MetadataImport {
            entry,
            keeps_time: false,
            no_clobber: false,
        })
        .unwrap();
    let manifests = cache.registry().path().with_file_name("manifests");
    fs::create_dir(&manifests).unwrap();
    let record = manifests.join(format!("{}.remotes", digest.hex()));
    let now = SystemTime::now();
    let find = || cache.snapshot().unwrap().unreferenced(now).unwrap().found;
    fs::write(&record, r#"{"remotes":[]}"#).unwrap();
    assert_eq!(find(), []);
    fs::remove_file(&record).unwrap();
    for make in [fs::create_dir, |path: &PathBuf| fs::write(path, "{")] {
        make(&record).unwrap();
        let found = find();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].kind, UnreferencedKind::Leftover);
        let removal = cache.remove_unreferenced(&found, now).unwrap();
        assert_eq!((removal.gone.len(), removal.failed.len()), (1, 0));
        assert!(!record.exists());
    }
}
