//! Several transfers at a time.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

/// Works on items, a few at a time. The results are in the order of the items.
pub(super) fn each<I: Sync, T: Send>(
    jobs: usize,
    items: &[I],
    work: impl Fn(&I) -> T + Sync,
) -> Vec<T> {
    let next = Mutex::new(0);
    let take = || {
        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = *next;
        *next += 1;
        items.get(at).map(|item| (at, item))
    };
    let run = || {
        let mut done = Vec::new();
        while let Some((at, item)) = take() {
            done.push((at, work(item)));
        }
        done
    };
    let mut all = thread::scope(|scope| {
        let more = jobs.min(items.len()).saturating_sub(1);
        // Where no thread can be started, this one does all.
        let threads: Vec<_> = (0..more)
            .filter_map(|_| thread::Builder::new().spawn_scoped(scope, run).ok())
            .collect();
        let mut all = run();
        for thread in threads {
            match thread.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, done)| done).collect()
}
