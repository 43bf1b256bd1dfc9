//! Digests of manifests as operands, and what is remembered of manifests.

use std::fs;

use super::{There, image};
use crate::support::mkfifo;

/// Returns the digest of the manifest that an artifact was pulled by.
fn manifest_of(there: &There) -> String {
    let shown = there.sandbox.json(&["inspect", &there.reference]);
    let digest = &shown[0]["status"]["remotes"][0]["manifestDigest"];
    digest.as_str().unwrap().to_owned()
}

#[test]
fn the_manifest_of_two_artifacts_is_ambiguous_for_all_commands() {
    let server = image().registry().serve();
    let there = There::new(&server);
    there.has_pulled(&there.pull(&[]));
    let sandbox = &there.sandbox;
    let manifest = manifest_of(&there);
    let hex = manifest.trim_start_matches("sha256:");
    for digest in [&*manifest, hex] {
        sandbox.ok(&["exists", digest]);
    }
    sandbox.ok(&["tag", &there.reference, "other:v1"]);
    for args in [
        &["inspect"][..],
        &["verify"],
        &["rm"],
        &["rm", "-f"],
        &["rm", "-n"],
    ] {
        for digest in [&*manifest, hex] {
            let run = sandbox.run(&[args, &[digest]].concat());
            assert_eq!(run.code, 4, "{run:?}");
            let fact = format!("`{digest}` is ambiguous");
            assert!(run.stderr.contains(&fact), "{run:?}");
            assert!(run.stderr.contains("other:v1"), "{run:?}");
        }
    }
    sandbox
        .run(&["tag", &manifest, "third:v1"])
        .fails(4, "other:v1");
    sandbox.ok(&["rm", &format!("other@{manifest}")]);
    sandbox.ok(&["rm", hex]);
}

#[test]
fn a_damaged_record_of_manifests_fails_no_command_and_is_pruned() {
    let server = image().registry().serve();
    let there = There::new(&server);
    there.has_pulled(&there.pull(&[]));
    let sandbox = &there.sandbox;
    let digest = sandbox.json(&["inspect", &there.reference])[0]["digest"].clone();
    let hex = digest.as_str().unwrap().trim_start_matches("sha256:");
    let manifests = sandbox.registry().with_file_name("manifests");
    let record = manifests.join(format!("{hex}.remotes"));
    let unknown = format!("sha256:{}", "a".repeat(64));
    fs::remove_file(&record).unwrap();
    mkfifo(&record);
    for pulled_again in [false, true] {
        if pulled_again {
            fs::create_dir(&record).unwrap();
            assert_eq!(there.pull(&[]).code, 0);
        }
        sandbox.ok(&["inspect", &there.reference]);
        assert_eq!(sandbox.run(&["exists", &unknown]).code, 3);
        let verified = sandbox.run(&["verify"]);
        assert!(verified.stdout.contains(".remotes"), "{verified:?}");
        sandbox.ok(&["prune", "--yes"]);
        assert!(!record.exists());
        sandbox.ok(&["verify"]);
    }
}

#[test]
fn hosts_that_cannot_be_are_refused_and_no_password_is_shown() {
    let sandbox = super::sandbox();
    for reference in ["r.example:99999/app:v1", "a:b:c/app:v1", "[::1/app:v1"] {
        let refused = sandbox.run(&["pull", reference]);
        refused.fails(2, "its registry is not a host");
    }
    let refused = sandbox.run(&["pull", "user:secret@r.example/app:v1"]);
    refused.fails(2, "a user or password comes before it");
    assert!(!refused.stderr.contains("secret"), "{refused:?}");
}
