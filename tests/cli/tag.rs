//! `tag`

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::{Sandbox, names, tree};

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    sandbox.ok(&[
        "add",
        "app:v1",
        source.to_str().unwrap(),
        "--created-at",
        "2026-01-01T00:00:00Z",
    ]);
    sandbox
}

#[test]
fn a_copy_is_registered_with_the_type_digest_size_and_time_of_its_source() {
    let sandbox = sandbox();
    assert_eq!(
        sandbox.ok(&["tag", "app:v1", "app:stable", "ghcr.io/a/b:c"]),
        "added app:stable\nadded ghcr.io/a/b:c\n"
    );
    let entries = sandbox.json(&["images", "--format", "json"]);
    for entry in entries.as_array().unwrap() {
        for key in ["type", "digest", "size", "createdAt"] {
            assert_eq!(entry[key], entries[0][key], "{key}");
        }
    }
    let copy = &sandbox.json(&["inspect", "ghcr.io/a/b:c"])[0];
    assert_eq!(
        (&copy["repository"], &copy["tag"]),
        (&"ghcr.io/a/b".into(), &"c".into())
    );
    assert_eq!(copy["status"]["digest"], "verifiable");
    assert_eq!(
        sandbox.ok(&["tag", "app:v1", "app:stable"]),
        "unchanged app:stable\n"
    );
}

#[test]
fn removing_or_emptying_the_source_keeps_the_copy_whole() {
    let sandbox = sandbox();
    let content = tree(&sandbox.cache().join("app_v1"));
    sandbox.ok(&["tag", "app:v1", "b:1", "c:1"]);
    sandbox.ok(&["rm", "app:v1"]);
    fs::remove_dir_all(sandbox.cache().join("b_1")).unwrap();
    assert_eq!(tree(&sandbox.cache().join("c_1")), content);
    assert_eq!(
        sandbox.json(&["inspect", "c:1"])[0]["status"]["cache"],
        "present"
    );
}

#[test]
fn links_are_copied_as_links_unless_the_manifest_shows_that_they_are_no_content() {
    let sandbox = sandbox();
    symlink("/etc/passwd", sandbox.cache().join("app_v1/link")).unwrap();
    sandbox.ok(&["tag", "app:v1", "b:1"]);
    assert!(fs::read_link(sandbox.cache().join("b_1/link")).is_err());

    let forget = || fs::remove_dir_all(sandbox.home().join("registry/manifests")).unwrap();
    forget();
    sandbox.ok(&["tag", "app:v1", "b:1"]);
    let link = fs::read_link(sandbox.cache().join("b_1/link")).unwrap();
    assert_eq!(link.to_str(), Some("/etc/passwd"));
    // The copy was hashed, so that there is a manifest again.
    forget();
    assert_eq!(sandbox.ok(&["tag", "app:v1", "b:1"]), "unchanged b:1\n");
}

#[test]
fn a_source_without_content_is_not_found_and_an_existing_target_can_be_kept() {
    let sandbox = sandbox();
    sandbox.record_gone("empty:1");
    sandbox
        .run(&["tag", "empty:1", "b:1"])
        .fails(3, "no content for `empty:1`");
    sandbox
        .run(&["tag", "nothing:1", "b:1"])
        .fails(3, "artifact `nothing:1` not found");
    sandbox
        .run(&["tag", "app:v1", "..", "b:1"])
        .fails(2, "invalid reference");
    let run = sandbox.run(&["tag", "app:v1", "empty:1", "b:1", "--no-clobber"]);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (4, "added b:1\n"),
        "{run:?}"
    );
    assert_eq!(
        sandbox.ok(&["tag", "app:v1", "empty:1"]),
        "updated empty:1\n"
    );
    sandbox
        .run(&["tag", "app:v1", "b_1"])
        .fails(4, "would replace that of `b:1`");
    assert_eq!(names(&sandbox.cache()), ["app_v1", "b_1", "empty_1"]);
}
