//! References that existing entries can have, but that no new entry gets.

use crate::support::{Sandbox, fixture};

/// Incomplete references, for example from an empty variable, and the messages about
/// them.
const SLIPS: [(&str, &str); 14] = [
    ("", "it is empty"),
    (":v1", "its repository is empty"),
    ("@sha256:abc", "its repository is empty"),
    ("app:", "its tag is empty"),
    ("app@sha256:", "its digest is empty"),
    ("/app:v1", "a part of its repository is empty"),
    ("ghcr.io//app:v1", "a part of its repository is empty"),
    ("ghcr.io/org/:v1", "a part of its repository is empty"),
    ("https://ghcr.io/org/app:v1", "it is a URL"),
    ("app:v1 ", "it contains white space (U+0020)"),
    ("app\u{a0}:v1", "it contains white space (U+00A0)"),
    ("app:v1\n", "it contains a control character"),
    ("<none>:<none>", "`<none>` marks an artifact without a name"),
    (".staging-abcdefghijkl", "the cache reserves this name"),
];

#[test]
fn no_entry_is_created_for_an_incomplete_reference() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    let source = source.to_str().unwrap();
    sandbox.ok(&["add", "app:v1", source]);
    for (slip, reason) in SLIPS {
        for args in [
            &["add", slip, source][..],
            &["add", slip],
            &["add", slip, "--metadata-only", "--type", "component"],
            &["tag", "app:v1", slip],
            // All are checked before the first one is registered.
            &["tag", "app:v1", "fine:1", slip],
        ] {
            sandbox.refuses(args, 2, reason);
        }
    }
    assert_eq!(sandbox.references(), ["app:v1"]);
}

#[test]
fn an_entry_that_has_such_a_reference_can_be_listed_inspected_and_removed() {
    for (slip, _) in SLIPS {
        let entry = serde_json::json!({"reference": slip, "repository": "x", "tag": "y"});
        let registry = serde_json::json!({"version": "v2", "artifacts": [entry]});
        let sandbox = Sandbox::with_registry(registry.to_string());
        assert_eq!(sandbox.ok(&["images", "-q"]).lines().count(), 1);
        assert_eq!(sandbox.json(&["inspect", slip])[0]["reference"], slip);
        assert_eq!(sandbox.run(&["exists", slip]).code, 0, "{slip:?}");
        sandbox.ok(&["rm", slip]);
        assert_eq!(sandbox.ok(&["images", "-q"]), "", "{slip:?}");
    }
}

#[test]
fn a_directory_with_a_reserved_name_is_never_the_content_of_an_entry() {
    let reserved = ".trash-abcdefghijkl";
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    std::fs::create_dir_all(sandbox.cache().join(reserved)).unwrap();
    sandbox.refuses(&["add", reserved, "--type", "dc"], 2, "reserves this name");
    sandbox.refuses(&["cache-path", reserved], 2, "reserves this name");
    assert_eq!(sandbox.run(&["exists", reserved]).code, 3);
}
