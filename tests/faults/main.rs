//! Faults: every system call of every change, made to fail, one at a time.

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

mod home;
mod operations;
mod power;
mod wanted;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match wanted::of(&args) {
        wanted::Wanted::List => {
            println!("faults: test");
            ExitCode::SUCCESS
        }
        wanted::Wanted::Nothing => ExitCode::SUCCESS,
        wanted::Wanted::Faults => faults(),
    }
}

/// Makes each change undisturbed.
fn faults() -> ExitCode {
    for operation in operations::all() {
        let home = home::Home::new();
        (operation.prepare)(&home);
        let home = home.copy();
        home.ok(&(operation.args)(&home));
        println!("{}", operation.name);
    }
    let counts = power::run();
    print!("{counts}");
    for violation in counts.violations.iter().take(30) {
        eprintln!("violation: {violation}");
    }
    ExitCode::from(u8::from(!counts.violations.is_empty()))
}
