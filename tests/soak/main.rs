//! A soak: many processes of `cldctl-registry` on one registry, alone and beside
//! processes that write it as cldctl does, without a lock.
//!
//! `cargo test` runs it for some seconds. For longer:
//!
//! ```sh
//! cargo test --release --test soak -- --seconds 600
//! ```
//!
//! What must never be is decided without a clock. A lone writer of cldctl's kind
//! knows what it wrote; what is missing when it reads again, only we can have
//! dropped. The kernel's order of events tells whether it had renamed before our
//! temporary file appeared: we look at the registry once more after that, so such
//! an entry must never be dropped. If it renamed later, it may have done so
//! in the gap between that look and our rename; such commits are counted, and must
//! be rare beside those races that were noticed.
//!
//! The control does the same with processes that have neither the lock nor the
//! last look, and must be found to lose entries.

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
mod events;
#[cfg(target_os = "linux")]
mod ours;
mod random;
#[cfg(target_os = "linux")]
mod round;
#[cfg(target_os = "linux")]
mod table;
mod wanted;
mod writer;

use std::path::Path;
use std::process::ExitCode;

/// How many violations are told.
const MOST: usize = 20;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
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
        _ => match wanted::of(&args) {
            wanted::Wanted::List => {
                println!("soak: test");
                ExitCode::SUCCESS
            }
            wanted::Wanted::Nothing => ExitCode::SUCCESS,
            wanted::Wanted::Soak(time) => soak(time),
        },
    }
}

#[cfg(not(target_os = "linux"))]
fn soak(_: std::time::Duration) -> ExitCode {
    println!("skipped: the order of events is only told by Linux");
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn soak(time: std::time::Duration) -> ExitCode {
    let phases = table::Phases::run(time);
    print!("{phases}");
    let violations = phases.violations();
    for violation in violations.iter().take(MOST) {
        eprintln!("violation: {violation}");
    }
    ExitCode::from(u8::from(!violations.is_empty()))
}
