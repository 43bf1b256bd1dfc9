//! When a request is sent again.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use chrono::DateTime;

use crate::error::Result;
use crate::interrupt::Interrupt;

/// The first pause; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(100);

/// The longest pause, also where a registry asks for a longer one.
const LONGEST: Duration = Duration::from_secs(60);

/// How often a pause looks whether it is to end.
const TICK: Duration = Duration::from_millis(20);

/// The tries that are left.
pub(super) struct Retries<'i> {
    left: u32,
    pause: Duration,
    interrupt: &'i Interrupt,
}

impl<'i> Retries<'i> {
    pub(super) fn new(count: u32, interrupt: &'i Interrupt) -> Self {
        Retries {
            left: count,
            pause: FIRST,
            interrupt,
        }
    }

    /// Returns whether there is no other try.
    pub(super) fn are_used_up(&self) -> bool {
        self.left == 0
    }

    /// Waits before another try, at least as long as the registry asks for. Returns whether
    /// there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`](crate::Error::Interrupted).
    pub(super) fn wait(&mut self, asked: Option<Duration>) -> Result<bool> {
        self.interrupt.check()?;
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        let pause = self.pause.max(asked.unwrap_or_default()).min(LONGEST);
        self.pause = (self.pause * 2).min(LONGEST);
        let end = Instant::now() + pause;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            thread::sleep(left.min(TICK));
            self.interrupt.check()?;
        }
        Ok(true)
    }
}

/// Returns how long a `Retry-After` asks to wait: seconds or a date (RFC 9110, 10.2.3), or
/// what Go prints for a duration, which some registries send.
pub(super) fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(date) = DateTime::parse_from_rfc2822(text) {
        let at = SystemTime::from(date);
        return Some(at.duration_since(now).unwrap_or_default());
    }
    let seconds = match text.parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => of_go(text)?,
    };
    // One that no duration can have is as good as the longest.
    (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST))
}

/// Returns the seconds of a duration in Go's form, such as `1m2.5s` or `531.481µs`. Source:
/// Go's `time.Duration.String`.
fn of_go(mut text: &str) -> Option<f64> {
    let mut seconds = 0.0;
    if text.is_empty() {
        return None;
    }
    while !text.is_empty() {
        let is_figure = |c: char| c.is_ascii_digit() || c == '.';
        let end = text.find(|c| !is_figure(c))?;
        let (figure, rest) = text.split_at(end);
        let end = rest.find(is_figure).unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(end);
        let unit = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" | "μs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += figure.parse::<f64>().ok()? * unit;
        text = rest;
    }
    Some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_retry_after_is_a_time_to_wait() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_717);
        for (text, seconds) in [
            ("7", Some(7.0)),
            (" 0 ", Some(0.0)),
            ("1.5", Some(1.5)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(60.0)),
            ("Sun, 06 Nov 1994 08:48:00 GMT", Some(0.0)),
            ("531.481ms", Some(0.531_481)),
            ("1m2s", Some(62.0)),
            ("99999999999999999999", Some(60.0)),
            ("-1", None),
            ("soon", None),
            ("5 parsecs", None),
            ("", None),
        ] {
            let found = retry_after(text, now).map(|found| found.as_secs_f64());
            assert_eq!(found, seconds, "{text}");
        }
        // As GHCR sends them.
        let micros = retry_after("531.481µs", now).unwrap();
        assert_eq!(micros.as_micros(), 531);
    }

    #[test]
    fn an_interrupt_ends_a_pause() {
        let interrupt = Interrupt::default();
        interrupt.raise(2);
        let mut retries = Retries::new(1, &interrupt);
        retries.wait(Some(LONGEST)).unwrap_err();
    }
}
