//! State where something else goes wrong: what cannot be deleted, a registry that cannot be
//! written, a crash of OpenTofu, and directories of others.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::deployed::{DESTROYED, LIVE, hold, with_datacenter};
use crate::faults_calls::recorded;
use crate::running::has_strace;
use crate::stopped::Stopped;
use crate::support::{Run, Sandbox, names, write_tree};
use crate::unprivileged::User;

const RM: &[&str] = &["rm", "dc:v1"];

const STATE: &str = "modules/vpc/terraform.tfstate";

/// Returns the one directory of the cache whose name begins so.
fn the(sandbox: &Sandbox, prefix: &str) -> PathBuf {
    let names = names(&sandbox.cache());
    let found: Vec<_> = names.iter().filter(|it| it.starts_with(prefix)).collect();
    assert_eq!(found.len(), 1, "{names:?}");
    sandbox.cache().join(found[0])
}

#[test]
fn odd_directories_of_the_cache_are_in_nobodys_way() {
    let (sandbox, _) = with_datacenter();
    let user = User::new();
    for dir in [
        "lost+found",
        "app_v1/datacenter.hcl",
        "app_v1/datacenter.dc",
    ] {
        fs::create_dir_all(sandbox.cache().join(dir)).unwrap();
    }
    sandbox.record("web:v1");
    user.give(&sandbox);
    let closed = Permissions::from_mode(0o000);
    fs::set_permissions(sandbox.cache().join("lost+found"), closed).unwrap();
    for args in [
        &["images", "--filter", "deployed=true"][..],
        &["inspect", "web:v1"],
        &["df"],
        RM,
    ] {
        let run = user.run(&sandbox, args);
        assert_eq!(run.code, 0, "{run:?}");
    }
}

#[test]
fn a_directory_that_may_extend_the_artifact_is_named_when_it_cannot_be_read() {
    let (sandbox, dir) = with_datacenter();
    let user = User::new();
    let other = sandbox.cache().join("app_v1");
    fs::create_dir(&other).unwrap();
    user.give(&sandbox);
    fs::set_permissions(&other, Permissions::from_mode(0o000)).unwrap();
    let run = user.run(&sandbox, RM);
    run.fails(1, "app_v1`: permission denied");
    assert!(run.stderr.contains("hint: make it readable"), "{run:?}");
    assert!(!run.stderr.contains("--deployed"), "{run:?}");
    assert!(dir.exists());
}

/// Row 92: state is kept. The lock that an apply waits for is free when the removal ends.
#[test]
fn state_goes_last_and_stays_where_something_else_cannot_be_deleted() {
    if !has_strace() {
        return;
    }
    let with_state = || {
        let (sandbox, dir) = with_datacenter();
        for module in ["modules/vpc", "modules/db", ""] {
            fs::write(dir.join(module).join("terraform.tfstate"), DESTROYED).unwrap();
        }
        sandbox
    };
    let calls = recorded(&with_state(), "unlinkat", RM);
    let is_state = |line: &String| line.contains("terraform.tfstate");
    let first = calls.iter().position(is_state).unwrap();
    for about in ["datacenter.dc", "main.tf"] {
        let last = calls.iter().rposition(|line| line.contains(about)).unwrap();
        assert!(last < first, "{calls:?}");
        let sandbox = with_state();
        let inject = format!("error=EPERM:when={}", last + 1);
        let output = sandbox.traced_at("unlinkat", &inject, RM).output().unwrap();
        let run = Run::from(output);
        assert_eq!(run.code, 1, "{run:?}");
        let trash = the(&sandbox, ".trash-");
        for module in ["modules/vpc", "modules/db", ""] {
            let state = trash.join(module).join("terraform.tfstate");
            assert!(state.exists(), "{}", state.display());
        }
        sandbox.record("next:v1");
        assert!(!trash.exists());
    }
}

/// Row 92: state is kept. A deployment that takes no lock finds the new directory in its
/// place before the registry is written.
#[test]
fn what_a_deployment_writes_into_a_directory_that_is_taken_back_is_kept_aside() {
    if !has_strace() {
        return;
    }
    let stack = "modules/vpc/.pulumi/stacks/p/dev.json";
    let (old, new) = (r#"{"version":3}"#, r#"{"version":3,"new":1}"#);
    let failing = Some(("rename", "error=ENOSPC:when=2"));
    for inject in [failing, None] {
        let (sandbox, dir) = with_datacenter();
        write_tree(&dir, &[(stack, old), (STATE, LIVE)]);
        write_tree(&sandbox.path("dc"), &[("new", "")]);
        let args = ["add", "dc:v1", "dc"];
        let add = Stopped::after_with(&sandbox, "renameat2", 1, inject, &args).unwrap();
        assert!(dir.join("new").exists());
        fs::write(dir.join("stack.tmp"), new).unwrap();
        fs::rename(dir.join("stack.tmp"), dir.join(stack)).unwrap();
        fs::write(dir.join("modules/db/terraform.tfstate"), LIVE).unwrap();
        if inject.is_none() {
            // Another process replaces the registry, so that the change starts over.
            let registry = sandbox.registry();
            let text = fs::read_to_string(&registry).unwrap();
            fs::write(sandbox.path("registry.tmp"), format!("{text}\n")).unwrap();
            fs::rename(sandbox.path("registry.tmp"), &registry).unwrap();
        }
        add.go_on();
        let run = add.end();
        assert_eq!(run.code, 1, "{run:?}");
        let kept = the(&sandbox, ".kept-");
        assert!(run.stderr.contains(kept.to_str().unwrap()), "{run:?}");
        let text = |file: PathBuf| fs::read_to_string(file).unwrap();
        assert_eq!(text(kept.join(stack)), new);
        assert_eq!(text(kept.join("modules/db/terraform.tfstate")), LIVE);
        assert_eq!(text(dir.join(stack)), old);
        assert_eq!(text(dir.join(STATE)), LIVE);
        assert!(!dir.join("new").exists());
        assert_eq!(names(&sandbox.cache()).len(), 2);
        // The next attempt begins with the old content again.
        sandbox.ok(&args);
        assert!(dir.join("new").exists() && text(dir.join(stack)) == old);
    }
}

/// Row 92: OpenTofu empties its state before it writes it, and crashed in between.
#[test]
fn a_state_that_was_cut_off_counts_by_its_backup() {
    let (sandbox, dir) = with_datacenter();
    let backup = dir.join("modules/vpc/terraform.tfstate.backup");
    fs::write(dir.join(STATE), "").unwrap();
    fs::write(&backup, LIVE).unwrap();
    let run = sandbox.run(RM);
    run.fails(4, "terraform.tfstate.backup` has the state of 1 resource");
    assert!(run.stderr.contains("tfstate.backup "), "{run:?}");
    // What a killed process was about to delete counts in the same way.
    let trash = sandbox.cache().join(".trash-aaaaaaaaaaaa");
    write_tree(&trash, &[("x.tfstate", ""), ("x.tfstate.backup", LIVE)]);
    sandbox.record("next:v1");
    assert!(the(&sandbox, ".kept-").join("x.tfstate.backup").exists());
    fs::write(&backup, DESTROYED).unwrap();
    sandbox.ok(RM);
    assert!(!dir.exists());
}

/// Row 92: a lock that is held for a moment would refuse an apply that begins just then.
#[test]
fn a_preview_locks_no_state_and_sees_who_does() {
    let (sandbox, dir) = with_datacenter();
    let state = dir.join(STATE);
    fs::write(&state, DESTROYED).unwrap();
    let preview = ["rm", "-n", "dc:v1"];
    if has_strace() {
        let calls = recorded(&sandbox, "fcntl", &preview);
        assert!(calls.iter().any(|it| it.contains("F_GETLK")), "{calls:?}");
        assert!(!calls.iter().any(|it| it.contains("F_SETLK")), "{calls:?}");
    }
    let _held = hold(&state);
    sandbox
        .run(&preview)
        .fails(4, "terraform.tfstate` is in use");
}
