//! `exists`

use crate::support::{Sandbox, fixture};

#[test]
fn the_exit_code_alone_says_whether_artifacts_are_registered() {
    let sandbox = Sandbox::with_registry(fixture("base/artifacts.json"));
    let digest = "sha256:a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
    for (references, code) in [
        (&["my-dc"][..], 0),
        (&["my-dc:latest", "@clerk/clerk"], 0),
        (&[digest], 0),
        (&["nothing"], 3),
        (&["my-dc", "nothing"], 3),
        // The start of a digest is enough for people, not for scripts.
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
fn a_name_of_several_artifacts_is_no_answer() {
    let sandbox = Sandbox::with_registry(
        r#"{"artifacts":[{"reference":"a@sha256:1"},{"reference":"a@sha256:2"}]}"#,
    );
    sandbox.run(&["exists", "a"]).fails(4, "`a` is ambiguous");
}
