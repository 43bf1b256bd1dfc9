//! Root at work in a user's home, as with `sudo`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::support::{ADD, PROGRAM, Run, Sandbox, fixture};

const USER: (u32, u32) = (1234, 5678);

/// A user's home, in which root works; `None` for who is not root.
fn home_of_a_user() -> Option<Sandbox> {
    let sandbox = Sandbox::new();
    if fs::metadata(sandbox.user()).unwrap().uid() != 0 {
        return None;
    }
    // Readable for the user, and so must the program be.
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    open(&sandbox.path(""));
    fs::copy(PROGRAM, sandbox.path("program")).unwrap();
    open(&sandbox.path("program"));
    give(&sandbox.user());
    Some(sandbox)
}

fn give(path: &Path) {
    chown(path, Some(USER.0), Some(USER.1)).unwrap();
}

/// The program as the user runs it.
fn as_user(sandbox: &Sandbox, args: &[&str]) -> Run {
    let mut command = Command::new(sandbox.path("program"));
    command.args(args).env_clear().env("HOME", sandbox.user());
    command.current_dir("/").uid(USER.0).gid(USER.1);
    Run::from(command.output().unwrap())
}

/// Expects everything in the home to be the user's.
#[track_caller]
fn belongs_to_the_user(sandbox: &Sandbox) {
    for entry in walkdir::WalkDir::new(sandbox.home()) {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), USER, "{entry:?}");
    }
}

#[test]
fn what_root_creates_in_a_home_belongs_to_its_user_who_can_go_on() {
    let Some(sandbox) = home_of_a_user() else {
        return;
    };
    sandbox.ok(ADD);
    belongs_to_the_user(&sandbox);
    sandbox.ok(&["rm", "new:1"]);
    sandbox.ok(ADD);
    belongs_to_the_user(&sandbox);
    for args in [
        &["rm", "new:1"],
        ADD,
        &["rm", "--all", "-y"],
        &["prune", "-y"],
    ] {
        let run = as_user(&sandbox, args);
        assert_eq!(run.code, 0, "{args:?}: {run:?}");
    }
}

/// By whatever command comes first.
#[test]
fn a_registry_that_root_converts_belongs_to_the_user() {
    let Some(sandbox) = home_of_a_user() else {
        return;
    };
    let legacy = sandbox.registry().with_file_name("components.json");
    fs::create_dir_all(legacy.parent().unwrap()).unwrap();
    fs::write(&legacy, fixture("legacy/components.json")).unwrap();
    for path in [&sandbox.home(), legacy.parent().unwrap(), &legacy] {
        give(path);
    }
    sandbox.ok(&["images"]);
    assert!(sandbox.registry().exists());
    belongs_to_the_user(&sandbox);
    let run = as_user(&sandbox, &["rm", "my-dc", "--keep-cache"]);
    assert_eq!(run.code, 0, "{run:?}");
}

#[test]
fn what_root_creates_in_its_own_home_stays_its_own() {
    let Some(sandbox) = home_of_a_user() else {
        return;
    };
    chown(sandbox.user(), Some(0), Some(0)).unwrap();
    sandbox.ok(ADD);
    let metadata = fs::metadata(sandbox.registry()).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (0, 0));
}
