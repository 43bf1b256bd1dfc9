//! `exists`

use crate::support::{Sandbox, fixture};

#[test]
fn only_the_exit_code_reports_whether_artifacts_are_registered() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    let digest = "sha256:a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
    for (references, code) in [
        (&["my-dc"][..], 0),
        (&["my-dc:latest", "@clerk/clerk"], 0),
        (&[digest], 0),
        (&["nothing"], 3),
        (&["my-dc", "nothing"], 3),
        // A digest prefix is for people, not for scripts.
        (&["a1b2c3d4e5f6"], 3),
    ] {
        let run = sandbox.run(&[&["exists"], references].concat());
        assert_eq!(
            (run.code, run.stdout.as_str(), run.stderr.as_str()),
            (code, "", ""),
            "{references:?}"
        );
    }
}

#[test]
fn content_with_several_names_exists() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    sandbox.ok(&["add", "a:1", source.to_str().unwrap()]);
    sandbox.ok(&["tag", "a:1", "a:2"]);
    let digest = sandbox.ok(&["images", "a:1", "--format", "{{.Digest}}"]);
    let digest = digest.trim_end();
    let hex = digest.strip_prefix("sha256:").unwrap();
    for (operand, code) in [(digest, 0), (hex, 0), (&hex[..63], 3)] {
        let run = sandbox.run(&["exists", operand]);
        let found = (run.code, run.stdout.as_str(), run.stderr.as_str());
        assert_eq!(found, (code, "", ""), "{operand}");
    }
    let sandbox = Sandbox::with_registry(
        r#"{"artifacts":[{"reference":"a@sha256:1"},{"reference":"a@sha256:2"}]}"#,
    );
    assert_eq!(sandbox.ok(&["exists", "a"]), "");
}
