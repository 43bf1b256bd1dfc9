//! A request to stop, from a signal handler or another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};

/// Asks an operation to stop at the next safe place. Before its commit an
/// operation undoes what it began; after it, it finishes.
///
/// Clones share one state. An interrupt stays raised, so that every operation that can
/// be interrupted by it stops, until it is [reset](Self::reset).
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
    /// Asks to stop, because of a signal of this number; no signal has a number
    /// below 1, so such a one counts as 1.
    pub fn raise(&self, signal: i32) {
        self.0.store(
            usize::try_from(signal.max(1)).unwrap_or(1),
            Ordering::Relaxed,
        );
    }

    /// Takes the request back, so that operations can begin again.
    pub fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Returns the cell that contains the signal's number, and 0 until one is raised. A
    /// signal handler may do no more than to store a number, so it stores it there.
    pub fn cell(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.0)
    }

    /// Goes on unless somebody asked to stop.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] once somebody has.
    pub fn check(&self) -> Result<()> {
        match self.0.load(Ordering::Relaxed) {
            0 => Ok(()),
            signal => Err(Error::Interrupted {
                signal: i32::try_from(signal).unwrap_or_default(),
            }),
        }
    }
}
