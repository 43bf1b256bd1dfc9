//! Deployments that begin, end or write while their artifact is removed or replaced.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::deployed::{DESTROYED, LIVE, codes, with_datacenter};
use crate::faults_calls::recorded;
use crate::running::{Running, has_strace};
use crate::stopped::Stopped;
use crate::support::{Run, Sandbox, names, write_tree};

const RM: &[&str] = &["rm", "dc:v1"];

const STATE: &str = "modules/vpc/terraform.tfstate";

/// Returns the datacenter with this text as the state of a module; `None` without state.
fn with_state(text: Option<&str>) -> (Sandbox, PathBuf) {
    let (sandbox, dir) = with_datacenter();
    if let Some(text) = text {
        fs::write(dir.join(STATE), text).unwrap();
    }
    (sandbox, dir)
}

/// Stops a removal after the last one of these calls that is about this, in a home with
/// this state.
fn stopped_after(state: Option<&str>, call: &str, about: &str) -> (Sandbox, PathBuf, Stopped) {
    change_stopped_after(&|| with_state(state), RM, call, about)
}

/// Stops a change after the last one of these calls that is about this. Which call that is,
/// is found out in another home.
fn change_stopped_after(
    home: &dyn Fn() -> (Sandbox, PathBuf),
    args: &[&str],
    call: &str,
    about: &str,
) -> (Sandbox, PathBuf, Stopped) {
    let calls = recorded(&home().0, call, args);
    let number = calls.iter().rposition(|line| line.contains(about));
    assert!(number.is_some(), "{about}: {calls:?}");
    let (sandbox, dir) = home();
    let stopped = Stopped::after(&sandbox, call, number.unwrap() + 1, args).unwrap();
    (sandbox, dir, stopped)
}

/// Returns whether another process could acquire OpenTofu's lock on a state file.
fn can_be_locked(file: &Path) -> bool {
    let opened = fs::File::options().read(true).write(true).open(file);
    let lock = FlockOperation::NonBlockingLockExclusive;
    rustix::fs::fcntl_lock(opened.unwrap(), lock).is_ok()
}

/// Returns the one directory of the cache whose name begins so.
fn the(sandbox: &Sandbox, prefix: &str) -> PathBuf {
    let names = names(&sandbox.cache());
    let found: Vec<_> = names.iter().filter(|it| it.starts_with(prefix)).collect();
    assert_eq!(found.len(), 1, "{names:?}");
    sandbox.cache().join(found[0])
}

/// Expects that a removal kept the directory aside with its live state, and said so.
#[track_caller]
fn is_kept_aside(sandbox: &Sandbox, run: &Run, state: &Path) {
    assert_eq!(run.code, 1, "{run:?}");
    let kept = the(sandbox, ".kept-");
    assert!(run.stderr.contains(kept.to_str().unwrap()), "{run:?}");
    assert_eq!(fs::read_to_string(kept.join(state)).unwrap(), LIVE);
    // Later changes leave it alone.
    sandbox.record("next:v1");
    sandbox.ok(&["prune", "-y"]);
    assert!(kept.exists());
}

/// Row 92: state is kept. The state is read without a lock first, to say why an artifact
/// is deployed, and the apply ends right after that.
#[test]
fn an_apply_that_ends_before_the_lock_is_acquired_refuses_the_removal() {
    if !has_strace() {
        return;
    }
    let (sandbox, dir, rm) = stopped_after(Some(""), "openat", "datacenter.dc");
    let state = dir.join(STATE);
    fs::write(&state, LIVE).unwrap();
    rm.go_on();
    rm.end().fails(4, "has the state of 1 resource");
    assert_eq!(fs::read_to_string(&state).unwrap(), LIVE);
    assert_eq!(sandbox.references(), ["dc:v1"]);
}

/// Row 92: state is kept.
#[test]
fn a_destroy_that_ends_before_the_lock_is_acquired_does_not_keep_the_directory() {
    if !has_strace() {
        return;
    }
    let (sandbox, dir, rm) = stopped_after(Some(""), "openat", "datacenter.dc");
    fs::write(dir.join(STATE), DESTROYED).unwrap();
    rm.go_on();
    assert_eq!(rm.end().code, 0);
    assert_eq!(names(&sandbox.cache()), [""; 0]);
}

/// Row 92: state is kept. A state file that is created after the list has no lock.
#[test]
fn an_apply_that_creates_its_state_before_the_directory_is_moved_is_kept_aside() {
    if !has_strace() {
        return;
    }
    let (sandbox, dir, rm) = stopped_after(None, "fsync", "");
    fs::write(dir.join(STATE), LIVE).unwrap();
    rm.go_on();
    is_kept_aside(&sandbox, &rm.end(), Path::new(STATE));
}

/// Row 92: state is kept. A process that was in the directory is in it still.
#[test]
fn an_apply_that_creates_its_state_while_the_directory_is_deleted_is_kept_aside() {
    if !has_strace() {
        return;
    }
    for about in ["datacenter.dc", "main.tf"] {
        let (sandbox, _, rm) = stopped_after(None, "unlinkat", about);
        let trash = the(&sandbox, ".trash-");
        // The order of the deletion is that of the file system.
        let dirs = ["modules/vpc", "modules/db", "modules", ""];
        let dir = dirs.into_iter().find(|dir| trash.join(dir).exists());
        let state = Path::new(dir.unwrap()).join("terraform.tfstate");
        fs::write(trash.join(&state), LIVE).unwrap();
        rm.go_on();
        is_kept_aside(&sandbox, &rm.end(), &state);
    }
}

/// Row 92: state is kept. A rename brings another file of the same name.
#[test]
fn state_that_is_replaced_while_it_is_removed_is_not_lost() {
    if !has_strace() {
        return;
    }
    let replace = |state: &Path| {
        fs::write(state.with_extension("new"), LIVE).unwrap();
        fs::rename(state.with_extension("new"), state).unwrap();
    };
    let (sandbox, dir, rm) = stopped_after(Some(DESTROYED), "fcntl", "F_SETLK");
    let state = dir.join(STATE);
    replace(&state);
    rm.go_on();
    rm.end().fails(4, "terraform.tfstate` is in use");
    assert_eq!(fs::read_to_string(&state).unwrap(), LIVE);
    assert_eq!(sandbox.references(), ["dc:v1"]);

    let (sandbox, dir, rm) = stopped_after(Some(DESTROYED), "fsync", "");
    replace(&dir.join(STATE));
    rm.go_on();
    is_kept_aside(&sandbox, &rm.end(), Path::new(STATE));
}

/// Row 92: OpenTofu does not begin its work in a directory that is being deleted.
#[test]
fn the_lock_on_state_is_held_until_the_directory_is_deleted() {
    if !has_strace() {
        return;
    }
    let (sandbox, _, rm) = stopped_after(Some(DESTROYED), "renameat", ".trash-");
    assert!(!can_be_locked(&the(&sandbox, ".trash-").join(STATE)));
    drop(rm);
    // At least one of them is there after the first deletion.
    let (sandbox, dir) = with_state(Some(DESTROYED));
    fs::write(dir.join("modules/db/terraform.tfstate"), DESTROYED).unwrap();
    let rm = Stopped::after(&sandbox, "unlinkat", 1, RM).unwrap();
    let trash = the(&sandbox, ".trash-");
    let states = [STATE, "modules/db/terraform.tfstate"].map(|state| trash.join(state));
    let there: Vec<_> = states.iter().filter(|state| state.exists()).collect();
    assert!(!there.is_empty() && !there.iter().any(|state| can_be_locked(state)));
    rm.go_on();
    assert_eq!(rm.end().code, 0);
    assert_eq!(names(&sandbox.cache()), [""; 0]);
}

/// Row 92: a leftover has the same state file, and is looked at and deleted meanwhile.
#[test]
fn the_lock_on_state_is_held_although_a_leftover_has_the_file_too() {
    if !has_strace() {
        return;
    }
    let home = || {
        let (sandbox, dir) = with_state(Some(LIVE));
        write_tree(&sandbox.path("dc"), &[("new", "")]);
        let left = sandbox.cache().join(".trash-aaaaaaaaaaaa");
        fs::create_dir(&left).unwrap();
        fs::hard_link(dir.join(STATE), left.join("terraform.tfstate")).unwrap();
        (sandbox, dir)
    };
    let args = ["add", "dc:v1", "dc"];
    let (sandbox, dir, add) = change_stopped_after(&home, &args, "unlinkat", "datacenter.dc");
    assert_eq!(names(&sandbox.cache()).len(), 2, "the leftover is gone");
    assert!(!can_be_locked(&dir.join(STATE)));
    add.go_on();
    assert_eq!(add.end().code, 0);
    assert_eq!(fs::read_to_string(dir.join(STATE)).unwrap(), LIVE);
}

/// Row 92: state is kept. A process that was in the directory is in it still.
#[test]
fn an_apply_that_creates_its_state_while_the_replaced_directory_is_deleted_is_kept_aside() {
    if !has_strace() {
        return;
    }
    let home = || {
        let (sandbox, dir) = with_state(Some(LIVE));
        write_tree(&sandbox.path("dc"), &[("new", "")]);
        (sandbox, dir)
    };
    let args = ["add", "dc:v1", "dc"];
    for about in ["datacenter.dc", "main.tf"] {
        let (sandbox, dir, add) = change_stopped_after(&home, &args, "unlinkat", about);
        assert!(!can_be_locked(&dir.join(STATE)));
        let old = the(&sandbox, ".staging-");
        let dirs = ["modules/vpc", "modules/db", "modules", ""];
        let at = dirs.into_iter().find(|dir| old.join(dir).exists());
        let state = Path::new(at.unwrap()).join("errored.tfstate");
        fs::write(old.join(&state), LIVE).unwrap();
        add.go_on();
        is_kept_aside(&sandbox, &add.end(), &state);
        assert_eq!(fs::read_to_string(dir.join(STATE)).unwrap(), LIVE);
        assert!(can_be_locked(&dir.join(STATE)));
    }
}

/// Row 90: an interrupted replacement left the only state, and cldctl took its place.
#[test]
fn state_that_an_interrupted_replacement_left_is_kept_and_named() {
    let (sandbox, dir) = with_state(Some(LIVE));
    sandbox.record("other:v1");
    let holder = sandbox.cache().join(".swap-aaaaaaaaaaaa");
    fs::create_dir(&holder).unwrap();
    fs::rename(&dir, holder.join("dc_v1")).unwrap();
    write_tree(&dir, &[("datacenter.dc", "")]);
    let other = sandbox.cache().join(".swap-bbbbbbbbbbbb/other_v1");
    // What another directory has too is no longer needed.
    write_tree(
        &sandbox.cache().join("other_v1"),
        &[("m/terraform.tfstate", LIVE)],
    );
    write_tree(&other, &[("m/main.tf", "")]);
    let state = "m/terraform.tfstate";
    fs::hard_link(
        sandbox.cache().join("other_v1").join(state),
        other.join(state),
    )
    .unwrap();

    let run = sandbox.run(&["verify", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let notes = report["notes"].as_array().unwrap();
    let note = notes
        .iter()
        .find(|it| it["subject"] == holder.to_str().unwrap());
    let note = note.expect("it is named");
    assert_eq!(note["code"], "kept-aside");
    assert!(
        !note["remedy"].as_str().unwrap().contains("prune"),
        "{note}"
    );
    sandbox.ok(&["prune", "-y"]);
    assert!(holder.exists() && !other.parent().unwrap().exists());

    let run = sandbox.run(&["rm", "other:v1", "--deployed"]);
    let kept = the(&sandbox, ".kept-");
    assert!(
        run.stderr
            .contains("warning: an interrupted change left the state of a deployment")
            && run.stderr.contains(kept.to_str().unwrap()),
        "{run:?}"
    );
    let state = kept.join("dc_v1").join(STATE);
    assert_eq!(fs::read_to_string(&state).unwrap(), LIVE);
    sandbox.record("last:v1");
    assert!(state.exists() && dir.exists());
}

/// Row 90: the directory is left under the name of trash.
#[test]
fn state_that_cannot_be_kept_aside_is_kept_by_the_next_change() {
    if !has_strace() {
        return;
    }
    let (sandbox, dir) = with_state(None);
    // The second one would move the directory aside.
    let fail = Some(("renameat", "error=EIO:when=2"));
    let rm = Stopped::after_with(&sandbox, "fsync", 1, fail, RM).unwrap();
    fs::write(dir.join(STATE), LIVE).unwrap();
    rm.go_on();
    let run = rm.end();
    let trash = the(&sandbox, ".trash-");
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains(trash.to_str().unwrap()), "{run:?}");
    assert!(trash.join(STATE).exists());

    sandbox.record("next:v1");
    let kept = the(&sandbox, ".kept-");
    assert!(kept.join(STATE).exists() && !trash.exists());
}

/// Row 10: with few descriptors, and with a limit that can be raised.
#[test]
fn more_artifacts_are_removed_than_there_are_descriptors() {
    const COUNT: usize = 150;
    let filled = |files: &[&str]| {
        let sandbox = Sandbox::new();
        let entry = |n: usize| {
            let dir = sandbox.cache().join(format!("a_{n}"));
            for file in files {
                write_tree(&dir, &[(file, DESTROYED)]);
            }
            format!(r#"{{"reference":"a:{n}","type":"component","cachePath":{dir:?}}}"#)
        };
        let entries: Vec<_> = (0..COUNT).map(entry).collect();
        sandbox.write_registry(format!(r#"{{"artifacts":[{}]}}"#, entries.join(",")));
        sandbox
    };
    let limited = |sandbox: &Sandbox, limit: &str, args: &[&str]| {
        let script = format!("ulimit {limit} 100; exec \"$@\"");
        let command = sandbox.wrapped(&["sh", "-c", &script, "sh"], args).output();
        let run = Run::from(command.unwrap());
        assert_eq!((run.code, &*run.stderr), (0, ""), "{limit} {args:?}");
        run.stdout.lines().count()
    };
    let all = ["rm", "-y", "--all"];
    for (limit, files) in [
        ("-n", &["cld.yml"][..]),
        ("-Sn", &["cld.yml", "m/terraform.tfstate"]),
    ] {
        let sandbox = filled(files);
        assert_eq!(limited(&sandbox, limit, &["rm", "--all", "-n"]), COUNT);
        assert_eq!(limited(&sandbox, limit, &all), COUNT);
        assert_eq!(names(&sandbox.cache()), [""; 0]);
    }
    // As many state files in one artifact, which is replaced first.
    let (sandbox, dir) = with_datacenter();
    for n in 0..COUNT {
        write_tree(&dir, &[(&format!("m{n}/terraform.tfstate"), DESTROYED)]);
    }
    write_tree(&sandbox.path("dc"), &[("new", "")]);
    let args = ["sh", "-c", "ulimit -Sn 100; exec \"$@\"", "sh"];
    let run = sandbox.wrapped(&args, &["add", "dc:v1", "dc"]).output();
    assert_eq!(Run::from(run.unwrap()).stdout, "updated dc:v1\n");
    assert_eq!(limited(&sandbox, "-Sn", &all), 1);
    assert_eq!(names(&sandbox.cache()), [""; 0]);
}

/// Row 10: the limit is no concern of a command that only reads.
#[test]
fn only_changes_ask_for_the_limit_of_descriptors() {
    if !has_strace() {
        return;
    }
    let (sandbox, _) = with_datacenter();
    for (args, expected) in [
        (&["images"][..], false),
        (&["exists", "dc:v1"], false),
        (&["inspect", "dc:v1"], false),
        (&["df"], false),
        (&["rm", "dc:v1", "-n"], false),
        (RM, true),
    ] {
        let calls = recorded(&sandbox, "prlimit64", args);
        let is_asked_for = calls.iter().any(|line| line.contains("RLIMIT_NOFILE"));
        assert_eq!(is_asked_for, expected, "{args:?}: {calls:?}");
    }
}

/// Row 92: where the file system cannot be synced at once, each file is, and those of state
/// have two names then.
#[test]
fn the_lock_on_state_is_held_although_each_file_is_synced() {
    if !has_strace() {
        return;
    }
    let (sandbox, dir) = with_state(Some(LIVE));
    write_tree(&sandbox.path("dc"), &[("new", "")]);
    let fail = Some(("syncfs", "error=ENOSYS"));
    let args = ["add", "dc:v1", "dc"];
    let add = Stopped::after_with(&sandbox, "renameat2", 1, fail, &args).unwrap();
    assert!(dir.join("new").exists() && !can_be_locked(&dir.join(STATE)));
    add.go_on();
    let run = add.end();
    assert_eq!((run.code, &*run.stdout), (0, "updated dc:v1\n"), "{run:?}");
    assert_eq!(fs::read_to_string(dir.join(STATE)).unwrap(), LIVE);
}

/// Row 92: without a rename that exchanges two directories, the old one lies one deeper.
#[test]
fn what_is_replaced_by_two_renames_is_deleted_unless_an_apply_creates_state_in_it() {
    if !has_strace() {
        return;
    }
    let refused = Some(("renameat2", "error=EINVAL"));
    let args = ["add", "dc:v1", "dc"];
    for creates in [false, true] {
        let (sandbox, dir) = with_state(Some(LIVE));
        write_tree(&sandbox.path("dc"), &[("new", "")]);
        // The first deletion is that of a file of the old directory.
        let add = Stopped::after_with(&sandbox, "unlinkat", 1, refused, &args).unwrap();
        let old = the(&sandbox, ".swap-").join("dc_v1");
        assert!(dir.join("new").exists() && !can_be_locked(&dir.join(STATE)));
        if creates {
            fs::write(old.join("errored.tfstate"), LIVE).unwrap();
        }
        add.go_on();
        let run = add.end();
        match creates {
            true => is_kept_aside(&sandbox, &run, Path::new("dc_v1/errored.tfstate")),
            false => {
                assert_eq!((run.code, &*run.stdout), (0, "updated dc:v1\n"), "{run:?}");
                assert_eq!(names(&sandbox.cache()), ["dc_v1"]);
            }
        }
        assert_eq!(fs::read_to_string(dir.join(STATE)).unwrap(), LIVE);
    }
}

/// Row 92: state is kept. The place was free when it was looked at.
#[test]
fn a_directory_with_state_that_appears_before_the_new_one_is_in_place_is_not_lost() {
    if !has_strace() {
        return;
    }
    let args = ["add", "dc:v1", "dc"];
    let home = || {
        let (sandbox, dir) = with_state(Some(LIVE));
        fs::rename(&dir, sandbox.path("away")).unwrap();
        (sandbox, dir)
    };
    let calls = recorded(&home().0, "newfstatat,renameat2", &args);
    let moved = calls.iter().position(|line| line.contains("renameat2("));
    let looks = calls[..moved.unwrap()].iter().enumerate();
    let looks: Vec<_> = looks.filter(|(_, it)| it.contains("\"dc_v1\"")).collect();
    // What is carried is looked at, and then the place of the new directory.
    for &(number, _) in looks.iter().rev().take(2) {
        let (sandbox, dir) = home();
        let add = Stopped::after(&sandbox, "newfstatat", number + 1, &args).unwrap();
        fs::rename(sandbox.path("away"), &dir).unwrap();
        add.go_on();
        let run = add.end();
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(fs::read_to_string(dir.join(STATE)).unwrap(), LIVE);
        assert_eq!(names(&sandbox.cache()), ["dc_v1"]);
    }
}

/// Row 90: state that was to be removed goes, and no other.
#[test]
fn a_killed_removal_with_state_is_completed_by_the_next_change() {
    if !has_strace() {
        return;
    }
    let (sandbox, _) = with_state(Some(LIVE));
    let args = ["rm", "dc:v1", "--deployed"];
    let kill = "signal=KILL:when=1";
    let run = Running::start(sandbox.traced_at("unlinkat", kill, &args)).end();
    assert_ne!(run.code, 0, "{run:?}");
    assert!(the(&sandbox, ".trash-").exists());
    assert_eq!(codes(&sandbox, "notes"), ["leftover"]);
    sandbox.record("next:v1");
    assert_eq!(names(&sandbox.cache()), [""; 0]);
}
