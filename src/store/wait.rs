//! Waiting for a lock: for how long, in which pauses, and what ends it.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::interrupt::Interrupt;

/// How long a waiter keeps quiet.
const QUIET: Duration = Duration::from_millis(500);

/// The first and the longest pause between two attempts. The longest is short,
/// or those who come late would be served first.
const PAUSES: (Duration, Duration) = (Duration::from_micros(250), Duration::from_millis(2));

/// How long to wait for a lock, and what to do meanwhile.
pub(crate) struct LockWait<'a> {
    /// How long in all.
    pub(crate) limit: Duration,
    /// When the waiting began.
    pub(crate) since: Instant,
    /// Called once with the lock file if it is not had soon.
    pub(crate) notice: &'a dyn Fn(&Path),
    /// Ends the waiting early.
    pub(crate) interrupt: &'a Interrupt,
}

impl LockWait<'_> {
    /// Returns the pauses between attempts to lock something.
    pub(crate) fn pauses(&self) -> Pauses<'_> {
        Pauses {
            wait: self,
            next: PAUSES.0,
            noticed: false,
        }
    }

    /// Fails once the time is over, or when an interrupt asks to stop.
    pub(crate) fn check(&self, error: impl FnOnce(Duration) -> Error) -> Result<()> {
        self.interrupt.check()?;
        if self.since.elapsed() < self.limit {
            return Ok(());
        }
        Err(error(self.limit))
    }
}

/// The pauses between attempts to lock something: each longer than the one before, so
/// that waiting costs little, and never so long that a lock stays free meanwhile.
pub(crate) struct Pauses<'w> {
    wait: &'w LockWait<'w>,
    next: Duration,
    noticed: bool,
}

impl Pauses<'_> {
    /// Waits a moment before the next attempt to lock what lies at `path`.
    ///
    /// # Errors
    ///
    /// [`Error::LockTimeout`] once the time is over, and [`Error::Interrupted`].
    pub(crate) fn pause(&mut self, path: &Path) -> Result<()> {
        self.wait.check(|waited| Error::LockTimeout {
            path: path.to_owned(),
            waited,
        })?;
        if !self.noticed && self.wait.since.elapsed() >= QUIET {
            self.noticed = true;
            (self.wait.notice)(path);
        }
        std::thread::sleep(self.next);
        self.next = (self.next * 2).min(PAUSES.1);
        Ok(())
    }
}
