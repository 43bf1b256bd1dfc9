use super::*;
use crate::interrupt::Interrupt;
use crate::reference::Reference;
use crate::registry::Registry;

struct Fixture {
    dir: tempfile::TempDir,
    root: CacheRoot,
    registry: Registry,
    key: CacheKey,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path()).unwrap();
    Fixture {
        root: CacheRoot::create(&home, &Disk::default()).unwrap(),
        registry: Registry::open(home.registry_path())
            .unwrap()
            .with_interrupt(Interrupt::default()),
        key: Reference::parse("a/b:c").unwrap().cache_key(),
        dir,
    }
}

impl Fixture {
    fn work(&self, purpose: Purpose) -> WorkDir {
        let wait = self.registry.lock_wait();
        WorkDir::create(self.root.dir(), purpose, None, &wait)
            .unwrap()
            .0
    }

    fn stage(&self, text: &str) -> WorkDir {
        let staged = self.work(Purpose::Staging);
        fs::write(staged.path().join("file"), text).unwrap();
        staged
    }

    fn swap_in(&self, staged: &mut WorkDir) -> Swap {
        let wait = self.registry.lock_wait();
        let seen = self.seen();
        let old = old(seen.as_ref());
        self.root.swap_in(staged, &self.key, &wait, old).unwrap()
    }

    /// Looks at the directory of the key, if there is one.
    fn seen(&self) -> Option<Quiet> {
        let dir = self.root.open_dir(OsStr::new(self.key.as_str())).ok()?;
        Some(Quiet::require(&dir).unwrap())
    }

    fn content(&self) -> String {
        fs::read_to_string(self.root.dir_of(&self.key).join("file")).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Recovers as the next change does, and returns how many leftovers there were.
    fn recover(&self) -> usize {
        let leftovers = self.root.recover().unwrap().leftovers;
        let count = leftovers.len();
        for leftover in leftovers {
            assert_eq!(leftover.delete().unwrap(), None);
        }
        count
    }
}

fn old(seen: Option<&Quiet>) -> Old<'_> {
    Old {
        holds_state: false,
        seen: seen.map(|seen| seen as &dyn Seen),
    }
}

/// Returns the path of a working directory as a killed process leaves it.
fn left(mut work: WorkDir) -> PathBuf {
    work.keep();
    work.path()
}

#[test]
fn content_is_swapped_in_and_back() {
    let fixture = fixture();
    let (root, key) = (&fixture.root, &fixture.key);
    let mut first = fixture.stage("first");
    assert!(matches!(fixture.swap_in(&mut first), Swap::Moved));
    drop(first);
    assert_eq!(fixture.content(), "first");

    let mut second = fixture.stage("second");
    let swap = fixture.swap_in(&mut second);
    assert_eq!(fixture.content(), "second");
    root.swap_back(&mut second, key, swap);
    assert_eq!(fixture.content(), "first");
    drop(second);

    let mut third = fixture.stage("third");
    let wait = fixture.registry.lock_wait();
    let seen = fixture.seen();
    let swap = root
        .swap_by_two_renames(&third, key, &wait, old(seen.as_ref()))
        .unwrap();
    assert_eq!(fixture.content(), "third");
    root.swap_back(&mut third, key, swap);
    assert_eq!(fixture.content(), "first");
    drop(third);
    assert_eq!(fixture.names(), ["a_b_c"]);
}

#[test]
fn content_that_cannot_be_renamed_is_deleted_for_its_successor() {
    let fixture = fixture();
    let (root, key) = (&fixture.root, &fixture.key);
    fixture.swap_in(&mut fixture.stage("first"));
    let mut second = fixture.stage("second");
    let name = OsStr::new(key.as_str());
    // State would be in staging alone after a crash.
    let with_state = Old {
        holds_state: true,
        seen: None,
    };
    let refused = root.swap_by_deletion(&second, name, with_state);
    assert!(matches!(refused, Err(Error::StateNotMovable { .. })));
    assert_eq!(fixture.content(), "first");
    let seen = fixture.seen();
    let swap = root
        .swap_by_deletion(&second, name, old(seen.as_ref()))
        .unwrap();
    assert_eq!(fixture.content(), "second");
    // What was there cannot come back; whole new content is better than none.
    root.swap_back(&mut second, key, swap);
    drop(second);
    assert_eq!(fixture.content(), "second");
    assert_eq!(fixture.names(), ["a_b_c"]);
}

#[test]
fn a_swap_that_was_cut_in_two_is_undone() {
    for form in ["new", "former"] {
        let fixture = fixture();
        let (root, key) = (&fixture.root, &fixture.key);
        fixture.swap_in(&mut fixture.stage("first"));
        let aside = || match form {
            "new" => left(fixture.work(Purpose::Swap)),
            _ => {
                let path = root.path().join(".trash:swap-abcdefghijkl");
                fs::create_dir(&path).unwrap();
                path
            }
        };
        fs::rename(root.dir_of(key), aside().join(key.as_str())).unwrap();
        assert_eq!(root.interrupted_swaps().unwrap().len(), 1);

        assert_eq!(fixture.recover(), 1);
        assert_eq!(fixture.content(), "first");
        // What has a successor is no longer needed.
        fs::create_dir(aside().join(key.as_str())).unwrap();
        assert_eq!(root.interrupted_swaps().unwrap(), []);
        assert_eq!(fixture.recover(), 1);
        assert_eq!(fixture.content(), "first");
        assert_eq!(fixture.names(), ["a_b_c"]);
    }
}

#[test]
fn content_in_the_trash_is_out_of_the_way_at_once_and_then_gone() {
    let fixture = fixture();
    let (root, key) = (&fixture.root, &fixture.key);
    let name = OsStr::new(key.as_str());
    assert!(matches!(
        root.move_to_trash(name, None).unwrap(),
        Trashed::Nothing
    ));
    fixture.swap_in(&mut fixture.stage("x"));
    let Trashed::Moved(trash) = root.move_to_trash(name, None).unwrap() else {
        panic!("it is a directory");
    };
    assert!(!root.dir_of(key).exists());
    // A sweep beside it leaves it alone: what is to be deleted stays locked.
    assert_eq!(fixture.recover(), 0);
    trash.delete().unwrap();
    assert_eq!(fixture.names(), Vec::<String>::new());
}

#[test]
fn what_a_killed_process_left_is_swept_and_nothing_else() {
    let fixture = fixture();
    let root = &fixture.root;
    left(fixture.work(Purpose::Staging));
    left(fixture.work(Purpose::Trash));
    for former in [".staging:abcdefghijkl", ".trash:abcdefghijkl"] {
        fs::create_dir(root.path().join(former)).unwrap();
    }
    let running = fixture.work(Purpose::Staging);
    for name in [".staging-mine", ".staging:mine", "app"] {
        fs::create_dir(root.path().join(name)).unwrap();
    }
    assert_eq!(fixture.recover(), 4);
    let mut expected = vec![
        running.name().to_str().unwrap().to_owned(),
        ".staging-mine".to_owned(),
        ".staging:mine".to_owned(),
        "app".to_owned(),
    ];
    expected.sort();
    assert_eq!(fixture.names(), expected);
    assert_eq!(fixture.recover(), 0);
}

#[test]
fn a_leftover_stays_locked_until_it_is_deleted() {
    let fixture = fixture();
    left(fixture.work(Purpose::Trash));
    let leftovers = fixture.root.recover().unwrap().leftovers;
    assert_eq!(leftovers.len(), 1);
    assert_eq!(fixture.recover(), 0);
    drop(leftovers);
    assert_eq!(fixture.recover(), 1);
}

#[test]
fn a_link_that_looks_like_a_leftover_is_not_followed() {
    let fixture = fixture();
    let outside = fixture.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("thesis"), "").unwrap();
    for name in [
        ".swap-abcdefghijkl",
        ".staging-abcdefghijkl",
        ".trash:swap-abcdefghijkl",
        ".trash:swap-evil",
    ] {
        std::os::unix::fs::symlink(&outside, fixture.root.path().join(name)).unwrap();
    }
    assert_eq!(fixture.recover(), 0);
    assert!(fixture.root.interrupted_swaps().unwrap().is_empty());
    assert!(outside.join("thesis").exists());
}

#[test]
fn paths_that_lead_to_the_root_are_told_from_others() {
    let fixture = fixture();
    let alias = fixture.dir.path().join("alias");
    std::os::unix::fs::symlink(fixture.root.path(), &alias).unwrap();
    let is_at = |path: &Path| fixture.root.is_at(path).unwrap();
    assert!(is_at(&alias) && is_at(fixture.root.path()));
    assert!(!is_at(fixture.dir.path()) && !is_at(&fixture.dir.path().join("absent")));
    std::os::unix::fs::symlink("loop", fixture.dir.path().join("loop")).unwrap();
    let error = fixture.root.is_at(&fixture.dir.path().join("loop"));
    assert!(error.is_err(), "the system does not say");
}

/// Live state of one resource.
const LIVE: &str = r#"{"version":4,"resources":[{"mode":"managed","instances":[{}]}]}"#;

#[test]
fn two_leftovers_do_not_vouch_for_each_other() {
    let state = |dir: &Path| dir.join("m/terraform.tfstate");
    let leave = |fixture: &Fixture, purpose| {
        let dir = left(fixture.work(purpose));
        fs::create_dir(dir.join("m")).unwrap();
        state(&dir)
    };
    for elsewhere in [false, true] {
        let fixture = fixture();
        let (one, other) = (
            leave(&fixture, Purpose::Trash),
            leave(&fixture, Purpose::Staging),
        );
        fs::write(&one, LIVE).unwrap();
        fs::hard_link(&one, &other).unwrap();
        if elsewhere {
            let key = fixture.root.dir_of(&fixture.key);
            fs::create_dir(&key).unwrap();
            fs::hard_link(&one, key.join("terraform.tfstate")).unwrap();
        }
        let recovered = fixture.root.recover().unwrap();
        let expected = if elsewhere { (2, 0) } else { (1, 1) };
        assert_eq!((recovered.leftovers.len(), recovered.kept.len()), expected);
        for leftover in recovered.leftovers {
            leftover.delete().unwrap();
        }
        for kept in recovered.kept {
            assert_eq!(fs::read_to_string(state(&kept)).unwrap(), LIVE);
        }
    }
}

#[test]
fn what_is_written_into_a_leftover_after_it_was_judged_is_kept() {
    let fixture = fixture();
    let dir = left(fixture.work(Purpose::Trash));
    let mut leftovers = fixture.root.recover().unwrap().leftovers;
    fs::write(dir.join("terraform.tfstate"), LIVE).unwrap();
    let kept = leftovers.remove(0).delete().unwrap().unwrap();
    let state = fs::read_to_string(kept.join("terraform.tfstate"));
    assert_eq!(state.unwrap(), LIVE);
}

#[test]
fn of_trash_that_goes_with_its_state_only_what_came_later_is_kept() {
    for comes_later in [false, true] {
        let fixture = fixture();
        let dir = fixture.root.dir_of(&fixture.key);
        fs::create_dir_all(dir.join("m")).unwrap();
        fs::write(dir.join("m/terraform.tfstate"), LIVE).unwrap();
        // File systems count time in steps.
        let written = fs::metadata(dir.join("m/terraform.tfstate")).unwrap();
        let name = OsStr::new(fixture.key.as_str());
        let mut trash = loop {
            let trash = WorkDir::take_to_trash(fixture.root.dir(), name, true).unwrap();
            let moved = fs::metadata(trash.path()).unwrap();
            let at = |of: &fs::Metadata| {
                use std::os::unix::fs::MetadataExt;
                (of.ctime(), of.ctime_nsec())
            };
            if at(&moved) > at(&written) {
                break trash;
            }
            fs::rename(left(trash), &dir).unwrap();
        };
        trash.keep();
        let path = trash.path();
        drop(trash);
        if comes_later {
            fs::write(path.join("m/errored.tfstate"), LIVE).unwrap();
        }
        let recovered = fixture.root.recover().unwrap();
        assert_eq!(recovered.kept.len(), usize::from(comes_later));
        assert_eq!(recovered.leftovers.len(), usize::from(!comes_later));
    }
}

#[test]
fn a_directory_that_nobody_looked_at_is_not_replaced() {
    let fixture = fixture();
    let (root, key) = (&fixture.root, &fixture.key);
    fixture.swap_in(&mut fixture.stage("first"));
    let mut second = fixture.stage("second");
    let (wait, name) = (fixture.registry.lock_wait(), OsStr::new(key.as_str()));
    for swap in [
        root.swap_in(&mut second, key, &wait, Old::default()),
        root.swap_by_two_renames(&second, key, &wait, Old::default()),
        root.swap_by_deletion(&second, name, Old::default()),
    ] {
        assert!(matches!(swap, Err(Error::ContentChanged { .. })));
    }
    assert_eq!(fixture.content(), "first");
    drop(second);
    // A link is nobody's content.
    fs::rename(root.dir_of(key), root.path().join("b")).unwrap();
    for by in ["exchange", "two renames", "deletion"] {
        std::os::unix::fs::symlink("b", root.dir_of(key)).unwrap();
        let mut third = fixture.stage("third");
        let old = Old::default();
        let swap = match by {
            "exchange" => root.swap_in(&mut third, key, &wait, old),
            "two renames" => root.swap_by_two_renames(&third, key, &wait, old),
            _ => root.swap_by_deletion(&third, name, old),
        };
        drop((swap.unwrap(), third));
        assert_eq!(fixture.content(), "third", "{by}");
        fs::remove_dir_all(root.dir_of(key)).unwrap();
    }
    assert_eq!(fixture.names(), ["b"]);
}
