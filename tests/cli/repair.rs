//! `verify --repair`

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Sandbox, at_once, identity, names};

const A: &str =
    "    {\n      \"reference\": \"a:1\",\n      \"size\": 1,\n      \"odd\": 1e2\n    }";
const B: &str = "    {\n      \"reference\": \"b:1\",\n      \"tag\": \"1\"\n    }";

/// A registry of these entries, as cldctl writes it.
fn registry(entries: &[&str]) -> String {
    format!(
        "{{\n  \"version\": \"v2\",\n  \"artifacts\": [\n{}\n  ]\n}}",
        entries.join(",\n")
    )
}

/// The copies of damaged files.
fn copies(sandbox: &Sandbox) -> Vec<PathBuf> {
    let dir = sandbox.home().join("registry");
    let names = names(&dir).into_iter();
    names
        .filter(|name| name.starts_with("artifacts.json.corrupt-"))
        .map(|name| dir.join(name))
        .collect()
}

/// Rows 20 and 41: every complete entry is saved to the byte, the file is kept
/// as it was, and what is lost is named.
#[test]
fn every_complete_entry_of_a_damaged_registry_is_saved_and_the_damage_kept() {
    let whole = registry(&[A, B]);
    let cut = &whole[..whole.find("\"b:1\"").unwrap() + 5];
    let tail = &registry(&[B])[20..];
    let cases: Vec<(&str, Vec<u8>, String, &[&str])> = vec![
        ("cut off", cut.into(), registry(&[A]), &["lost: b:1 ("]),
        (
            "the tail of another behind it",
            format!("{}{tail}", registry(&[A])).into(),
            whole.clone(),
            &[],
        ),
        (
            "a byte order mark",
            format!("\u{feff}{whole}").into(),
            whole.clone(),
            &[],
        ),
        (
            "data behind it",
            format!("{whole}\nxyz").into(),
            whole.clone(),
            &[],
        ),
        (
            "NUL bytes behind it",
            format!("{whole}\0\0\0").into(),
            whole.clone(),
            &[],
        ),
    ];
    at_once(cases, |(name, damaged, mended, lost)| {
        let sandbox = Sandbox::with_registry(&damaged);
        fs::set_permissions(sandbox.registry(), PermissionsExt::from_mode(0o640)).unwrap();
        sandbox.refuses_everything("line ");
        let run = sandbox.run(&["verify", "--repair"]);
        for part in lost {
            assert!(run.stdout.contains(part), "{name}: {run:?}");
        }
        assert_eq!(
            run.stdout.contains("lost: "),
            !lost.is_empty(),
            "{name}: {run:?}"
        );
        assert_eq!(sandbox.registry_text(), mended, "{name}");
        let copies = copies(&sandbox);
        assert_eq!(copies.len(), 1, "{name}");
        assert_eq!(fs::read(&copies[0]).unwrap(), damaged, "{name}");
        for path in [&copies[0], &sandbox.registry()] {
            let mode = fs::metadata(path).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, 0o640, "{name}: {path:?}");
        }
        assert!(sandbox.temporaries().is_empty(), "{name}");
        sandbox.ok(&["images"]);
    });
}

#[test]
fn a_registry_without_one_whole_entry_becomes_an_empty_one() {
    at_once(
        ["", "null null", "{\"artifacts\": [{\"ref", "\0\0\0\0"],
        |damaged| {
            let sandbox = Sandbox::with_registry(damaged);
            sandbox.ok(&["verify", "--repair"]);
            assert_eq!(
                sandbox.json(&["images", "--format", "json"]),
                Value::Array(Vec::new())
            );
            assert_eq!(fs::read_to_string(&copies(&sandbox)[0]).unwrap(), damaged);
        },
    );
}

#[test]
fn nothing_is_made_an_entry_that_was_a_part_of_something_else() {
    let cases = [
        (
            r#"{"artifacts":[{"reference":"a:1","size":1},{"reference":"b:1","deps":[{"reference":"c:1","tag":"1"},{"r"#,
            &["a:1"][..],
            &["lost: b:1 (", "lost: c:1 ("][..],
        ),
        (
            r#"{"history":[{"reference":"old:1","type":"component"},"#,
            &[],
            &["lost: old:1 ("],
        ),
        (
            r#"{"artifacts":{"0":{"reference":"a:1","size":1}}}"#,
            &[],
            &["(line 1, column 14: `artifacts` is an object)"],
        ),
        // Both lists are there; which one was meant, nobody can tell.
        (
            r#"{"artifacts":[{"reference":"a:1","size":1}],"artifacts":[{"reference":"b:1"},{"#,
            &["a:1", "b:1"],
            &[],
        ),
        (
            r#"{"artifacts":[]}[{"reference":"a:1","size":1}]"#,
            &["a:1"],
            &[],
        ),
    ];
    at_once(cases, |(damaged, saved, lost)| {
        let sandbox = Sandbox::with_registry(damaged);
        let run = sandbox.run(&["verify", "--repair"]);
        for part in lost {
            assert!(run.stdout.contains(part), "{damaged}: {run:?}");
        }
        assert_eq!(sandbox.references(), saved, "{damaged}: {run:?}");
    });
}

#[test]
fn much_damage_is_told_in_one_pass() {
    let sandbox = Sandbox::with_registry(format!("{{\"artifacts\":[{}]", "1,".repeat(50_000)));
    let run = sandbox.run(&["verify", "--repair"]);
    assert_eq!(run.code, 0);
    assert_eq!(
        run.stdout
            .lines()
            .filter(|line| line.contains("lost: "))
            .count(),
        50_000
    );
}

/// Row 11: it is mended, whoever reads of it.
#[test]
fn a_repair_stands_though_it_cannot_be_told() {
    let sandbox = Sandbox::with_registry(format!("{}x", registry(&[])));
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = sandbox.command(&["verify", "--repair"]);
    assert_eq!(command.stdout(full).status().unwrap().code(), Some(0));
    assert_eq!(sandbox.registry_text(), registry(&[]));
}

#[test]
fn copies_of_an_entry_go_and_what_differs_stays() {
    let other = B.replace("b:1", "a:1");
    let sandbox = Sandbox::with_registry(registry(&[B, A, B, &other]));
    let run = sandbox.run(&["verify", "--repair"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stdout.contains("  one copy kept: b:1\n"), "{run:?}");
    assert!(run.stdout.contains("duplicate-reference: "), "{run:?}");
    assert_eq!(sandbox.registry_text(), registry(&[B, A, &other]));
    assert_eq!(copies(&sandbox).len(), 1);
}

#[test]
fn a_registry_that_needs_no_repair_is_not_written() {
    let sandbox = Sandbox::with_registry(registry(&[A]));
    let before = identity(&sandbox.registry());
    sandbox.run(&["verify", "--repair"]);
    assert_eq!(identity(&sandbox.registry()), before);
    assert!(copies(&sandbox).is_empty());

    let nothing = Sandbox::new();
    nothing.ok(&["verify", "--repair"]);
    assert!(!nothing.home().exists());
}

#[test]
fn a_second_repair_finds_nothing_to_do() {
    let sandbox = Sandbox::with_registry(format!("{}x", registry(&[A])));
    let first = sandbox.run(&["verify", "--repair", "--format", "json"]);
    let report: Value = serde_json::from_str(&first.stdout).unwrap();
    let mended = &report["repaired"][0];
    assert_eq!(mended["saved"], 1, "{report}");
    assert_eq!(mended["lost"], Value::Array(Vec::new()), "{report}");
    assert_eq!(
        mended["copy"].as_str().unwrap(),
        copies(&sandbox)[0].to_str().unwrap()
    );
    let before = identity(&sandbox.registry());
    let second = sandbox.run(&["verify", "--repair", "--format", "json"]);
    let report: Value = serde_json::from_str(&second.stdout).unwrap();
    assert_eq!(report["repaired"], Value::Array(Vec::new()));
    assert_eq!(identity(&sandbox.registry()), before);
}

#[test]
fn what_may_not_be_changed_is_not_repaired() {
    let damaged = format!("{}x", registry(&[A]));
    let sandbox = Sandbox::with_registry(&damaged);
    fs::set_permissions(sandbox.registry(), PermissionsExt::from_mode(0o444)).unwrap();
    sandbox.run(&["verify", "--repair"]).fails(1, "read-only");
    assert_eq!(sandbox.registry_text(), damaged);
    assert!(copies(&sandbox).is_empty());

    let newer = format!("{}x", registry(&[A]).replace("v2", "v3"));
    let sandbox = Sandbox::with_registry(&newer);
    sandbox.run(&["verify", "--repair"]).fails(1, "v3");
    assert_eq!(sandbox.registry_text(), newer);
    assert!(copies(&sandbox).is_empty());
}

#[test]
fn a_legacy_registry_is_never_written() {
    let sandbox = Sandbox::new();
    let legacy = sandbox.home().join("registry/components.json");
    fs::create_dir_all(legacy.parent().unwrap()).unwrap();
    fs::write(&legacy, "{\"components\": [").unwrap();
    let run = sandbox.run(&["verify", "--repair"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stdout.contains("unparsable-registry: "), "{run:?}");
    assert!(
        run.stdout.contains("nothing here writes a legacy"),
        "{run:?}"
    );
    assert_eq!(fs::read_to_string(legacy).unwrap(), "{\"components\": [");
}

#[test]
fn content_is_never_touched_by_a_repair() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    sandbox.ok(&["add", "x:1", source.to_str().unwrap()]);
    let before = crate::support::tree(&sandbox.cache());
    let text = sandbox.registry_text();
    sandbox.write_registry(&text[..text.len() / 2]);
    let run = sandbox.run(&["verify", "--repair"]);
    assert!(run.stdout.contains("lost: x:1"), "{run:?}");
    assert_eq!(crate::support::tree(&sandbox.cache()), before);
    // With nothing lost but the entry, it can be registered again.
    sandbox.ok(&["add", "x:1"]);
    sandbox.ok(&["verify"]);
}
