//! Homes and caches at unusual places.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use crate::faults_content::{cached, with_entries};
use crate::running::has;
use crate::support::{ADD, Run, Sandbox, names, tree};

/// Runs the program in a mount namespace of its own, after a command that mounts
/// something there.
fn mounted(sandbox: &Sandbox, mount: &str, script: &str) -> Run {
    let script = format!("{mount} && {script}");
    let wrapper = ["unshare", "-rm", "sh", "-ec", &script];
    Run::from(sandbox.wrapped(&wrapper, &[""; 0]).output().unwrap())
}

fn may_mount() -> bool {
    has("unshare", &["-rm", "sh", "-c", "mount -t tmpfs none /mnt"])
}

/// Row 60: the paths in the registry lead to the former home.
#[test]
fn in_a_home_that_was_moved_only_entries_are_removed() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("src");
    sandbox.ok(&["add", "x:1", source.to_str().unwrap()]);
    sandbox.ok(&["add", "y:1", source.to_str().unwrap()]);
    fs::rename(sandbox.home(), sandbox.path("moved")).unwrap();
    let before = tree(&sandbox.path("moved/cache"));
    let run = sandbox.run(&["--home", "moved", "rm", "x:1"]);
    assert_eq!((run.code, &*run.stdout), (0, "removed x:1\n"), "{run:?}");
    assert_eq!(tree(&sandbox.path("moved/cache")), before);

    // The disk of the cache is not mounted.
    fs::rename(sandbox.path("moved"), sandbox.home()).unwrap();
    fs::rename(sandbox.cache(), sandbox.path("disk")).unwrap();
    let plan = sandbox.json(&["prune", "-n", "--format", "json"]);
    assert_eq!(plan["removed"], serde_json::json!([]));
    sandbox.ok(&["rm", "y:1"]);
    assert_eq!(names(&sandbox.path("disk")), ["x_1", "y_1"]);
}

/// Row 61: one directory has two names, as on a file system that folds case or Unicode
/// forms. Here a mount gives it the same identity.
#[test]
fn a_directory_under_another_name_is_the_same_directory() {
    if !may_mount() {
        return;
    }
    for (one, other) in [("App:1", "app:1"), ("caf\u{e9}:1", "cafe\u{301}:1")] {
        let sandbox = Sandbox::new();
        let [one_dir, other_dir] =
            [one, other].map(|name| cached(&sandbox, &name.replace(':', "_")));
        with_entries(
            &[(one, one_dir.clone()), (other, other_dir.clone())],
            &sandbox,
        );
        let before = tree(&one_dir);
        let mount = format!("mount --bind {} {}", one_dir.display(), other_dir.display());
        let run = mounted(&sandbox, &mount, &format!("\"$0\" rm {other}"));
        assert_eq!(
            (run.code, &*run.stdout),
            (0, &*format!("removed {other}\n")),
            "{run:?}"
        );
        assert!(run.stderr.contains(&format!("`{one}`")), "{run:?}");
        assert_eq!(tree(&one_dir), before);
    }
}

/// Row 62: the registry still belongs to the user.
#[test]
fn root_leaves_the_registry_to_its_owner() {
    const USER: u32 = 1234;
    let sandbox = Sandbox::with_registry(r#"{"artifacts":[]}"#);
    if fs::metadata(sandbox.registry()).unwrap().uid() != 0 {
        return; // Only root can give files away.
    }
    let state = || {
        let metadata = fs::metadata(sandbox.registry()).unwrap();
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777)
    };
    for mode in [0o600, 0o664] {
        chown(sandbox.registry(), Some(USER), Some(USER + 1)).unwrap();
        fs::set_permissions(sandbox.registry(), fs::Permissions::from_mode(mode)).unwrap();
        sandbox.ok(ADD);
        sandbox.ok(&["rm", "new:1"]);
        assert_eq!(state(), (USER, USER + 1, mode));
    }
}

/// Row 63: staging and trash are in the directory of the content, because otherwise
/// content could not be renamed into place.
#[test]
fn a_cache_root_that_is_a_link_or_a_mount_works() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("src");
    let source = source.to_str().unwrap();
    let disk = sandbox.path("disk");
    fs::create_dir_all(sandbox.home().join("cache")).unwrap();
    fs::create_dir(&disk).unwrap();
    symlink(&disk, sandbox.cache()).unwrap();
    sandbox.ok(&["add", "x:1", source]);
    assert_eq!(names(&disk), ["x_1"]);
    sandbox.ok(&["tag", "x:1", "y:1"]);
    sandbox.ok(&["rm", "x:1"]);
    assert_eq!(names(&disk), ["y_1"]);
    fs::create_dir(disk.join(".staging:abcdefghijkl")).unwrap();
    sandbox.ok(&["prune", "-y"]);
    sandbox.ok(&["rm", "y:1"]);
    assert_eq!(names(&disk), [""; 0]);
    assert_eq!(fs::read_link(sandbox.cache()).unwrap(), disk);

    if may_mount() {
        let sandbox = Sandbox::new();
        fs::create_dir_all(sandbox.cache()).unwrap();
        let mount = format!("mount -t tmpfs none {}", sandbox.cache().display());
        let script = format!(
            "\"$0\" add x:1 {source} && \"$0\" tag x:1 y:1 && \"$0\" cache-path y:1 && \
             \"$0\" rm x:1 y:1 && ls -A {}",
            sandbox.cache().display()
        );
        let run = mounted(&sandbox, &mount, &script);
        let said = "added x:1\nadded y:1\n/y_1\nremoved x:1\nremoved y:1\n";
        let place = Path::new(&sandbox.cache()).display().to_string();
        assert_eq!(
            (run.code, run.stdout.replace(&place, "")),
            (0, said.to_owned()),
            "{run:?}"
        );
    }
}

/// Row 27: a file system that is mounted read-only.
#[test]
fn a_home_on_a_read_only_file_system_is_read_but_not_changed() {
    if !may_mount() {
        return;
    }
    let sandbox = Sandbox::with_registry(r#"{"artifacts":[{"reference":"x:1"}]}"#);
    let before = (tree(&sandbox.home()), sandbox.registry_text());
    let home = sandbox.home().display().to_string();
    let mount = format!("mount --bind {home} {home} && mount -o remount,bind,ro {home}");
    for list in [
        "images -q",
        "exists x:1 && echo x:1",
        "rm -n x:1 | grep -o x:1",
    ] {
        let run = mounted(&sandbox, &mount, &format!("\"$0\" {list}"));
        assert_eq!((run.code, &*run.stdout), (0, "x:1\n"), "{run:?}");
    }
    let add = ADD.join(" ");
    for change in [&*add, "rm x:1", "prune -y", "tag x:1 y:1"] {
        let run = mounted(&sandbox, &mount, &format!("\"$0\" {change}"));
        assert_ne!(
            (run.code, run.stderr.contains("panic")),
            (101, true),
            "{run:?}"
        );
        assert_eq!((tree(&sandbox.home()), sandbox.registry_text()), before);
    }
    let run = mounted(&sandbox, &mount, &format!("\"$0\" {add}"));
    run.fails(1, "read-only file system");
}
