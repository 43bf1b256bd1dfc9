//! Content that is deeper or longer than others, and a home that moved as a whole.

use std::fs::{self, File};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

use crate::support::{Run, Sandbox, names};

/// How many directories lie in one another: more than there are descriptors.
const DEPTH: usize = 200;

/// Creates directories in one another, each with a name of this length, and a file in
/// the last one.
fn nest(top: &Path, length: usize) {
    let name = "d".repeat(length);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut dir = openat(CWD, top, flags, Mode::empty()).unwrap();
    for _ in 0..DEPTH {
        mkdirat(&dir, &*name, Mode::from_bits_truncate(0o755)).unwrap();
        dir = openat(&dir, &*name, flags, Mode::empty()).unwrap();
    }
    let flags = OFlags::WRONLY | OFlags::CREATE;
    let mode = Mode::from_bits_truncate(0o644);
    let file = openat(&dir, "file", flags, mode).unwrap();
    rustix::io::write(&file, b"deep").unwrap();
}

/// Runs the program with few descriptors.
fn confined(sandbox: &Sandbox, args: &[&str]) -> Run {
    let wrapper = ["sh", "-c", "ulimit -n 64; exec \"$@\"", "sh"];
    Run::from(sandbox.wrapped(&wrapper, args).output().unwrap())
}

/// Row 76: with fewer descriptors than it is deep.
#[test]
fn deep_content_is_imported_verified_and_removed() {
    let sandbox = Sandbox::new();
    nest(&sandbox.component("deep"), 10);
    for args in [
        &["add", "x:1", "deep"][..],
        &["tag", "x:1", "x:2"],
        &["verify"],
        &["rm", "x:1", "x:2"],
    ] {
        let run = confined(&sandbox, args);
        assert_eq!(run.code, 0, "{args:?}: {run:?}");
    }
    assert_eq!(names(&sandbox.cache()), Vec::<String>::new());
}

/// Row 76: eight times as long as the system takes one.
#[test]
fn a_path_that_is_too_long_is_refused_and_one_in_the_cache_is_removed() {
    let sandbox = Sandbox::new();
    nest(&sandbox.component("long"), 160);
    sandbox.refuses(&["add", "x:1", "long"], 4, "its path is longer than");
    sandbox.component("app");
    sandbox.ok(&["add", "x:1", "app"]);
    nest(&sandbox.cache().join("x_1"), 160);
    let run = confined(&sandbox, &["verify", "--format", "json"]);
    assert!(run.stdout.contains("file-extra"), "{run:?}");
    let run = confined(&sandbox, &["rm", "x:1"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(names(&sandbox.cache()), Vec::<String>::new());
}

/// Row 77: in the place of a manifest, which is read only as far as one can be long.
#[test]
fn a_manifest_of_ten_gigabytes_is_none_and_takes_no_memory() {
    let sandbox = Sandbox::new();
    sandbox.component("app");
    sandbox.ok(&["add", "x:1", "app"]);
    let manifests = sandbox.home().join("registry/manifests");
    let manifest = manifests.join(&names(&manifests)[0]);
    fs::write(&manifest, "").unwrap();
    let file = File::options().write(true).open(&manifest).unwrap();
    file.set_len(10 << 30).unwrap();
    for args in [&["verify"][..], &["inspect", "x:1"], &["rm", "x:1"]] {
        let limit = match cfg!(target_os = "linux") {
            true => "ulimit -v 2000000; exec \"$@\"",
            false => "exec \"$@\"",
        };
        let wrapper = ["sh", "-c", limit, "sh"];
        let run = Run::from(sandbox.wrapped(&wrapper, args).output().unwrap());
        assert_eq!(run.code, 0, "{args:?}: {run:?}");
    }
    assert!(!manifest.exists());
}

/// Row 83: what else is in the entries stays, and so does an entry whose content lies
/// elsewhere.
#[test]
fn a_home_that_was_restored_elsewhere_is_reported_and_taken_over() {
    let sandbox = Sandbox::new();
    sandbox.component("app");
    sandbox.ok(&["add", "x:1", "app"]);
    sandbox.record("y:1");
    let old = sandbox.home();
    let new = sandbox.path("moved");
    fs::rename(&old, &new).unwrap();
    let registry = new.join("registry/artifacts.json");
    let before = fs::read_to_string(&registry).unwrap();

    let run = sandbox.run(&["--home", "moved", "verify", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(run.code, 1, "{run:?}");
    assert_eq!(report["problems"][0]["code"], "moved-content");
    assert_eq!(report["problems"][0]["subject"], "x:1");
    assert_eq!(report["problems"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(fs::read_to_string(&registry).unwrap(), before);

    let run = sandbox.run(&["--home", "moved", "verify", "--repair"]);
    assert_eq!(run.code, 0, "{run:?}");
    let path = |home: &Path| home.join("cache/artifacts/x_1").display().to_string();
    let expected = before.replace(&path(&old), &path(&new));
    assert_ne!(expected, before);
    assert_eq!(fs::read_to_string(&registry).unwrap(), expected);
    assert_eq!(sandbox.run(&["--home", "moved", "verify"]).code, 0);
}
