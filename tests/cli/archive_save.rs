//! `save`: where it writes, and what is left when it does not get to its end.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

use crate::layouts::{load, saved};
use crate::running::{Running, has_strace};
use crate::support::{Sandbox, mkfifo, names, tree};

fn with_artifact() -> Sandbox {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    sandbox.ok(&["add", "app:v1", source.to_str().unwrap()]);
    fs::create_dir(sandbox.path("out")).unwrap();
    sandbox
}

#[test]
fn a_file_that_is_replaced_keeps_its_mode_and_a_link_its_place() {
    let sandbox = with_artifact();
    let archive = saved(&sandbox, &["app:v1"]);
    let (file, link) = (sandbox.path("out/a.tar"), sandbox.path("out/link"));
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    symlink("a.tar", &link).unwrap();
    sandbox.ok(&["save", "app:v1", "-o", link.to_str().unwrap()]);
    assert!(fs::read(&file).unwrap() == archive && link.is_symlink());
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(names(&sandbox.path("out")), ["a.tar", "link"]);
}

/// A rename over /dev/null would replace the device, if root saves.
#[test]
fn a_pipe_or_device_is_written_to_and_not_replaced() {
    let sandbox = with_artifact();
    let archive = saved(&sandbox, &["app:v1"]);
    let pipe = sandbox.path("out/pipe");
    mkfifo(&pipe);
    let save = sandbox.command(&["save", "app:v1", "-o", pipe.to_str().unwrap()]);
    let running = Running::start(save);
    let mut read = Vec::new();
    fs::File::open(&pipe)
        .unwrap()
        .read_to_end(&mut read)
        .unwrap();
    assert_eq!((running.end().code, read == archive), (0, true));
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    assert_eq!(names(&sandbox.path("out")), ["pipe"]);
}

#[test]
fn what_a_killed_save_left_is_removed_by_the_next_one() {
    if !has_strace() {
        return;
    }
    let sandbox = with_artifact();
    let out = sandbox.path("out");
    // Of a directory, the first lock is its own, the second one that of the marker.
    for (target, number) in [("a.tar", 1), ("layout/", 3)] {
        let path = out.join(target);
        let args = ["save", "app:v1", "-o", path.to_str().unwrap()];
        let kill = format!("signal=KILL:when={number}");
        let _ = sandbox.traced_at("flock", &kill, &args).output().unwrap();
        let left = || tree(&out).iter().any(|it| it.contains(".cldctl-registry-"));
        assert!(left(), "{target}: {:?}", tree(&out));
        sandbox.ok(&args);
        assert!(!left(), "{:?}", tree(&out));
    }
}

#[test]
fn a_signal_while_saving_leaves_nothing() {
    if !has_strace() {
        return;
    }
    let sandbox = with_artifact();
    let out = sandbox.path("out");
    let cases = [("a.tar", 1), ("new/layout/", 2), ("new/layout/", 5)];
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        for (target, number) in cases {
            let path = out.join(target);
            let args = ["save", "app:v1", "-o", path.to_str().unwrap()];
            let inject = format!("signal={signal}:when={number}");
            let run = sandbox.traced_at("flock", &inject, &args).output().unwrap();
            assert_eq!(run.status.code(), Some(code), "{target} {number}: {run:?}");
            assert_eq!(names(&out), [""; 0], "{target} {number}");
        }
    }
}

#[test]
fn two_concurrent_saves_to_a_directory_both_are_in_its_index() {
    let sandbox = with_artifact();
    sandbox.ok(&["tag", "app:v1", "app:v2"]);
    let layout = sandbox.path("out/layout/");
    let layout = layout.to_str().unwrap();
    for _ in 0..10 {
        let save = |reference| Running::start(sandbox.command(&["save", reference, "-o", layout]));
        let both = [save("app:v1"), save("app:v2")];
        for running in both {
            let run = running.end();
            assert_eq!(run.code, 0, "{run:?}");
        }
        let listed = sandbox.ok(&["load", "-n", "-i", layout]);
        assert_eq!(listed.lines().count(), 2, "{listed}");
        fs::remove_dir_all(layout).unwrap();
    }
}

#[test]
fn a_chosen_artifact_is_loaded_from_a_pipe_that_has_more() {
    let sandbox = with_artifact();
    sandbox.ok(&["tag", "app:v1", "app:v2"]);
    let archive = saved(&sandbox, &["app:v1", "app:v2"]);
    let there = Sandbox::new();
    let run = load(&there, &archive, &["app:v2"]);
    assert_eq!((run.code, &*run.stdout), (0, "added app:v2\n"), "{run:?}");
}

#[test]
fn an_artifact_that_is_given_twice_is_saved_once_and_nothing_is_said_to_be_nothing() {
    let sandbox = with_artifact();
    let file = sandbox.path("out/a.tar");
    let file = file.to_str().unwrap();
    let digest = sandbox.json(&["inspect", "app:v1"])[0]["digest"].clone();
    let args = [
        "save",
        "app:v1",
        "app:v1",
        digest.as_str().unwrap(),
        "-o",
        file,
    ];
    assert_eq!(sandbox.ok(&args), "saved app:v1\n");
    assert_eq!(
        sandbox.ok(&["load", "-n", "-i", file]),
        "would load app:v1\n"
    );
    let run = sandbox.run(&["save", "--filter", "tag=none", "-o", file]);
    assert_eq!((run.code, &*run.stdout), (0, ""), "{run:?}");
    assert_eq!(
        run.stderr,
        "note: no artifact is chosen, so the archive is empty\n"
    );
    assert_eq!(sandbox.ok(&["load", "-i", file]), "");
}

#[test]
fn what_could_not_be_loaded_is_not_saved() {
    let sandbox = with_artifact();
    let source = sandbox.path("app");
    fs::write(source.join(".wh.\u{1b}"), "").unwrap();
    sandbox.ok(&["add", "wh:v1", source.to_str().unwrap(), "--all-files"]);
    let run = sandbox.run(&["save", "wh:v1"]);
    run.fails(
        4,
        "cannot save `wh:v1`: `.wh.\\u{1b}`: in an image, its name removes",
    );
    fs::remove_file(source.join("cld.yml")).unwrap();
    fs::remove_file(source.join(".wh.\u{1b}")).unwrap();
    fs::write(source.join("x"), "").unwrap();
    sandbox.ok(&[
        "add",
        "no:v1",
        source.to_str().unwrap(),
        "--type",
        "component",
    ]);
    sandbox.run(&["save", "no:v1"]).fails(
        4,
        "cannot save `no:v1`: it has no file that describes a component",
    );
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let sandbox = with_artifact();
    let mut save = sandbox.command(&["save", "app:v1"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = save.stdout(writer).output().unwrap();
    assert_eq!(
        (output.status.code(), &*output.stderr),
        (Some(0), &b""[..]),
        "{output:?}"
    );
}
