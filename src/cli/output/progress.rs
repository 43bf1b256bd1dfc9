//! A progress bar on standard error for long work, if that is a terminal.
//!
//! A thread of its own draws it, so that the work only counts, and so that the bar
//! moves even if the size of the work is unknown. The bar is erased before the result
//! of the work is printed; messages are printed through [`suspend`].
//!
//! indicatif is not used because it fills the line of a bar to the last column: a `^C`
//! that the terminal echoes would begin a new line, and the bar above it would stay.

use std::env;
use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::termios::tcgetwinsize;

use super::units;
use crate::{Cache, Operation, Progress};

/// The time after which work gets a bar.
const DELAY: Duration = Duration::from_millis(500);

/// The time between two drawings of a bar.
const REDRAW: Duration = Duration::from_millis(100);

/// The longest bar, in columns.
const LONGEST: usize = 30;

/// The columns that stay free at the end of the line, so that a `^C` that the terminal
/// echoes does not begin a new line.
const MARGIN: usize = 4;

/// Moves the cursor to the start of the line and erases the line.
const ERASE: &str = "\r\u{1b}[K";

/// True while a bar is on the terminal. Its lock is held to write there.
static SHOWN: Mutex<bool> = Mutex::new(false);

fn shown() -> MutexGuard<'static, bool> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows the progress of the cache's work, if standard error is a terminal.
pub(in crate::cli) fn on_terminal(cache: Cache) -> Cache {
    // A bar could not be erased on a terminal that is dumb or unknown.
    let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
    if is_dumb || !stderr().is_terminal() {
        return cache;
    }
    cache.with_progress(|work, total_bytes| Box::new(Bar::start(work, total_bytes)))
}

/// Erases the bar, if there is one, and writes to the terminal. The next drawing
/// brings the bar back.
pub(super) fn suspend(write: impl FnOnce()) {
    let shown = shown();
    if *shown {
        put(ERASE);
    }
    write();
}

fn put(text: &str) {
    let mut stderr = stderr().lock();
    // A failure is ignored because there is no other place to report it.
    let _ = stderr.write_all(text.as_bytes());
}

/// The bar of one piece of work.
struct Bar {
    done_bytes: Arc<AtomicU64>,
    /// Closed when the work is done, so that the thread ends.
    over: Option<Sender<()>>,
    /// `None` if no thread could be started; then there is no bar.
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
            // After a panic there is no bar to wait for.
            let _ = painter.join();
        }
    }
}

/// Draws the bar until the work is done.
fn paint(work: Operation, total_bytes: u64, done_bytes: &AtomicU64, is_over: &Receiver<()>) {
    let goes_on = |time| is_over.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
    if !goes_on(DELAY) {
        return;
    }
    if std::mem::replace(&mut *shown(), true) {
        // Another piece of work has the line.
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

/// Returns the width of the terminal, in columns.
fn columns() -> usize {
    match tcgetwinsize(stderr()).map_or(0, |size| size.ws_col) {
        // The usual width, because the terminal does not report its own.
        0 => 80,
        columns => usize::from(columns),
    }
}

/// Returns the bar as text that fits one line.
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
    fn a_bar_fits_its_line_and_shows_the_progress() {
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
    fn work_of_unknown_size_shows_a_spinner_alone() {
        assert_eq!(line('/', Operation::Deleting, 0, 0, 80), "/ deleting");
    }
}
