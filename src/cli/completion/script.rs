//! The scripts that make shells ask.

use std::borrow::Cow;

use clap::CommandFactory;

use super::shell::Shell;
use crate::cli::args::Args;

/// The name by which the scripts run the program. Not the path of this
/// process: a script is kept, and outlives the place it was printed from.
const NAME: &str = "cldctl-registry";

/// The script for a shell.
pub(in crate::cli) fn script(shell: Shell) -> Cow<'static, str> {
    match shell {
        // bash splits words at `:` and `=`, so it hands over its line.
        Shell::Bash => include_str!("scripts/bash.sh").into(),
        // Also works where zsh loads it at the first use, from a directory of
        // `fpath`.
        Shell::Zsh => include_str!("scripts/zsh.zsh").into(),
        Shell::Fish => include_str!("scripts/fish.fish").into(),
        Shell::Elvish => include_str!("scripts/elvish.elv").into(),
        Shell::Powershell => include_str!("scripts/powershell.ps1").into(),
        Shell::Nushell => nushell().into(),
    }
}

/// A script that knows the commands and flags, but not the registry.
fn nushell() -> String {
    let mut script = Vec::new();
    clap_complete::generate(
        clap_complete_nushell::Nushell,
        &mut Args::command(),
        NAME,
        &mut script,
    );
    String::from_utf8_lossy(&script).into_owned()
}
