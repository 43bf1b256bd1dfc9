//! What hands do by habit: those of docker, of cldctl and of any shell.

use std::fs;

use crate::support::{Run, Sandbox, names};

#[test]
fn the_last_of_several_options_counts() {
    let sandbox = Sandbox::new();
    sandbox.record("app:v1");
    sandbox.record("web:v1");
    for (args, expected) in [
        (
            &["images", "-q", "-q", "--limit", "0", "--limit=1"][..],
            "web:v1\n",
        ),
        (
            &[
                "images",
                "--format",
                "json",
                "-o",
                "jsonl",
                "--output={{.Tag}}",
                "app",
            ],
            "v1\n",
        ),
        (
            &["images", "-q", "--sort", "size", "--sort", "reference"],
            "app:v1\nweb:v1\n",
        ),
        (
            &[
                "images",
                "-q",
                "--reverse",
                "--reverse",
                "--type=dc",
                "--type=comp",
            ],
            "app:v1\nweb:v1\n",
        ),
        (
            &["images", "-q", "--filter=tag=v2", "--filter=tag=v1", "web"],
            "web:v1\n",
        ),
        (
            &[
                "--lock-timeout=1h",
                "images",
                "--lock-timeout=0s",
                "--lock-timeout=1s",
                "-q",
                "w*",
            ],
            "web:v1\n",
        ),
        (
            &["inspect", "app:v1", "--format=json", "-f", "{{.Reference}}"],
            "app:v1\n",
        ),
        (&["rm", "x:1", "-f", "-f", "--force", "-n", "--dry-run"], ""),
    ] {
        assert_eq!(sandbox.ok(args), expected, "{args:?}");
    }
}

#[test]
fn the_last_home_on_the_line_counts_before_and_after_the_command() {
    let sandbox = Sandbox::new();
    for home in ["one", "two"] {
        let add = ["add", home, "--metadata-only", "--type=component"];
        sandbox.ok(&[&["--home", home][..], &add].concat());
    }
    for (args, expected) in [
        (&["--home=one", "--home=two", "images", "-q"][..], "two\n"),
        (&["--home=one", "images", "--home=two", "-q"], "two\n"),
        (&["images", "-q", "--home=two", "--home=one"], "one\n"),
        (
            &[
                "--home=two",
                "--home=two",
                "images",
                "--home=two",
                "--home=one",
                "-q",
            ],
            "one\n",
        ),
    ] {
        assert_eq!(sandbox.ok(args), expected, "{args:?}");
    }
}

#[test]
fn a_leading_tilde_is_the_home_of_the_user() {
    let sandbox = Sandbox::new();
    let other = sandbox.user().join("reg");
    let add = ["add", "app:1", "--metadata-only", "--type=component"];
    let homes = [
        ("~", sandbox.user()),
        ("~/", sandbox.user()),
        ("~/reg", other),
    ];
    for (named, expected) in homes {
        let registry = expected.join("registry");
        let option = format!("--home={named}");
        sandbox.ok(&[&add[..], &[&option]].concat());
        assert!(registry.join("artifacts.json").exists(), "{named}");
        fs::remove_dir_all(&registry).unwrap();

        let mut command = sandbox.command(&add);
        let output = command.env("CLDCTL_REGISTRY_HOME", named).output();
        assert_eq!(Run::from(output.unwrap()).code, 0, "{named}");
        assert!(registry.join("artifacts.json").exists(), "{named}");
        fs::remove_dir_all(&registry).unwrap();
    }
    sandbox.ok(&[&add[..], &["--cache-path=~/app"]].concat());
    let path = sandbox.ok(&["cache-path", "app:1"]);
    assert_eq!(
        path.trim_end(),
        sandbox.user().join("app").to_str().unwrap()
    );
    sandbox.ok(&["man", "--dir=~/man"]);
    assert!(sandbox.user().join("man/cldctl-registry.1").exists());
    assert_eq!(names(&sandbox.path("")), ["user"], "there is no `~`");

    // Another user's home is the business of the shell, and so is all else.
    sandbox.ok(&[&add[..], &["--home=~root"]].concat());
    assert_eq!(names(&sandbox.path("")), ["user", "~root"]);
}

#[test]
fn a_tilde_without_a_home_is_refused() {
    let sandbox = Sandbox::new();
    for args in [&["images", "--home=~/x"][..], &["man", "--dir=~/x"]] {
        let mut command = sandbox.command(args);
        let run = Run::from(command.env("HOME", "relative").output().unwrap());
        assert_ne!(run.code, 0, "{run:?}");
        assert!(run.stderr.contains("HOME is the relative path"), "{run:?}");
    }
    assert_eq!(names(&sandbox.path("")), ["user"]);
}
