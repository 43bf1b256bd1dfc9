//! `rm`

use std::fs;

use snapbox::{assert_data_eq, str};

use crate::running::has_strace;
use crate::support::{Sandbox, fixture, names};

fn with_two() -> Sandbox {
    let sandbox = Sandbox::new();
    let (app, dc) = (sandbox.component("app"), sandbox.datacenter("dc"));
    sandbox.ok(&["add", "ghcr.io/acme/app:v1", app.to_str().unwrap()]);
    sandbox.ok(&["add", "dc", dc.to_str().unwrap()]);
    sandbox
}

#[test]
fn an_artifact_is_removed_with_its_content_and_its_manifest() {
    let sandbox = with_two();
    assert_eq!(
        sandbox.ok(&["rm", "ghcr.io/acme/app:v1"]),
        "removed ghcr.io/acme/app:v1\n"
    );
    assert_eq!(sandbox.references(), ["dc"]);
    assert_eq!(names(&sandbox.cache()), ["dc"]);
    assert_eq!(names(&sandbox.home().join("registry/manifests")).len(), 1);
}

#[test]
fn a_manifest_is_kept_as_long_as_an_entry_has_its_digest() {
    let sandbox = with_two();
    let app = sandbox.path("app");
    sandbox.ok(&["add", "copy:v1", app.to_str().unwrap()]);
    sandbox.ok(&["rm", "ghcr.io/acme/app:v1"]);
    assert_eq!(names(&sandbox.home().join("registry/manifests")).len(), 2);
    assert_eq!(
        sandbox.json(&["inspect", "copy:v1"])[0]["status"]["digest"],
        "verifiable"
    );
}

#[test]
fn every_operand_is_tried_and_the_worst_result_is_the_exit_code() {
    let sandbox = with_two();
    sandbox.ok(&["add", "dc:v2", sandbox.path("dc").to_str().unwrap()]);
    let digest = sandbox.json(&["inspect", "dc"])[0]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let run = sandbox.run(&["rm", "nothing:v1", "ghcr.io/acme/app:v1", &digest, "dc"]);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (4, "removed ghcr.io/acme/app:v1\nremoved dc\n")
    );
    assert_data_eq!(
        run.stderr,
        str![[r#"
error: artifact `nothing:v1` not found
error: `sha256:[..]` is ambiguous: it matches 2 artifacts: `dc`, `dc:v2`
hint: use one of these references

"#]]
    );
    assert_eq!(sandbox.references(), ["dc:v2"]);
}

#[test]
fn a_missing_artifact_is_reported_with_a_suggestion() {
    let sandbox = with_two();
    let before = sandbox.registry_text();
    let run = sandbox.run(&["rm", "ghcr.io/acme/app:v9"]);
    run.fails(3, "artifact `ghcr.io/acme/app:v9` not found");
    assert!(
        run.stderr
            .contains("hint: did you mean `ghcr.io/acme/app:v1`?"),
        "{run:?}"
    );
    let run = sandbox.run(&["rm", "-f", "ghcr.io/acme/app:v9"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(sandbox.registry_text(), before);
}

/// Runs the program, and returns how often it opens the registry while it has the lock,
/// and how often after that.
fn opens(sandbox: &Sandbox, args: &[&str]) -> (usize, usize) {
    let calls = sandbox.path("calls");
    let wrapper = ["strace", "-qq", "-o", calls.to_str().unwrap()];
    let wrapper = [&wrapper[..], &["-e", "trace=openat,flock,close"]].concat();
    sandbox.wrapped(&wrapper, args).output().unwrap();
    let text = fs::read_to_string(calls).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let locked = lines.iter().position(|line| line.starts_with("flock("));
    let (_, locked) = lines.split_at(locked.expect("the lock is acquired"));
    let descriptor = locked[0]["flock(".len()..].split(',').next().unwrap();
    let close = format!("close({descriptor})");
    let released = locked.iter().position(|line| line.starts_with(&close));
    let (locked, released) = locked.split_at(released.expect("the lock is released"));
    let count = |lines: &[&str]| {
        let opens = lines.iter();
        opens
            .filter(|line| line.contains("/artifacts.json\""))
            .count()
    };
    (count(locked), count(released))
}

#[test]
fn a_suggestion_is_searched_after_the_lock_is_released_and_only_if_it_is_printed() {
    if !has_strace() {
        return;
    }
    let sandbox = with_two();
    let found = opens(&sandbox, &["rm", "--keep-cache", "dc"]);
    let missing = opens(&sandbox, &["rm", "ghcr.io/acme/app:v9"]);
    let ignored = opens(&sandbox, &["rm", "-f", "ghcr.io/acme/app:v9"]);
    assert_eq!(missing.0, ignored.0);
    assert!(missing.1 > 0, "{missing:?}");
    assert_eq!((found.1, ignored.1), (0, 0));
}

#[test]
fn a_removal_creates_no_registry() {
    let sandbox = Sandbox::new();
    sandbox.run(&["rm", "a:1"]).fails(3, "not found");
    assert_eq!(sandbox.ok(&["rm", "--all", "-y"]), "");
    assert!(!sandbox.home().exists());
}

#[test]
fn an_artifact_can_be_named_by_twelve_digits_of_its_digest_but_not_by_fewer() {
    let sandbox = with_two();
    let digest = sandbox.json(&["inspect", "dc"])[0]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let hex = digest.strip_prefix("sha256:").unwrap();
    sandbox.run(&["rm", &hex[..11]]).fails(3, "not found");
    assert_eq!(sandbox.ok(&["rm", &hex[..12]]), "removed dc\n");
}

#[test]
fn a_dry_run_names_the_artifacts_and_removes_nothing() {
    let sandbox = with_two();
    let before = sandbox.registry_text();
    assert_eq!(sandbox.ok(&["rm", "-n", "dc"]), "would remove dc\n");
    let plan = sandbox.json(&["rm", "--all", "--dry-run", "--format", "json"]);
    assert_eq!(plan["dryRun"], true);
    assert_eq!(plan["reclaimedBytes"], 41 + 25);
    assert_eq!(sandbox.registry_text(), before);
    assert_eq!(names(&sandbox.cache()).len(), 2);

    let done = sandbox.json(&["rm", "--all", "--yes", "--format", "json"]);
    assert_eq!(done["dryRun"], false);
    assert_eq!(done["removed"], plan["removed"]);
    assert_eq!(done["reclaimedBytes"], plan["reclaimedBytes"]);
}

#[test]
fn the_report_has_the_freed_space() {
    let sandbox = with_two();
    let report = sandbox.ok(&["rm", "dc", "--format", "json"]);
    assert_data_eq!(
        report,
        str![[r#"
{
  "dryRun": false,
  "kept": [],
  "removed": [
    {
      "kind": "entry",
      "reference": "dc",
      "path": "[..]/.cldctl/cache/artifacts/dc",
      "bytes": 25,
      "reason": "requested"
    }
  ],
  "reclaimedBytes": 25
}

"#]]
    );
}

#[test]
fn content_can_be_kept() {
    let sandbox = with_two();
    sandbox.ok(&["rm", "dc", "--keep-cache"]);
    assert_eq!(sandbox.references(), ["ghcr.io/acme/app:v1"]);
    assert!(sandbox.cache().join("dc/datacenter.dc").is_file());
}

#[test]
fn references_are_read_from_standard_input() {
    let sandbox = with_two();
    let list = sandbox.ok(&["images", "-q"]);
    let run = sandbox.run_with_input(&["rm", "-"], &format!("\n{list}\n"));
    assert_eq!((run.code, run.stdout.lines().count()), (0, 2), "{run:?}");
    let run = sandbox.run_with_input(&["rm", "-"], "");
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{run:?}");
    sandbox
        .run_with_input(&["rm", "-", "dc"], "x\n")
        .fails(2, "cannot be combined with others");
}

#[test]
fn removing_all_without_a_terminal_needs_the_answer_as_an_option() {
    let sandbox = with_two();
    let before = sandbox.registry_text();
    let run = sandbox.run_with_input(&["rm", "--all"], "y\n");
    run.fails(2, "standard input is not a terminal");
    assert!(run.stderr.contains("hint: `-y` answers yes"), "{run:?}");
    assert_eq!(sandbox.registry_text(), before);

    sandbox.ok(&["rm", "--all", "--type", "datacenter", "-y"]);
    assert_eq!(sandbox.references(), ["ghcr.io/acme/app:v1"]);
    sandbox.ok(&["rm", "--all", "-y"]);
    assert_eq!(
        sandbox.registry_text(),
        fixture("after-clear/artifacts.json")
    );
    assert_eq!(names(&sandbox.cache()), Vec::<String>::new());
}

#[test]
fn artifacts_to_remove_must_be_given_in_exactly_one_way() {
    let sandbox = with_two();
    for args in [
        &["rm"][..],
        &["rm", "dc", "--all"],
        &["rm", "dc", "--type", "dc"],
    ] {
        let run = sandbox.run(args);
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (2, ""),
            "{args:?}: {run:?}"
        );
    }
    assert_eq!(sandbox.references().len(), 2);
}

#[test]
fn an_unreadable_entry_can_be_removed() {
    let sandbox = Sandbox::with_registry(
        r#"{"artifacts":[{"reference":"a:1","size":1.5,"createdAt":3,"cachePath":[]}]}"#,
    );
    assert_eq!(sandbox.ok(&["rm", "a:1"]), "removed a:1\n");
    assert_eq!(sandbox.registry_text(), r#"{"artifacts":[]}"#);
}

#[test]
fn read_only_content_is_removed() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = with_two();
    let file = sandbox.cache().join("dc/datacenter.dc");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    sandbox.ok(&["rm", "dc"]);
    assert_eq!(names(&sandbox.cache()), ["ghcr.io_acme_app_v1"]);
}

#[test]
fn a_trailing_blank_is_a_part_of_a_reference() {
    let sandbox = Sandbox::new();
    sandbox.record("a:1");
    sandbox.record_as_cldctl("a:1 ");
    let run = sandbox.run_with_input(&["rm", "-"], "a:1 \r\n");
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "removed a:1 \n"),
        "{run:?}"
    );
    assert_eq!(sandbox.references(), ["a:1"]);
}

#[test]
fn standard_input_that_cannot_be_read_is_a_failure() {
    let sandbox = with_two();
    let directory = fs::File::open("/").unwrap();
    let output = sandbox
        .command(&["rm", "-"])
        .stdin(directory)
        .output()
        .unwrap();
    crate::support::Run::from(output).fails(1, "could not read references from standard input");
}

/// Row 89: a thousand operands, by reference and by digest.
#[test]
fn many_references_are_found_in_the_same_way_as_few() {
    let sandbox = Sandbox::new();
    let entries: Vec<_> = (0..2000)
        .map(|n| serde_json::json!({"reference": format!("r{n}:1"), "digest": format!("sha256:{n:064x}")}))
        .collect();
    let document = serde_json::json!({"artifacts": entries});
    sandbox.write_registry(document.to_string());
    let digest = |n: usize| format!("sha256:{n:064x}\n");
    let operands: String = (0..1000)
        .map(|n| {
            if n % 2 == 0 {
                format!("r{n}:1\n")
            } else {
                digest(n)
            }
        })
        .collect();
    let run = sandbox.run_with_input(&["rm", "-"], &operands);
    assert_eq!((run.code, run.stdout.lines().count()), (0, 1000));
    assert_eq!(sandbox.references().len(), 1000);
}

#[test]
fn a_directory_that_contains_that_of_another_entry_is_kept() {
    let sandbox = with_two();
    let inner = sandbox.cache().join("dc/modules");
    let inner = inner.to_str().unwrap();
    sandbox.ok(&[
        "add",
        "inner",
        "--metadata-only",
        "--type",
        "dc",
        "--cache-path",
        inner,
    ]);
    let run = sandbox.run(&["rm", "dc"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "removed dc\n"));
    assert!(run.stderr.contains("is also that of `inner`"), "{run:?}");
    assert!(sandbox.cache().join("dc/modules/network").is_dir());
}
