//! Hints: each of their commands is run as shown, and helps.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::{ADD, PROGRAM, Run, Sandbox, fixture, names};

/// Runs a line in a shell that finds the program.
fn typed(sandbox: &Sandbox, line: &str) -> Run {
    let path = std::env::var("PATH").unwrap();
    let program = Path::new(PROGRAM).parent().unwrap().to_str().unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", line])
        .env_clear()
        .env("HOME", sandbox.user())
        .env("PATH", format!("{program}:{path}"))
        .current_dir(sandbox.path(""));
    Run::from(command.output().unwrap())
}

/// Runs the program, which fails with this code, and returns its hint.
#[track_caller]
fn hint(sandbox: &Sandbox, args: &[&str], code: i32) -> String {
    let run = sandbox.run(args);
    assert_eq!(run.code, code, "{run:?}");
    hint_of(&run)
}

#[track_caller]
fn hint_of(run: &Run) -> String {
    let hints = run
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("hint: "));
    let hints: Vec<_> = hints.collect();
    assert_eq!(hints.len(), 1, "{run:?}");
    hints[0].to_owned()
}

/// Returns the texts between the backticks of a hint: commands, options and operands.
fn shown(hint: &str) -> Vec<&str> {
    hint.split('`').skip(1).step_by(2).collect()
}

/// Runs the program with the words that a hint shows, and expects it to succeed.
#[track_caller]
fn again(sandbox: &Sandbox, args: &[&str], shown: &str) {
    let added: Vec<&str> = shown.split(' ').collect();
    sandbox.ok(&[args, &added].concat());
}

fn torn() -> String {
    let whole = fixture("base/artifacts.json");
    whole[..whole.len() - 20].to_owned()
}

#[test]
fn the_hint_to_repair_a_registry_works_in_the_given_home() {
    let sandbox = Sandbox::with_registry(torn());
    let command = hint(&sandbox, &["images"], 1);
    assert_eq!(shown(&command), ["cldctl-registry verify --repair"]);
    typed(&sandbox, shown(&command)[0]);
    assert_eq!(sandbox.ok(&["images", "-q"]).lines().count(), 6);

    for home in ["it's $here", "plain"] {
        let registry = sandbox.path(home).join("registry");
        fs::create_dir_all(&registry).unwrap();
        fs::write(registry.join("artifacts.json"), torn()).unwrap();
        let command = hint(&sandbox, &["--home", home, "images"], 1);
        typed(&sandbox, shown(&command)[0]);
        let list = sandbox.ok(&["--home", home, "images", "-q"]);
        assert_eq!(list.lines().count(), 6, "{command}");
    }
}

#[test]
fn moving_a_damaged_older_registry_away_removes_the_obstacle() {
    let sandbox = Sandbox::new();
    let dir = sandbox.home().join("registry");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("components.json"), "{").unwrap();
    let hint = hint(&sandbox, &["images"], 1);
    assert!(hint.contains("move it away"), "{hint}");
    fs::rename(dir.join("components.json"), dir.join("moved")).unwrap();
    sandbox.ok(ADD);
}

#[test]
fn entries_that_prevent_a_conversion_are_removed_together() {
    let sandbox = Sandbox::with_registry(
        r#"{"components":[{"reference":"a:1","size":"x"},{"reference":"b:1","size":1.5},
            {"reference":"c:1","size":1}]}"#,
    );
    let hint = hint(&sandbox, ADD, 1);
    assert!(
        hint.contains("remove all such entries with one `rm`"),
        "{hint}"
    );
    sandbox.ok(&["rm", "a:1", "b:1"]);
    sandbox.ok(ADD);
}

#[test]
fn a_read_only_registry_can_be_changed_after_the_suggested_chmod() {
    let sandbox = Sandbox::new();
    let home = "it's $here";
    let add = [&["--home", home], ADD].concat();
    sandbox.ok(&add);
    let registry = sandbox.path(home).join("registry/artifacts.json");
    fs::set_permissions(&registry, fs::Permissions::from_mode(0o444)).unwrap();
    let other = ["--home", home, "rm", "new:1"];
    let command = hint(&sandbox, &other, 1);
    let run = typed(&sandbox, shown(&command)[0]);
    assert_eq!(run.code, 0, "{run:?}");
    sandbox.ok(&other);
}

#[test]
fn the_suggested_time_limit_is_longer_than_the_given_one() {
    let sandbox = Sandbox::new();
    let lock = sandbox.hold_lock();
    let hint = hint(&sandbox, &[ADD, &["--lock-timeout", "0s"]].concat(), 5);
    drop(lock);
    assert_eq!(shown(&hint), ["--lock-timeout 1m"]);
    again(&sandbox, ADD, shown(&hint)[0]);
}

#[test]
fn a_dangling_link_works_after_it_is_repaired() {
    let sandbox = Sandbox::new();
    symlink(sandbox.path("disk"), sandbox.home()).unwrap();
    let hint = hint(&sandbox, ADD, 1);
    assert!(hint.contains("point it to a directory"), "{hint}");
    fs::create_dir(sandbox.path("disk")).unwrap();
    sandbox.ok(ADD);
}

#[test]
fn without_a_home_the_suggested_option_names_one() {
    let sandbox = Sandbox::new();
    let output = sandbox.command(ADD).env("HOME", "relative").output();
    let hint = hint_of(&Run::from(output.unwrap()));
    assert_eq!(shown(&hint), ["--home DIR"]);
    let option = shown(&hint)[0].replace("DIR", "here");
    again(&sandbox, ADD, &option);
}

#[test]
fn the_suggested_reference_can_be_added() {
    let sandbox = Sandbox::new();
    let tail = ["--metadata-only", "--type", "dc"];
    for (slip, meant) in [
        ("https://ghcr.io/org/app:v1", "ghcr.io/org/app:v1"),
        ("oci://app", "app"),
        (" app:v1", "app:v1"),
        ("app:v1\u{a0}\u{3000}", "app:v1"),
        ("app:v1\r\n", "app:v1"),
        ("app$x ", "'app$x'"),
        ("ghcr.io/org/app:", "ghcr.io/org/app"),
    ] {
        let args = [&["add", slip][..], &tail].concat();
        let run = sandbox.run(&args);
        assert_eq!(run.code, 2, "{run:?}");
        let hint = hint_of(&run);
        assert_eq!(hint, format!("did you mean `{meant}`?"));
        let line = format!("cldctl-registry add {meant} {}", tail.join(" "));
        assert_eq!(typed(&sandbox, &line).code, 0, "{line}");
    }
    for slip in ["", ":v1", "ghcr.io//app", "app@", "/:", "a/:"] {
        let hint = hint(&sandbox, &[&["add", slip][..], &tail].concat(), 2);
        assert!(hint.contains("one of them may be empty"), "{slip}: {hint}");
    }
}

#[test]
fn the_suggested_options_make_add_succeed() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("plain");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("main.ts"), "x").unwrap();
    let add = ["add", "a:1", "plain"];
    let types = hint(&sandbox, &add, 2);
    assert_eq!(shown(&types).len(), 2);
    for option in shown(&types) {
        again(&sandbox, &add, option);
    }

    let no_content = hint(&sandbox, &["add", "b:1"], 3);
    let option = shown(&no_content)[0].replace("TYPE", "component");
    again(&sandbox, &["add", "b:1"], &option);

    let exists = hint(
        &sandbox,
        &["add", "a:1", "plain", "--type", "dc", "--no-clobber"],
        4,
    );
    assert_eq!(shown(&exists), ["--no-clobber"]);
    sandbox.ok(&["add", "a:1", "plain", "--type", "dc"]);

    fs::write(sandbox.path("outside"), "x").unwrap();
    symlink("../outside", dir.join("link")).unwrap();
    let add = ["add", "c:1", "plain", "--type", "dc"];
    let link = hint(&sandbox, &add, 4);
    assert_eq!(shown(&link), ["--dereference", "--exclude GLOB"]);
    for option in shown(&link) {
        again(&sandbox, &add, &option.replace("GLOB", "link"));
    }

    fs::remove_file(dir.join("link")).unwrap();
    crate::support::mkfifo(&dir.join("pipe"));
    let pipe = hint(&sandbox, &add, 4);
    assert_eq!(shown(&pipe), ["--exclude GLOB"]);
    again(&sandbox, &add, "--exclude pipe");

    let app = sandbox.component("app");
    let run = sandbox.run(&["add", "d:1", app.to_str().unwrap()]);
    let note = run
        .stderr
        .lines()
        .find(|line| line.starts_with("note: left out"));
    let option = shown(note.unwrap())[0];
    again(&sandbox, &["add", "d:1", app.to_str().unwrap()], option);
    assert!(names(&sandbox.cache().join("d_1")).contains(&".env".to_owned()));
}

#[test]
fn a_directory_is_free_after_the_suggested_removal() {
    for other in ["a:b", "a/b", "a_b"] {
        let sandbox = Sandbox::new();
        let source = sandbox.component("app");
        let source = source.to_str().unwrap();
        let mine = if other == "a_b" { "a:b" } else { "a_b" };
        sandbox.ok(&["add", other, source]);
        let hint = hint(&sandbox, &["add", mine, source], 4);
        let run = typed(&sandbox, shown(&hint)[0]);
        assert_eq!(run.stdout, format!("removed {other}\n"), "{run:?}");
        sandbox.ok(&["add", mine, source]);
    }
    // Only the other entry says that the directory is its own.
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    let source = source.to_str().unwrap();
    let dir = sandbox.cache().join("a_1");
    sandbox.write_registry(
        serde_json::json!({"artifacts": [{"reference": "-$x 'y'", "cachePath": dir}]}).to_string(),
    );
    let hint = hint(&sandbox, &["add", "a:1", source], 4);
    typed(&sandbox, shown(&hint)[0]);
    sandbox.ok(&["add", "a:1", source]);
}

#[test]
fn content_is_restored_by_the_suggested_add() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    sandbox.ok(&["add", "a:1", source.to_str().unwrap()]);
    fs::remove_dir_all(sandbox.cache().join("a_1")).unwrap();
    let hint = hint(&sandbox, &["tag", "a:1", "b:1"], 3);
    let run = typed(&sandbox, &shown(&hint)[0].replace("PATH", "app"));
    assert_eq!(run.code, 0, "{run:?}");
    sandbox.ok(&["tag", "a:1", "b:1"]);
}

#[test]
fn the_suggested_options_of_removals_are_accepted() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    let force = hint(&sandbox, &["prune", "-f"], 2);
    again(&sandbox, &["prune"], shown(&force)[0]);
    let filter = ["rm", "--filter", "tag=v*"];
    let asks = hint(&sandbox, &filter, 2);
    again(&sandbox, &filter, shown(&asks)[0]);
    let no_limit = hint(&sandbox, &["prune", "-a", "-y"], 2);
    assert_eq!(shown(&no_limit), ["rm --all"]);
    let all: Vec<&str> = shown(&no_limit)[0].split(' ').collect();
    let asks = hint(&sandbox, &all, 2);
    again(&sandbox, &all, shown(&asks)[0]);
    assert_eq!(sandbox.ok(&["images", "-q"]), "");
}

#[test]
fn a_suggested_name_can_be_typed() {
    for reference in [
        "ghcr.io/acme/app:v1",
        "$(touch pwned):v1",
        "`touch pwned`:v1",
        "it's an app:v1",
        "a;touch pwned;:v1",
        "!important:v1",
        "-y-option:v1",
        "--all-of-it:v1",
        "größe:v1",
        "=ls-app:v1",
    ] {
        let sandbox = Sandbox::with_registry(r#"{"artifacts":[]}"#);
        sandbox.record_as_cldctl(reference);
        let wrong = reference.replace(":v1", ":v2");
        let run = sandbox.run(&["rm", "--", &wrong]);
        assert_eq!(run.code, 3, "{run:?}");
        let hint = hint_of(&run);
        let meant = hint.strip_prefix("did you mean `").unwrap();
        let meant = meant.strip_suffix("`?").unwrap();
        let line = format!("cldctl-registry rm {meant}");
        let run = typed(&sandbox, &line);
        assert_eq!(
            run.stdout,
            format!("removed {reference}\n"),
            "{line}: {run:?}"
        );
        assert!(!sandbox.path("pwned").exists());
    }
    // A name that can only be shown escaped cannot be typed, so it is not suggested.
    let sandbox = Sandbox::with_registry(r#"{"artifacts":[]}"#);
    sandbox.record_as_cldctl("app\u{202e}lication:v1");
    let run = sandbox.run(&["rm", "application:v1"]);
    assert_eq!(
        (run.code, run.stderr.contains("hint: ")),
        (3, false),
        "{run:?}"
    );
}

#[test]
fn each_name_of_an_ambiguous_operand_can_be_typed() {
    let references = ["app:latest@sha256:it's", "app@sha256:$a", "app@sha256:b"];
    let sandbox = Sandbox::with_registry(r#"{"artifacts":[]}"#);
    references
        .iter()
        .for_each(|name| sandbox.record_as_cldctl(name));
    let run = sandbox.run(&["inspect", "app"]);
    assert_eq!(
        (run.code, &*hint_of(&run)),
        (4, "use one of these references")
    );
    let error = run.stderr.lines().find(|line| line.starts_with("error: "));
    let listed = shown(error.unwrap());
    assert_eq!(listed.len(), 1 + references.len());
    for (name, reference) in listed[1..].iter().zip(references) {
        let run = typed(&sandbox, &format!("cldctl-registry inspect {name}"));
        let found: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(found[0]["reference"], reference);
    }
}

#[test]
fn the_suggested_wider_pattern_lists_something() {
    let sandbox = Sandbox::with_registry(r#"{"artifacts":[]}"#);
    for name in ["ghcr.io/acme/web", "it's $web"] {
        let registry = sandbox.registry_text();
        let mut registry: serde_json::Value = serde_json::from_str(&registry).unwrap();
        let entries = registry["artifacts"].as_array_mut().unwrap();
        entries.push(serde_json::json!({"reference": name, "repository": name}));
        sandbox.write_registry(registry.to_string());
    }
    for (pattern, count) in [("web", 2), ("s $we", 1), ("-x/acme", 0), ("acme", 1)] {
        let run = sandbox.run(&["images", "-q", "--", pattern]);
        if count == 0 {
            assert_eq!(run.stderr, "");
            continue;
        }
        let hint = hint_of(&run);
        let wider = hint.split(", but ").nth(1).unwrap();
        let wider = wider.strip_suffix(" matches some").unwrap();
        let run = typed(&sandbox, &format!("cldctl-registry images -q {wider}"));
        assert_eq!(run.stdout.lines().count(), count, "{wider}: {run:?}");
    }
}

#[test]
fn a_negative_value_is_named_as_the_value_and_not_as_an_option() {
    let sandbox = Sandbox::new();
    for args in [
        &["prune", "-a", "--max-size", "-5GB"][..],
        &["prune", "-a", "--keep-last", "-1"],
        &["images", "--limit", "-1"],
        &["images", "--filter", "-x"],
        &["rm", "--filter", "-x"],
        &["prune", "--filter", "-x"],
        &["images", "--lock-timeout", "-5s"],
        &["add", "a:1", "--created-at", "-1"],
    ] {
        let run = sandbox.run(args);
        run.fails(2, "invalid value '-");
        assert!(!run.stderr.contains("tip:"), "{run:?}");
    }
}

#[test]
fn every_add_that_verify_suggests_is_accepted() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("source");
    sandbox.ok(&["add", "fine:1", source.to_str().unwrap()]);
    let digest = sandbox.ok(&["images", "--format", "{{.Digest}}"]);
    let slip = |name: &str, digest: &str, time: &str| {
        let key = name.replace(['/', ':'], "_");
        let dir = sandbox.cache().join(&key);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("cld.yml"), "changed").unwrap();
        serde_json::json!({"reference": name, "digest": digest, "createdAt": time, "cachePath": dir})
    };
    let time = "2026-01-01T00:00:00Z";
    let mut foreign = slip("foreign:", "", time);
    fs::remove_dir_all(sandbox.cache().join("foreign_")).unwrap();
    foreign["cachePath"] = "/srv/elsewhere".into();
    let artifacts = serde_json::json!({"artifacts": [
        slip("a b", digest.trim_end(), time),
        slip("unverifiable:", "sha256:7b22...", time),
        slip("unreadable:", "", "soon"),
        slip("twice:", "", time),
        slip("twice:", "sha256:7b22...", time),
        foreign,
    ]});
    let before = artifacts.to_string();
    // In the user's home, and in one that `--home` names.
    for home in [&[][..], &["--home", "it's $here"]] {
        let registry = match home {
            [] => sandbox.registry(),
            [.., home] => sandbox.path(home).join("registry/artifacts.json"),
        };
        fs::create_dir_all(registry.parent().unwrap()).unwrap();
        fs::write(&registry, &before).unwrap();
        let run = sandbox.run(&[home, &["verify"]].concat());
        let remedies = run
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix("  remedy: "));
        let commands: Vec<_> = remedies.flat_map(shown).collect();
        assert!(commands.len() >= 5, "{run:?}");
        for command in commands {
            if command == "add" {
                continue;
            }
            fs::write(&registry, &before).unwrap();
            let line = command.replace(" REF", " new:1").replace("PATH", "source");
            let run = typed(&sandbox, &line);
            // A repair may leave other problems.
            assert!([0, 1].contains(&run.code), "{line}: {run:?}");
            assert!(
                fs::read_to_string(&registry).unwrap() != before,
                "{line}: {run:?}"
            );
        }
    }
}
