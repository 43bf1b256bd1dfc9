use super::*;
use crate::reference::Reference;

struct Fixture {
    _dir: TempDir,
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
    fn stage(&self, text: &str) -> TempDir {
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
    let aside = root.scratch(SWAP).unwrap().keep();
    fs::rename(root.dir_of(key), aside.join(key.as_str())).unwrap();

    root.mend_swaps().unwrap();
    assert_eq!(fixture.content(), "first");
    // What has a living successor stays where it is, for `prune`.
    let aside = root.scratch(SWAP).unwrap().keep();
    fs::create_dir(aside.join(key.as_str())).unwrap();
    root.mend_swaps().unwrap();
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
    trash.close().unwrap();
    assert_eq!(fixture.names(), Vec::<String>::new());
}
