//! Work on all cores, if there is enough of it to pay for threads.

use std::cmp::Ordering;
use std::num::NonZero;
#[cfg(feature = "archive")]
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::OnceLock;
#[cfg(feature = "archive")]
use std::sync::mpsc::{Receiver, sync_channel};
#[cfg(feature = "archive")]
use std::thread;
use std::thread::available_parallelism;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::memory;

/// Works on each piece, with one thread for each core. The results are
/// in the order of the pieces.
pub(crate) fn map<P, T>(pieces: Vec<P>, work: impl Fn(P) -> T + Send + Sync) -> Vec<T>
where
    P: Send,
    T: Send,
{
    let many = pieces.len() > 1;
    match many.then(threads).flatten() {
        Some(threads) => threads.install(|| pieces.into_par_iter().map(work).collect()),
        None => pieces.into_iter().map(work).collect(),
    }
}

/// Returns the number of threads that work is spread over.
#[cfg(feature = "archive")]
pub(crate) fn width() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// Works as [`map`] does, with a state that is created for one piece and used again for
/// the next ones, until one of them moves to another thread. The first failure ends the
/// work.
pub(crate) fn try_map_with<P, S, T, E>(
    pieces: Vec<P>,
    make: impl Fn() -> S + Send + Sync,
    work: impl Fn(&mut S, P) -> Result<T, E> + Send + Sync,
) -> Result<Vec<T>, E>
where
    P: Send,
    T: Send,
    E: Send,
{
    let many = pieces.len() > 1;
    match many.then(threads).flatten() {
        Some(threads) => threads.install(|| pieces.into_par_iter().map_init(make, work).collect()),
        None => {
            let mut made = make();
            let pieces = pieces.into_iter();
            pieces.map(|piece| work(&mut made, piece)).collect()
        }
    }
}

/// Sorts items; where they are equal, their order is left to chance.
pub(crate) fn sort_unstable_by<T: Send>(
    items: &mut [T],
    compare: impl Fn(&T, &T) -> Ordering + Send + Sync,
) {
    /// The number of items below which sorting is faster than starting threads.
    const FEW: usize = 10_000;
    match (items.len() > FEW).then(threads).flatten() {
        Some(threads) => threads.install(|| items.par_sort_unstable_by(compare)),
        None => items.sort_unstable_by(compare),
    }
}

/// The result of work that may still be under way on another thread.
#[cfg(feature = "archive")]
pub(crate) enum Pending<T> {
    Done(T),
    Running(Receiver<thread::Result<T>>),
}

#[cfg(feature = "archive")]
impl<T> Pending<T> {
    /// Waits for the work. If it panicked, so does this.
    pub(crate) fn wait(self) -> T {
        let receiver = match self {
            Pending::Done(done) => return done,
            Pending::Running(receiver) => receiver,
        };
        match receiver.recv().expect("the work always sends its result") {
            Ok(done) => done,
            Err(panic) => resume_unwind(panic),
        }
    }
}

/// Starts work on another thread, or does it at once where there is none.
#[cfg(feature = "archive")]
pub(crate) fn start<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Pending<T> {
    match threads() {
        Some(threads) => {
            let (work, pending) = sending(work);
            threads.spawn(work);
            pending
        }
        None => Pending::Done(work()),
    }
}

/// Threads that borrow from their surroundings: all work is done at the end of the
/// [`scope`].
#[cfg(feature = "archive")]
pub(crate) struct Scope<'p, 's>(Option<&'p rayon::Scope<'s>>);

#[cfg(feature = "archive")]
impl<'s> Scope<'_, 's> {
    /// Starts work as [`start`] does.
    pub(crate) fn start<T: Send + 's>(&self, work: impl FnOnce() -> T + Send + 's) -> Pending<T> {
        match self.0 {
            Some(scope) => {
                let (work, pending) = sending(work);
                scope.spawn(|_| work());
                pending
            }
            None => Pending::Done(work()),
        }
    }
}

/// Calls `body` with threads, if `pays` says that there is enough work for them.
#[cfg(feature = "archive")]
pub(crate) fn scope<'s, R>(pays: bool, body: impl FnOnce(&Scope<'_, 's>) -> R) -> R {
    match pays.then(threads).flatten() {
        Some(threads) => threads.in_place_scope(|scope| body(&Scope(Some(scope)))),
        None => body(&Scope(None)),
    }
}

/// Returns work that sends its result, and what receives that.
#[cfg(feature = "archive")]
fn sending<'s, T: Send + 's>(
    work: impl FnOnce() -> T + Send + 's,
) -> (impl FnOnce() + Send + 's, Pending<T>) {
    let (sender, receiver) = sync_channel(1);
    let work = move || {
        // Nobody waits for it after a failure.
        let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
    };
    (work, Pending::Running(receiver))
}

/// Returns the thread pool.
///
/// `None` if the system has no threads or memory to give; the calling thread then does
/// all the work.
fn threads() -> Option<&'static ThreadPool> {
    static THREADS: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let start = || {
        let count = available_parallelism().map_or(1, NonZero::get);
        let builder = ThreadPoolBuilder::new().num_threads(count);
        let has_memory = memory::is_available_for_threads(count);
        has_memory.then(|| builder.build().ok()).flatten()
    };
    THREADS.get_or_init(start).as_ref()
}
