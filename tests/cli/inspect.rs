//! `inspect`

use std::fs;

use serde_json::json;
use snapbox::{assert_data_eq, str};

use crate::support::{Sandbox, fixture};

#[test]
fn every_stored_field_is_shown_with_a_status() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    sandbox.ok(&["add", "ghcr.io/acme/app:v1", source.to_str().unwrap()]);
    assert_data_eq!(
        sandbox.ok(&["inspect", "ghcr.io/acme/app:v1"]),
        str![[r#"
[
  {
    "reference": "ghcr.io/acme/app:v1",
    "repository": "ghcr.io/acme/app",
    "tag": "v1",
    "type": "component",
    "digest": "sha256:[..]",
    "size": 41,
    "createdAt": "[..]Z",
    "cachePath": "[..]/.cldctl/cache/artifacts/ghcr.io_acme_app_v1",
    "status": {
      "cache": "present",
      "files": 3,
      "bytes": 41,
      "digest": "verifiable",
      "generated": {
        "files": 0,
        "bytes": 0
      },
      "deployed": [],
      "remotes": []
    }
  }
]

"#]]
    );
}

#[test]
fn the_status_distinguishes_missing_external_and_unverifiable_content() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    let status = |reference: &str| sandbox.json(&["inspect", reference])[0]["status"].clone();
    let without_content = |cache: &str, digest: &str| {
        json!({
            "cache": cache, "files": 0, "bytes": 0, "digest": digest,
            "generated": {"files": 0, "bytes": 0}, "deployed": [], "remotes": []
        })
    };
    // The cache of another home, which does not exist here.
    assert_eq!(
        status("ghcr.io/myorg/web-app:v1.0.0"),
        without_content("foreign", "unverifiable")
    );
    sandbox.record("alone:1");
    assert_eq!(status("alone:1")["cache"], "none");
    sandbox.record_gone("a:1");
    let missing = without_content("missing", "absent");
    assert_eq!(status("a:1"), missing);
    fs::create_dir_all(sandbox.cache()).unwrap();
    assert_eq!(status("a:1"), missing);
    fs::create_dir_all(sandbox.cache().join("a_1")).unwrap();
    assert_eq!(status("a:1")["cache"], "present");
}

#[test]
fn artifacts_are_found_by_reference_by_name_and_by_digest() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    for (operand, reference) in [
        ("my-dc", "my-dc"),
        ("my-dc:latest", "my-dc"),
        (
            "localhost:5000/team/api:2026.02",
            "localhost:5000/team/api:2026.02",
        ),
        ("@clerk/clerk", "@clerk/clerk:latest"),
        ("a1b2", "ghcr.io/myorg/web-app:v1.0.0"),
        (
            "sha256:5d1f0c7be3a9",
            "sha256:5d1f0c7be3a94c6f8f7f0f6a2e5b1c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b",
        ),
    ] {
        assert_eq!(
            sandbox.json(&["inspect", operand])[0]["reference"],
            reference,
            "{operand}"
        );
    }
}

#[test]
fn found_artifacts_are_shown_even_if_others_are_missing() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    let run = sandbox.run(&["inspect", "nothing", "my-dc", "a1b"]);
    assert_eq!(run.code, 3);
    let shown: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (shown.as_array().unwrap().len(), &shown[0]["reference"]),
        (1, &json!("my-dc"))
    );
    assert_eq!(run.stderr.matches("not found").count(), 2, "{run:?}");
    let run = sandbox.run(&["inspect", "nothing"]);
    assert_eq!((run.code, run.stdout.as_str()), (3, "[]\n"));
}

#[test]
fn the_first_entry_of_a_duplicate_reference_is_shown() {
    let sandbox = Sandbox::with_registry(
        r#"{"artifacts":[{"reference":"a:1","size":1},{"reference":"a:1","size":2},{}]}"#,
    );
    let shown = sandbox.json(&["inspect", "a:1"]);
    assert_eq!(
        (shown.as_array().unwrap().len(), &shown[0]["size"]),
        (1, &json!(1))
    );
}

#[test]
fn a_stored_field_named_status_is_replaced() {
    let sandbox = Sandbox::with_registry(r#"{"artifacts":[{"reference":"a:1","status":"mine"}]}"#);
    let shown = sandbox.ok(&["inspect", "a:1"]);
    assert_eq!(shown.matches("\"status\"").count(), 1, "{shown}");
}
