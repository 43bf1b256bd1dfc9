//! `verify --repair`

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;

use crate::running::{Running, has_strace, wait_until};
use crate::support::{Run, Sandbox, at_once, identity, names};

const A: &str =
    "    {\n      \"reference\": \"a:1\",\n      \"size\": 1,\n      \"odd\": 1e2\n    }";
const B: &str = "    {\n      \"reference\": \"b:1\",\n      \"tag\": \"1\"\n    }";

/// Returns a registry of these entries, as cldctl writes it.
fn registry(entries: &[&str]) -> String {
    format!(
        "{{\n  \"version\": \"v2\",\n  \"artifacts\": [\n{}\n  ]\n}}",
        entries.join(",\n")
    )
}

/// Returns the copies of damaged files.
fn copies(sandbox: &Sandbox) -> Vec<PathBuf> {
    let dir = sandbox.home().join("registry");
    let names = names(&dir).into_iter();
    names
        .filter(|name| name.starts_with("artifacts.json.corrupt-"))
        .map(|name| dir.join(name))
        .collect()
}

/// Returns a text in UTF-16 with a byte order mark and the line ends of Windows, as its
/// editors and PowerShell write a file.
fn utf16(text: &str, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let text = format!("\u{feff}{}\r\n", text.replace('\n', "\r\n"));
    text.encode_utf16().flat_map(bytes_of).collect()
}

/// Rows 20, 41 and 85: every complete entry is saved to the byte, the file is kept
/// unchanged, and lost entries are named; the exit code shows whether there are any.
#[test]
fn every_complete_entry_of_a_damaged_registry_is_saved_and_the_original_kept() {
    let whole = registry(&[A, B]);
    let cut = &whole[..whole.find("\"b:1\"").unwrap() + 5];
    let tail = &registry(&[B])[20..];
    let mut zeroed = whole.clone().into_bytes();
    let at = whole.find("\"b:1\"").unwrap() + 10;
    zeroed[at..].fill(0);
    let cases: Vec<(&str, Vec<u8>, String, &[&str])> = vec![
        ("truncated", cut.into(), registry(&[A]), &["lost: b:1 ("]),
        (
            "the tail of another after it",
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
            "data after it",
            format!("{whole}\nxyz").into(),
            whole.clone(),
            &[],
        ),
        (
            "NUL bytes after it",
            format!("{whole}\0\0\0").into(),
            whole.clone(),
            &[],
        ),
        ("zeroed", zeroed, registry(&[A]), &["lost: b:1 ("]),
        (
            "a `:` before it",
            format!(":{whole}").into(),
            whole.clone(),
            &[],
        ),
        (
            "a key cut in two, and a tail with its own list",
            format!("{}{}", &registry(&[A])[..75], &registry(&[B])[20..]).into(),
            registry(&[B]),
            &["lost: a:1 ("],
        ),
    ];
    at_once(cases, |(name, damaged, repaired, lost)| {
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
        // Only a loss is a problem.
        assert_eq!(run.code, i32::from(!lost.is_empty()), "{name}: {run:?}");
        assert!(!run.stdout.contains("problem: "), "{name}: {run:?}");
        assert_eq!(sandbox.registry_text(), repaired, "{name}");
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
fn a_registry_in_utf16_is_saved_in_utf8() {
    at_once([u16::to_le_bytes, u16::to_be_bytes], |bytes_of| {
        let damaged = utf16(&registry(&[A, B]), bytes_of);
        let sandbox = Sandbox::with_registry(&damaged);
        sandbox.refuses_everything("invalid UTF-8");
        let run = sandbox.run(&["verify", "--repair"]);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stdout.contains("  recovered: 2 entries\n"), "{run:?}");
        let text = sandbox.registry_text().replace("\r\n", "\n");
        assert_eq!(text, registry(&[A, B]));
        assert_eq!(fs::read(&copies(&sandbox)[0]).unwrap(), damaged);
    });
}

/// Lost entries are reported even if no other one is saved, and even if nothing of them
/// can be read.
#[test]
fn a_repair_reports_every_lost_entry() {
    at_once(
        [
            "{\"artifacts\": [{\"ref",
            "{\"artifacts\": [",
            "{\"version\": \"v2\", \"artif",
        ],
        |damaged| {
            let sandbox = Sandbox::with_registry(damaged);
            let run = sandbox.run(&["verify", "--repair"]);
            assert_eq!(run.code, 1, "{damaged}: {run:?}");
            assert!(run.stdout.contains("  recovered: 0 entries\n"), "{run:?}");
            assert!(
                run.stdout
                    .contains("  lost: an entry without a reference (line 1, "),
                "{run:?}"
            );
            assert_eq!(
                sandbox.json(&["images", "--format", "json"]),
                Value::Array(Vec::new())
            );
            assert_eq!(fs::read_to_string(&copies(&sandbox)[0]).unwrap(), damaged);
        },
    );
}

#[test]
fn an_empty_file_becomes_an_empty_registry() {
    at_once(["", "\n", "\u{feff}"], |damaged| {
        let sandbox = Sandbox::with_registry(damaged);
        sandbox.ok(&["verify", "--repair"]);
        assert_eq!(sandbox.references(), [""; 0]);
        assert_eq!(copies(&sandbox).len(), 1);
    });
}

#[test]
fn a_file_that_is_not_recognized_as_a_registry_is_kept_unchanged() {
    at_once(
        [
            &b"null null"[..],
            b"\0\0\0\0",
            b"\x1f\x8b\x08\0\xff",
            b"<html>",
            b"{\"ver",
        ],
        |damaged| {
            let sandbox = Sandbox::with_registry(damaged);
            for args in [
                &["verify", "--repair"][..],
                &["verify", "--repair", "--format", "json"],
            ] {
                let run = sandbox.run(args);
                run.fails(
                    1,
                    "nothing in it was recognized as a registry (line 1, column ",
                );
                assert!(
                    run.stderr.contains("hint: restore it from a backup"),
                    "{run:?}"
                );
            }
            assert_eq!(fs::read(sandbox.registry()).unwrap(), damaged);
            assert!(copies(&sandbox).is_empty());
            assert!(sandbox.temporaries().is_empty());
            // The file is moved away, as the hint says.
            fs::rename(sandbox.registry(), sandbox.path("away")).unwrap();
            sandbox.record("a:1");
        },
    );
}

#[test]
fn a_part_of_another_value_never_becomes_an_entry() {
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
            &["lost: a:1 ("],
        ),
        // Both lists are there, and nothing shows which one is right.
        (
            r#"{"artifacts":[{"reference":"a:1","size":1}],"artifacts":[{"reference":"b:1"},{"#,
            &["a:1", "b:1"],
            &["lost: an entry without a reference ("],
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
        assert_eq!(run.code, i32::from(!lost.is_empty()), "{damaged}: {run:?}");
        assert_eq!(sandbox.references(), saved, "{damaged}: {run:?}");
    });
}

#[test]
fn extensive_damage_is_reported_in_one_pass() {
    let torn = "{\"reference\":\"a:1\",\"size\":},".repeat(50_000);
    let sandbox = Sandbox::with_registry(format!("{{\"artifacts\":[{torn}]}}"));
    let run = sandbox.run(&["verify", "--repair"]);
    assert_eq!(run.code, 1);
    let lost = run
        .stdout
        .lines()
        .filter(|line| line.contains("lost: a:1 "));
    assert_eq!(lost.count(), 50_000);
}

/// Row 11: the exit code of a repair depends on its result, not on whether its report
/// can be written.
#[test]
fn a_repair_is_kept_although_its_report_cannot_be_written() {
    let torn = format!("{}{{\"reference\":\"b:1\",", registry(&[A]));
    for (damaged, code) in [(format!("{}x", registry(&[A])), 0), (torn, 1)] {
        for format in ["text", "json"] {
            let sandbox = Sandbox::with_registry(&damaged);
            let full = fs::File::options().write(true).open("/dev/full").unwrap();
            let mut command = sandbox.command(&["verify", "--repair", "--format", format]);
            assert_eq!(command.stdout(full).status().unwrap().code(), Some(code));
            assert_eq!(sandbox.registry_text(), registry(&[A]));
        }
    }
}

/// Lost entries are reported even if nothing else can be checked.
#[test]
fn a_repair_is_reported_although_the_check_after_it_fails() {
    let sandbox = Sandbox::with_registry(format!("{}{{\"reference\":\"b:1\",", registry(&[A])));
    // The cache cannot be read.
    fs::create_dir_all(sandbox.cache().parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("artifacts", sandbox.cache()).unwrap();
    let run = sandbox.run(&["verify", "--repair"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stdout.contains("  lost: b:1 ("), "{run:?}");
    assert!(run.stdout.contains("  original kept as: "), "{run:?}");
}

/// The copy and the registry are made durable in this order: the new registry, the
/// damaged one and its directory, the copy, the directory with the copy, the directory
/// with the registry.
#[test]
fn a_failed_repair_keeps_the_file_and_leaves_no_copy() {
    if !has_strace() {
        return;
    }
    let damaged = format!("{}x", registry(&[A]));
    for when in 1..=6 {
        let sandbox = Sandbox::with_registry(&damaged);
        fs::write(sandbox.lock(), "").unwrap();
        let inject = format!("error=EIO:when={when}");
        let run = Run::from(
            sandbox
                .traced(&inject, &["verify", "--repair"])
                .output()
                .unwrap(),
        );
        if when < 6 {
            run.fails(1, "could not sync");
            assert_eq!(sandbox.registry_text(), damaged, "{when}");
            assert!(copies(&sandbox).is_empty(), "{when}: {run:?}");
        } else {
            run.fails(1, "is applied, but may not survive a power loss");
            assert_eq!(sandbox.registry_text(), registry(&[A]));
            assert_eq!(copies(&sandbox).len(), 1);
        }
        assert!(sandbox.temporaries().is_empty(), "{when}");
    }
}

/// The number of the sync of the copy in a repair.
const COPY: usize = 4;

/// Row 18: while its temporary file is synced, and while the copy is.
#[test]
fn a_repair_keeps_what_a_process_without_the_lock_wrote_meanwhile() {
    if !has_strace() {
        return;
    }
    let replaced = registry(&[A, B]);
    let damaged = format!("{replaced}x");
    let torn = format!("{},", registry(&[B]));
    // The new registry may be whole, or damaged in another way.
    for (when, meanwhile) in [(1, &replaced), (COPY, &replaced), (1, &torn)] {
        let (sandbox, run) = repair_beside(when, &damaged, meanwhile);
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(sandbox.registry_text(), meanwhile.trim_end_matches(','));
        let kept = copies(&sandbox);
        assert_eq!(kept.len(), usize::from(meanwhile == &torn), "{run:?}");
        for copy in kept {
            assert_eq!(fs::read_to_string(copy).unwrap(), torn);
        }
        assert!(sandbox.temporaries().is_empty());
    }
}

/// Replaces a damaged registry by another text during a sync of its repair.
fn repair_beside(when: usize, damaged: &str, meanwhile: &str) -> (Sandbox, Run) {
    for round in 0.. {
        assert!(round < 20, "the other process was never in time");
        let sandbox = Sandbox::with_registry(damaged);
        fs::write(sandbox.lock(), "").unwrap();
        let other = sandbox.path("other");
        fs::write(&other, meanwhile).unwrap();
        let delay = format!("delay_enter=300000:when={when}");
        let mut running = Running::start(sandbox.traced(&delay, &["verify", "--repair"]));
        let count = if when == COPY { 2 } else { 1 };
        wait_until("the sync has begun", || {
            sandbox.temporaries().len() == count
        });
        let temporaries = sandbox.temporaries();
        fs::rename(&other, sandbox.registry()).unwrap();
        let is_in_time = running.is_running() && temporaries == sandbox.temporaries();
        let run = running.end();
        if is_in_time {
            return (sandbox, run);
        }
    }
    unreachable!()
}

#[test]
fn a_signal_during_a_repair_keeps_the_file_and_leaves_no_copy() {
    if !has_strace() {
        return;
    }
    let damaged = format!("{}x", registry(&[A]));
    // The sync of the new registry, and that of the copy.
    for when in [1, COPY] {
        let sandbox = Sandbox::with_registry(&damaged);
        let inject = format!("signal=SIGTERM:when={when}");
        let mut command = sandbox.traced(&inject, &["verify", "--repair"]);
        let run = Run::from(command.output().unwrap());
        assert_eq!(run.code, 143, "{run:?}");
        assert_eq!(sandbox.registry_text(), damaged);
        assert!(copies(&sandbox).is_empty());
        assert!(sandbox.temporaries().is_empty());
    }
}

#[test]
fn identical_copies_of_an_entry_are_removed_and_different_ones_kept() {
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
    let repair = &report["repaired"][0];
    assert_eq!(repair["saved"], 1, "{report}");
    assert_eq!(repair["lost"], Value::Array(Vec::new()), "{report}");
    assert_eq!(
        repair["copy"].as_str().unwrap(),
        copies(&sandbox)[0].to_str().unwrap()
    );
    let before = identity(&sandbox.registry());
    let second = sandbox.run(&["verify", "--repair", "--format", "json"]);
    let report: Value = serde_json::from_str(&second.stdout).unwrap();
    assert_eq!(report["repaired"], Value::Array(Vec::new()));
    assert_eq!(identity(&sandbox.registry()), before);
}

#[test]
fn a_registry_that_may_not_be_changed_is_not_repaired() {
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
        run.stdout.contains("never writes a legacy registry"),
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
    // Only the entry is lost, so it can be registered again.
    sandbox.ok(&["add", "x:1"]);
    sandbox.ok(&["verify"]);
}
