//! Faults: every system call of every change, made to fail, one at a time.
//!
//! Each change is recorded once as it is made undisturbed. Then it is made again
//! and again in fresh copies of the same home: with one call failing, with the
//! process killed in place of one call that leaves traces, and under limits on the
//! size of files and the number of descriptors. After each run, the home must be
//! in the old state or the new one, agree with what the program said of itself,
//! and be swept by the next change.
//!
//! ```sh
//! cargo test --test faults
//! ```
//!
//! `strace` makes calls fail; where it is missing or not permitted, nothing is
//! tested. The controls are writers that each lack something, and the program
//! without its lock: the same checks must find them out.
//!
//! All is done on one thread, since `strace` counts the calls of each thread for
//! itself. A call that fails is not made, so a short write, and a `close` that
//! fails after it closed, cannot be had in this way.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a table for people"
)]

mod campaign;
mod case;
#[path = "../common/command_line.rs"]
mod command_line;
mod control;
mod disturbance;
mod home;
mod invariants;
mod naive;
mod operations;
mod power;
mod state;
mod strace;

use std::path::Path;
use std::process::ExitCode;

use command_line::{Wanted, wanted};

/// How many violations of a kind are told.
const MOST: usize = 20;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [command, mode, registry] = &args[..]
        && command == "naive"
    {
        return match naive::run(mode, Path::new(registry)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        };
    }
    match wanted("faults", &args) {
        Wanted::List => {
            println!("faults: test");
            ExitCode::SUCCESS
        }
        Wanted::Nothing => ExitCode::SUCCESS,
        Wanted::Run => faults(),
    }
}

fn faults() -> ExitCode {
    if !strace::works() {
        println!("skipped: it takes a `strace` that can inject faults");
        return ExitCode::SUCCESS;
    }
    let injected = campaign::run();
    let power = power::run();
    print!("{power}");
    for violation in power.violations.iter().take(MOST) {
        eprintln!("violation: {violation}");
    }
    if power.violations.is_empty() {
        injected
    } else {
        ExitCode::FAILURE
    }
}
