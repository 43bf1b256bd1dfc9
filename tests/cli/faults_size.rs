//! Very large registries.

use serde_json::json;

use crate::support::{ADD, Run, Sandbox};

/// The memory that a command needs in addition to the document, in kB of address space:
/// the program itself and its stack.
const OWN: usize = 128 << 10;

/// Lists and changes a registry with this number of entries, each of about 430 bytes. A
/// change may take four times the file in memory, a list twice, and finding an entry
/// takes none for the others.
fn lists_and_changes(count: usize) {
    let entry = |n: usize| {
        json!({
            "reference": format!("ghcr.io/organisation/component-{n}:v1.2.3"),
            "repository": format!("ghcr.io/organisation/component-{n}"), "tag": "v1.2.3",
            "type": "component", "digest": format!("sha256:{n:064x}"), "size": n,
            "createdAt": "2026-01-01T00:00:00Z",
            "cachePath": format!("/home/user/.cldctl/cache/artifacts/ghcr.io_organisation_component-{n}_v1.2.3"),
        })
        .to_string()
        .replace(",\"", ",\n      \"")
    };
    let entries: Vec<String> = (0..count).map(entry).collect();
    let text = format!(
        "{{\n  \"version\": \"v2\",\n  \"artifacts\": [\n    {}\n  ]\n}}",
        entries.join(",\n    ")
    );
    let sandbox = Sandbox::with_registry(&text);
    // Other systems do not limit the address space.
    let run = |args: &[&str]| {
        let times = match args[0] {
            "images" => 2,
            "exists" | "inspect" => 0,
            _ => 4,
        };
        let limit = match cfg!(target_os = "linux") {
            true => format!("ulimit -v {}; exec \"$@\"", OWN + times * text.len() / 1024),
            false => "exec \"$@\"".to_owned(),
        };
        let wrapper = ["sh", "-c", &limit, "sh"];
        let run = Run::from(sandbox.wrapped(&wrapper, args).output().unwrap());
        assert_eq!((run.code, &*run.stderr), (0, ""), "{args:?}");
        run.stdout
    };
    for format in [&["-q"][..], &["--no-headers"], &["--format", "jsonl"]] {
        let list = run(&[&["images"], format].concat());
        assert_eq!(list.lines().count(), count, "{format:?}");
    }
    assert!(run(&["images", "--format", "json"]).len() > text.len() / 2);
    let last = format!("ghcr.io/organisation/component-{}:v1.2.3", count - 1);
    run(&["exists", &last]);
    run(&["inspect", &last]);
    run(ADD);
    run(&["rm", "--keep-cache", &last]);
    run(&["rm", "--keep-cache", "new:1"]);
    let without_last = text.replace(&format!(",\n    {}", entries[count - 1]), "");
    assert!(
        sandbox.registry_text() == without_last,
        "the others keep every byte"
    );
}

/// Rows 57 and 89: a fiftieth of it, in every run.
#[test]
fn twenty_thousand_entries_are_listed_and_changed_within_bounds() {
    lists_and_changes(20_000);
}

/// Rows 57 and 89: `cargo test --release --test cli million -- --ignored`
#[test]
#[ignore = "takes a while and gigabytes of memory"]
fn a_million_entries_are_listed_and_changed_within_bounds() {
    lists_and_changes(1_000_000);
}
