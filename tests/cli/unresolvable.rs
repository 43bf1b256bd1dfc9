//! Entries whose place the system cannot report: they are kept and named, and commands
//! work on all others.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use crate::support::{PROGRAM, Run, Sandbox};

/// Creates a home with an artifact, and an entry whose path leads through a circle of
/// links.
fn with_a_circle() -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    let source = source.to_str().unwrap().to_owned();
    sandbox.ok(&["add", "a:1", &source]);
    symlink("circle", sandbox.path("circle")).unwrap();
    let path = sandbox.path("circle/odd_1");
    let args = ["add", "odd:1", "--metadata-only", "--type", "component"];
    sandbox.ok(&[&args[..], &["--cache-path", path.to_str().unwrap()]].concat());
    (sandbox, source)
}

#[test]
fn an_unresolvable_entry_does_not_affect_the_others() {
    let (sandbox, source) = with_a_circle();
    sandbox.ok(&["add", "new:1", &source]);
    let verify = sandbox.run(&["verify"]);
    assert_eq!(verify.code, 1, "{verify:?}");
    assert!(verify.stdout.contains("odd:1"), "{verify:?}");
    assert!(!verify.stdout.contains("a:1"), "{verify:?}");
    let df = sandbox.run(&["df", "-v"]);
    assert_eq!(df.code, 1, "{df:?}");
    assert!(
        df.stdout.contains("a:1") && df.stdout.contains("odd:1"),
        "{df:?}"
    );
    let prune = sandbox.run(&["prune", "-n"]);
    assert_eq!((prune.code, &*prune.stdout), (1, ""), "{prune:?}");
    let repair = sandbox.run(&["verify", "--repair"]);
    assert_eq!((repair.code, repair.stdout), (1, verify.stdout));
    assert_eq!(sandbox.references(), ["a:1", "new:1", "odd:1"]);
}

#[test]
fn a_removal_names_the_entry_that_may_have_the_same_directory() {
    let (sandbox, _) = with_a_circle();
    let run = sandbox.run(&["rm", "a:1"]);
    run.fails(1, "could not check whether `odd:1` has the same directory");
    assert_eq!(sandbox.references(), ["a:1", "odd:1"]);
    // Its entry alone can be removed, and then nothing is in the way.
    sandbox.ok(&["rm", "--keep-cache", "odd:1"]);
    sandbox.ok(&["rm", "a:1"]);
    assert!(!sandbox.cache().join("a_1").exists());
}

#[test]
fn an_impossible_path_is_no_obstacle() {
    let name = "x".repeat(300);
    let deep = "/x".repeat(2_100);
    for path in [
        format!("/{name}/odd_1"),
        "/a\\u0000b/odd_1".to_owned(),
        format!("{deep}/odd_1"),
    ] {
        let sandbox = Sandbox::new();
        let source = sandbox.component("app");
        sandbox.ok(&["add", "a:1", source.to_str().unwrap()]);
        let text = sandbox.registry_text();
        let entry = format!(",{{\"reference\":\"odd:1\",\"cachePath\":\"{path}\"}}\n  ]");
        sandbox.write_registry(text.replace("\n  ]", &entry));
        sandbox.ok(&["rm", "a:1"]);
        assert!(!sandbox.cache().join("a_1").exists(), "{path}");
        sandbox.ok(&["rm", "odd:1"]);
        assert_eq!(sandbox.references(), [""; 0]);
    }
}

#[test]
fn a_link_to_a_registry_on_a_missing_disk_creates_no_new_registry() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    sandbox.ok(&["add", "a:1", source.to_str().unwrap()]);
    let disk = sandbox.path("disk");
    fs::create_dir(&disk).unwrap();
    fs::rename(sandbox.registry(), disk.join("artifacts.json")).unwrap();
    symlink(disk.join("artifacts.json"), sandbox.registry()).unwrap();
    sandbox.ok(&["rm", "-f", "nothing"]);
    fs::rename(&disk, sandbox.path("away")).unwrap();
    let images = sandbox.run(&["images"]);
    assert!(images.stderr.contains("warning:"), "{images:?}");
    let verify = sandbox.run(&["verify"]);
    assert_eq!(verify.code, 1, "{verify:?}");
    assert!(verify.stdout.contains("dangling-link"), "{verify:?}");
    sandbox
        .run(&["add", "b:1", source.to_str().unwrap()])
        .fails(1, "disk/artifacts.json");
    assert!(!disk.exists());
}

#[test]
fn an_own_directory_that_another_reference_may_have_is_not_taken_over() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    sandbox.ok(&["add", "a_b:1", source.to_str().unwrap()]);
    let text = sandbox.registry_text();
    let entry = ",{\"reference\":\"a/b:1\",\"cachePath\":\"/old/cache/artifacts/a_b_1\"}\n  ]";
    sandbox.write_registry(text.replace("\n  ]", entry));
    let before = sandbox.registry_text();
    sandbox.run(&["verify", "--repair"]);
    assert_eq!(sandbox.registry_text(), before);
}

/// It was being deleted, and lacked any permission.
#[test]
fn a_leftover_without_permissions_is_pruned() {
    let sandbox = Sandbox::new();
    sandbox.record("a:1");
    let left = sandbox.cache().join(".trash-abcdefghijkl");
    fs::create_dir_all(left.join("content")).unwrap();
    fs::set_permissions(&left, fs::Permissions::from_mode(0o000)).unwrap();
    sandbox.ok(&["prune", "-y"]);
    assert!(!left.exists());
}

#[test]
fn a_file_system_without_syncfs_is_synced_file_by_file() {
    if !crate::running::has_strace() {
        return;
    }
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=syncfs"])
        .args(["-e", "inject=syncfs:error=ENOSYS", PROGRAM, "add", "a:1"])
        .arg(&source)
        .env("HOME", sandbox.user());
    let run = Run::from(command.output().unwrap());
    assert_eq!((run.code, &*run.stdout), (0, "added a:1\n"), "{run:?}");
}
