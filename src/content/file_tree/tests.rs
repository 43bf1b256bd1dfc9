use super::*;
use crate::content::rules::Rules;
use std::os::unix::fs::symlink;

fn to_import(top: &Path, rules: &Rules) -> Result<FileTree> {
    FileTree::to_import(&Dir::open(top).unwrap(), rules, None)
}

fn stored(top: &Path) -> Result<FileTree> {
    FileTree::stored(&Dir::open(top).unwrap())
}

fn all_files() -> Rules {
    Rules::new(true, false, &[], &[])
}

fn dereferencing() -> Rules {
    Rules::new(false, true, &[], &[])
}

fn paths(nodes: &[Node]) -> Vec<&str> {
    let mut paths: Vec<_> = nodes
        .iter()
        .map(|node| node.path.to_str().unwrap())
        .collect();
    paths.sort_unstable();
    paths
}

fn source() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let top = fs::canonicalize(dir.path()).unwrap().join("top");
    for name in ["a/b", "node_modules/x", ".git", "a/__pycache__"] {
        fs::create_dir_all(top.join(name)).unwrap();
    }
    for name in [
        "cld.yml",
        "a/b/c",
        "node_modules/x/y",
        ".git/HEAD",
        "a/.env",
        "a/__pycache__/z",
    ] {
        fs::write(top.join(name), name).unwrap();
    }
    (dir, top)
}

#[test]
fn what_cldctl_leaves_out_is_left_out() {
    let (_dir, top) = source();
    symlink("cld.yml", top.join("node_modules_")).unwrap();
    symlink("a", top.join("a/node_modules")).unwrap();
    fs::write(top.join("a/b/node_modules"), "a file of that name").unwrap();
    let tree = to_import(&top, &Rules::default()).unwrap();
    assert_eq!(paths(&tree.dirs), ["", "a", "a/b"]);
    assert_eq!(
        paths(&tree.files),
        ["a/b/c", "a/b/node_modules", "cld.yml", "node_modules_"]
    );
    assert_eq!(tree.left_out.names, 5);
}

#[test]
fn all_files_means_all() {
    let (_dir, top) = source();
    let tree = to_import(&top, &all_files()).unwrap();
    assert_eq!((tree.files.len(), tree.left_out.names), (6, 0));
    assert_eq!(tree.bytes(), stored(&top).unwrap().bytes());
}

#[test]
fn a_link_is_refused_unless_it_leads_to_a_file_of_the_tree() {
    for (target, reason) in [
        ("/etc/passwd", "leaves"),
        ("../outside", "leaves"),
        ("a", "directory"),
        (".", "directory"),
        ("absent", "does not exist"),
    ] {
        let (dir, top) = source();
        fs::write(dir.path().join("outside"), "").unwrap();
        symlink(target, top.join("link")).unwrap();
        let error = to_import(&top, &Rules::default()).unwrap_err().to_string();
        assert!(
            error.contains(reason) && error.contains("link`"),
            "{target}: {error}"
        );
    }
    let (_dir, top) = source();
    symlink("a/b/c", top.join("link")).unwrap();
    symlink("link", top.join("link2")).unwrap();
    assert_eq!(to_import(&top, &Rules::default()).unwrap().files.len(), 4);
}

#[test]
fn sockets_and_pipes_are_refused() {
    let (_dir, top) = source();
    let _socket = std::os::unix::net::UnixListener::bind(top.join("socket")).unwrap();
    let error = to_import(&top, &Rules::default()).unwrap_err();
    assert!(matches!(error, Error::UnsafeContent { .. }), "{error}");
    assert_eq!(paths(&stored(&top).unwrap().dirs).len(), 7);
}

#[test]
fn dereferencing_stores_what_links_lead_to_and_refuses_circles() {
    let (dir, top) = source();
    let outside = top.with_file_name("outside");
    fs::create_dir_all(outside.join("deep")).unwrap();
    fs::write(outside.join("deep/file"), "12345").unwrap();
    symlink("../outside/deep/file", top.join("file")).unwrap();
    symlink("../outside", top.join("dir")).unwrap();
    symlink("a", top.join("alias")).unwrap();
    let tree = to_import(&top, &dereferencing()).unwrap();
    assert_eq!(
        paths(&tree.dirs),
        ["", "a", "a/b", "alias", "alias/b", "dir", "dir/deep"]
    );
    assert_eq!(
        paths(&tree.files),
        ["a/b/c", "alias/b/c", "cld.yml", "dir/deep/file", "file"]
    );
    tree.require_unchanged(&Dir::open(&top).unwrap()).unwrap();
    for target in [".", "..", "../outside/deep", "a"] {
        let link = outside.join("deep/circle");
        let _ = fs::remove_file(&link);
        symlink(top.join(target), &link).unwrap();
        let error = to_import(&top, &dereferencing()).unwrap_err();
        match target {
            "a" => panic!("that is no circle: {error}"),
            _ => assert!(
                error.to_string().contains("contains it"),
                "{target}: {error}"
            ),
        }
        if target == "../outside/deep" {
            break;
        }
    }
    drop(dir);
}

#[test]
fn what_is_included_below_a_directory_that_is_left_out_comes_with_its_directories() {
    let (_dir, top) = source();
    fs::create_dir_all(top.join("node_modules/own/lib")).unwrap();
    fs::write(top.join("node_modules/own/lib/index.js"), "").unwrap();
    fs::create_dir(top.join("node_modules/own/empty")).unwrap();
    let include = ["node_modules/own/lib".to_owned()];
    let tree = to_import(&top, &Rules::new(false, false, &include, &[])).unwrap();
    assert_eq!(
        paths(&tree.dirs),
        [
            "",
            "a",
            "a/b",
            "node_modules",
            "node_modules/own",
            "node_modules/own/lib"
        ]
    );
    assert!(paths(&tree.files).contains(&"node_modules/own/lib/index.js"));
    let exclude = ["b".to_owned(), "*.yml".to_owned()];
    let tree = to_import(&top, &Rules::new(false, false, &[], &exclude)).unwrap();
    assert_eq!((paths(&tree.dirs), tree.files.len()), (vec!["", "a"], 0));
}

/// Row 76: before anything is stored.
#[test]
fn what_is_nested_too_deeply_is_refused() {
    let (_dir, top) = source();
    let deep: PathBuf = std::iter::repeat_n("d", 255).collect();
    fs::create_dir_all(top.join(&deep)).unwrap();
    to_import(&top, &Rules::default()).unwrap();
    fs::create_dir_all(top.join(&deep).join("d/d")).unwrap();
    let error = to_import(&top, &Rules::default()).unwrap_err();
    assert!(matches!(error, Error::UnsafeContent { .. }), "{error}");
    assert_eq!(stored(&top).unwrap().dirs.len(), 264);
}

#[test]
fn the_cache_is_no_content() {
    let (_dir, top) = source();
    let cache = Dir::open(&top.join("a/b"))
        .unwrap()
        .attributes()
        .unwrap()
        .id;
    let error = FileTree::to_import(&Dir::open(&top).unwrap(), &Rules::default(), Some(cache));
    assert!(error.unwrap_err().to_string().contains("the cache"));
}
