//! Waiting for a lock: the limit, the pauses, and the interrupt.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::interrupt::Interrupt;

/// The time after which a waiter reports that it waits.
const QUIET: Duration = Duration::from_millis(500);

/// The first and the longest pause between two attempts. The longest is short,
/// otherwise late waiters would often come first.
const PAUSES: (Duration, Duration) = (Duration::from_micros(250), Duration::from_millis(2));

/// The number of pauses that there are at least, however short the limit is, because a look
/// at whether the lock is held has a share of it for an instant.
const FEWEST: usize = 3;

/// The limit of waiting for a lock, and what happens meanwhile.
pub(crate) struct LockWait<'a> {
    /// The longest time to wait in all.
    pub(crate) limit: Duration,
    /// The time when the wait began.
    pub(crate) since: Instant,
    /// Called once with the lock file if the wait takes long.
    pub(crate) notice: &'a dyn Fn(&Path),
    /// Ends the wait early.
    pub(crate) interrupt: &'a Interrupt,
}

impl LockWait<'_> {
    /// Returns the pauses between attempts to lock.
    pub(crate) fn pauses(&self) -> Pauses<'_> {
        Pauses {
            wait: self,
            next: PAUSES.0,
            count: 0,
            noticed: false,
        }
    }

    /// Fails when the time is over, or when an interrupt asks to stop.
    pub(crate) fn check(&self, error: impl FnOnce(Duration) -> Error) -> Result<()> {
        self.interrupt.check()?;
        if self.since.elapsed() < self.limit {
            return Ok(());
        }
        Err(error(self.limit))
    }
}

/// The pauses between attempts to lock. Each is longer than the one before, so that
/// waiting costs little, and never so long that a free lock stays unused.
pub(crate) struct Pauses<'w> {
    wait: &'w LockWait<'w>,
    next: Duration,
    count: usize,
    noticed: bool,
}

impl Pauses<'_> {
    /// Pauses before the next attempt to lock the file at `path`.
    ///
    /// # Errors
    ///
    /// [`Error::LockTimeout`] when the time is over and there were some pauses, and
    /// [`Error::Interrupted`].
    pub(crate) fn pause(&mut self, path: &Path) -> Result<()> {
        self.wait.interrupt.check()?;
        if self.count >= FEWEST {
            self.wait.check(|waited| Error::LockTimeout {
                path: path.to_owned(),
                waited,
            })?;
        }
        self.count += 1;
        if !self.noticed && self.wait.since.elapsed() >= QUIET {
            self.noticed = true;
            (self.wait.notice)(path);
        }
        std::thread::sleep(self.next);
        self.next = (self.next * 2).min(PAUSES.1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_without_time_still_has_some_pauses() {
        let interrupt = Interrupt::default();
        let wait = LockWait {
            limit: Duration::ZERO,
            since: Instant::now(),
            notice: &|_| (),
            interrupt: &interrupt,
        };
        // The system may let the process run late.
        std::thread::sleep(Duration::from_millis(5));
        let (mut pauses, path) = (wait.pauses(), Path::new("lock"));
        for _ in 0..FEWEST {
            pauses.pause(path).unwrap();
        }
        let error = pauses.pause(path).unwrap_err();
        assert!(matches!(error, Error::LockTimeout { .. }), "{error}");

        interrupt.raise(15);
        let error = wait.pauses().pause(path).unwrap_err();
        assert!(matches!(error, Error::Interrupted { .. }), "{error}");
    }
}
