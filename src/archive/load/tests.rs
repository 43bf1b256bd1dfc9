use super::*;
use crate::Home;
use crate::archive::SaveTarget;
use crate::import::Import;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fs;

/// An archive of two artifacts.
fn archive() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(Home::at(dir.path().join("home")).unwrap()).unwrap();
    let mut entries = Vec::new();
    for name in ["one", "two"] {
        let source = dir.path().join(name);
        fs::create_dir_all(source.join("lib/empty")).unwrap();
        fs::write(source.join("cld.yml"), name).unwrap();
        fs::write(source.join("lib/file"), name.repeat(200)).unwrap();
        let reference = Reference::parse(&format!("{name}:v1")).unwrap();
        let import = Import::directory(&reference, &source);
        entries.push(cache.import(&import).unwrap().entry);
    }
    let mut archive = Vec::new();
    cache
        .save(&entries, SaveTarget::Writer(&mut archive))
        .unwrap();
    archive
}

fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_damaged_archive_is_loaded_or_refused_and_leaves_nothing(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        from_file in any::<bool>(),
    ) {
        static ARCHIVE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut archive = ARCHIVE.get_or_init(archive).clone();
        for (at, byte) in changes {
            let at = at.index(archive.len());
            archive[at] = byte;
        }
        if let Some(cut) = cut {
            archive.truncate(cut.index(archive.len()));
        }
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(Home::at(dir.path().join("home")).unwrap()).unwrap();
        let options = LoadOptions {
            max_bytes: 1 << 20,
            ..LoadOptions::default()
        };
        let mut bytes = &*archive;
        let file = dir.path().join("archive.tar");
        let loaded = match from_file {
            false => cache.load(LoadSource::Reader(&mut bytes), &options),
            true => {
                fs::write(&file, &archive).unwrap();
                cache.load(LoadSource::File(file.clone()), &options)
            }
        };
        // What was registered is whole, and nothing else is there.
        let entries = cache.registry().list().unwrap();
        let report = cache.verify(None, std::time::SystemTime::now()).unwrap();
        prop_assert!(report.problems.is_empty(), "{report:?}");
        let keys: BTreeSet<String> = entries
            .iter()
            .map(|entry| {
                let reference = entry.reference.as_deref().unwrap();
                Reference::parse(reference).unwrap().cache_key().as_str().to_owned()
            })
            .collect();
        prop_assert_eq!(names(&cache.home().cache_root()), keys);
        let _ = fs::remove_file(file);
        let outside = names(dir.path());
        prop_assert!(outside.is_subset(&BTreeSet::from(["home".to_owned()])), "{outside:?}");
        if let Ok(loaded) = loaded {
            for loaded in loaded.iter().filter(|it| matches!(it.result, Some(Ok(_)))) {
                prop_assert!(entries.iter().any(|entry| entry.reference.as_deref() == Some(&*loaded.reference)));
            }
        }
    }
}
