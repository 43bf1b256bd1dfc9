//! One file for each command: arguments in, a library call, output.

mod add;
mod cache_path;
mod completions;
mod images;
mod inspect;
mod man;
mod operands;
mod rm;

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
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}
