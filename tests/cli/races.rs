//! Directories that are exchanged with links that lead outside, while the program
//! deletes, reads or copies them.
//!
//! Each race is first run with a naive program, which does the same by paths without a
//! safeguard, to prove that the race can be lost.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};

use crate::exchange::{Exchanger, FILES, INSIDE, Outside};
use crate::faults_calls::recorded;
use crate::running::{Running, has_strace, wait_until};
use crate::stopped::Stopped;
use crate::support::{Run, Sandbox, mkfifo, names, tree, write_tree};
use crate::unprivileged::User;

/// The number of directories that are exchanged in one run.
const PLACES: usize = 24;
/// The number of runs of a command that works on all of them.
const RUNS: usize = 12;
/// The number of attempts of a naive program, which is far more than it needs.
const ATTEMPTS: usize = 300;
/// The number of times that it works on each directory.
const REPEATS: usize = 50;

/// The number of imports of one link in a run.
const IMPORTS: usize = 20;

/// Creates a sandbox, and a directory outside its home.
fn sandbox() -> (Sandbox, Outside) {
    let sandbox = Sandbox::in_memory();
    let outside = Outside::new(sandbox.path("outside"));
    (sandbox, outside)
}

/// Writes a directory with another one in it to exchange, `d`.
fn fill(dir: &Path) {
    let files = FILES.map(|name| (format!("d/{name}"), INSIDE));
    let files = files.each_ref().map(|(name, text)| (&**name, *text));
    write_tree(dir, &files);
    write_tree(dir, &[("cld.yml", "name: app\n")]);
}

/// Registers entries, each with such a directory.
fn register(sandbox: &Sandbox) -> Vec<PathBuf> {
    let dirs: Vec<_> = (0..PLACES)
        .map(|n| sandbox.cache().join(format!("x{n}_1")))
        .collect();
    dirs.iter().for_each(|dir| fill(dir));
    write_entries(sandbox, &dirs);
    dirs
}

/// Writes a registry with an entry for each of these directories of the cache.
fn write_entries(sandbox: &Sandbox, dirs: &[PathBuf]) {
    let entry = |dir: &PathBuf| {
        let key = dir.file_name().unwrap().to_str().unwrap();
        let name = key.strip_suffix("_1").unwrap();
        serde_json::json!({
            "reference": format!("{name}:1"), "repository": name, "tag": "1",
            "type": "component", "digest": format!("sha256:{:064}", 1), "size": 1,
            "createdAt": "2026-01-01T00:00:00Z", "cachePath": dir,
        })
    };
    let entries: Vec<_> = dirs.iter().map(entry).collect();
    let document = serde_json::json!({ "version": "v2", "artifacts": entries });
    sandbox.write_registry(document.to_string());
}

/// Expects that nothing outside was read or changed.
#[track_caller]
fn is_untouched(outside: &Outside, what: &str) {
    let touched = outside.touched();
    assert!(touched.is_empty(), "{what}: {touched:?}");
}

/// Expects that nothing from outside is stored.
#[track_caller]
fn nothing_is_stored_of(sandbox: &Sandbox, what: &str) {
    // If nothing was stored, there is no home.
    for entry in walkdir::WalkDir::new(sandbox.home()).into_iter().flatten() {
        if entry.file_type().is_file() {
            let text = fs::read(entry.path()).unwrap();
            let is_secret = text.windows(6).any(|part| part == b"SECRET");
            assert!(!is_secret, "{what}: {:?} is from outside", entry.path());
        }
    }
}

/// Expects that a naive program loses the race.
#[track_caller]
fn loses(lose: fn(&Path) -> io::Result<()>, prepare: fn(&Path)) {
    loses_with("d", "", lose, prepare);
}

/// Expects as [`loses`] does, when this name is exchanged with a link to this target
/// outside.
#[track_caller]
fn loses_with(name: &str, target: &str, lose: fn(&Path) -> io::Result<()>, prepare: fn(&Path)) {
    let mut exchanged = 0;
    let is_lost = (0..ATTEMPTS).any(|_| {
        let (sandbox, outside) = sandbox();
        let mut exchanger = Exchanger::new(sandbox.path("links"));
        let dirs: Vec<_> = (0..PLACES)
            .map(|n| sandbox.path(&format!("h{n}")))
            .collect();
        for dir in &dirs {
            fill(dir);
            prepare(dir);
            let left_out = dir.join("node_modules");
            let target = outside.path().join(target);
            match left_out.exists() {
                true => exchanger.exchange_beside(dir, &left_out, name, &target),
                false => exchanger.exchange(dir, name, &target),
            }
        }
        // The exchanges need a moment to begin.
        let times = dirs.iter().cycle().take(REPEATS * PLACES);
        let lose_all = || times.for_each(|dir| drop(lose(dir)));
        exchanged += exchanger.race(lose_all).1;
        !outside.touched().is_empty()
    });
    assert!(is_lost, "the race is not lost in {exchanged} exchanges");
}

/// Deletes a directory by paths.
fn delete_by_path(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        match fs::symlink_metadata(&path)?.is_dir() {
            true => delete_by_path(&path)?,
            false => fs::remove_file(&path)?,
        }
    }
    fs::remove_dir(dir)
}

/// A kind of deletion.
struct Deletion {
    name: &'static str,
    prepare: fn(&Sandbox) -> Vec<PathBuf>,
    args: &'static [&'static str],
}

/// Creates directories in the cache root, with the names that `name` makes.
fn filled(sandbox: &Sandbox, name: impl Fn(usize) -> String) -> Vec<PathBuf> {
    sandbox.record("other:1");
    let dirs: Vec<_> = (0..PLACES).map(|n| sandbox.cache().join(name(n))).collect();
    dirs.iter().for_each(|dir| fill(dir));
    dirs
}

const DELETIONS: &[Deletion] = &[
    Deletion {
        name: "removal",
        prepare: register,
        args: &["rm", "--all", "-y"],
    },
    Deletion {
        name: "sweep of leftovers",
        prepare: |sandbox| filled(sandbox, |n| format!(".trash-abcdefghij{n:02}")),
        args: &["add", "new:1", "--metadata-only", "--type", "component"],
    },
    Deletion {
        name: "prune of leftovers",
        prepare: |sandbox| filled(sandbox, |n| format!(".staging-abcdefghij{n:02}")),
        args: &["prune", "-y"],
    },
];

/// Runs a command again and again, each time in a fresh home, while names in these
/// directories are exchanged with links that lead outside.
#[track_caller]
fn races(
    what: &str,
    prepare: impl Fn(&Sandbox) -> Vec<(PathBuf, String)>,
    run: impl Fn(&Sandbox) -> Run,
) {
    races_with("", what, prepare, run);
}

/// Runs as [`races`] does, with links to this target outside.
#[track_caller]
fn races_with(
    target: &str,
    what: &str,
    prepare: impl Fn(&Sandbox) -> Vec<(PathBuf, String)>,
    run: impl Fn(&Sandbox) -> Run,
) {
    let mut exchanged = 0;
    for n in 0..RUNS {
        let (sandbox, outside) = sandbox();
        let mut exchanger = Exchanger::new(sandbox.path("links"));
        if n % 2 == 0 {
            exchanger = exchanger.and_stay();
        }
        for (dir, name) in prepare(&sandbox) {
            // An excluded directory is not opened.
            let watched = match dir.ends_with("node_modules") {
                true => dir.parent().unwrap(),
                false => &dir,
            };
            exchanger.exchange_beside(watched, &dir, &name, &outside.path().join(target));
        }
        let (run, count) = exchanger.race(|| run(&sandbox));
        exchanged += count;
        // The source changes meanwhile, so it may be refused, and a link is not
        // content.
        assert!([0, 1, 3, 4].contains(&run.code), "{what}: {run:?}");
        is_untouched(&outside, what);
        nothing_is_stored_of(&sandbox, what);
    }
    assert!(exchanged >= RUNS, "{what}: {exchanged} exchanges");
}

/// Returns each directory with its `d`.
fn inner(dirs: Vec<PathBuf>) -> Vec<(PathBuf, String)> {
    dirs.into_iter().map(|dir| (dir, "d".to_owned())).collect()
}

/// Row 73: by each kind of deletion.
#[test]
fn no_deletion_follows_a_link_that_replaces_a_directory() {
    loses(delete_by_path, |_| ());
    for deletion in DELETIONS {
        let prepare = |sandbox: &Sandbox| inner((deletion.prepare)(sandbox));
        races(deletion.name, prepare, |sandbox| sandbox.run(deletion.args));
    }
}

/// Writes a component with many directories to exchange.
fn fill_many(top: &Path) -> Vec<PathBuf> {
    write_tree(top, &[("cld.yml", "name: app\n")]);
    let dirs: Vec<_> = (0..PLACES).map(|n| top.join(format!("h{n}"))).collect();
    dirs.iter().for_each(|dir| fill(dir));
    dirs
}

/// Creates an entry with many of them in its own directory.
fn with_many(sandbox: &Sandbox) -> Vec<PathBuf> {
    let own = sandbox.cache().join("x_1");
    write_entries(sandbox, std::slice::from_ref(&own));
    fill_many(&own)
}

/// Row 73: the deletion of replaced content.
#[test]
fn no_replacement_follows_a_link_that_replaces_a_directory() {
    for args in [&["tag", "new:1", "x:1"][..], &["add", "x:1", "source"]] {
        let prepare = |sandbox: &Sandbox| {
            let dirs = inner(with_many(sandbox));
            let source = sandbox.component("source");
            sandbox.ok(&["add", "new:1", source.to_str().unwrap()]);
            dirs
        };
        races("replacement", prepare, |sandbox| sandbox.run(args));
    }
}

/// Gives directories the modes that their deletion needs, by paths.
fn make_deletable_by_path(dir: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(dir)?;
    if metadata.is_dir() && metadata.mode() & 0o700 != 0o700 {
        fs::set_permissions(dir, Permissions::from_mode(metadata.mode() | 0o700))?;
    }
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if fs::symlink_metadata(&path)?.is_dir() {
            make_deletable_by_path(&path)?;
        }
    }
    Ok(())
}

/// Removes the owner's permissions from the `d` of a directory.
fn close(dir: &Path) {
    fs::set_permissions(dir.join("d"), Permissions::from_mode(0o077)).unwrap();
}

/// Row 73: directories without permissions get them, and a private file elsewhere does
/// not.
#[test]
fn no_mode_outside_is_changed_while_closed_directories_are_deleted() {
    loses(make_deletable_by_path, close);
    let user = User::new();
    for target in ["", "a"] {
        let mut exchanged = 0;
        for _ in 0..RUNS {
            let sandbox = Sandbox::in_memory();
            let dirs = register(&sandbox);
            dirs.iter().for_each(|dir| close(dir));
            let outside = Outside::new(sandbox.path("outside"));
            let mut exchanger = Exchanger::new(sandbox.path("links"));
            for dir in &dirs {
                exchanger.exchange(dir, "d", &outside.path().join(target));
            }
            user.give(&sandbox);
            // It was given to another user, too.
            outside.touched();
            let (run, count) = exchanger.race(|| user.run(&sandbox, &["rm", "--all", "-y"]));
            exchanged += count;
            assert!([0, 1].contains(&run.code), "{run:?}");
            is_untouched(&outside, "closed directories");
        }
        assert!(exchanged >= RUNS, "{exchanged}");
    }
}

/// Reads a tree by paths, without following links.
fn read_by_path(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        match fs::symlink_metadata(&path)?.is_dir() {
            true => read_by_path(&path)?,
            false => drop(fs::read(&path)?),
        }
    }
    Ok(())
}

/// Row 73: while it is copied and hashed.
#[test]
fn nothing_outside_is_read_when_a_link_replaces_a_directory() {
    loses(read_by_path, |_| ());
    let source = |sandbox: &Sandbox| inner(fill_many(&sandbox.path("source")));
    let stored = |sandbox: &Sandbox| inner(with_many(sandbox));
    races("import", source, |sandbox| {
        sandbox.run(&["add", "new:1", sandbox.path("source").to_str().unwrap()])
    });
    races("import of all", source, |sandbox| {
        let source = sandbox.path("source");
        sandbox.run(&["add", "new:1", source.to_str().unwrap(), "--all-files"])
    });
    for args in [
        &["add", "x:1"][..],
        &["tag", "x:1", "new:1"],
        &["verify", "x:1"],
        &["inspect", "x:1"],
        &["df"],
    ] {
        races(args[0], stored, |sandbox| sandbox.run(args));
    }
}

/// Returns each directory with its file `a`.
fn files(dirs: Vec<PathBuf>) -> Vec<(PathBuf, String)> {
    let dirs = dirs.into_iter().map(|dir| dir.join("d"));
    dirs.map(|dir| (dir, "a".to_owned())).collect()
}

/// Row 73: the target of the link is private and has the same length.
#[test]
fn no_file_outside_is_read_or_deleted_when_a_link_replaces_a_file() {
    loses_with("cld.yml", "a", read_by_path, |_| ());
    let source = |sandbox: &Sandbox| files(fill_many(&sandbox.path("source")));
    let stored = |sandbox: &Sandbox| files(with_many(sandbox));
    races_with("a", "import", source, |sandbox| {
        sandbox.run(&["add", "new:1", "source"])
    });
    for args in [
        &["tag", "x:1", "new:1"][..],
        &["verify", "x:1"],
        &["rm", "x:1"],
    ] {
        races_with("a", args[0], stored, |sandbox| sandbox.run(args));
    }
}

/// Row 73: the file by which an artifact is recognized.
#[test]
fn no_file_outside_is_read_when_a_link_replaces_the_configuration() {
    let own = |top: PathBuf| vec![(top, "cld.yml".to_owned())];
    races_with(
        "a",
        "import",
        |sandbox| {
            fill(&sandbox.path("source"));
            own(sandbox.path("source"))
        },
        |sandbox| {
            let add = || sandbox.run(&["add", "new:1", "source"]);
            (1..IMPORTS).for_each(|_| drop(add()));
            add()
        },
    );
    for args in [&["add", "x:1"][..], &["verify", "x:1"], &["inspect", "x:1"]] {
        let stored = |sandbox: &Sandbox| {
            let top = sandbox.cache().join("x_1");
            write_entries(sandbox, std::slice::from_ref(&top));
            fill(&top);
            own(top)
        };
        races_with("a", args[0], stored, |sandbox| sandbox.run(args));
    }
}

/// Reads a file by its path, if it is one; returns false if that would wait for a
/// writer.
fn reads_by_path(path: &Path) -> bool {
    let is_file = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    let mut options = fs::File::options();
    // Without this flag the test would not end.
    let options = options
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits() as i32);
    let opened = options.open(path).and_then(|file| file.metadata());
    !is_file || opened.is_ok_and(|found| found.is_file())
}

/// Ends the exchanges when the race is over, also after a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Runs something while two names are exchanged all the time. Returns the number of
/// exchanges.
fn exchanging(file: &Path, other: &Path, run: impl FnOnce()) -> usize {
    let stop = AtomicBool::new(false);
    let flags = RenameFlags::EXCHANGE;
    std::thread::scope(|scope| {
        let exchanger = scope.spawn(|| {
            let mut count = 0;
            while !stop.load(Ordering::SeqCst) {
                count += usize::from(renameat_with(CWD, file, CWD, other, flags).is_ok());
            }
            count
        });
        let over = Over(&stop);
        run();
        drop(over);
        exchanger.join().unwrap()
    })
}

/// Row 73: opening a pipe would wait for ever.
#[test]
fn no_command_waits_for_a_pipe_that_replaces_a_file() {
    let stored = "user/.cldctl/cache/artifacts/x_1";
    let setup = |dir: &str| {
        let sandbox = Sandbox::in_memory();
        with_many(&sandbox);
        fill_many(&sandbox.path("source"));
        let (file, pipe) = (sandbox.path(dir).join("h0/d/a"), sandbox.path("pipe"));
        mkfifo(&pipe);
        (sandbox, file, pipe)
    };

    let (_sandbox, file, pipe) = setup("source");
    let mut lost = false;
    exchanging(&file, &pipe, || {
        lost = (0..ATTEMPTS * REPEATS).any(|_| !reads_by_path(&file));
    });
    assert!(lost, "the race is not lost");

    for (dir, args) in [
        ("source", &["add", "new:1", "source"][..]),
        (stored, &["add", "x:1"]),
        (stored, &["verify", "x:1"]),
        (stored, &["tag", "x:1", "new:1"]),
    ] {
        let (sandbox, file, pipe) = setup(dir);
        let count = exchanging(&file, &pipe, || {
            for _ in 0..RUNS {
                let mut running = Running::start(sandbox.command(args));
                wait_until("the end of a run", || !running.is_running());
                let run = running.end();
                assert!([0, 1, 3, 4].contains(&run.code), "{args:?}: {run:?}");
            }
        });
        assert!(count >= RUNS, "{args:?}: {count} exchanges");
    }
}

/// Row 73: if the system cannot open a path below a directory in one call, each name is
/// opened by itself.
#[test]
fn nothing_outside_is_read_or_deleted_on_a_system_without_openat2() {
    if !has_strace() {
        return;
    }
    let without = |sandbox: &Sandbox, args: &[&str]| {
        let mut command = sandbox.traced_at("openat2", "error=ENOSYS", args);
        Run::from(command.output().unwrap())
    };
    races(
        "import",
        |sandbox| inner(fill_many(&sandbox.path("source"))),
        |sandbox| without(sandbox, &["add", "new:1", "source"]),
    );
    for args in [
        &["tag", "x:1", "new:1"][..],
        &["verify", "x:1"],
        &["rm", "x:1"],
    ] {
        let stored = |sandbox: &Sandbox| inner(with_many(sandbox));
        races(args[0], stored, |sandbox| without(sandbox, args));
    }
}

/// Reads the target of a link, if it is inside.
fn read_link_by_path(dir: &Path) -> io::Result<()> {
    let target = fs::canonicalize(dir.join("link"))?;
    if target.starts_with(dir) {
        fs::read(target)?;
    }
    Ok(())
}

/// Creates a link with a path through directories that import excludes, to exchange one
/// of them.
fn link_through(dir: &Path) {
    let left_out = dir.join("node_modules");
    fs::create_dir(&left_out).unwrap();
    fs::rename(dir.join("d"), left_out.join("d")).unwrap();
    symlink("node_modules/d/a", dir.join("link")).unwrap();
}

/// Row 74: none of the imported files changes.
#[test]
fn a_file_from_outside_is_not_stored_for_a_link_whose_path_changes() {
    loses(read_link_by_path, link_through);
    races(
        "link",
        |sandbox| {
            // There is only one link, because the first one that leads outside ends the
            // import.
            let source = sandbox.path("source");
            fill(&source);
            link_through(&source);
            inner(vec![source.join("node_modules")])
        },
        |sandbox| {
            let source = sandbox.path("source");
            let add = || sandbox.run(&["add", "new:1", source.to_str().unwrap()]);
            (1..IMPORTS).for_each(|_| drop(add()));
            add()
        },
    );
}

/// Row 73: the own directory of an entry, in the cache root.
#[test]
fn a_link_that_replaces_an_own_directory_is_not_followed() {
    let own = |sandbox: &Sandbox| {
        let dirs = register(sandbox).into_iter();
        let names = dirs.map(|dir| dir.file_name().unwrap().to_str().unwrap().to_owned());
        let source = sandbox.component("source");
        assert!(source.exists());
        names.map(|name| (sandbox.cache(), name)).collect()
    };
    for args in [
        &["rm", "--all", "-y"][..],
        &["verify"],
        &["inspect", "x0:1", "x1:1", "x2:1"],
        &["add", "x0:1"],
        &["add", "x0:1", "source"],
        &["tag", "x0:1", "x1:1", "x2:1", "x3:1"],
        &["prune", "-a", "--filter", "reference=x*", "-y"],
    ] {
        races(args[0], own, |sandbox| sandbox.run(args));
    }
}

/// The number of files that an add copies.
const COPIED: usize = 20;

/// Starts an add and stops it when it has just created its staging directory.
fn just_begun(sandbox: &Sandbox) -> Stopped {
    let source = sandbox.path("source");
    write_tree(&source, &[("cld.yml", "name: app\n")]);
    for n in 0..COPIED {
        write_tree(&source, &[(&format!("{n}"), "text\n")]);
    }
    let other = ["add", "other:1", "--metadata-only", "--type", "component"];
    sandbox.ok(&[&other[..], &["--cache-path", "/elsewhere"]].concat());
    let add = |reference| ["add", reference, source.to_str().unwrap()];
    // The first add creates the parent directories, and the second one determines the
    // number of the call.
    sandbox.ok(&add("first:1"));
    let made = recorded(sandbox, "mkdir,mkdirat", &add("second:1"));
    sandbox.ok(&["rm", "first:1", "second:1"]);
    let staging = made.iter().find(|line| line.contains(".staging"));
    let name = |line: &str| line.split('(').next().unwrap().to_owned();
    let call = name(staging.unwrap());
    let mut same = made.iter().filter(|line| name(line) == call);
    let number = 1 + same.position(|line| line.contains(".staging")).unwrap();
    Stopped::after(sandbox, &call, number, &add("living:1")).unwrap()
}

/// Returns the staging directories, each with its number of files.
fn staged(sandbox: &Sandbox) -> Vec<(PathBuf, usize)> {
    let names = names(&sandbox.cache()).into_iter();
    let staged = names.filter(|name| name.starts_with(".staging"));
    let dirs = staged.map(|name| sandbox.cache().join(name));
    dirs.map(|dir| (dir.clone(), tree(&dir).len())).collect()
}

/// Expects that an add succeeds although another process looked at its staging.
#[track_caller]
fn is_whole(sandbox: &Sandbox, run: &Run, what: &str) {
    assert_eq!(run.code, 0, "{what}: {run:?}");
    assert_eq!(sandbox.references(), ["living:1", "other:1"], "{what}");
    let stored = tree(&sandbox.cache().join("living_1"));
    assert_eq!(stored, tree(&sandbox.path("source")), "{what}");
    assert!(staged(sandbox).is_empty(), "{what}");
}

/// Row 75: however late `prune` deletes what it found.
#[test]
fn a_staging_directory_that_was_just_created_is_kept() {
    if !has_strace() {
        return;
    }
    // A naive program checks that it is not locked, and deletes it later.
    {
        let sandbox = Sandbox::in_memory();
        let add = just_begun(&sandbox);
        let (dir, _) = staged(&sandbox).pop().unwrap();
        assert!(fs::File::open(&dir).unwrap().try_lock().is_ok());
        let lock = sandbox.hold_lock();
        add.go_on();
        wait_until("the copy", || {
            staged(&sandbox).iter().any(|it| it.1 > COPIED)
        });
        fs::remove_dir_all(&dir).unwrap();
        drop(lock);
        let run = add.end();
        assert_ne!(run.code, 0, "the race is not lost: {run:?}");
    }

    let mut stopped = 0;
    for at in 1.. {
        let sandbox = Sandbox::in_memory();
        let mut add = just_begun(&sandbox);
        let prune = Stopped::after(&sandbox, "flock", at, &["prune", "-y"]);
        let what = format!("prune stopped after lock {at}");
        add.go_on();
        // The add continues as far as it can while `prune` is stopped.
        wait_until("the copy", || {
            !add.is_running() || staged(&sandbox).iter().any(|it| it.1 > COPIED)
        });
        match prune {
            Ok(prune) => {
                prune.go_on();
                let run = prune.end();
                assert!([0, 1].contains(&run.code), "{what}: {run:?}");
                is_whole(&sandbox, &add.end(), &what);
                stopped += 1;
            }
            Err(run) => {
                assert_eq!(run.code, 0, "{what}: {run:?}");
                is_whole(&sandbox, &add.end(), &what);
                break;
            }
        }
    }
    assert!(stopped > 0, "prune asks for no lock");
}
