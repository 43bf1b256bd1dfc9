//! Tells content, generated and deployment files of an artifact's directory apart.
//!
//! cldctl deploys in place, so that a directory of the cache also holds what deployments
//! write: state and inputs, which cannot be made again or hold secrets, and provider
//! plugins and dependencies, which can.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::store::Kind;

/// The kind of a file in an artifact's directory that is not content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Residue {
    /// State, which cannot be made again: without it, infrastructure is orphaned.
    State,
    /// Inputs, locks and logs of a deployment, which can hold secrets.
    Inputs,
    /// Plugins, dependencies and hidden files, which can be made again.
    Generated,
}

/// The directory in which OpenTofu keeps plugins. Nothing below it is state, although the
/// configuration of the backend has the name `terraform.tfstate` there.
pub(crate) const PLUGINS: &str = ".terraform";

/// Directories that hold state alone: workspaces of OpenTofu, stacks of Pulumi.
const STATE_DIRS: [&str; 2] = ["terraform.tfstate.d", ".pulumi"];

/// Files that cldctl and OpenTofu write for a deployment. cldctl's stack is always `dev`.
const INPUTS: [&str; 3] = [
    "terraform.tfvars.json",
    ".terraform.lock.hcl",
    "Pulumi.dev.yaml",
];

/// Directories that cldctl leaves out of the cache, besides hidden ones.
pub(crate) const GENERATED_DIRS: [&str; 2] = ["node_modules", "__pycache__"];

/// Hidden files that the layers of cldctl carry.
const CARRIED: [&str; 2] = [".dockerignore", ".env.example"];

/// Returns what a path below an artifact's directory is by its names; `None` for what can
/// only be content. The manifest takes precedence: a file of it is content whatever its name.
pub(crate) fn residue_of(path: &Path, kind: Kind) -> Option<Residue> {
    let mut names = path.iter().peekable();
    let mut found = None;
    while let Some(name) = names.next() {
        let is_last = names.peek().is_none();
        let may_be_dir = !is_last || matches!(kind, Kind::Dir | Kind::Link);
        if may_be_dir && name == PLUGINS {
            return Some(Residue::Generated);
        }
        if may_be_dir && is_one_of(name, &STATE_DIRS) {
            return Some(Residue::State);
        }
        if is_last && kind != Kind::Dir {
            if is_state(name) {
                return Some(Residue::State);
            }
            if is_inputs(name) {
                return Some(Residue::Inputs);
            }
        }
        let is_hidden = name.as_bytes().starts_with(b".") && !is_one_of(name, &CARRIED);
        if is_hidden || may_be_dir && is_one_of(name, &GENERATED_DIRS) {
            found = Some(Residue::Generated);
        }
    }
    found
}

/// Returns whether a file name is one of state: current, backed up, errored or timed.
fn is_state(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.ends_with(b".tfstate") || name.windows(9).any(|part| part == b".tfstate.")
}

fn is_inputs(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    is_one_of(name, &INPUTS) || bytes.starts_with(b"crash") && bytes.ends_with(b".log")
}

fn is_one_of(name: &OsStr, names: &[&str]) -> bool {
    names.iter().any(|one| name == *one)
}

/// Returns whether a path is that of live state: a `*.tfstate`, or a stack of Pulumi.
pub(crate) fn can_be_live(path: &Path) -> Option<StateFormat> {
    if residue_of(path, Kind::File) != Some(Residue::State) {
        return None;
    }
    let name = path.file_name()?.as_bytes();
    if name.ends_with(b".tfstate") {
        return Some(StateFormat::OpenTofu);
    }
    let names: Vec<&OsStr> = path.iter().collect();
    let is_stack = names
        .windows(2)
        .any(|pair| pair[0] == ".pulumi" && pair[1] == "stacks");
    match is_stack {
        true if name.ends_with(b".json") => Some(StateFormat::Pulumi { gzip: false }),
        true if name.ends_with(b".json.gz") => Some(StateFormat::Pulumi { gzip: true }),
        _ => None,
    }
}

/// The form of a state file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateFormat {
    /// A state of OpenTofu or Terraform, version 4.
    OpenTofu,
    /// A checkpoint of a stack of Pulumi.
    Pulumi {
        /// True if it is compressed.
        gzip: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn are(expected: Option<Residue>, paths: &[&str]) {
        for path in paths {
            assert_eq!(residue_of(Path::new(path), Kind::File), expected, "{path}");
        }
    }

    #[test]
    fn state_is_recognized_at_every_depth_but_below_the_plugins() {
        are(
            Some(Residue::State),
            &[
                "terraform.tfstate",
                "modules/vpc/terraform.tfstate",
                "modules/vpc/terraform.tfstate.backup",
                "terraform.tfstate.1707915791.backup",
                "errored.tfstate",
                ".terraform.tfstate.lock.info",
                "terraform.tfstate.d/prod/terraform.tfstate",
                "terraform.tfstate.d/prod/other",
                "m/.pulumi/stacks/app/dev.json",
                ".pulumi/meta.yaml",
                ".pulumi/.terraform/x",
                "node_modules/x/terraform.tfstate",
            ],
        );
        are(
            Some(Residue::Generated),
            &[
                ".terraform/terraform.tfstate",
                "m/.terraform/environment",
                ".terraform/modules/x/terraform.tfvars.json",
            ],
        );
    }

    #[test]
    fn inputs_and_logs_of_deployments_are_recognized() {
        are(
            Some(Residue::Inputs),
            &[
                "m/terraform.tfvars.json",
                "crash.log",
                "crash.20260214.log",
                ".terraform.lock.hcl",
                "Pulumi.dev.yaml",
            ],
        );
    }

    #[test]
    fn hidden_files_and_dependencies_are_generated_but_for_those_that_layers_carry() {
        are(
            Some(Residue::Generated),
            &[".env", ".git/config", "node_modules/a/b", "a/__pycache__/b"],
        );
        are(
            None,
            &[
                "cld.yml",
                ".env.example",
                "sub/.dockerignore",
                "terraform.tfvars",
                "Pulumi.yaml",
                "Pulumi.prod.yaml",
                "tfstate",
                "node_modules",
            ],
        );
        let node_modules = residue_of(Path::new("node_modules"), Kind::Dir);
        assert_eq!(node_modules, Some(Residue::Generated));
        assert_eq!(residue_of(Path::new("x.tfstate"), Kind::Dir), None);
    }

    #[test]
    fn live_state_is_a_tfstate_or_a_stack() {
        let of = |path: &str| can_be_live(Path::new(path));
        assert_eq!(of("m/terraform.tfstate"), Some(StateFormat::OpenTofu));
        assert_eq!(of("errored.tfstate"), Some(StateFormat::OpenTofu));
        let plain = Some(StateFormat::Pulumi { gzip: false });
        assert_eq!(of(".pulumi/stacks/app/dev.json"), plain);
        assert_eq!(of("m/.pulumi/stacks/dev.json"), plain);
        let gzip = Some(StateFormat::Pulumi { gzip: true });
        assert_eq!(of(".pulumi/stacks/app/dev.json.gz"), gzip);
        for path in [
            "terraform.tfstate.backup",
            ".terraform/terraform.tfstate",
            ".pulumi/history/app/dev.json",
            ".pulumi/stacks/app/dev.json.bak",
            "stacks/dev.json",
        ] {
            assert_eq!(of(path), None, "{path}");
        }
    }
}
