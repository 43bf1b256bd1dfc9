//! The command-line program: arguments in, one library call, output out.

mod args;
mod commands;
mod completion;
mod context;
mod exit;
mod format;
mod hints;
mod home;
#[cfg(feature = "archive")]
mod input;
mod listing;
mod manual;
mod output;
mod prompt;
#[cfg(feature = "remote")]
mod remotes;
mod signals;
mod usage;
mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use args::Args;
use exit::{Exit, Failure};
use output::messages;

use crate::memory;

/// The least memory of any command, in bytes.
const LEAST_MEMORY: usize = 8 << 20;

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    signals::fail_when_aborted();
    if !memory::is_available(LEAST_MEMORY) {
        messages::error(&Failure::without_memory().into());
        return Exit::Failure.into();
    }
    if completion::answer() {
        return ExitCode::SUCCESS;
    }
    run(std::env::args_os()).into()
}

fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => return usage::print(error),
    };
    hints::remember_home(args.global.home.as_deref());
    match commands::run(&args.global, args.command) {
        Ok(exit) => exit,
        Err(error) => {
            let exit = Exit::of(&error);
            if exit != Exit::Success {
                messages::error(&error);
            }
            exit
        }
    }
}
