//! Content that belongs to another entry, or that leads elsewhere.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{Run, Sandbox, names, tree, write_tree};

/// Creates a registry with these references and paths of content.
pub(crate) fn with_entries(entries: &[(&str, PathBuf)], sandbox: &Sandbox) {
    let entries: Vec<_> = entries
        .iter()
        .map(|(reference, path)| json!({"reference": reference, "type": "component", "cachePath": path}))
        .collect();
    sandbox.write_registry(json!({"version": "v2", "artifacts": entries}).to_string());
}

/// Creates content that cldctl put into the cache.
pub(crate) fn cached(sandbox: &Sandbox, key: &str) -> PathBuf {
    let dir = sandbox.cache().join(key);
    write_tree(&dir, &[("cld.yml", key), ("src/main.ts", "main")]);
    dir
}

/// Removes an entry whose directory has to stay, and expects a message about it.
#[track_caller]
fn removes_the_entry_alone(sandbox: &Sandbox, reference: &str, kept: &Path) -> Run {
    let run = sandbox.run(&["rm", reference]);
    assert_eq!(
        (run.code, run.stdout.clone()),
        (0, format!("removed {reference}\n")),
        "{run:?}"
    );
    let warnings: Vec<_> = run.stderr.lines().collect();
    assert_eq!(warnings.len(), 1, "{run:?}");
    let path = kept.to_str().unwrap();
    assert!(
        warnings[0].starts_with("warning: ") && warnings[0].contains(path),
        "{run:?}"
    );
    assert!(!sandbox.references().contains(&reference.to_owned()));
    run
}

/// Row 43: whether it is found by key or by path.
#[test]
fn an_add_with_content_never_takes_the_directory_of_another_entry() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("source");
    let other = sandbox.datacenter("other");
    sandbox.ok(&["add", "a/b:c", other.to_str().unwrap()]);
    let dir = sandbox.cache().join("a_b_c");
    let content = tree(&dir);

    for args in [
        &["add", "a_b_c", source.to_str().unwrap()] as &[&str],
        &["add", "a:b:c"],
    ] {
        sandbox.refuses(args, 4, "`a/b:c`");
    }
    assert_eq!(tree(&dir), content);
    assert_eq!(names(&sandbox.cache()), ["a_b_c"]);

    // An entry can have the directory of any key by its path.
    let sandbox = Sandbox::new();
    let source = sandbox.component("source");
    let dir = cached(&sandbox, "x_1");
    with_entries(&[("y:1", dir.clone())], &sandbox);
    sandbox.refuses(&["add", "x:1", source.to_str().unwrap()], 4, "`y:1`");
    assert_eq!(fs::read_to_string(dir.join("cld.yml")).unwrap(), "x_1");
    assert_eq!(names(&sandbox.cache()), ["x_1"]);
}

/// Row 44: wherever its path leads.
#[test]
fn removing_an_entry_keeps_a_directory_that_is_not_its_own() {
    let places: [fn(&Sandbox) -> PathBuf; 8] = [
        |sandbox| sandbox.path("precious"),
        |sandbox| sandbox.user(),
        |sandbox| sandbox.cache(),
        |sandbox| sandbox.cache().join("unrelated"),
        |sandbox| sandbox.cache().join("x_1/.."),
        |sandbox| sandbox.cache().join("x_1/../unrelated"),
        |sandbox| sandbox.cache().join("../x_1"),
        |sandbox| sandbox.cache().join("../../../../precious"),
    ];
    for place in places {
        let sandbox = Sandbox::new();
        cached(&sandbox, "x_1");
        cached(&sandbox, "unrelated");
        cached(&sandbox, "../x_1");
        write_tree(&sandbox.path("precious"), &[("a", "b")]);
        let path = place(&sandbox);
        with_entries(
            &[("x:1", path.clone()), ("good:1", PathBuf::new())],
            &sandbox,
        );
        let everything = || {
            let mut all = tree(&sandbox.path(""));
            all.retain(|path| !path.contains("artifacts.json"));
            all
        };
        let before = everything();
        removes_the_entry_alone(&sandbox, "x:1", &path);
        assert_eq!(everything(), before);
        assert_eq!(sandbox.references(), ["good:1"]);

        with_entries(&[("x:1", path)], &sandbox);
        sandbox.ok(&["rm", "--all", "-y"]);
        assert_eq!(everything(), before);
    }
}

#[test]
fn new_content_is_stored_in_the_own_directory_of_its_entry() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("source");
    let precious = sandbox.path("precious");
    write_tree(&precious, &[("a", "b")]);
    with_entries(&[("x:1", precious.clone())], &sandbox);
    sandbox.ok(&["add", "x:1", source.to_str().unwrap()]);
    assert_eq!(tree(&precious), ["a"]);
    let own = sandbox.cache().join("x_1");
    assert_eq!(
        sandbox.ok(&["cache-path", "x:1"]),
        format!("{}\n", own.display())
    );
    assert!(own.join("cld.yml").is_file());
}

/// Row 45: with and without a trailing slash.
#[test]
fn removing_a_symlinked_cache_directory_removes_only_the_link() {
    // With a trailing slash, a careless deletion empties the target.
    for slash in ["", "/"] {
        let sandbox = Sandbox::new();
        let target = sandbox.component("target");
        let before = tree(&target);
        let own = sandbox.cache().join(format!("x_1{slash}"));
        fs::create_dir_all(sandbox.cache()).unwrap();
        let link = || symlink(&target, sandbox.cache().join("x_1")).unwrap();

        link();
        with_entries(&[("x:1", own.clone())], &sandbox);
        assert_eq!(
            sandbox.json(&["inspect", "x:1"])[0]["status"]["cache"],
            "foreign"
        );
        sandbox.refuses(&["add", "x:1"], 4, "x_1");
        sandbox.ok(&["rm", "x:1"]);
        assert_eq!(names(&sandbox.cache()), [""; 0]);
        assert_eq!(tree(&target), before);

        // New content replaces the link, not its target.
        link();
        with_entries(&[("x:1", own)], &sandbox);
        let source = sandbox.datacenter("source");
        sandbox.ok(&["add", "x:1", source.to_str().unwrap()]);
        assert_eq!(names(&sandbox.cache()), ["x_1"]);
        assert!(
            sandbox
                .cache()
                .join("x_1")
                .symlink_metadata()
                .unwrap()
                .is_dir()
        );
        assert_eq!(tree(&target), before);
    }
}

/// Row 46: links inside, to the outside and in a circle.
#[test]
fn removing_content_removes_only_the_links_inside_it() {
    let sandbox = Sandbox::new();
    let dir = cached(&sandbox, "x_1");
    let outside = sandbox.component("outside");
    let before = tree(&outside);
    symlink(&outside, dir.join("dir")).unwrap();
    symlink(outside.join("cld.yml"), dir.join("src/file")).unwrap();
    symlink("../../../../outside", dir.join("relative")).unwrap();
    symlink("..", dir.join("up")).unwrap();
    symlink("loop", dir.join("loop")).unwrap();
    with_entries(&[("x:1", dir)], &sandbox);

    let status = &sandbox.json(&["inspect", "x:1"])[0]["status"];
    assert_eq!(
        (&status["cache"], &status["files"]),
        (&json!("present"), &json!(2))
    );
    sandbox.ok(&["rm", "x:1"]);
    assert_eq!(names(&sandbox.cache()), [""; 0]);
    assert_eq!(tree(&outside), before);
}

#[test]
fn a_shared_directory_is_removed_with_its_last_entry() {
    // Two entries can share it by keys that collide, by a path, and through a link to
    // it.
    type Place = fn(&Sandbox) -> PathBuf;
    let cases: [(&str, Place); 4] = [
        ("a_b_c", |sandbox| sandbox.cache().join("a_b_c")),
        ("a_b_c", |_| PathBuf::new()),
        ("other:1", |sandbox| sandbox.cache().join("a_b_c")),
        ("other:1", |sandbox| {
            symlink(sandbox.cache(), sandbox.path("alias")).unwrap();
            sandbox.path("alias/a_b_c")
        }),
    ];
    for (other, path) in cases {
        let sandbox = Sandbox::new();
        let dir = cached(&sandbox, "a_b_c");
        let before = tree(&dir);
        let entries = [("a/b:c", dir.clone()), (other, path(&sandbox))];
        with_entries(&entries, &sandbox);
        let run = removes_the_entry_alone(&sandbox, "a/b:c", &dir);
        assert!(run.stderr.contains(&format!("`{other}`")), "{run:?}");
        assert_eq!(tree(&dir), before);

        // After the other entry is removed, this one is the only owner.
        with_entries(&entries[..1], &sandbox);
        sandbox.ok(&["rm", "a/b:c"]);
        assert!(!dir.exists());

        let dir = cached(&sandbox, "a_b_c");
        with_entries(&entries, &sandbox);
        sandbox.ok(&["rm", "a/b:c", other]);
        assert!(!dir.exists(), "both are removed together");
    }
}

#[test]
fn content_with_any_modes_is_deleted() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("source");
    for name in ["src/lib", "src"] {
        fs::set_permissions(source.join(name), Permissions::from_mode(0o555)).unwrap();
    }
    sandbox.ok(&["add", "x:1", source.to_str().unwrap()]);
    sandbox.ok(&["rm", "x:1"]);
    assert_eq!(names(&sandbox.cache()), [""; 0]);
    for name in ["src", "src/lib"] {
        fs::set_permissions(source.join(name), Permissions::from_mode(0o755)).unwrap();
    }
}
