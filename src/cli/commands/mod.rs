//! One file for each command: arguments in, a library call, output.

mod add;
mod cache_path;
mod completions;
mod df;
mod diff;
mod exists;
mod help;
mod images;
mod inspect;
#[cfg(feature = "archive")]
mod load;
mod man;
mod operands;
mod prune;
#[cfg(feature = "remote")]
mod pull;
#[cfg(feature = "remote")]
mod push;
mod rm;
#[cfg(feature = "archive")]
mod save;
mod tag;
#[cfg(feature = "remote")]
mod transfers;
mod verify;
mod version;

use super::args::{Command, Global};
use super::context::Context;
use super::exit::Exit;

/// Runs a command.
pub(super) fn run(global: &Global, command: Command) -> anyhow::Result<Exit> {
    // Not for all: what the program says of itself needs no home.
    let context = || Context::new(global);
    match command {
        Command::Images(args) => images::run(&context()?, &args),
        Command::Add(args) => add::run(&context()?, args),
        Command::Rm(args) => rm::run(&context()?, &args),
        Command::Inspect(args) => inspect::run(&context()?, &args),
        Command::CachePath(args) => cache_path::run(&context()?, &args),
        Command::Exists(args) => exists::run(&context()?, &args),
        Command::Tag(args) => tag::run(&context()?, &args),
        Command::Diff(args) => diff::run(&context()?, &args),
        Command::Verify(args) => verify::run(&context()?, &args),
        Command::Df(args) => df::run(&context()?, &args),
        Command::Prune(args) => prune::run(&context()?, &args),
        #[cfg(feature = "archive")]
        Command::Save(args) => save::run(&context()?, &args),
        #[cfg(feature = "archive")]
        Command::Load(args) => load::run(&context()?, &args),
        #[cfg(feature = "remote")]
        Command::Push(args) => push::run(&context()?, &args),
        #[cfg(feature = "remote")]
        Command::Pull(args) => pull::run(&context()?, &args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Help(args) => Ok(help::run(&args)),
        Command::Version => version::run(),
    }
}
