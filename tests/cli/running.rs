//! Processes that run beside a test, and the tools that disturb them.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::Run;
use crate::tools::{Lack, runs};

/// A process that runs beside the test and is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(command.spawn().unwrap())
    }

    /// Waits for a line on standard error with this start, and returns it.
    #[track_caller]
    pub(crate) fn says(&mut self, start: &str) -> String {
        let mut lines = BufReader::new(self.0.stderr.as_mut().unwrap()).lines();
        let found = lines.find(|line| line.as_ref().unwrap().starts_with(start));
        found.expect("standard error ended without it").unwrap()
    }

    /// Returns the number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        kill.args([format!("-{name}"), self.0.id().to_string()]);
        assert!(kill.status().unwrap().success());
    }

    /// Sends SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Waits for its end. The result has only the part of standard error that `says`
    /// has not read.
    pub(crate) fn end(mut self) -> Run {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        let mut pipe = self.0.stderr.take().unwrap();
        pipe.read_to_string(&mut stderr).unwrap();
        let mut pipe = self.0.stdout.take().unwrap();
        pipe.read_to_string(&mut stdout).unwrap();
        Run {
            code: self.0.wait().unwrap().code().unwrap_or(-1),
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it has already ended, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a condition holds that must come true.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Returns whether a tool runs here; a test that needs it is skipped otherwise.
///
/// # Panics
///
/// If `CI` is set and the tool is missing.
#[track_caller]
pub(crate) fn has(tool: &str, args: &[&str]) -> bool {
    let lack = runs(&[&[tool], args].concat()).err();
    assert!(
        lack.as_ref().is_none_or(Lack::is_accepted),
        "{lack:?}, and CI is set"
    );
    lack.is_none()
}

/// Says that a test is left out.
pub(crate) fn left_out(why: &str) {
    let _ = Lack::Permission(why.to_owned()).is_accepted();
}

/// Returns whether strace runs here and may trace.
///
/// # Panics
///
/// If `CI` is set and it does not: too many tests would show nothing.
#[track_caller]
pub(crate) fn has_strace() -> bool {
    let has_strace = has(
        "strace",
        &["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "true"],
    );
    assert!(
        has_strace || std::env::var_os("CI").is_none(),
        "strace may not trace, and CI is set"
    );
    has_strace
}
