//! File systems that lack features.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::running::{has, has_strace};
use crate::support::{ADD, Run, Sandbox};

const ENTRY: &str = r#"{"artifacts":[{"reference":"x:1"}]}"#;

/// Returns the program with failing calls of one name on these paths.
fn failing(sandbox: &Sandbox, call: &str, error: &str, paths: &[&Path], args: &[&str]) -> Command {
    let (trace, inject) = (
        format!("trace={call}"),
        format!("inject={call}:error={error}"),
    );
    let mut strace = vec!["strace", "-f", "-qq", "-o", "/dev/null"];
    strace.extend(["-e", &trace, "-e", &inject]);
    for path in paths {
        strace.extend(["-P", path.to_str().unwrap()]);
    }
    sandbox.wrapped(&strace, args)
}

#[test]
fn a_change_is_made_with_one_warning_if_directories_cannot_be_synced() {
    if !has_strace() {
        return;
    }
    for error in ["EINVAL", "EOPNOTSUPP", "ENOSYS"] {
        for args in [ADD, &["rm", "x:1"], &["rm", "-f", "missing:1"]] {
            let sandbox = Sandbox::with_registry(ENTRY);
            let dirs = [sandbox.home(), sandbox.home().join("registry")];
            let dirs = dirs.each_ref().map(|dir| dir.as_path());
            let run = failing(&sandbox, "fsync", error, &dirs, args).output();
            let run = Run::from(run.unwrap());
            assert_eq!(run.code, 0, "{error} {args:?}: {run:?}");
            assert!(run.stderr.starts_with("warning: the file system of `"));
            assert!(run.stderr.contains("may not survive a power loss"));
            assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
        }
    }
}

/// In a fresh home, the parent directories are synced too.
#[test]
fn one_run_warns_once_of_all_directories_that_cannot_be_synced() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::new();
    let user = sandbox.user();
    let dirs = [
        user.clone(),
        sandbox.home(),
        sandbox.home().join("registry"),
    ];
    let dirs = dirs.each_ref().map(|dir| dir.as_path());
    let run = failing(&sandbox, "fsync", "EINVAL", &dirs, ADD).output();
    let run = Run::from(run.unwrap());
    assert_eq!((run.code, &*run.stdout), (0, "added new:1\n"), "{run:?}");
    assert_eq!(run.stderr.matches("warning: ").count(), 1, "{run:?}");
    assert!(
        run.stderr.contains(&format!("`{}`", user.display())),
        "{run:?}"
    );
    assert_eq!(sandbox.references(), ["new:1"]);
}

/// The text of the file must not be lost.
#[test]
fn a_file_that_cannot_be_synced_is_still_refused() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::with_registry(ENTRY);
    let output = sandbox.traced("error=EINVAL:when=1", ADD).output();
    Run::from(output.unwrap()).fails(1, "could not sync");
    assert_eq!(sandbox.registry_text(), ENTRY);
    assert!(sandbox.temporaries().is_empty());
}

/// A second name is then given to the file, which does not replace an existing one
/// either.
#[test]
fn a_new_registry_needs_no_rename_without_replacing() {
    if !has_strace() {
        return;
    }
    for error in ["EINVAL", "EOPNOTSUPP", "ENOSYS"] {
        let sandbox = Sandbox::new();
        let inject = format!("error={error}");
        let output = sandbox.traced_at("renameat2", &inject, ADD).output();
        let run = Run::from(output.unwrap());
        assert_eq!((run.code, &*run.stderr), (0, ""), "{error}: {run:?}");
        assert_eq!(sandbox.references(), ["new:1"]);
        assert!(sandbox.temporaries().is_empty());
    }
}

/// Creates a home with a registry of this mode, which a change has to keep.
fn with_mode(mode: u32) -> Sandbox {
    let sandbox = Sandbox::with_registry(ENTRY);
    sandbox.record("y:1");
    fs::set_permissions(sandbox.registry(), Permissions::from_mode(mode)).unwrap();
    sandbox
}

/// Runs the program with failing changes of modes and owners.
fn without_changes_of_modes(sandbox: &Sandbox, error: &str, more: &[&str]) -> Run {
    let calls = "fchmod,fchmodat,fchown,fchownat";
    let inject = format!("inject={calls}:error={error}");
    let trace = format!("trace={calls},fstatfs");
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e"];
    let strace = [&strace, &[&*inject][..], more].concat();
    Run::from(sandbox.wrapped(&strace, ADD).output().unwrap())
}

#[test]
fn a_mode_that_is_already_right_is_not_changed() {
    if !has_strace() {
        return;
    }
    for error in ["EPERM", "EOPNOTSUPP", "ENOSYS"] {
        let sandbox = with_mode(0o600);
        let run = without_changes_of_modes(&sandbox, error, &[]);
        assert_eq!((run.code, &*run.stderr), (0, ""), "{error}: {run:?}");
        assert_eq!(sandbox.references(), ["new:1", "x:1", "y:1"]);
    }
}

#[test]
fn a_mode_that_cannot_be_kept_is_an_error_on_a_file_system_with_modes() {
    if !has_strace() {
        return;
    }
    for error in ["EPERM", "EOPNOTSUPP", "EIO"] {
        let sandbox = with_mode(0o640);
        let before = sandbox.registry_text();
        let run = without_changes_of_modes(&sandbox, error, &[]);
        run.fails(1, "could not set the mode of");
        assert_eq!(sandbox.registry_text(), before, "{error}");
        assert!(sandbox.temporaries().is_empty());
    }
}

#[test]
fn a_file_system_without_modes_need_not_change_them() {
    // Linux reports these numbers for vfat, exfat, ntfs3, cifs, smb2, 9p and fuse.
    let numbers = [
        "444d0000", "b0ba1120", "6e746673", "424d53ff", "424d53fe", "97190201", "46557365",
    ];
    let poke = |number: &str| format!("inject=fstatfs:poke_exit=@arg2={number}00000000");
    let works = [
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fstatfs",
        "-e",
        &poke(numbers[0]),
        "true",
    ];
    if !has("strace", &works) || cfg!(target_endian = "big") {
        return;
    }
    for number in numbers {
        for error in ["EPERM", "EOPNOTSUPP", "ENOSYS"] {
            let sandbox = with_mode(0o640);
            let run = without_changes_of_modes(&sandbox, error, &["-e", &poke(number)]);
            assert_eq!(
                (run.code, &*run.stderr),
                (0, ""),
                "{number} {error}: {run:?}"
            );
        }
        let run = without_changes_of_modes(&with_mode(0o640), "EIO", &["-e", &poke(number)]);
        run.fails(1, "could not set the mode of");
    }
}
