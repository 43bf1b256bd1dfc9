//! Work for all cores, where there is enough of it to pay for threads.

use std::cmp::Ordering;
use std::num::NonZero;
use std::sync::OnceLock;
use std::thread::available_parallelism;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::memory;

/// Works on each piece, on as many threads as there are cores. The results are
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

/// As [`map`], with something that is made for one piece and used again for further ones,
/// as long as those are not handed to another thread. The first failure ends the work.
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

/// Works on slices of `size` items, or less for the last one. The results are in
/// the order of the slices.
pub(crate) fn map_slices<'i, T, R>(
    items: &'i [T],
    size: usize,
    work: impl Fn(&'i [T]) -> R + Send + Sync,
) -> Vec<R>
where
    T: Sync,
    R: Send,
{
    map(items.chunks(size).collect(), work)
}

/// Sorts items; where they are equal, their order is left to chance.
pub(crate) fn sort_unstable_by<T: Send>(
    items: &mut [T],
    compare: impl Fn(&T, &T) -> Ordering + Send + Sync,
) {
    /// Fewer are sorted before threads have started.
    const FEW: usize = 10_000;
    match (items.len() > FEW).then(threads).flatten() {
        Some(threads) => threads.install(|| items.par_sort_unstable_by(compare)),
        None => items.sort_unstable_by(compare),
    }
}

/// How many pieces can be worked on at once.
pub(crate) fn width() -> usize {
    threads().map_or(1, ThreadPool::current_num_threads)
}

/// None where the system has no threads to give, or no memory for them; then the calling
/// thread does all the work.
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
