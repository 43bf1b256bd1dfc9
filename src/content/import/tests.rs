use super::*;
use crate::content::Progress;
use crate::content::TagOptions;
use crate::entry::ArtifactType;
use crate::home::Home;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Does something once: in the middle of an operation, or at its end.
struct Watching {
    during: bool,
    act: Arc<Mutex<Option<Act>>>,
}

type Act = Box<dyn FnOnce() + Send>;

impl Watching {
    fn act(&self) {
        if let Some(act) = self.act.lock().unwrap().take() {
            act();
        }
    }
}

impl Progress for Watching {
    fn advance(&self, _bytes: u64) {
        if self.during {
            self.act();
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.act();
    }
}

struct Fixture {
    _dir: tempfile::TempDir,
    source: PathBuf,
    home: Home,
    reference: Reference,
}

impl Fixture {
    /// Makes a home in which the source is imported already.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("app");
        fs::create_dir(&source).unwrap();
        fs::write(source.join("cld.yml"), "name: app\n").unwrap();
        let fixture = Fixture {
            home: Home::at(dir.path().join("home")).unwrap(),
            _dir: dir,
            source,
            reference: Reference::parse("app:v1").unwrap(),
        };
        assert_eq!(
            fixture.import(&fixture.cache()).unwrap().result,
            Added::Added
        );
        fixture
    }

    fn cache(&self) -> Cache {
        Cache::open(self.home.clone()).unwrap()
    }

    /// Returns a cache that does something once while it hashes, or just after.
    fn acting(&self, during: bool, act: impl FnOnce() + Send + 'static) -> Cache {
        let act: Act = Box::new(act);
        let act = Arc::new(Mutex::new(Some(act)));
        self.cache().with_progress(move |operation, _| {
            let watched = operation == Operation::Hashing;
            Box::new(Watching {
                during,
                act: if watched {
                    Arc::clone(&act)
                } else {
                    Arc::default()
                },
            })
        })
    }

    fn import(&self, cache: &Cache) -> Result<Imported> {
        cache.import(&Import::directory(&self.reference, &self.source))
    }

    fn own(&self) -> PathBuf {
        self.home.cache_path(&self.reference)
    }

    fn is_whole(&self) {
        let names = |dir: &Path| {
            let names = fs::read_dir(dir).unwrap();
            Vec::from_iter(names.map(|entry| entry.unwrap().file_name()))
        };
        assert_eq!(names(&self.own()), ["cld.yml"]);
        assert_eq!(
            fs::read(self.own().join("cld.yml")).unwrap(),
            fs::read(self.source.join("cld.yml")).unwrap()
        );
        assert_eq!(names(&self.home.cache_root()), ["app_v1"]);
    }
}

#[test]
fn content_that_is_replaced_after_it_was_compared_is_copied() {
    let changes: [fn(&Path); 4] = [
        |own| fs::write(own.join("cld.yml"), "name: other\n").unwrap(),
        |own| fs::write(own.join("another"), "").unwrap(),
        |own| fs::remove_dir_all(own).unwrap(),
        |own| {
            fs::remove_dir_all(own).unwrap();
            fs::write(own, "").unwrap();
        },
    ];
    for change in changes {
        let fixture = Fixture::new();
        let own = fixture.own();
        let cache = fixture.acting(false, move || change(&own));
        assert_eq!(fixture.import(&cache).unwrap().result, Added::Updated);
        fixture.is_whole();
    }
}

#[test]
fn a_source_that_changes_while_it_is_compared_is_refused() {
    for during in [true, false] {
        let fixture = Fixture::new();
        let path = fixture.source.join("cld.yml");
        let cache = fixture.acting(during, move || fs::write(path, "name: other\n").unwrap());
        let imported = fixture.import(&cache);
        if during {
            let error = imported.unwrap_err();
            assert!(matches!(error, Error::ContentChanged { .. }), "{error}");
            fixture.import(&fixture.cache()).unwrap();
        } else {
            // It is what it was when it was compared.
            assert_eq!(imported.unwrap().result, Added::Unchanged);
            fixture.import(&fixture.cache()).unwrap();
        }
        fixture.is_whole();
    }
}

#[test]
fn other_content_of_the_same_length_is_copied() {
    let fixture = Fixture::new();
    fs::write(fixture.source.join("cld.yml"), "name: new\n").unwrap();
    let result = fixture.import(&fixture.cache()).unwrap().result;
    assert_eq!(result, Added::Updated);
    fixture.is_whole();
}

#[test]
fn content_is_neither_imported_nor_tagged_nor_recorded_for_a_slip() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("app");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("cld.yml"), "name: app\n").unwrap();
    let cache = Cache::open(Home::at(dir.path().join("home")).unwrap()).unwrap();
    let name = Reference::parse("app:v1").unwrap();
    let entry = cache.import(&Import::directory(&name, &source)).unwrap();

    let slip = Reference::parse("app:").unwrap();
    let in_place = Import::new(ImportSource::InPlace {
        reference: slip.clone(),
    });
    let recorded = ArtifactEntry::new(&slip, ArtifactType::Component, timestamp::now(), "");
    for result in [
        cache.import(&Import::directory(&slip, &source)),
        cache.import(&in_place),
        cache.tag(&entry.entry, &slip, TagOptions::default()),
        cache.record(MetadataImport {
            entry: recorded,
            keeps_time: false,
            no_clobber: false,
        }),
    ] {
        assert!(
            matches!(result, Err(Error::InvalidReference(_))),
            "{result:?}"
        );
    }
    assert_eq!(cache.registry().list().unwrap().len(), 1);
}
