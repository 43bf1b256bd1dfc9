use super::*;
use std::os::unix::fs::symlink;

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
    let tree = Tree::to_import(&top, false).unwrap();
    assert_eq!(paths(&tree.dirs), ["", "a", "a/b"]);
    assert_eq!(
        paths(&tree.files),
        ["a/b/c", "a/b/node_modules", "cld.yml", "node_modules_"]
    );
    assert_eq!(tree.left_out, 5);
}

#[test]
fn all_files_means_all() {
    let (_dir, top) = source();
    let tree = Tree::to_import(&top, true).unwrap();
    assert_eq!((tree.files.len(), tree.left_out), (6, 0));
    assert_eq!(tree.bytes(), Tree::stored(&top).unwrap().bytes());
}

#[test]
fn a_link_is_refused_unless_it_leads_to_a_file_of_the_tree() {
    for (target, reason) in [
        ("/etc/passwd", "leaves"),
        ("../outside", "leaves"),
        ("a", "directory"),
        (".", "directory"),
        ("absent", "nothing"),
    ] {
        let (dir, top) = source();
        fs::write(dir.path().join("outside"), "").unwrap();
        symlink(target, top.join("link")).unwrap();
        let error = Tree::to_import(&top, false).unwrap_err().to_string();
        assert!(
            error.contains(reason) && error.contains("link`"),
            "{target}: {error}"
        );
    }
    let (_dir, top) = source();
    symlink("a/b/c", top.join("link")).unwrap();
    symlink("link", top.join("link2")).unwrap();
    assert_eq!(Tree::to_import(&top, false).unwrap().files.len(), 4);
}

#[test]
fn sockets_and_pipes_are_refused() {
    let (_dir, top) = source();
    let _socket = std::os::unix::net::UnixListener::bind(top.join("socket")).unwrap();
    let error = Tree::to_import(&top, false).unwrap_err();
    assert!(matches!(error, Error::UnsafeContent { .. }), "{error}");
    assert_eq!(paths(&Tree::stored(&top).unwrap().dirs).len(), 7);
}
