//! Signals.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use signal_hook::consts::{SIGABRT, SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::Interrupt;

/// Lets a signal raise an interrupt instead of ending the program, from now on. A
/// signal that was ignored when the program started stays ignored, and a second SIGINT
/// ends the program at once.
pub(super) fn defer(interrupt: &Interrupt) -> anyhow::Result<()> {
    let ignored = Ignored::of_process();
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if ignored.contains(signal) {
            continue;
        }
        register(signal, interrupt).context("could not prepare for signals")?;
    }
    Ok(())
}

/// From now on, ends the program with the exit code of a failure where it would be
/// aborted: the standard library says so on standard error and aborts when it gets no
/// memory, and nothing else may be done then. What was begun is left as by a kill, which
/// the next change sweeps up.
pub(super) fn fail_when_aborted() {
    let always = Arc::new(AtomicBool::new(true));
    // Without it the program works as well, and ends by the signal.
    let _ = flag::register_conditional_shutdown(SIGABRT, 1, always);
}

fn register(signal: i32, interrupt: &Interrupt) -> std::io::Result<()> {
    if signal == SIGINT {
        // In this order: the first one only sets what the second one finds.
        let is_second = Arc::new(AtomicBool::new(false));
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&is_second))?;
        flag::register(signal, is_second)?;
    }
    let number = usize::try_from(signal).unwrap_or_default();
    flag::register_usize(signal, interrupt.cell(), number)?;
    Ok(())
}

/// The signals that this process ignores since its start: by `nohup`, `trap '' INT`, or
/// a shell for a job in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ignored {
    /// A bit for each signal, the lowest for the signal 1.
    These(u64),
    /// The system does not say without unsafe code. SIGHUP, which is ignored most often, is
    /// left as it is: at worst it ends the program as a kill does.
    Unknown,
}

impl Ignored {
    fn of_process() -> Self {
        let status = match cfg!(target_os = "linux") {
            true => fs::read_to_string("/proc/self/status").unwrap_or_default(),
            false => String::new(),
        };
        Ignored::by_status(&status)
    }

    fn by_status(status: &str) -> Self {
        let mut lines = status.lines();
        let mask = lines.find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.map_or(Ignored::Unknown, Ignored::These)
    }

    fn contains(self, signal: i32) -> bool {
        match self {
            Ignored::These(mask) => mask >> (signal - 1) & 1 == 1,
            Ignored::Unknown => signal == SIGHUP,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_a_process_tells_which_signals_it_ignores() {
        let status = "Name:\tx\nSigBlk:\t0000000000000003\nSigIgn:\t0000000000001001\nSigCgt:\t0\n";
        let ignored = Ignored::by_status(status);
        assert!(ignored.contains(SIGHUP));
        assert!(!ignored.contains(SIGINT) && !ignored.contains(SIGTERM));
        let term = Ignored::by_status("SigIgn:\t0000000000004002\n");
        assert!(term.contains(SIGTERM) && term.contains(SIGINT) && !term.contains(SIGHUP));
    }

    #[test]
    fn where_the_system_does_not_say_the_one_of_nohup_is_left_alone() {
        for status in ["", "SigIgn:\t?\n"] {
            let ignored = Ignored::by_status(status);
            assert!(ignored.contains(SIGHUP), "{status:?}");
            assert!(!ignored.contains(SIGINT) && !ignored.contains(SIGTERM));
        }
    }
}
