//! The choice of the home, and the registry that was there before cldctl had its
//! current form.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{ADD, Run, Sandbox, at_once, fixture, names};

/// Row 28: it would depend on the current directory.
#[test]
fn a_relative_home_of_the_user_is_refused() {
    let sandbox = Sandbox::new();
    for args in [&["images"] as &[&str], &["cache-path", "x:1"], ADD] {
        let output = sandbox.command(args).env("HOME", "user").output().unwrap();
        Run::from(output).fails(1, "`user`");
    }
    assert_eq!(names(&sandbox.user()), [""; 0]);

    // A relative path on the command line starts at the current directory.
    let args = [ADD, &["--home", "here"]].concat();
    let output = sandbox.command(&args).env("HOME", "user").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let path = sandbox.ok(&["cache-path", "new:1", "--home", "here"]);
    let path = Path::new(path.trim_end());
    assert!(path.is_absolute() && path.ends_with("here/cache/artifacts/new_1"));
}

/// Row 28: an unset variable equals an empty one.
#[test]
fn without_a_home_variable_the_password_database_names_the_home() {
    let output = Command::new("sh")
        .args(["-c", "eval echo ~$(id -un)"])
        .output()
        .unwrap();
    let home = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    if !home.is_absolute() {
        return; // The database does not have the user.
    }
    let expected = format!("{}\n", home.join(".cldctl/cache/artifacts").display());
    let unset = sandboxed_root(|command| command.env_remove("HOME"));
    let empty = sandboxed_root(|command| command.env("HOME", ""));
    assert_eq!((unset, empty), (expected.clone(), expected));
}

/// Returns the cache root in such an environment; this touches no file.
fn sandboxed_root(change: impl Fn(&mut Command) -> &mut Command) -> String {
    let mut command = Sandbox::new().command(&["cache-path", "--root"]);
    change(&mut command).current_dir("/");
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

/// Row 29: by the first command, whichever it is.
#[test]
fn a_legacy_registry_is_converted_once_and_kept() {
    for first in [&["images", "-q"] as &[&str], &["inspect", "my-dc"], ADD] {
        let sandbox = Sandbox::with_registry("");
        let legacy = sandbox.registry().with_file_name("components.json");
        fs::remove_file(sandbox.registry()).unwrap();
        fs::write(&legacy, fixture("legacy/components.json")).unwrap();

        sandbox.ok(first);
        if first == ADD {
            sandbox.ok(&["rm", "new:1"]);
        }
        // cldctl drops the old fields; here they are kept, after the others.
        let without_source = sandbox
            .registry_text()
            .replace(",\n      \"source\": \"built\"", "")
            .replace(",\n      \"source\": \"pulled\"", "");
        assert_eq!(
            without_source,
            fixture("legacy/expected-artifacts.json"),
            "after {first:?}"
        );
        sandbox.ok(&["rm", "--all", "-y"]);
        assert_eq!(sandbox.references(), [""; 0], "it is not read again");
        assert_eq!(
            fs::read_to_string(&legacy).unwrap(),
            fixture("legacy/components.json")
        );
    }
}

/// Row 29: it does not count as missing.
#[test]
fn an_unparsable_legacy_registry_is_refused_and_nothing_is_written() {
    let cases = [
        ("", "line 1, column 1"),
        ("{\"components\":[\n{]}", "line 2, column 2"),
        ("{\"components\":[]} x", "line 1, column 19"),
        ("{\"components\":{}}", "`components`"),
    ];
    at_once(cases, |(text, message)| {
        let sandbox = Sandbox::with_registry("");
        let legacy = sandbox.registry().with_file_name("components.json");
        fs::remove_file(sandbox.registry()).unwrap();
        fs::write(&legacy, text).unwrap();
        sandbox.refuses_everything("components.json");
        sandbox.refuses(&["images"], 1, message);
        assert!(!sandbox.registry().exists());
        assert_eq!(fs::read_to_string(&legacy).unwrap(), text);
    });
}

#[test]
fn a_legacy_registry_that_cannot_be_reached_is_not_called_missing() {
    let sandbox = Sandbox::new();
    let dir = sandbox.home().join("registry");
    std::fs::create_dir_all(&dir).unwrap();
    std::os::unix::fs::symlink("components.json", dir.join("components.json")).unwrap();
    sandbox.run(&["images"]).fails(1, "components.json");
    sandbox
        .run(&["add", "a:1", "--metadata-only", "--type", "dc"])
        .fails(1, "components.json");
    assert!(!sandbox.registry().exists());
}

#[test]
fn a_legacy_registry_of_a_later_version_is_listed_and_not_converted() {
    let sandbox = Sandbox::new();
    let legacy = sandbox.home().join("registry/components.json");
    std::fs::create_dir_all(legacy.parent().unwrap()).unwrap();
    std::fs::write(
        &legacy,
        r#"{"version":"v9","components":[{"reference":"x:1"}]}"#,
    )
    .unwrap();
    let run = sandbox.run(&["images", "-q"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "x:1\n"));
    assert!(run.stderr.contains("version \"v9\""), "{run:?}");
    sandbox.run(&["rm", "x:1"]).fails(1, "version \"v9\"");
    assert!(!sandbox.registry().exists());
}

#[test]
fn a_private_legacy_registry_stays_private() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::new();
    let legacy = sandbox.home().join("registry/components.json");
    std::fs::create_dir_all(legacy.parent().unwrap()).unwrap();
    std::fs::write(&legacy, r#"{"components":[]}"#).unwrap();
    std::fs::set_permissions(&legacy, std::fs::Permissions::from_mode(0o600)).unwrap();
    sandbox.ok(&["images"]);
    let mode = std::fs::metadata(sandbox.registry())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
}
