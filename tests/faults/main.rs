//! Faults: every system call of every change is made to fail, one at a time.
//!
//! Each change is recorded once, undisturbed. Then it is repeated in fresh copies of
//! the same home: with one call failing, with the process killed in place of one call
//! that leaves traces, and under limits of the size of files, the number of descriptors,
//! and memory. After each run, the home must be in the old state or the new one, agree
//! with the program's report, and be cleaned by the next change.
//!
//! ```sh
//! cargo test --test faults            # all of it
//! cargo test --test faults -- power   # power losses alone
//! ```
//!
//! What is pulled and pushed crosses to a registry of images in this process, so that the
//! same requests get the same answers in the same calls. After each run of a push, no name
//! in it may lead to something incomplete.
//!
//! `strace` makes calls fail; where it is missing or not permitted, nothing is tested.
//! The controls are defective writers, and the program without its lock: the same
//! checks must reject them.
//!
//! Everything runs on one thread, because `strace` counts the calls of each thread
//! separately. A call that fails is not made, so a short write, and a `close` that
//! fails after it closed, cannot be tested in this way.

#![cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "this harness needs strace")
)]
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
mod registry;
#[cfg(target_os = "linux")]
mod state;
#[cfg(target_os = "linux")]
mod strace;
#[cfg(target_os = "linux")]
#[path = "../common/tools.rs"]
mod tools;

use std::process::ExitCode;

use command_line::{Wanted, wanted};

/// The number of violations of a kind that are reported.
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

/// The parts that can be run alone: failing calls with kills and limits, and power
/// losses.
const PARTS: [&str; 2] = ["faults::calls", "faults::power"];

#[cfg(not(target_os = "linux"))]
fn faults(_: &[&str]) -> ExitCode {
    println!("skipped: `strace` needs Linux");
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

/// Restarts in a new mount namespace, if permitted, so that every mount made here ends
/// with this process.
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
    panic!("cannot restart by `unshare`: {}", own.exec());
}
