//! Unexpected files as the registry, its lock or its home: links, directories, pipes,
//! read-only files, older forms.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::running::left_out;
use crate::support::{ADD, PROGRAM, Run, Sandbox, fixture, mkfifo, names};

const ENTRY: &str = r#"{"artifacts":[{"reference":"x:1"}]}"#;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Runs the program and expects it to end by itself: what is refused at once must not
/// be waited for.
fn run_briefly(sandbox: &Sandbox, args: &[&str]) -> Run {
    let mut child = start(sandbox, args);
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(5) {
            // A signal causes no exit code that a test expects.
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Run::from(child.wait_with_output().unwrap())
}

fn start(sandbox: &Sandbox, args: &[&str]) -> Child {
    sandbox
        .command(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs the program as a user to whom permissions apply. Root becomes the user `nobody`
/// for it, with a copy of the program, because that user may not be able to read the
/// original. `None` if root cannot do that.
fn run_unprivileged(sandbox: &Sandbox, args: &[&str]) -> Option<Run> {
    const NOBODY: u32 = 65534;
    let top = sandbox.path("");
    if fs::metadata(&top).unwrap().uid() != 0 {
        return Some(sandbox.run(args));
    }
    set_mode(&top, 0o755);
    let program = sandbox.path("program");
    if !program.exists() {
        fs::copy(PROGRAM, &program).unwrap();
    }
    let output = Command::new(program)
        .args(args)
        .env_clear()
        .env("HOME", sandbox.user())
        .current_dir("/")
        .stdin(Stdio::null())
        .uid(NOBODY)
        .gid(NOBODY)
        .output();
    if let Err(error) = &output {
        left_out(&format!("the program cannot run as another user: {error}"));
    }
    output.ok().map(Run::from)
}

/// Row 17: it is neither followed nor replaced.
#[test]
fn a_lock_path_that_is_not_a_file_stops_changes_but_not_readers() {
    let planted: [fn(&Path, &Path); 4] = [
        |lock, victim| symlink(victim, lock).unwrap(),
        |lock, _| symlink("absent", lock).unwrap(),
        |lock, _| fs::create_dir(lock).unwrap(),
        |lock, _| mkfifo(lock),
    ];
    let found = [
        "a symbolic link",
        "a symbolic link",
        "a directory",
        "a FIFO",
    ];
    for (plant, found) in planted.into_iter().zip(found) {
        let sandbox = Sandbox::with_registry(ENTRY);
        let victim = sandbox.path("victim");
        fs::write(&victim, "precious").unwrap();
        plant(&sandbox.registry().with_extension("json.lock"), &victim);

        for args in [ADD, &["rm", "x:1"]] {
            let run = run_briefly(&sandbox, args);
            run.fails(1, found);
            assert!(run.stderr.contains("artifacts.json.lock"), "{run:?}");
        }
        assert_eq!(sandbox.registry_text(), ENTRY);
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert_eq!(
            names(&sandbox.home().join("registry")),
            ["artifacts.json", "artifacts.json.lock"]
        );
        assert_eq!(sandbox.references(), ["x:1"]);
    }
}

/// Row 23: through two links.
#[test]
fn a_symlinked_registry_is_replaced_at_its_target() {
    let sandbox = Sandbox::with_registry(ENTRY);
    let elsewhere = sandbox.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::rename(sandbox.registry(), elsewhere.join("real.json")).unwrap();
    symlink("real.json", elsewhere.join("hop")).unwrap();
    symlink(elsewhere.join("hop"), sandbox.registry()).unwrap();

    sandbox.record("y:1");
    sandbox.ok(&["rm", "x:1"]);
    assert_eq!(sandbox.references(), ["y:1"]);
    assert_eq!(
        fs::read_link(sandbox.registry()).unwrap(),
        elsewhere.join("hop")
    );
    // The lock is beside the target, so that processes that come by other links find
    // it.
    assert_eq!(names(&sandbox.home().join("registry")), ["artifacts.json"]);
    assert_eq!(names(&elsewhere), ["hop", "real.json", "real.json.lock"]);
    assert!(
        elsewhere
            .join("real.json")
            .symlink_metadata()
            .unwrap()
            .is_file()
    );
}

/// Row 23: if its directory exists. Otherwise the registry may be on a disk that is not
/// mounted.
#[test]
fn a_new_registry_is_created_at_the_target_of_a_dangling_link() {
    let sandbox = Sandbox::with_registry(ENTRY);
    fs::remove_file(sandbox.registry()).unwrap();
    let target = sandbox.path("absent/real.json");
    symlink(&target, sandbox.registry()).unwrap();

    assert_eq!(sandbox.ok(&["images", "--format", "json"]), "[]\n");
    let record = ["add", "y:1", "--metadata-only", "--type", "component"];
    sandbox.run(&record).fails(1, "absent/real.json");
    assert!(
        !sandbox.path("absent").exists(),
        "the target is not created"
    );
    fs::create_dir(sandbox.path("absent")).unwrap();
    sandbox.record("y:1");
    assert_eq!(sandbox.references(), ["y:1"]);
    assert_eq!(fs::read_link(sandbox.registry()).unwrap(), target);
    assert!(target.symlink_metadata().unwrap().is_file());
}

/// Row 23: such links lead to no file.
#[test]
fn links_in_a_circle_are_refused() {
    let sandbox = Sandbox::with_registry(ENTRY);
    let dir = sandbox.home().join("registry");
    fs::remove_file(sandbox.registry()).unwrap();
    symlink("other", sandbox.registry()).unwrap();
    symlink("artifacts.json", dir.join("other")).unwrap();
    for args in [
        &["images"] as &[&str],
        &["inspect", "x:1"],
        ADD,
        &["rm", "x:1"],
    ] {
        sandbox.run(args).fails(1, "artifacts.json");
    }
    assert_eq!(names(&dir), ["artifacts.json", "other"]);
}

/// Row 24: also behind a link.
#[test]
fn a_registry_that_is_not_a_file_is_refused_at_once() {
    let planted: [fn(&Path); 5] = [
        |path| fs::create_dir(path).unwrap(),
        mkfifo,
        |path| drop(UnixListener::bind(path).unwrap()),
        |path| symlink("/dev/zero", path).unwrap(),
        |path| symlink(".", path).unwrap(),
    ];
    let found = [
        "a directory",
        "a FIFO",
        "a socket",
        "a device",
        "a directory",
    ];
    for (plant, found) in planted.into_iter().zip(found) {
        let sandbox = Sandbox::with_registry("");
        fs::remove_file(sandbox.registry()).unwrap();
        plant(&sandbox.registry());
        let before = sandbox.registry().symlink_metadata().unwrap();
        for args in [
            &["images"] as &[&str],
            &["images", "--format", "json"],
            &["inspect", "x:1"],
            ADD,
            &["rm", "x:1"],
        ] {
            run_briefly(&sandbox, args).fails(1, found);
        }
        let after = sandbox.registry().symlink_metadata().unwrap();
        assert_eq!((after.ino(), after.mode()), (before.ino(), before.mode()));
    }
}

/// Row 25: although it is a new file.
#[test]
fn a_change_keeps_the_mode_of_the_registry() {
    for expected in [0o600, 0o640, 0o644, 0o664, 0o666] {
        let sandbox = Sandbox::with_registry(ENTRY);
        set_mode(&sandbox.registry(), expected);
        let before = fs::metadata(sandbox.registry()).unwrap().ino();
        sandbox.record("y:1");
        let after = fs::metadata(sandbox.registry()).unwrap().ino();
        assert_ne!(after, before, "the file is a new one");
        assert_eq!(mode(&sandbox.registry()), expected);
        sandbox.ok(&["rm", "x:1"]);
        assert_eq!(mode(&sandbox.registry()), expected);
    }
}

#[test]
fn a_new_registry_has_the_mode_of_the_umask() {
    for (umask, expected) in [("022", 0o644), ("027", 0o640), ("002", 0o664)] {
        let sandbox = Sandbox::new();
        let script = format!("umask {umask}; exec \"$0\" \"$@\"");
        let status = Command::new("sh")
            .args(["-c", &script, PROGRAM])
            .args(ADD)
            .env("HOME", sandbox.user())
            .env_remove("CLDCTL_REGISTRY_HOME")
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap().success());
        assert_eq!(mode(&sandbox.registry()), expected);
    }
}

/// Row 26: the mode bits count.
#[test]
fn a_read_only_registry_is_read_but_not_changed_even_by_root() {
    for read_only in [0o444, 0o400] {
        let sandbox = Sandbox::with_registry(ENTRY);
        set_mode(&sandbox.registry(), read_only);
        sandbox.refuses_changes(1, "read-only");
        assert_eq!(mode(&sandbox.registry()), read_only);
        assert_eq!(sandbox.references(), ["x:1"]);
        assert_eq!(sandbox.ok(&["rm", "-n", "x:1"]), "would remove x:1\n");
    }
}

/// Row 27: by a user to whom permissions apply.
#[test]
fn a_registry_in_a_read_only_directory_is_read_but_not_changed() {
    // The second time with a lock file that another user left.
    for lock in [false, true] {
        let sandbox = Sandbox::with_registry(ENTRY);
        let dir = sandbox.home().join("registry");
        if lock {
            fs::write(dir.join("artifacts.json.lock"), "").unwrap();
        }
        let before = names(&dir);
        set_mode(&dir, 0o555);
        let Some(list) = run_unprivileged(&sandbox, &["images", "-q"]) else {
            return;
        };
        assert_eq!((list.code, &*list.stdout), (0, "x:1\n"), "{list:?}");
        assert_eq!(list.stderr, "");
        for args in [ADD, &["rm", "x:1"]] {
            run_unprivileged(&sandbox, args)
                .unwrap()
                .fails(1, "permission denied");
        }
        assert_eq!(names(&dir), before);
        assert_eq!(sandbox.registry_text(), ENTRY);
        set_mode(&dir, 0o755);
    }
}

#[test]
fn a_legacy_registry_that_cannot_be_converted_is_still_shown() {
    let sandbox = Sandbox::with_registry("");
    let dir = sandbox.home().join("registry");
    fs::remove_file(sandbox.registry()).unwrap();
    fs::write(
        dir.join("components.json"),
        fixture("legacy/components.json"),
    )
    .unwrap();
    set_mode(&dir, 0o555);
    let Some(list) = run_unprivileged(&sandbox, &["images", "-q"]) else {
        return;
    };
    assert_eq!((list.code, list.stdout.lines().count()), (0, 7), "{list:?}");
    assert_eq!(list.stderr, "");
    assert_eq!(names(&dir), ["components.json"]);
    set_mode(&dir, 0o755);
}

#[test]
fn a_legacy_registry_that_is_not_a_file_is_refused_at_once() {
    let sandbox = Sandbox::with_registry("");
    fs::remove_file(sandbox.registry()).unwrap();
    mkfifo(&sandbox.registry().with_file_name("components.json"));
    for args in [&["images"] as &[&str], ADD] {
        run_briefly(&sandbox, args).fails(1, "a FIFO");
    }
    assert!(!sandbox.registry().exists());
}

/// Row 21: whatever its content is.
#[test]
fn the_temporary_file_of_cldctl_is_kept() {
    let planted: [fn(&Path, &Path); 3] = [
        |path, _| fs::write(path, "{\"version\":").unwrap(),
        |path, victim| symlink(victim, path).unwrap(),
        |path, _| fs::create_dir(path).unwrap(),
    ];
    for plant in planted {
        let sandbox = Sandbox::with_registry(ENTRY);
        let leftover = sandbox.registry().with_extension("json.tmp");
        let victim = sandbox.path("victim");
        fs::write(&victim, "precious").unwrap();
        plant(&leftover, &victim);
        let before = leftover.symlink_metadata().unwrap();

        sandbox.record("y:1");
        sandbox.ok(&["rm", "x:1"]);
        assert_eq!(sandbox.references(), ["y:1"]);
        let after = leftover.symlink_metadata().unwrap();
        assert_eq!((after.ino(), after.mtime()), (before.ino(), before.mtime()));
        assert_eq!(after.len(), before.len());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }
}

/// Row 19: by readers and by changes.
#[test]
fn a_registry_that_is_torn_for_a_moment_is_read_again() {
    for torn in ["", "{\"artifacts\":[{\"refer"] {
        for (args, expected) in [
            (&["images", "-q"] as &[&str], &["x:1"] as &[&str]),
            (ADD, &["new:1", "x:1"]),
        ] {
            // On a very busy machine the moment can be too long.
            let read_again = (0..5).any(|_| {
                let sandbox = Sandbox::with_registry(torn);
                let child = start(&sandbox, args);
                let writer = std::thread::spawn({
                    let path = sandbox.registry();
                    move || {
                        std::thread::sleep(Duration::from_millis(80));
                        fs::write(path, ENTRY).unwrap();
                    }
                });
                let run = Run::from(child.wait_with_output().unwrap());
                writer.join().unwrap();
                run.code == 0 && run.stderr.is_empty() && sandbox.references() == expected
            });
            assert!(read_again, "{args:?} on {torn:?}");
        }
    }
}
