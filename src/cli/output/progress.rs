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
use std::time::{Duration, Instant};

use rustix::termios::tcgetwinsize;

use super::units;
use crate::Cache;
use crate::progress::{Operation, Progress};

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

/// The line of the bar. Its lock is held to write to the terminal.
static LINE: Mutex<Line> = Mutex::new(Line {
    is_shown: false,
    transfers: Vec::new(),
});

/// The line of the bar.
struct Line {
    /// True while a bar is on the terminal.
    is_shown: bool,
    /// The transfers under way, which share one bar.
    transfers: Vec<Arc<Counter>>,
}

/// The bytes of a piece of work.
struct Counter {
    done: AtomicU64,
    total: u64,
}

fn the_line() -> MutexGuard<'static, Line> {
    LINE.lock().unwrap_or_else(PoisonError::into_inner)
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
    let line = the_line();
    if line.is_shown {
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
    counter: Arc<Counter>,
    /// Closed when the work is done, so that the thread ends.
    over: Option<Sender<()>>,
    /// `None` if no thread could be started; then there is no bar.
    painter: Option<JoinHandle<()>>,
}

impl Bar {
    fn start(work: Operation, total: u64) -> Self {
        let counter = Arc::new(Counter {
            done: AtomicU64::new(0),
            total,
        });
        if is_transfer(work) {
            the_line().transfers.push(Arc::clone(&counter));
        }
        let (over, is_over) = channel();
        let painter = thread::Builder::new().spawn({
            let counter = Arc::clone(&counter);
            move || paint(work, &counter, &is_over)
        });
        Bar {
            counter,
            over: Some(over),
            painter: painter.ok(),
        }
    }
}

impl Progress for Bar {
    fn advance(&self, bytes: u64) {
        self.counter.done.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(painter) = self.painter.take() {
            // After a panic there is no bar to wait for.
            let _ = painter.join();
        }
        let transfers = &mut the_line().transfers;
        transfers.retain(|other| !Arc::ptr_eq(other, &self.counter));
    }
}

/// Draws the bar until the work is done. Of several pieces of work at a time, one has the
/// line.
fn paint(work: Operation, counter: &Arc<Counter>, is_over: &Receiver<()>) {
    let since = Instant::now();
    let goes_on = |time| is_over.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
    if !goes_on(DELAY) {
        return;
    }
    while std::mem::replace(&mut the_line().is_shown, true) {
        if !goes_on(REDRAW) {
            return;
        }
    }
    for spin in ['|', '/', '-', '\\'].into_iter().cycle() {
        let mut line = the_line();
        let all = match is_transfer(work) {
            true => &line.transfers[..],
            false => std::slice::from_ref(counter),
        };
        let done = all.iter().map(|it| it.done.load(Ordering::Relaxed)).sum();
        let total = all.iter().map(|it| it.total).sum();
        let text = drawn(spin, work, done, total, since.elapsed(), columns());
        line.is_shown = true;
        put(&format!("{ERASE}{text}"));
        drop(line);
        if !goes_on(REDRAW) {
            break;
        }
    }
    let mut line = the_line();
    put(ERASE);
    line.is_shown = false;
}

/// Returns whether work depends on the network, so that its rate says something.
fn is_transfer(work: Operation) -> bool {
    matches!(work, Operation::Uploading | Operation::Downloading)
}

fn verb(work: Operation) -> &'static str {
    match work {
        Operation::Copying => "copying",
        Operation::Hashing => "hashing",
        Operation::Deleting => "deleting",
        Operation::Uploading => "uploading",
        Operation::Downloading => "downloading",
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
fn drawn(
    spin: char,
    work: Operation,
    done: u64,
    total: u64,
    time: Duration,
    columns: usize,
) -> String {
    let room = columns.saturating_sub(MARGIN);
    let mut line = format!("{spin} {}", verb(work));
    if total > 0 {
        let done = done.min(total);
        let mut figures = format!(" {} of {}", size(done), size(total));
        if is_transfer(work) && !time.is_zero() {
            let rate = done as f64 / time.as_secs_f64();
            figures += &format!(", {}/s", size(rate as u64));
        }
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
        let line = |done, columns| {
            let time = Duration::from_secs(2);
            drawn('|', Operation::Copying, done, 1_000_000, time, columns)
        };
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
        let line = drawn('/', Operation::Deleting, 0, 0, Duration::ZERO, 80);
        assert_eq!(line, "/ deleting");
    }

    #[test]
    fn a_transfer_shows_its_rate() {
        let time = Duration::from_secs(2);
        let line = drawn('|', Operation::Uploading, 1_000_000, 2_000_000, time, 80);
        assert!(line.ends_with("1MB of 2MB, 500kB/s"), "{line}");
    }
}
