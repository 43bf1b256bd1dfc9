//! Several users in one home: root in another's, as with `sudo`, a group that shares
//! one, and strangers.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::running::{has, left_out};
use crate::support::{ADD, PROGRAM, Run, Sandbox, fixture};

const USER: (u32, u32) = (1234, 5678);

/// Creates a user's home, in which root works; `None` unless the tests run as root.
fn home_of_a_user() -> Option<Sandbox> {
    let sandbox = Sandbox::new();
    if fs::metadata(sandbox.user()).unwrap().uid() != 0 {
        left_out("only root can be another user");
        return None;
    }
    // The user has to be able to read the directories and the program.
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

/// Runs the program as the user.
fn as_user(sandbox: &Sandbox, args: &[&str]) -> Run {
    let mut command = Command::new(sandbox.path("program"));
    command.args(args).env_clear().env("HOME", sandbox.user());
    command.current_dir("/").uid(USER.0).gid(USER.1);
    Run::from(command.output().unwrap())
}

/// Expects everything in the home to belong to the user.
#[track_caller]
fn belongs_to_the_user(sandbox: &Sandbox) {
    for entry in walkdir::WalkDir::new(sandbox.home()) {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), USER, "{entry:?}");
    }
}

/// Row 82: each file and directory that a change creates.
#[test]
fn files_that_root_creates_in_a_home_belong_to_its_user() {
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

/// Row 82: the user replaces and removes it.
#[test]
fn content_that_root_adds_belongs_to_the_user() {
    let Some(sandbox) = home_of_a_user() else {
        return;
    };
    let source = sandbox.component("app");
    let source = source.to_str().unwrap();
    sandbox.ok(&["add", "app:1", source]);
    sandbox.ok(&["tag", "app:1", "app:2", "app:3"]);
    sandbox.ok(&["add", "--untagged", source]);
    fs::write(sandbox.path("app/more"), "more").unwrap();
    sandbox.ok(&["add", "app:1", source]);
    belongs_to_the_user(&sandbox);
    for args in [
        &["verify"] as &[&str],
        &["add", "app:2", source],
        &["rm", "app:1", "app:3"],
        &["prune", "-y"],
    ] {
        let run = as_user(&sandbox, args);
        assert_eq!(run.code, 0, "{args:?}: {run:?}");
    }
    assert_eq!(sandbox.references(), ["app:2"]);
}

/// Row 82: the first command converts it, whichever it is.
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
fn files_that_root_creates_in_its_own_home_belong_to_root() {
    let Some(sandbox) = home_of_a_user() else {
        return;
    };
    chown(sandbox.user(), Some(0), Some(0)).unwrap();
    sandbox.ok(ADD);
    let metadata = fs::metadata(sandbox.registry()).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (0, 0));
}

const GROUP: u32 = 7777;

/// Returns a program run by the user with this number, in these groups.
fn run_as(user: u32, groups: &[u32], program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    let groups: Vec<_> = groups.iter().map(u32::to_string).collect();
    command.args([format!("--reuid={user}"), format!("--regid={user}")]);
    match groups.join(",") {
        groups if groups.is_empty() => command.arg("--clear-groups"),
        groups => command.arg(format!("--groups={groups}")),
    };
    command.arg(program).args(args).current_dir("/");
    command.stdin(Stdio::null());
    command
}

fn may_change_users() -> bool {
    has("setpriv", &["--reuid=1234", "--clear-groups", "true"]) && has("flock", &["--version"])
}

/// Row 88: otherwise a stranger could keep its user from changing anything, for ever.
#[test]
fn a_stranger_cannot_hold_the_lock_of_a_private_home() {
    let Some(sandbox) = home_of_a_user().filter(|_| may_change_users()) else {
        return;
    };
    let lock = sandbox.lock();
    let hold = |user| {
        let args = ["--nonblock", lock.to_str().unwrap(), "true"];
        let output = run_as(user, &[], Path::new("flock"), &args)
            .output()
            .unwrap();
        output.status.success()
    };
    let run = as_user(&sandbox, ADD);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(hold(USER.0) && !hold(4321));

    // The lock file of an earlier version, until its user's next change.
    fs::set_permissions(&lock, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(hold(4321));
    assert_eq!(as_user(&sandbox, &["rm", "new:1"]).code, 0);
    assert!(hold(USER.0) && !hold(4321));

    // In a directory that all may write, all may lock.
    let dir = sandbox.home().join("registry");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(as_user(&sandbox, ADD).code, 0);
    assert!(hold(4321));
}

/// New files get the group of the directory, or that of the user who creates them.
#[test]
fn the_members_of_a_group_take_turns_in_a_home_that_they_share() {
    let Some(sandbox) = home_of_a_user().filter(|_| may_change_users()) else {
        return;
    };
    let (owner, other) = (1111, 2222);
    let program = sandbox.path("program");
    for (mode, first) in [
        (0o775, owner),
        (0o2775, owner),
        (0o775, other),
        (0o2775, other),
    ] {
        let home = sandbox.path(&format!("shared-{mode:o}-{first}"));
        let registry = home.join("registry");
        fs::create_dir_all(&registry).unwrap();
        for dir in [&home, &registry] {
            chown(dir, Some(owner), Some(GROUP)).unwrap();
            fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
        }
        for user in [first, other, 3333, owner, other] {
            let args = ["--home", home.to_str().unwrap()];
            let run = run_as(user, &[GROUP], &program, &[&args[..], ADD].concat());
            let run = Run::from({ run }.output().unwrap());
            assert_eq!(run.code, 0, "{mode:o} {user}: {run:?}");
        }
        // The owner of the directory cannot own the file, so it is open to all.
        let lock = registry.join("artifacts.json.lock");
        let args = ["--nonblock", lock.to_str().unwrap(), "true"];
        let output = run_as(4321, &[], Path::new("flock"), &args).output();
        assert_eq!(output.unwrap().status.success(), first == other, "{mode:o}");
    }
}
