//! Content between the commit and the end of its deletion.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::Value;

use crate::faults_clock::clock;
use crate::running::{Running, has_strace, wait_until};
use crate::support::{Sandbox, names, tree, write_tree};

/// Returns the directory that is being deleted from the cache.
fn in_trash(sandbox: &Sandbox) -> Option<PathBuf> {
    let names = names(&sandbox.cache());
    let trash = names.iter().find(|name| name.starts_with(".trash-"))?;
    let content = sandbox.cache().join(trash);
    content.exists().then_some(content)
}

fn with_content(sandbox: &Sandbox) -> PathBuf {
    let source = sandbox.path("source");
    write_tree(
        &source,
        &[("cld.yml", "name: x\n"), ("a/1", "1"), ("b/2", "2")],
    );
    sandbox.ok(&["add", "x:1", source.to_str().unwrap()]);
    source
}

/// Row 47: and what is registered under the same name meanwhile is kept.
#[test]
fn swapping_a_directory_during_its_deletion_deletes_nothing_else() {
    if !has_strace() {
        return;
    }
    for round in 0.. {
        assert!(round < 20, "the swap was never in time");
        let sandbox = Sandbox::new();
        let source = with_content(&sandbox);
        let outside = sandbox.component("outside");
        let before = tree(&outside);

        let delay = "delay_enter=500000:when=1";
        let mut rm = Running::start(sandbox.traced_at("unlinkat", delay, &["rm", "x:1"]));
        wait_until("the deletion", || in_trash(&sandbox).is_some());
        let content = in_trash(&sandbox).unwrap();
        for name in ["a", "b"] {
            fs::rename(content.join(name), sandbox.path(name)).unwrap();
            symlink(&outside, content.join(name)).unwrap();
        }
        sandbox.ok(&["add", "x:1", source.to_str().unwrap()]);
        let in_time = rm.is_running() && content.exists();
        let run = rm.end();
        assert_eq!(tree(&outside), before);
        assert_eq!(sandbox.references(), ["x:1"]);
        assert_eq!(tree(&sandbox.cache().join("x_1")), tree(&source));
        if in_time {
            assert_ne!(run.code, -1, "{run:?}");
            return;
        }
    }
}

/// Row 48: killed before the content is moved away, and while it is deleted.
#[test]
fn prune_removes_the_leftovers_of_a_crash_after_the_commit() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::new();
    let Some(later) = clock(&sandbox, "now + 7200") else {
        return;
    };
    for (call, number, reason) in [("fsync", 2, "orphan"), ("unlinkat", 1, "leftover")] {
        with_content(&sandbox);
        let kill = format!("signal=SIGKILL:when={number}");
        let run = sandbox
            .traced_at(call, &kill, &["rm", "x:1"])
            .output()
            .unwrap();
        assert!(!run.status.success());
        assert_eq!(sandbox.references(), [""; 0], "the removal is committed");
        // Recent content could be a pull of cldctl in progress; an hour later it is
        // not.
        let mut prune = sandbox.command(&["prune", "-y", "--format", "json"]);
        let output = prune.env("LD_PRELOAD", &later).output().unwrap();
        let done: Value = serde_json::from_slice(&output.stdout).unwrap();
        let removed = done["removed"].as_array().unwrap();
        assert!(removed.iter().any(|one| one["kind"] == reason), "{done}");
        assert_eq!(names(&sandbox.cache()), [""; 0]);
        assert_eq!(names(&sandbox.home().join("registry/manifests")), [""; 0]);
    }
}
