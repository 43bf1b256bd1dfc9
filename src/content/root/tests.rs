use super::*;
use crate::reference::Reference;

struct Fixture {
    _dir: tempfile::TempDir,
    root: CacheRoot,
    key: CacheKey,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let root = CacheRoot::create(&Home::at(dir.path()).unwrap()).unwrap();
    let key = Reference::parse("a/b:c").unwrap().cache_key();
    Fixture {
        _dir: dir,
        root,
        key,
    }
}

impl Fixture {
    fn stage(&self, text: &str) -> Scratch {
        let staged = self.root.staging().unwrap();
        fs::write(staged.path().join("file"), text).unwrap();
        staged
    }

    fn content(&self) -> String {
        fs::read_to_string(self.root.dir_of(&self.key).join("file")).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root.path()).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

/// What a killed process leaves.
fn left(mut scratch: Scratch) -> PathBuf {
    scratch.leave();
    scratch.path().to_owned()
}

#[test]
fn content_is_swapped_in_and_back() {
    let fixture = fixture();
    let (root, key) = (&fixture.root, &fixture.key);
    let first = fixture.stage("first");
    assert!(matches!(
        root.swap_in(first.path(), key).unwrap(),
        Swap::Moved
    ));
    drop(first);
    assert_eq!(fixture.content(), "first");

    let second = fixture.stage("second");
    let swap = root.swap_in(second.path(), key).unwrap();
    assert_eq!(fixture.content(), "second");
    root.swap_back(second.path(), key, swap);
    assert_eq!(fixture.content(), "first");
    drop(second);

    let third = fixture.stage("third");
    let swap = root.swap_by_two_renames(third.path(), key).unwrap();
    assert_eq!(fixture.content(), "third");
    root.swap_back(third.path(), key, swap);
    assert_eq!(fixture.content(), "first");
    drop(third);
    assert_eq!(fixture.names(), ["a_b_c"]);
}

#[test]
fn a_swap_that_was_cut_in_two_is_undone() {
    let fixture = fixture();
    let (root, key) = (&fixture.root, &fixture.key);
    let first = fixture.stage("first");
    root.swap_in(first.path(), key).unwrap();
    let aside = left(root.scratch(SWAP).unwrap());
    fs::rename(root.dir_of(key), aside.join(key.as_str())).unwrap();

    drop(root.mend().unwrap());
    assert_eq!(fixture.content(), "first");
    // What has a successor is no longer needed.
    let aside = left(root.scratch(SWAP).unwrap());
    fs::create_dir(aside.join(key.as_str())).unwrap();
    drop(root.mend().unwrap());
    assert_eq!(fixture.content(), "first");
}

#[test]
fn discarded_content_is_out_of_the_way_at_once_and_then_gone() {
    let fixture = fixture();
    let (root, key) = (&fixture.root, &fixture.key);
    assert!(root.discard(key).unwrap().is_none());
    let staged = fixture.stage("x");
    root.swap_in(staged.path(), key).unwrap();
    let trash = root.discard(key).unwrap().unwrap();
    assert!(!root.dir_of(key).exists());
    trash.delete().unwrap();
    assert_eq!(fixture.names(), Vec::<String>::new());
}

#[test]
fn what_a_killed_process_left_is_swept_and_nothing_else() {
    let fixture = fixture();
    let root = &fixture.root;
    left(root.staging().unwrap());
    left(root.scratch(TRASH).unwrap());
    let living = root.staging().unwrap();
    fs::create_dir(root.path().join(".staging:mine")).unwrap();
    fs::create_dir(root.path().join("app")).unwrap();
    assert!(root.mend().unwrap().is_some());
    let mut expected = vec![
        living
            .path()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned(),
        ".staging:mine".to_owned(),
        "app".to_owned(),
    ];
    expected.sort();
    let mut names = fixture.names();
    names.sort();
    assert_eq!(names, expected);
    assert!(root.mend().unwrap().is_none());
}

#[test]
fn a_link_that_looks_like_a_leftover_is_not_followed() {
    let fixture = fixture();
    let outside = fixture._dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("thesis"), "").unwrap();
    for name in [
        ".trash:swap-abcdefghijkl",
        ".staging:abcdefghijkl",
        ".trash:swap-evil",
    ] {
        std::os::unix::fs::symlink(&outside, fixture.root.path().join(name)).unwrap();
    }
    assert!(fixture.root.mend().unwrap().is_none());
    assert!(outside.join("thesis").exists());
}
