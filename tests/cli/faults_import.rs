//! Sources that cannot be imported at all, or not completely.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::faults_content::cached;
use crate::support::{PROGRAM, Run, Sandbox, mkfifo, names, tree, write_tree};

/// Expects that a source is refused, that the message names the cause, and that nothing
/// is left over.
#[track_caller]
fn refuses_source(sandbox: &Sandbox, source: &Path, named: &Path) {
    let before = names(&sandbox.cache());
    let args = ["add", "new:1", source.to_str().unwrap()];
    sandbox.refuses(&args, 4, &format!("`{}`", named.display()));
    assert_eq!(names(&sandbox.cache()), before);
}

#[test]
fn a_socket_or_a_pipe_in_a_source_is_refused_by_name() {
    let plant: [fn(&Path); 2] = [|path| drop(UnixListener::bind(path).unwrap()), mkfifo];
    for plant in plant {
        let sandbox = Sandbox::new();
        let source = fs::canonicalize(sandbox.component("source")).unwrap();
        let special = source.join("src/special");
        plant(&special);
        refuses_source(&sandbox, &source, &special);
        refuses_source(&sandbox, &source.join("cld.yml"), &special);
        // It cannot be the source itself either.
        refuses_source(&sandbox, &special, &special);
        // Excluded files are no obstacle.
        fs::rename(&special, source.join(".git/special")).unwrap();
        sandbox.ok(&["add", "x:1", source.to_str().unwrap()]);
        let args = ["add", "new:1", source.to_str().unwrap(), "--all-files"];
        sandbox.refuses(&args, 4, "/.git/special`");
    }
}

#[test]
fn a_source_that_contains_the_cache_is_refused() {
    for exists in [false, true] {
        let sandbox = Sandbox::new();
        if exists {
            cached(&sandbox, "other_1");
        }
        let user = fs::canonicalize(sandbox.user()).unwrap();
        fs::write(user.join("cld.yml"), "name: home\n").unwrap();
        let refuse = |source: &Path| {
            let args = ["add", "new:1", source.to_str().unwrap(), "--all-files"];
            sandbox.refuses(&args, 4, &format!("`{}`", user.display()));
        };
        refuse(&user);
        assert_eq!(sandbox.home().exists(), exists, "nothing is created");
        // The same directory is recognized under another name.
        symlink(&user, sandbox.path("alias")).unwrap();
        refuse(&sandbox.path("alias"));
        // The cache is no obstacle below an excluded name.
        sandbox.ok(&["add", "new:1", user.to_str().unwrap()]);
        assert_eq!(names(&sandbox.cache().join("new_1")), ["cld.yml"]);
    }
    let sandbox = Sandbox::new();
    cached(&sandbox, "other_1");
    let root = fs::canonicalize(sandbox.cache()).unwrap();
    fs::write(root.join("cld.yml"), "name: cache\n").unwrap();
    refuses_source(&sandbox, &root, &root);
    // A directory of the cache is a valid source.
    sandbox.ok(&["add", "x:1", root.join("other_1").to_str().unwrap()]);
}

/// Row 46: by every kind of link.
#[test]
fn a_link_that_leaves_the_source_is_refused_by_name() {
    let targets: [fn(&Path) -> PathBuf; 7] = [
        |_| PathBuf::from("/etc/passwd"),
        |_| PathBuf::from("../beside"),
        |_| PathBuf::from("src/../../beside"),
        // Its path begins as the source's does, but it is another directory.
        |source| source.with_file_name("source-2/file"),
        |_| PathBuf::from("way-out"),
        |_| PathBuf::from("out/file"),
        |_| PathBuf::from("/dev/null"),
    ];
    for target in targets {
        let sandbox = Sandbox::new();
        let source = fs::canonicalize(sandbox.component("source")).unwrap();
        fs::write(sandbox.path("beside"), "secret").unwrap();
        write_tree(&sandbox.path("source-2"), &[("file", "secret")]);
        let link = source.join("src/link");
        let target = target(&source);
        if target.starts_with("way-out") {
            symlink("../../beside", source.join("src/way-out")).unwrap();
            symlink(&target, &link).unwrap();
            sandbox.refuses(
                &["add", "new:1", source.to_str().unwrap()],
                4,
                "leaves the directory",
            );
            continue;
        }
        if target.starts_with("out") {
            // The path leads through an excluded name, and outside all the same.
            symlink("../source-2", source.join(".out")).unwrap();
            symlink("../.out/file", &link).unwrap();
        } else {
            symlink(&target, &link).unwrap();
        }
        refuses_source(&sandbox, &source, &link);
    }
}

/// Expects that a source with a link to this target is refused, and that the message
/// names the link.
#[track_caller]
fn refuses_link_to(target: &str) {
    let sandbox = Sandbox::new();
    let source = fs::canonicalize(sandbox.component("source")).unwrap();
    let link = source.join("src/link");
    symlink(target, &link).unwrap();
    refuses_source(&sandbox, &source, &link);
}

#[test]
fn a_link_to_a_directory_and_a_dangling_link_are_refused_by_name() {
    for target in ["lib", ".", "..", "absent", "absent/child"] {
        refuses_link_to(target);
    }
}

#[test]
fn a_circular_link_and_a_link_through_a_file_are_refused_as_dangling() {
    for target in ["link", "main.ts/child"] {
        refuses_link_to(target);
    }
}

/// Row 46: also through other links.
#[test]
fn a_link_to_a_file_of_the_source_is_stored_as_that_file() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("source");
    symlink("main.ts", source.join("src/near")).unwrap();
    symlink("near", source.join("src/lib/../hop")).unwrap();
    symlink(source.join("cld.yml"), source.join("src/lib/absolute")).unwrap();
    sandbox.ok(&["add", "x:1", source.to_str().unwrap()]);
    let own = sandbox.cache().join("x_1");
    for (name, text) in [
        ("src/near", "console.log('hello')\n"),
        ("src/hop", "console.log('hello')\n"),
        ("src/lib/absolute", "name: app\n"),
    ] {
        assert!(own.join(name).symlink_metadata().unwrap().is_file());
        assert_eq!(fs::read_to_string(own.join(name)).unwrap(), text);
    }
}

/// Rows 51 and 77: also if it is missing then.
#[test]
fn a_source_that_changes_while_it_is_imported_is_refused() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("source");
    sandbox.ok(&["add", "x:1", source.to_str().unwrap()]);
    let before = (sandbox.registry_text(), tree(&sandbox.cache()));

    let growing = source.join("src/growing");
    fs::write(&growing, vec![b'x'; 1 << 20]).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = fs::OpenOptions::new().append(true).open(&growing).unwrap();
            while !done.load(Ordering::Relaxed) {
                file.write_all(b"y").unwrap();
            }
        });
        let run = sandbox.run(&["add", "x:1", source.to_str().unwrap()]);
        done.store(true, Ordering::Relaxed);
        run.fails(1, "growing` changed");
    });
    assert_eq!((sandbox.registry_text(), tree(&sandbox.cache())), before);

    sandbox.refuses(
        &["add", "x:1", sandbox.path("absent").to_str().unwrap()],
        1,
        "absent",
    );
    assert_eq!(tree(&sandbox.cache()), before.1);
}

/// Runs the program where no file can grow beyond 512 KiB: writing more fails with EFBIG.
fn where_no_file_grows_beyond_512_kib(sandbox: &Sandbox, args: &[&str]) -> Run {
    let limited = "trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\"";
    let output = Command::new("sh")
        .args(["-c", limited, PROGRAM])
        .args(args)
        .env("HOME", sandbox.user())
        .env_remove("CLDCTL_REGISTRY_HOME")
        .output()
        .unwrap();
    Run::from(output)
}

/// Row 52: a limit, EFBIG, acts as a full disk does.
#[test]
fn content_that_cannot_be_written_leaves_the_old_content_and_no_staging() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("source");
    sandbox.ok(&["add", "x:1", source.to_str().unwrap()]);
    let before = (sandbox.registry_text(), tree(&sandbox.cache()));
    fs::write(source.join("large"), vec![b'x'; 4 << 20]).unwrap();

    let run =
        where_no_file_grows_beyond_512_kib(&sandbox, &["add", "x:1", source.to_str().unwrap()]);
    run.fails(1, "could not write");
    assert_eq!((sandbox.registry_text(), tree(&sandbox.cache())), before);
    assert_eq!(
        names(&sandbox.home().join("registry")).len(),
        3,
        "registry, lock, manifests"
    );
    assert_eq!(names(&sandbox.home().join("registry/manifests")).len(), 1);
}

/// Row 52: a disk that is full until the end, so that nothing can be written while the
/// change is undone either.
#[test]
fn an_add_on_a_full_disk_changes_nothing_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let script = r#"
        mkdir -p "$HOME/.cldctl"; must mount -t tmpfs -o size=1m tmpfs "$HOME/.cldctl"
        expect 0 add a:1 "$S"; head -c 2000000 /dev/zero >"$S/large"
        before=$(state); expect 1 add a:1 "$S"
        [ "$before" = "$(state)" ] || fail "changed: $(find "$C")"
        rm "$S/large"; echo more >"$S/more"
        cat /dev/zero >"$HOME/.cldctl/filler" 2>/dev/null
        before=$(state); expect 1 add a:1 "$S"; expect 1 add b:1 "$S"
        [ "$before" = "$(state)" ] || fail "changed: $(find "$C")"
        [ "$(ls -A "$(dirname "$R")")" = "$(printf 'artifacts.json\nartifacts.json.lock\nmanifests')" ] ||
            fail "left: $(ls -A "$(dirname "$R")")"
        rm "$HOME/.cldctl/filler"; expect 0 add a:1 "$S"; expect 0 verify
    "#;
    if let Some(run) = crate::mounts::with_mounts(&sandbox, script) {
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stderr.contains("no space left on device"), "{run:?}");
    }
}

#[test]
fn content_that_is_in_place_already_is_not_copied() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("source");
    let add = ["add", "x:1", source.to_str().unwrap()];
    let tag = ["tag", "x:1", "y:1"];
    fs::write(source.join("large"), vec![b'x'; 4 << 20]).unwrap();
    let untagged = ["add", "--untagged", source.to_str().unwrap()];
    sandbox.ok(&add);
    sandbox.ok(&tag);
    sandbox.ok(&untagged);
    let before = (sandbox.registry_text(), tree(&sandbox.cache()));
    for args in [&add, &tag, &untagged] {
        let run = where_no_file_grows_beyond_512_kib(&sandbox, args);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stdout.starts_with("unchanged "), "{run:?}");
    }
    assert_eq!((sandbox.registry_text(), tree(&sandbox.cache())), before);

    // Content that no entry names is not copied either.
    sandbox.ok(&["rm", "x:1", "--keep-cache"]);
    let run = where_no_file_grows_beyond_512_kib(&sandbox, &add);
    assert_eq!((run.code, &*run.stdout), (0, "added x:1\n"), "{run:?}");
    assert_eq!(tree(&sandbox.cache()), before.1);
    // Other content of the same length is.
    let mut other = vec![b'x'; 4 << 20];
    *other.last_mut().unwrap() = b'y';
    fs::write(source.join("large"), other).unwrap();
    where_no_file_grows_beyond_512_kib(&sandbox, &add).fails(1, "could not write");
    where_no_file_grows_beyond_512_kib(&sandbox, &untagged).fails(1, "could not write");
    assert_eq!(sandbox.ok(&add), "updated x:1\n");
    assert_eq!(
        fs::read(sandbox.cache().join("x_1/large")).unwrap().last(),
        Some(&b'y')
    );
}

#[test]
fn untagged_content_that_was_overwritten_in_the_cache_is_not_taken_for_other_content() {
    let sandbox = Sandbox::new();
    let (first, second) = (sandbox.component("first"), sandbox.component("second"));
    fs::write(first.join("file"), "one").unwrap();
    fs::write(second.join("file"), "two").unwrap();
    let add = |source: &Path| {
        let args = [
            "add",
            "--untagged",
            source.to_str().unwrap(),
            "--format",
            "json",
        ];
        sandbox.json(&args)["entry"]["cachePath"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let there = add(&first);
    fs::write(Path::new(&there).join("file"), "two").unwrap();
    let second = add(&second);
    assert_ne!(second, there);
    assert_eq!(fs::read(Path::new(&second).join("file")).unwrap(), b"two");
}
