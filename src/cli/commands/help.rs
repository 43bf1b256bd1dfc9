//! `help`: prints what `--help` prints.

use clap::Parser;

use crate::cli::args::{Args, Help};
use crate::cli::exit::Exit;
use crate::cli::usage;

pub(super) fn run(args: &Help) -> Exit {
    let words = ["cldctl-registry"].into_iter();
    let words = words.chain(args.command.as_deref()).chain(["--help"]);
    // clap gives the help out as an error, and a command that does not exist too.
    match Args::try_parse_from(words) {
        Ok(_) => Exit::Success,
        Err(error) => usage::print(error),
    }
}
