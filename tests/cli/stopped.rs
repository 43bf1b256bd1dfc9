//! A program that is stopped after a certain system call, and continued later.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::running::Running;
use crate::support::{Run, Sandbox};

/// A program under strace that was stopped.
#[derive(Debug)]
pub(crate) struct Stopped {
    running: Option<Running>,
    /// The program itself, because strace would leave it stopped.
    program: Pid,
}

impl Stopped {
    /// Starts the program and waits for the stop after the call with this number;
    /// returns its result if it never makes the call.
    pub(crate) fn after(
        sandbox: &Sandbox,
        call: &str,
        number: usize,
        args: &[&str],
    ) -> Result<Self, Run> {
        Self::after_with(sandbox, call, number, None, args)
    }

    /// Starts the program as [`after`](Self::after) does; strace injects something into
    /// calls with another name, too.
    pub(crate) fn after_with(
        sandbox: &Sandbox,
        call: &str,
        number: usize,
        inject: Option<(&str, &str)>,
        args: &[&str],
    ) -> Result<Self, Run> {
        let trace = sandbox.path(&format!("stopped-{}-{number}", args[0]));
        let (other, what) = inject.unwrap_or((call, ""));
        let only = format!("trace={call},{other}");
        let inject = format!("inject={other}:{what}");
        let stop = format!("inject={call}:signal=STOP:when={number}");
        let strace = ["strace", "-f", "-qq", "-o", trace.to_str().unwrap()];
        let mut strace = [&strace[..], &["-e", &only, "-e", &stop]].concat();
        if !what.is_empty() {
            strace.extend(["-e", &inject]);
        }
        let mut running = Running::start(sandbox.wrapped(&strace, args));
        loop {
            let text = fs::read_to_string(&trace).unwrap_or_default();
            if let Some((before, _)) = text.split_once(" --- stopped by SIGSTOP") {
                let program = before.lines().last().unwrap().trim();
                let program = Pid::from_raw(program.parse().unwrap()).unwrap();
                let running = Some(running);
                return Ok(Stopped { running, program });
            }
            if !running.is_running() {
                return Err(running.end());
            }
            sleep(Duration::from_millis(1));
        }
    }

    /// Continues the program.
    pub(crate) fn go_on(&self) {
        kill_process(self.program, Signal::CONT).unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.running.as_mut().is_some_and(Running::is_running)
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Run {
        self.running.take().unwrap().end()
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = kill_process(self.program, Signal::KILL);
        }
    }
}
