//! What killed processes left in the cache, while deployments are at work in it.

use std::fs;
use std::path::PathBuf;

use crate::deployed::{DESTROYED, LIVE, hold, two_hours_ahead, with_datacenter};
use crate::faults_calls::recorded;
use crate::running::{Running, has_strace};
use crate::support::{Run, Sandbox, names, write_tree};

/// More than there are descriptors in [`limited`].
const COUNT: usize = 150;

const STATE: &str = "m/terraform.tfstate";

/// Leaves a directory of this name with a state file, and returns the path of that.
fn leave(sandbox: &Sandbox, name: &str, text: &str) -> PathBuf {
    let dir = sandbox.cache().join(name);
    write_tree(&dir, &[("datacenter.dc", ""), (STATE, text)]);
    dir.join(STATE)
}

fn the_kept(sandbox: &Sandbox) -> PathBuf {
    let names = names(&sandbox.cache());
    let kept: Vec<_> = names.iter().filter(|it| it.starts_with(".kept-")).collect();
    assert_eq!(kept.len(), 1, "{names:?}");
    sandbox.cache().join(kept[0])
}

/// Runs with few descriptors and a preloaded library, and expects success in silence.
#[track_caller]
fn limited(sandbox: &Sandbox, args: &[&str], preloaded: Option<PathBuf>) {
    let script = "ulimit -n 100; exec \"$@\"";
    let mut command = sandbox.wrapped(&["sh", "-c", script, "sh"], args);
    command.envs(preloaded.map(|library| ("LD_PRELOAD", library)));
    let run = Run::from(command.output().unwrap());
    assert_eq!((run.code, &*run.stderr), (0, ""), "{args:?}");
}

/// Row 90: an apply holds the lock on its first state, which is still empty.
#[test]
fn a_leftover_in_which_an_apply_is_at_work_is_left_alone_until_it_ends() {
    for name in [
        ".trash-aaaaaaaaaaaa",
        ".staging-aaaaaaaaaaaa",
        ".trash-agreedaaaaaa",
    ] {
        let (sandbox, _) = with_datacenter();
        let state = leave(&sandbox, name, "");
        let apply = hold(&state);
        sandbox.record("one:v1");
        assert!(state.exists(), "{name}");
        let run = sandbox.run(&["prune", "-y"]);
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.stderr.contains("is in use"), "{run:?}");
        assert!(state.exists(), "{name}");
        fs::write(&state, LIVE).unwrap();
        drop(apply);
        let run = sandbox.run(&["add", "--metadata-only", "--type", "component", "two:v1"]);
        assert_eq!(run.code, 0, "{run:?}");
        let kept = the_kept(&sandbox);
        assert!(run.stderr.contains(kept.to_str().unwrap()), "{run:?}");
        assert_eq!(fs::read_to_string(kept.join(STATE)).unwrap(), LIVE);
    }
}

/// Row 90: each of the two has a name of the state, and both are to go.
#[test]
fn of_two_leftovers_with_the_same_state_one_is_kept() {
    for args in [&["prune", "-y"][..], &["rm", "dc:v1"]] {
        let (sandbox, _) = with_datacenter();
        let state = leave(&sandbox, ".trash-aaaaaaaaaaaa", LIVE);
        let other = leave(&sandbox, ".staging-aaaaaaaaaaaa", "");
        fs::remove_file(&other).unwrap();
        fs::hard_link(&state, &other).unwrap();
        let run = sandbox.run(args);
        assert_eq!(run.code, 0, "{run:?}");
        let kept = the_kept(&sandbox);
        assert_eq!(fs::read_to_string(kept.join(STATE)).unwrap(), LIVE);
        assert!(!state.exists() && !other.exists());
    }
}

/// Row 10: with few descriptors.
#[test]
fn more_leftovers_go_than_there_are_descriptors() {
    for args in [&["prune", "-y"][..], &["add", "dc:v1", "dc"]] {
        let (sandbox, _) = with_datacenter();
        write_tree(&sandbox.path("dc"), &[("new", "")]);
        for n in 0..COUNT {
            leave(&sandbox, &format!(".trash-aaaaaaaaa{n:03}"), DESTROYED);
        }
        limited(&sandbox, args, None);
        let left = names(&sandbox.cache());
        assert!(!left.iter().any(|it| it.starts_with(".kept-")), "{left:?}");
        // What is left to a later change goes with that.
        match args {
            ["prune", ..] => assert_eq!(left, ["dc_v1"]),
            _ => sandbox.record("next:v1"),
        }
        assert_eq!(names(&sandbox.cache()), ["dc_v1"]);
    }
}

/// Row 10: with few descriptors.
#[test]
fn more_orphans_go_than_there_are_descriptors() {
    let (sandbox, _) = with_datacenter();
    let Some(library) = two_hours_ahead(&sandbox) else {
        return;
    };
    for n in 0..COUNT {
        leave(&sandbox, &format!("orphan_{n}"), DESTROYED);
    }
    limited(&sandbox, &["prune", "-y"], Some(library));
    assert_eq!(names(&sandbox.cache()), ["dc_v1"]);
}

/// Row 10: a directory that cannot be looked at has not changed for that reason.
#[test]
fn trash_that_cannot_be_looked_at_for_want_of_descriptors_goes_with_the_next_change() {
    if !has_strace() {
        return;
    }
    let home = || {
        let (sandbox, dir) = with_datacenter();
        fs::write(dir.join("terraform.tfstate"), DESTROYED).unwrap();
        sandbox
    };
    let args = ["rm", "dc:v1"];
    let calls = recorded(&home(), "openat", &args);
    // The first one is for the lock on the directory.
    let opens = calls
        .iter()
        .enumerate()
        .filter(|(_, it)| it.contains("\".trash-"));
    let number = opens.map(|(at, _)| at).nth(1).unwrap() + 1;
    let sandbox = home();
    let fail = format!("error=EMFILE:when={number}");
    let run = Running::start(sandbox.traced_at("openat", &fail, &args)).end();
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("too many open files"), "{run:?}");
    let left = names(&sandbox.cache());
    assert!(
        left.len() == 1 && left[0].starts_with(".trash-"),
        "{left:?}"
    );
    sandbox.record("next:v1");
    assert_eq!(names(&sandbox.cache()), [""; 0]);
}

/// Row 90: the directory is that of an entry, although it does not lie in its place.
#[test]
fn an_artifact_whose_directory_an_interrupted_replacement_left_aside_is_removed_as_any_other() {
    for text in [LIVE, DESTROYED] {
        let (sandbox, dir) = with_datacenter();
        write_tree(&dir, &[(STATE, text)]);
        let holder = sandbox.cache().join(".swap-aaaaaaaaaaaa");
        fs::create_dir(&holder).unwrap();
        fs::rename(&dir, holder.join("dc_v1")).unwrap();
        let run = sandbox.run(&["inspect", "dc:v1", "--format", "{{.Deployed}}"]);
        assert_eq!(run.stdout, format!("{}\n", text == LIVE), "{run:?}");
        let run = sandbox.run(&["rm", "dc:v1"]);
        if text == LIVE {
            run.fails(4, "has the state of 1 resource");
            assert_eq!(sandbox.references(), ["dc:v1"]);
            assert_eq!(fs::read_to_string(dir.join(STATE)).unwrap(), LIVE);
            assert_eq!(sandbox.run(&["rm", "dc:v1", "--deployed"]).code, 0);
        } else {
            assert_eq!((run.code, &*run.stdout), (0, "removed dc:v1\n"), "{run:?}");
        }
        assert_eq!(names(&sandbox.cache()), [""; 0]);
    }
}
