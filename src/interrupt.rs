//! A request to stop, from a signal handler or another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};

/// Asks an operation to stop at the next safe point. Before its commit, an operation
/// undoes what it began; after its commit, it finishes.
///
/// Clones share one state. An interrupt stays raised until it is [reset](Self::reset),
/// and stops every operation that uses it.
///
/// ```
/// use cldctl_registry::{Error, Interrupt};
///
/// let interrupt = Interrupt::default();
/// assert!(interrupt.check().is_ok());
/// interrupt.clone().raise(15);
/// assert!(matches!(interrupt.check(), Err(Error::Interrupted { signal: 15, .. })));
/// interrupt.reset();
/// assert!(interrupt.check().is_ok());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicUsize>);

impl Interrupt {
    /// Asks operations to stop, because of a signal with this number. Signal numbers
    /// begin with 1, so a smaller number counts as 1.
    pub fn raise(&self, signal: i32) {
        self.0.store(
            usize::try_from(signal.max(1)).unwrap_or(1),
            Ordering::Relaxed,
        );
    }

    /// Withdraws the request, so that operations can begin again.
    pub fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Returns the cell that contains the signal's number, and 0 until one is raised. A
    /// signal handler may do no more than to store a number, so it stores it there.
    #[cfg(feature = "cli")]
    pub(crate) fn cell(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.0)
    }

    /// Succeeds unless a stop was requested.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] after a request to stop.
    pub fn check(&self) -> Result<()> {
        match self.0.load(Ordering::Relaxed) {
            0 => Ok(()),
            signal => Err(Error::Interrupted {
                signal: i32::try_from(signal).unwrap_or_default(),
            }),
        }
    }
}
