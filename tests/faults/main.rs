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
//! cargo test --test faults            # all of it
//! cargo test --test faults -- power   # power losses alone
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

#[cfg(target_os = "linux")]
mod campaign;
#[cfg(target_os = "linux")]
mod case;
#[cfg(target_os = "linux")]
#[path = "../common/clock.rs"]
mod clock;
#[path = "../common/command_line.rs"]
mod command_line;
#[cfg(target_os = "linux")]
mod control;
#[cfg(target_os = "linux")]
mod disturbance;
#[cfg(target_os = "linux")]
mod home;
#[cfg(target_os = "linux")]
mod invariants;
#[cfg(target_os = "linux")]
mod naive;
#[cfg(target_os = "linux")]
mod operations;
#[cfg(target_os = "linux")]
mod power;
#[cfg(target_os = "linux")]
mod state;
#[cfg(target_os = "linux")]
mod strace;
#[cfg(target_os = "linux")]
#[path = "../common/tools.rs"]
mod tools;

use std::process::ExitCode;

use command_line::{Wanted, wanted};

/// How many violations of a kind are told.
#[cfg(target_os = "linux")]
const MOST: usize = 20;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    #[cfg(target_os = "linux")]
    if let [command, mode, registry, more @ ..] = &args[..]
        && command == "naive"
    {
        return match naive::run(mode, std::path::Path::new(registry), more) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let mut chosen = Vec::new();
    for part in PARTS {
        match wanted(part, &args) {
            Wanted::List => println!("{part}: test"),
            Wanted::Nothing => {}
            Wanted::Run => chosen.push(part),
        }
    }
    match &chosen[..] {
        [] => ExitCode::SUCCESS,
        parts => faults(parts),
    }
}

/// What can be run alone: calls that fail with kills and limits, and power losses.
const PARTS: [&str; 2] = ["faults::calls", "faults::power"];

#[cfg(not(target_os = "linux"))]
fn faults(_: &[&str]) -> ExitCode {
    println!("skipped: `strace` is of Linux alone");
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn faults(parts: &[&str]) -> ExitCode {
    if let Err(lack) = strace::works() {
        return ExitCode::from(u8::from(!lack.is_accepted()));
    }
    enter_own_namespace();
    let mut passed = true;
    if parts.contains(&PARTS[0]) {
        passed &= campaign::run();
    }
    if parts.contains(&PARTS[1]) {
        let power = power::run();
        print!("{power}");
        for violation in power.violations.iter().take(MOST) {
            eprintln!("violation: {violation}");
        }
        passed &= power.violations.is_empty();
    }
    ExitCode::from(u8::from(!passed))
}

/// Goes on in a mount namespace of its own, where that is permitted, so that nothing
/// that is mounted here outlives this process.
#[cfg(target_os = "linux")]
fn enter_own_namespace() {
    use std::os::unix::process::CommandExt;

    const ENTERED: &str = "FAULTS_OWN_NAMESPACE";
    if std::env::var_os(ENTERED).is_some() || tools::runs(&["unshare", "-m", "true"]).is_err() {
        return;
    }
    let mut own = std::process::Command::new("unshare");
    let program = std::env::current_exe().unwrap();
    let args = std::env::args_os().skip(1);
    own.arg("-m").arg(program).args(args).env(ENTERED, "1");
    panic!("`unshare` cannot be run again: {}", own.exec());
}
