//! The scripts that make shells ask.

use std::io;

use clap::CommandFactory;
use clap_complete::env::Shells;

use super::request::VARIABLE;
use super::shell::Shell;
use crate::cli::args::Args;

/// The name by which the scripts run the program. Not the path of this
/// process: a script is kept, and outlives the place it was printed from.
const NAME: &str = "cldctl-registry";

/// bash splits words at `:` and `=`, so it hands over its line.
const BASH: &str = include_str!("bash.sh");

/// Also works where zsh loads it at the first use, from a directory of `fpath`.
const ZSH: &str = include_str!("zsh.zsh");

/// The script for a shell.
pub(in crate::cli) fn script(shell: Shell) -> io::Result<String> {
    let name = match shell {
        Shell::Bash => return Ok(BASH.to_owned()),
        Shell::Zsh => return Ok(ZSH.to_owned()),
        Shell::Nushell => return Ok(nushell()),
        Shell::Fish => "fish",
        Shell::Powershell => "powershell",
        Shell::Elvish => "elvish",
    };
    let shells = Shells::builtins();
    let mut script = Vec::new();
    if let Some(shell) = shells.completer(name) {
        shell.write_registration(VARIABLE, NAME, NAME, NAME, &mut script)?;
    }
    let script = String::from_utf8(script).map_err(io::Error::other)?;
    Ok(format!("{}\n", script.trim()))
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
