use super::*;
use crate::document::Document;
use crate::home::Home;
use crate::store::Disk;
use std::os::unix::fs::symlink;

struct Fixture {
    dir: tempfile::TempDir,
    root: CacheRoot,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let root = CacheRoot::create(&Home::at(dir.path()).unwrap(), &Disk::default()).unwrap();
    Fixture { dir, root }
}

fn document(entries: &[(&str, &str)]) -> Document {
    let entries: Vec<String> = entries
        .iter()
        .map(|(reference, path)| format!("{{\"reference\":{reference:?},\"cachePath\":{path:?}}}"))
        .collect();
    Document::parse(format!("{{\"artifacts\":[{}]}}", entries.join(","))).unwrap()
}

fn key(reference: &str) -> CacheKey {
    Reference::parse(reference).unwrap().cache_key()
}

#[test]
fn an_entry_owns_only_the_directory_of_its_key_in_this_root() {
    let Fixture { dir, root } = fixture();
    let top = dir.path().to_str().unwrap();
    let own = root.dir_of(&key("a/b:c"));
    let own = own.to_str().unwrap();
    symlink(root.path(), dir.path().join("alias")).unwrap();
    for (path, owned) in [
        (own, true),
        (&format!("{own}/"), true),
        (&format!("{top}/alias/a_b_c"), true),
        (
            &format!("{}/../artifacts/a_b_c", root.path().display()),
            false,
        ),
        ("", false),
        ("a_b_c", false),
        ("/etc", false),
        (&format!("{top}/a_b_c"), false),
        (&format!("{own}/.."), false),
        (&format!("{own}/../other"), false),
        (&format!("{own}/../../a_b_c"), false),
    ] {
        assert_eq!(
            own_key(&root, "a/b:c", path).unwrap().is_some(),
            owned,
            "{path}"
        );
    }
    assert!(
        own_key(&root, "..", &format!("{}/..", root.path().display()))
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_directory_is_held_by_key_by_path_and_through_links() {
    let Fixture { dir, root } = fixture();
    let shared = root.dir_of(&key("a_b_c"));
    fs::create_dir(&shared).unwrap();
    let claimed = |entries: &[(&str, &str)]| {
        let document = document(entries);
        Ownership::of(&root, document.entries())
            .holder_of(&key("a_b_c"))
            .unwrap()
            .map(str::to_owned)
    };
    let path = shared.to_str().unwrap();
    assert_eq!(claimed(&[("x", ""), ("y", "/nowhere")]), None);
    assert_eq!(claimed(&[("a/b:c", "")]).as_deref(), Some("a/b:c"));
    assert_eq!(claimed(&[("x", path)]).as_deref(), Some("x"));

    let elsewhere = dir.path().join("elsewhere");
    symlink(&shared, &elsewhere).unwrap();
    assert_eq!(
        claimed(&[("x", elsewhere.to_str().unwrap())]).as_deref(),
        Some("x")
    );
    fs::create_dir(shared.join("sub")).unwrap();
    let below = format!("{path}/sub");
    assert_eq!(claimed(&[("x", &below)]).as_deref(), Some("x"));
    symlink(&shared, root.path().join("linked")).unwrap();
    assert_eq!(claimed(&[("linked", "")]).as_deref(), Some("linked"));
    assert_eq!(
        claimed(&[("A_B_C", "")]),
        None,
        "this file system tells case apart"
    );
}
