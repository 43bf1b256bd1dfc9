//! A bar on standard error for work that takes long, if that is a terminal.
//!
//! A thread of its own draws, so that the work itself only counts, and so that
//! the bar moves where the work cannot say how far it is. The bar is gone
//! before the work's result is known to anybody; messages that come meanwhile
//! go through [`suspend`].

use std::env;
use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::termios::tcgetwinsize;

use super::units;
use crate::Cache;
use crate::progress::{Operation, Progress};

/// Work that is done by then needs no bar.
const DELAY: Duration = Duration::from_millis(500);

/// How long a drawn bar stands still.
const REDRAW: Duration = Duration::from_millis(100);

/// How long the bar is at most, in columns.
const LONGEST: usize = 30;

/// What stays free at the end of the line, in columns: where a terminal echoes
/// `^C`, which would begin a line of its own behind a full one.
const MARGIN: usize = 4;

/// Back to the start of the line, and erases it.
const ERASE: &str = "\r\u{1b}[K";

/// Whether a bar stands on the terminal. Whoever holds this may write there.
static SHOWN: Mutex<bool> = Mutex::new(false);

fn shown() -> MutexGuard<'static, bool> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets people see how the cache's work gets on, if there is a terminal.
pub(in crate::cli) fn on_terminal(cache: Cache) -> Cache {
    // Nothing can be taken back from a terminal of which nothing is known.
    let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
    if is_dumb || !stderr().is_terminal() {
        return cache;
    }
    cache.with_progress(|work, total_bytes| Box::new(Bar::start(work, total_bytes)))
}

/// Writes to the terminal while no bar stands in the way. If there is one, it
/// is back when it is drawn the next time.
pub(super) fn suspend(write: impl FnOnce()) {
    let shown = shown();
    if *shown {
        put(ERASE);
    }
    write();
}

fn put(text: &str) {
    let mut stderr = stderr().lock();
    // Nobody is left to be told that this failed.
    let _ = stderr.write_all(text.as_bytes());
}

/// One piece of work.
struct Bar {
    done_bytes: Arc<AtomicU64>,
    /// Closed when the work is over.
    over: Option<Sender<()>>,
    /// None where no thread could be had; the work goes on unseen.
    painter: Option<JoinHandle<()>>,
}

impl Bar {
    fn start(work: Operation, total_bytes: u64) -> Self {
        let done_bytes = Arc::new(AtomicU64::new(0));
        let (over, is_over) = channel();
        let painter = thread::Builder::new().spawn({
            let done_bytes = Arc::clone(&done_bytes);
            move || paint(work, total_bytes, &done_bytes, &is_over)
        });
        Bar {
            done_bytes,
            over: Some(over),
            painter: painter.ok(),
        }
    }
}

impl Progress for Bar {
    fn advance(&self, bytes: u64) {
        self.done_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(painter) = self.painter.take() {
            // If it panicked, there is no bar to wait for.
            let _ = painter.join();
        }
    }
}

/// Draws until the work is over.
fn paint(work: Operation, total_bytes: u64, done_bytes: &AtomicU64, is_over: &Receiver<()>) {
    let goes_on = |time| is_over.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
    if !goes_on(DELAY) {
        return;
    }
    if std::mem::replace(&mut *shown(), true) {
        // There is room for one.
        return;
    }
    for spin in ['|', '/', '-', '\\'].into_iter().cycle() {
        let done = done_bytes.load(Ordering::Relaxed);
        let line = line(spin, work, done, total_bytes, columns());
        let shown = shown();
        put(&format!("{ERASE}{line}"));
        drop(shown);
        if !goes_on(REDRAW) {
            break;
        }
    }
    let mut shown = shown();
    put(ERASE);
    *shown = false;
}

fn verb(work: Operation) -> &'static str {
    match work {
        Operation::Copying => "copying",
        Operation::Hashing => "hashing",
        Operation::Deleting => "deleting",
    }
}

/// How wide the terminal is, in columns.
fn columns() -> usize {
    match tcgetwinsize(stderr()).map_or(0, |size| size.ws_col) {
        // As terminals were before they could tell.
        0 => 80,
        columns => usize::from(columns),
    }
}

/// What stands on the terminal, short enough for one line.
fn line(spin: char, work: Operation, done: u64, total: u64, columns: usize) -> String {
    let room = columns.saturating_sub(MARGIN);
    let mut line = format!("{spin} {}", verb(work));
    if total > 0 {
        let done = done.min(total);
        let figures = format!(" {} of {}", size(done), size(total));
        let frame = " []".len();
        let bar = room.saturating_sub(line.len() + figures.len() + frame);
        let bar = bar.min(LONGEST);
        if bar > 0 {
            let full = (u128::from(done) * bar as u128 / u128::from(total)) as usize;
            line += &format!(" [{:<bar$}]", "=".repeat(full));
        }
        line += &figures;
    }
    line.truncate(room);
    line
}

fn size(bytes: u64) -> String {
    units::size(i64::try_from(bytes).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fits_its_line_and_says_how_far_the_work_is() {
        let line = |done, columns| line('|', Operation::Copying, done, 1_000_000, columns);
        let bar = |full, empty| format!("[{}{}]", "=".repeat(full), " ".repeat(empty));
        assert_eq!(line(0, 40), format!("| copying {} 0B of 1MB", bar(0, 14)));
        let half = format!("| copying {} 500kB of 1MB", bar(5, 6));
        assert_eq!(line(500_000, 40), half);
        let more = format!("| copying {} 1MB of 1MB", bar(13, 0));
        assert_eq!(line(2_000_000, 40), more);
        let widest = format!("| copying {} 1MB of 1MB", bar(LONGEST, 0));
        assert_eq!(line(1_000_000, 500), widest);
        for columns in 0..40 {
            assert!(line(1_000_000, columns).len() <= columns);
        }
    }

    #[test]
    fn of_work_of_unknown_size_there_is_a_sign_of_life() {
        assert_eq!(line('/', Operation::Deleting, 0, 0, 80), "/ deleting");
    }
}
