//! State where something else goes wrong: what cannot be deleted, a registry that cannot be
//! written, a crash of OpenTofu, and directories of others.

use std::fs;
use std::path::PathBuf;

use crate::deployed::{DESTROYED, with_datacenter};
use crate::faults_calls::recorded;
use crate::running::has_strace;
use crate::support::{Run, Sandbox, names};

const RM: &[&str] = &["rm", "dc:v1"];

/// Returns the one directory of the cache whose name begins so.
fn the(sandbox: &Sandbox, prefix: &str) -> PathBuf {
    let names = names(&sandbox.cache());
    let found: Vec<_> = names.iter().filter(|it| it.starts_with(prefix)).collect();
    assert_eq!(found.len(), 1, "{names:?}");
    sandbox.cache().join(found[0])
}

/// Row 92: state is kept. The lock that an apply waits for is free when the removal ends.
#[test]
fn state_goes_last_and_stays_where_something_else_cannot_be_deleted() {
    if !has_strace() {
        return;
    }
    let with_state = || {
        let (sandbox, dir) = with_datacenter();
        for module in ["modules/vpc", "modules/db", ""] {
            fs::write(dir.join(module).join("terraform.tfstate"), DESTROYED).unwrap();
        }
        sandbox
    };
    let calls = recorded(&with_state(), "unlinkat", RM);
    let is_state = |line: &String| line.contains("terraform.tfstate");
    let first = calls.iter().position(is_state).unwrap();
    for about in ["datacenter.dc", "main.tf"] {
        let last = calls.iter().rposition(|line| line.contains(about)).unwrap();
        assert!(last < first, "{calls:?}");
        let sandbox = with_state();
        let inject = format!("error=EPERM:when={}", last + 1);
        let output = sandbox.traced_at("unlinkat", &inject, RM).output().unwrap();
        let run = Run::from(output);
        assert_eq!(run.code, 1, "{run:?}");
        let trash = the(&sandbox, ".trash-");
        for module in ["modules/vpc", "modules/db", ""] {
            let state = trash.join(module).join("terraform.tfstate");
            assert!(state.exists(), "{}", state.display());
        }
        sandbox.record("next:v1");
        assert!(!trash.exists());
    }
}
