//! Content that the system does not allow to be read, locked or deleted.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::running::has_strace;
use crate::support::{Run, Sandbox, names, tree};
use crate::unprivileged::User;

/// Row 67: the cache may be listed, but its directories may not be read.
#[test]
fn entries_with_unreadable_content_are_neither_removed_nor_called_missing() {
    let sandbox = Sandbox::in_memory();
    let user = User::new();
    let source = sandbox.component("app");
    for name in ["a:1", "b:1", "c:1"] {
        sandbox.ok(&["add", name, source.to_str().unwrap()]);
    }
    user.give(&sandbox);
    let before = (sandbox.registry_text(), tree(&sandbox.cache()));
    let close = |mode| {
        fs::set_permissions(sandbox.cache(), Permissions::from_mode(mode)).unwrap();
    };
    close(0o600);
    for args in [
        &["images", "-q", "--filter", "cache=missing"][..],
        &["images", "--filter", "cache=present"],
        &["cache-path", "--check", "a:1"],
        &["rm", "a:1"],
        &["rm", "a:1", "b:1", "-f"],
        &["rm", "--all", "-y"],
        &["prune", "-y"],
        &["prune", "-a", "--filter", "cache=missing", "-y"],
        &["prune", "-a", "--filter", "reference=*", "-y"],
        &["tag", "a:1", "d:1"],
        &["add", "a:1"],
        &["add", "a:1", source.to_str().unwrap()],
        &["df"],
        &["inspect", "a:1"],
        &["verify"],
    ] {
        let run = user.run(&sandbox, args);
        assert_eq!(run.code, 1, "{args:?}: {run:?}");
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains("permission denied"), "{args:?}: {run:?}");
        for word in ["missing", "gone", "not found", "external", "unverifiable"] {
            assert!(!said.contains(word), "{args:?}: {run:?}");
        }
    }
    close(0o700);
    assert_eq!((sandbox.registry_text(), tree(&sandbox.cache())), before);
    let run = user.run(&sandbox, &["verify"]);
    assert_eq!(run.code, 0, "{run:?}");
}

/// Row 69: the lock of a directory in which content is built, not that of the registry.
#[test]
fn a_hint_names_the_file_system_if_directories_cannot_be_locked() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::in_memory();
    let source = sandbox.component("app");
    let add = ["add", "a:1", source.to_str().unwrap()];
    sandbox.ok(&add);
    let before = tree(&sandbox.cache());
    fs::write(source.join("two"), "two").unwrap();
    let add = [
        "add",
        "a:1",
        source.to_str().unwrap(),
        "--lock-timeout",
        "1s",
    ];
    for (error, code) in [
        ("ENOLCK", 1),
        ("EOPNOTSUPP", 1),
        ("ENOSYS", 1),
        ("EAGAIN", 5),
    ] {
        let inject = format!("error={error}:when=1+");
        let trace = sandbox.path("trace");
        let strace = ["strace", "-f", "-qq", "-o", trace.to_str().unwrap()];
        let more = ["-e", "trace=flock", "-e", &format!("inject=flock:{inject}")];
        let run = sandbox
            .wrapped(&[&strace[..], &more].concat(), &add)
            .output();
        let run = Run::from(run.unwrap());
        assert_eq!(run.code, code, "{error}: {run:?}");
        assert!(run.stderr.contains("\nhint: "), "{error}: {run:?}");
        assert!(
            run.stderr.contains("--home") || error == "EAGAIN",
            "{run:?}"
        );
        assert_eq!(tree(&sandbox.cache()), before, "{error}");
        // It asks for a second, with pauses.
        let asked = fs::read_to_string(&trace)
            .unwrap()
            .matches("flock(")
            .count();
        assert!(asked < 1000, "{error}: asked {asked} times");
    }
}

/// Row 84: after a removal and after each kind of replacement.
#[test]
fn content_that_cannot_be_deleted_is_named() {
    if !has_strace() {
        return;
    }
    for args in [
        &["rm", "a:1"][..],
        &["add", "a:1", "app"],
        &["tag", "b:1", "a:1"],
    ] {
        let sandbox = Sandbox::in_memory();
        let source = sandbox.component("app");
        sandbox.ok(&["add", "a:1", "app"]);
        fs::write(source.join("two"), "two").unwrap();
        sandbox.ok(&["add", "b:1", "app"]);
        // Files that may not be changed, `chattr +i`, fail in this way.
        let undeletable = |args: &[&str]| {
            let mut run = sandbox.traced_at("unlinkat,unlink,rmdir", "error=EPERM", args);
            Run::from(run.output().unwrap())
        };
        let run = undeletable(args);
        assert_eq!(run.code, 1, "{run:?}");
        let left = names(&sandbox.cache());
        let left = left.iter().find(|name| name.starts_with('.')).unwrap();
        assert!(run.stderr.contains("could not delete"), "{run:?}");
        assert!(run.stderr.contains(&**left), "{left}: {run:?}");
        assert!(run.stderr.contains("operation not permitted"), "{run:?}");

        let run = sandbox.run(&["verify", "--format", "json"]);
        assert!(run.stdout.contains(&**left), "{run:?}");
        let run = undeletable(&["prune", "-y"]);
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.stderr.contains(&**left), "{left}: {run:?}");
        sandbox.ok(&["prune", "-y"]);
        assert!(
            !names(&sandbox.cache())
                .iter()
                .any(|name| name.starts_with('.'))
        );
        sandbox.ok(&["verify"]);
    }
}
