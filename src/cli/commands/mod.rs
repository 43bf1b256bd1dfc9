//! One file for each command: arguments in, a library call, output.

mod add;
mod cache_path;
mod images;
mod inspect;
mod operands;
mod rm;

use super::args::Command;
use super::context::Context;
use super::exit::Exit;

/// Runs a command.
pub(super) fn run(context: &Context, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Images(args) => images::run(context, &args),
        Command::Add(args) => add::run(context, args),
        Command::Rm(args) => rm::run(context, &args),
        Command::Inspect(args) => inspect::run(context, &args),
        Command::CachePath(args) => cache_path::run(context, &args),
    }
}
