//! `cache-path`

use std::fs;

use crate::support::{Sandbox, fixture};

#[test]
fn the_path_of_a_registered_artifact_is_that_of_its_entry() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    assert_eq!(
        sandbox.ok(&["cache-path", "my-dc"]),
        "/home/dev/.cldctl/cache/artifacts/my-dc\n"
    );
    assert_eq!(
        sandbox.ok(&["cache-path", "@clerk/clerk"]),
        "/home/dev/.cldctl/cache/artifacts/@clerk_clerk_latest\n"
    );
}

#[test]
fn the_path_of_an_unregistered_reference_follows_from_its_key() {
    let sandbox = Sandbox::new();
    let path = sandbox.cache().join("ghcr.io_org_app_v1");
    assert_eq!(
        sandbox.ok(&["cache-path", "ghcr.io/org/app:v1"]),
        format!("{}\n", path.display())
    );
    assert!(!sandbox.home().exists());
    sandbox
        .run(&["cache-path", ".."])
        .fails(2, "invalid reference");
    sandbox
        .run(&["cache-path", &"x".repeat(256)])
        .fails(2, "longer than 255 bytes");
}

#[test]
fn check_reports_existing_content_by_the_exit_code() {
    let sandbox = Sandbox::new();
    let check = || {
        let run = sandbox.run(&["cache-path", "--check", "a:1"]);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
        run.code
    };
    assert_eq!(check(), 3, "not registered");
    fs::create_dir_all(sandbox.cache().join("a_1")).unwrap();
    assert_eq!(check(), 3, "content without an entry");
    sandbox.record("a:1");
    assert_eq!(check(), 0);
    fs::remove_dir(sandbox.cache().join("a_1")).unwrap();
    assert_eq!(check(), 3, "an entry without content");
}

#[test]
fn the_root_contains_all_content() {
    let sandbox = Sandbox::new();
    assert_eq!(
        sandbox.ok(&["cache-path", "--root"]),
        format!("{}\n", sandbox.cache().display())
    );
    assert_eq!(sandbox.run(&["cache-path"]).code, 2);
    assert_eq!(sandbox.run(&["cache-path", "--root", "a:1"]).code, 2);
}

#[test]
fn the_home_can_be_named_by_an_option_or_the_environment() {
    let sandbox = Sandbox::new();
    let root = |dir: &str| format!("{}\n", sandbox.path(dir).join("cache/artifacts").display());
    assert_eq!(
        sandbox.ok(&["cache-path", "--root", "--home", "x"]),
        root("x")
    );
    let with_variable = |value: &str, args: &[&str]| {
        let output = sandbox
            .command(args)
            .env("CLDCTL_REGISTRY_HOME", value)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(with_variable("y", &["cache-path", "--root"]), root("y"));
    assert_eq!(
        with_variable("y", &["--home", "x", "cache-path", "--root"]),
        root("x")
    );
    assert_eq!(
        with_variable("", &["cache-path", "--root"]),
        root("user/.cldctl")
    );
}

#[test]
fn an_entry_without_a_directory_has_the_path_of_its_key() {
    let sandbox = Sandbox::with_registry(r#"{"artifacts":[{"reference":"app:latest"}]}"#);
    let path = sandbox.cache().join("app_latest");
    assert_eq!(
        sandbox.ok(&["cache-path", "app"]),
        format!("{}\n", path.display())
    );
}

#[test]
fn an_ambiguous_digest_is_refused_and_names_the_references() {
    let digest = "a1b2c3d4".repeat(8);
    let sandbox = Sandbox::with_registry(format!(
        r#"{{"artifacts":[{{"reference":"b:v1","digest":"sha256:{digest}"}},
{{"reference":"a:v1","digest":"sha256:{digest}"}}]}}"#
    ));
    for args in [
        vec!["cache-path", &digest],
        vec!["cache-path", "--check", &digest],
    ] {
        let run = sandbox.run(&args);
        run.fails(4, "is ambiguous: it matches 2 artifacts: `a:v1`, `b:v1`");
        assert!(
            run.stderr.contains("hint: use one of these references"),
            "{run:?}"
        );
    }
}
