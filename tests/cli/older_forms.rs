//! Registries in older forms with values that cldctl cannot read. It skips them as they
//! are; converted, they would make it reject the whole registry.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{ADD, Sandbox};

const GOOD: &str = r#"{"reference":"good:1","size":7}"#;

/// Entries with a value that cldctl cannot read, and the key of the value.
const BAD: [(&str, &str); 5] = [
    (r#"{"reference":"bad:1","createdAt":"soon"}"#, "createdAt"),
    (r#"{"reference":"bad:1","size":1.5}"#, "size"),
    (r#"{"reference":"bad:1","size":"7"}"#, "size"),
    (r#"{"reference":"bad:1","tag":["1"]}"#, "tag"),
    (r#"{"reference":"bad:1","Size":"large"}"#, "Size"),
];

/// Creates registries in the older forms. Returns also the path of each file.
fn homes(entries: &str) -> [(Sandbox, PathBuf); 2] {
    let text = format!(r#"{{"version":"v1","components":[{entries}]}}"#);
    let inline = Sandbox::with_registry(&text);
    let legacy = Sandbox::with_registry("");
    let file = legacy.registry().with_file_name("components.json");
    fs::remove_file(legacy.registry()).unwrap();
    fs::write(&file, text).unwrap();
    let registry = inline.registry();
    [(inline, registry), (legacy, file)]
}

/// Row 86: the entry is named.
#[test]
fn a_change_that_would_convert_unreadable_entries_is_refused() {
    for (bad, field) in BAD {
        for (sandbox, file) in homes(&format!("{GOOD},{bad}")) {
            let before = fs::read_to_string(&file).unwrap();
            for args in [
                ADD,
                &["rm", "good:1"],
                &["rm", "--filter", "reference=good*", "-y"],
            ] {
                let run = sandbox.run(args);
                run.fails(1, "entry `bad:1`");
                assert!(
                    run.stderr.contains(&format!("unreadable `{field}`")),
                    "{run:?}"
                );
                assert!(run.stderr.contains(&*file.to_string_lossy()), "{run:?}");
                assert!(run.stderr.contains("\nhint: "), "{run:?}");
            }
            // It is still read.
            let mut listed = sandbox.references();
            listed.sort();
            assert_eq!(listed, ["bad:1", "good:1"]);
            assert_eq!(fs::read_to_string(&file).unwrap(), before);
            assert!(file == sandbox.registry() || !sandbox.registry().exists());
            assert!(sandbox.temporaries().is_empty());
        }
    }
}

/// Row 86: the entries are removed as the hint says.
#[test]
fn removing_unreadable_entries_lets_the_rest_be_converted() {
    for (bad, _) in BAD {
        let another = bad.replace("bad:1", "bad:2");
        for args in [&["rm", "bad:1", "bad:2"][..], &["rm", "--all", "-y"]] {
            for (sandbox, _) in homes(&format!("{bad},{GOOD},{another}")) {
                sandbox.run(&["rm", "bad:1"]).fails(1, "entry `bad:2`");
                sandbox.ok(args);
                let document: Value = serde_json::from_str(&sandbox.registry_text()).unwrap();
                let left = document["artifacts"].as_array().unwrap();
                assert_eq!(left.len(), usize::from(args[1] == "bad:1"));
                assert!(left.iter().all(|entry| entry["size"] == 7), "{left:?}");
            }
        }
    }
}

#[test]
fn an_unreadable_entry_in_the_current_form_stops_no_change() {
    for (bad, _) in BAD {
        let sandbox = Sandbox::with_registry(format!(r#"{{"artifacts":[{bad}]}}"#));
        sandbox.ok(ADD);
        assert!(
            sandbox.registry_text().contains(bad),
            "cldctl rejects no more than before"
        );
    }
}
