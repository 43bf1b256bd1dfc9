//! A soak: many processes of `cldctl-registry` on one registry, alone and beside
//! processes that write it as cldctl does, without a lock.
//!
//! `cargo test` runs it for some seconds. For longer:
//!
//! ```sh
//! cargo test --release --test soak -- --seconds 600
//! ```
//!
//! Violations are found without a clock. A lone writer of cldctl's kind knows what it
//! wrote; if something is missing when it reads again, only we can have dropped it. The
//! kernel's order of events shows whether it had renamed before our temporary file
//! appeared: we check the registry once more after that, so such an entry must never be
//! dropped. If it renamed later, it may have done so in the gap between that check and
//! our rename; such commits are counted, and must be rare beside the races that were
//! noticed.
//!
//! The control does the same with processes that have neither the lock nor the last
//! check, and must be found to lose entries.

#![cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "this harness needs inotify and strace")
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

#[path = "../common/command_line.rs"]
mod command_line;
#[cfg(target_os = "linux")]
mod events;
#[cfg(target_os = "linux")]
mod ours;
mod random;
#[cfg(target_os = "linux")]
mod round;
#[cfg(target_os = "linux")]
mod table;
mod writer;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use command_line::{Wanted, wanted};

/// The number of violations that are reported.
#[cfg(target_os = "linux")]
const MOST: usize = 20;

/// The default duration of a run, in seconds.
const SECONDS: u64 = 5;

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let time = time(&mut args);
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["writer", registry, name] => {
            let report = writer::run(Path::new(registry), name);
            print!("{}", report.to_json());
            ExitCode::SUCCESS
        }
        ["naive", registry, reference] => ExitCode::from(u8::from(!writer::add_naively(
            Path::new(registry),
            reference,
        ))),
        _ => match wanted("soak", &args) {
            Wanted::List => {
                println!("soak: test");
                ExitCode::SUCCESS
            }
            Wanted::Nothing => ExitCode::SUCCESS,
            Wanted::Run => soak(time),
        },
    }
}

/// Returns the duration of the run, and removes its option from the arguments, because
/// no other test knows it.
fn time(args: &mut Vec<String>) -> Duration {
    let mut seconds = std::env::var("SOAK_SECONDS").ok();
    if let Some(at) = args.iter().position(|arg| arg == "--seconds") {
        let end = args.len().min(at + 2);
        seconds = args.drain(at..end).nth(1);
    }
    let seconds = seconds.map(|text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds.unwrap_or(SECONDS))
}

#[cfg(not(target_os = "linux"))]
fn soak(_: Duration) -> ExitCode {
    println!("skipped: only Linux reports the order of events");
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn soak(time: Duration) -> ExitCode {
    let phases = table::Phases::run(time);
    print!("{phases}");
    let violations = phases.violations();
    for violation in violations.iter().take(MOST) {
        eprintln!("violation: {violation}");
    }
    ExitCode::from(u8::from(!violations.is_empty()))
}
