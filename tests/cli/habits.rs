//! Habits of users of docker, cldctl and any shell.

use std::fs;

use crate::support::{PROGRAM, Run, Sandbox, names};

#[test]
fn the_last_of_repeated_options_counts() {
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
    assert_eq!(
        names(&sandbox.path("")),
        ["user"],
        "no directory `~` is created"
    );

    // The shell resolves another user's home and all else.
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

#[test]
fn help_prints_what_the_option_prints_for_every_command_and_alias() {
    let sandbox = Sandbox::new();
    let help = sandbox.ok(&["help"]);
    assert_eq!(help, sandbox.ok(&["--help"]));
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let mut names = vec!["help".to_owned()];
    for line in commands.take_while(|line| !line.is_empty()) {
        names.extend(line.split_whitespace().next().map(str::to_owned));
        if let Some((_, aliases)) = line.split_once("[alias") {
            let aliases = aliases
                .trim_start_matches("es")
                .trim_matches([':', ']', ' ']);
            names.extend(aliases.split(", ").map(str::to_owned));
        }
    }
    for alias in [
        "images",
        "ls",
        "list",
        "rm",
        "rmi",
        "completions",
        "completion",
        "version",
    ] {
        assert!(names.iter().any(|name| name == alias), "{alias}: {names:?}");
    }
    for name in &names {
        let help = sandbox.ok(&["help", name.as_str()]);
        assert_eq!(help, sandbox.ok(&[name.as_str(), "--help"]), "{name}");
        assert!(help.contains("Usage: cldctl-registry "), "{help}");
    }
    sandbox.refuses(&["help", "imagse"], 2, "unrecognized subcommand 'imagse'");
    sandbox.refuses(&["help", "images", "rm"], 2, "unexpected argument 'rm'");
    assert_eq!(crate::support::names(&sandbox.path("")), ["user"]);
}

#[test]
fn every_version_option_prints_the_version() {
    let sandbox = Sandbox::new();
    let version = sandbox.ok(&["version"]);
    assert_eq!(
        version,
        concat!("cldctl-registry ", env!("CARGO_PKG_VERSION"), "\n")
    );
    for option in ["--version", "-V", "-v"] {
        assert_eq!(sandbox.ok(&[option]), version, "{option}");
    }
    let mut command = sandbox.command(&["version"]);
    let run = Run::from(command.env("HOME", "relative").output().unwrap());
    assert_eq!((run.code, run.stdout), (0, version));
}

#[test]
fn all_changes_nothing_of_a_list() {
    let sandbox = Sandbox::new();
    sandbox.record("app:v1");
    sandbox.record("web:v1");
    for args in [
        &["images"][..],
        &["ls", "-q"],
        &["list", "web", "-o", "json"],
    ] {
        let list = sandbox.ok(args);
        for all in ["-a", "--all"] {
            assert_eq!(sandbox.ok(&[args, &[all]].concat()), list);
        }
    }
    assert_eq!(sandbox.ok(&["images", "-aq", "app"]), "app:v1\n");
}

/// Returns the output and the hints of a list that has to succeed.
#[track_caller]
fn hints(sandbox: &Sandbox, args: &[&str]) -> (String, Vec<String>) {
    let run = sandbox.run(args);
    assert_eq!(run.code, 0, "{run:?}");
    (run.stdout, run.stderr.lines().map(str::to_owned).collect())
}

#[test]
fn a_pattern_that_matches_nothing_gets_a_hint_to_one_that_does() {
    let sandbox = Sandbox::new();
    sandbox.record("ghcr.io/acme/app:v1");
    sandbox.record("ghcr.io/acme/app:v2");
    sandbox.record("other:o1");
    sandbox.record("o'brien:1");
    let hint = |pattern: &str, wider: &str| {
        format!("hint: no artifact matches `{pattern}`, but {wider} matches some")
    };
    for (pattern, wider, count) in [
        ("app", "'*app*'", 2),
        ("acme", "'*acme*'", 2),
        ("app:v1", "'*app:v1*'", 1),
        ("*/app:v", "'*/app:v*'", 2),
        ("othe", "'*othe*'", 1),
        ("ap?", "'*ap?*'", 2),
        ("'br", r"'*'\''br*'", 1),
    ] {
        let (stdout, stderr) = hints(&sandbox, &["images", "-q", pattern]);
        assert_eq!(stdout, "");
        assert_eq!(stderr, [hint(pattern, wider)]);
        // A shell runs the hint, which lists what it promises.
        let mut command = std::process::Command::new("sh");
        command
            .args(["-c", &format!("\"$0\" images -q {wider}"), PROGRAM])
            .env_remove("CLDCTL_REGISTRY_HOME")
            .env("HOME", sandbox.user());
        let run = Run::from(command.output().unwrap());
        assert_eq!(
            (run.stdout.lines().count(), run.stderr.as_str()),
            (count, "")
        );
    }
    // The hint appears in every format, and beside a pattern that matches.
    let (table, stderr) = hints(&sandbox, &["images", "app"]);
    assert_eq!((table.lines().count(), stderr.len()), (1, 1));
    let (list, stderr) = hints(&sandbox, &["images", "app", "other", "acme", "-o", "json"]);
    assert!(list.contains("other:o1"));
    assert_eq!(stderr, [hint("app", "'*app*'"), hint("acme", "'*acme*'")]);
    // There is no hint if no other pattern would match.
    for args in [
        &["images", "nothing"][..],
        &["images", "ghcr.io/acme/app"],
        &["images", "app", "--type", "datacenter"],
        &["images", "app", "--filter", "tag=v3"],
        &["images", "other", "--filter", "tag=v1"],
        &["images", "--filter", "tag=v3"],
        &["images", "*app", "--limit", "0"],
    ] {
        assert_eq!(hints(&sandbox, args).1, [""; 0], "{args:?}");
    }
}

#[test]
fn prune_explains_its_own_option_to_a_docker_user() {
    let sandbox = Sandbox::new();
    for args in [
        &["prune", "-f"][..],
        &["prune", "-af"],
        &["prune", "--force"],
    ] {
        let run = sandbox.run(args);
        run.fails(2, "`prune` has no `-f`");
        assert!(run.stderr.contains("hint: `-y`"), "{run:?}");
    }
    sandbox.ok(&["prune", "-y"]);
}

#[test]
fn operands_are_escaped_in_messages() {
    let sandbox = Sandbox::new();
    let odd = "\u{1b}[31mX\n\u{202e}";
    let shown = r"\u{1b}[31mX\u{a}\u{202e}";
    let key = format!("{odd}=x");
    let option = format!("--{odd}");
    let command = format!("{odd}images");
    for args in [
        &["images", "--sort", odd][..],
        &["images", "--limit", odd],
        &["images", "--filter", &key],
        &["images", &option],
        &["images", "--type", odd],
        &["--lock-timeout", odd, "images"],
        &["rm", "x:1", "--format", odd],
        &["completions", odd],
        &["df", odd],
        &["help", odd],
        &["help", &command],
        &[&command],
        &[odd],
    ] {
        let run = sandbox.run(args);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(!run.stderr.contains(['\u{1b}', '\u{202e}']), "{run:?}");
        assert!(run.stderr.contains(shown), "{run:?}");
    }
}
