//! Credential helpers: the only programs that are ever started. Source: the protocol of
//! docker's credential helpers.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::credentials::Credential;
use crate::interrupt::Interrupt;

/// The longest time that a helper may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The pause between two looks at a helper.
const TICK: Duration = Duration::from_millis(10);

/// The longest answer of a helper, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The name of the user where a helper's secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// Asks helpers, until it is interrupted.
pub(super) struct Helpers<'i> {
    interrupt: &'i Interrupt,
    timeout: Duration,
}

/// The answer of a helper.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

impl<'i> Helpers<'i> {
    pub(super) fn new(interrupt: &'i Interrupt) -> Self {
        Helpers {
            interrupt,
            timeout: TIMEOUT,
        }
    }

    /// Asks a helper for the credentials of a server.
    pub(super) fn ask(
        &self,
        helper: &str,
        server: &str,
        looked: &mut Vec<String>,
    ) -> Option<Credential> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if helper.is_empty() || !helper.chars().all(is_name) {
            looked.push("a credential helper (its name is invalid)".to_owned());
            return None;
        }
        let program = format!("docker-credential-{helper}");
        let (answer, fault) = match self.run(&program, server) {
            Ok(answer) => (answer, ""),
            Err(fault) => (None, fault),
        };
        looked.push(match fault {
            "" => format!("`{program}`"),
            fault => format!("`{program}` ({fault})"),
        });
        let answer = answer?;
        match &*answer.username {
            _ if answer.secret.is_empty() => None,
            TOKEN_USER => Some(Credential::IdentityToken(answer.secret)),
            _ => Some(Credential::Password {
                user: answer.username,
                password: answer.secret,
            }),
        }
    }

    /// Runs a helper, and returns what it answers; `None` if it has no credentials.
    fn run(&self, program: &str, server: &str) -> Result<Option<Answer>, &'static str> {
        let end = Instant::now() + self.timeout;
        let mut child = Command::new(program)
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|_| "could not be started")?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        if let Some(mut input) = input {
            // One that does not read it answers all the same.
            let _ = input.write_all(server.as_bytes());
        }
        let (sender, pieces) = mpsc::channel();
        thread::spawn(move || {
            let Some(output) = output else { return };
            let (mut output, mut buffer) = (output.take(MAX_BYTES), [0; 4096]);
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        if !self.wait(&mut child, end)? {
            return Ok(None);
        }
        // The answer ends where it is complete: what the helper left running, an agent for
        // example, may keep the pipe open.
        let mut text = Vec::new();
        loop {
            if let Ok(answer) = serde_json::from_slice(&text) {
                return Ok(Some(answer));
            }
            match pieces.recv_timeout(TICK) {
                Ok(piece) => text.extend(piece),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => self.require_time(end)?,
            }
        }
    }

    /// Waits for a helper, and ends it if it takes too long. Returns whether it succeeded.
    fn wait(&self, child: &mut Child, end: Instant) -> Result<bool, &'static str> {
        loop {
            let state = match child.try_wait() {
                Ok(Some(status)) => return Ok(status.success()),
                Ok(None) => self.require_time(end),
                Err(_) => Err("could not be waited for"),
            };
            if let Err(fault) = state {
                let _ = child.kill();
                let _ = child.wait();
                return Err(fault);
            }
            thread::sleep(TICK);
        }
    }

    fn require_time(&self, end: Instant) -> Result<(), &'static str> {
        match (self.interrupt.check(), Instant::now() < end) {
            (Err(_), _) => Err("was interrupted"),
            (Ok(()), false) => Err("took longer than 30 s"),
            (Ok(()), true) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    /// Writes a helper. Another process does it, because a file that is open for writing
    /// anywhere, in a process that was just started too, cannot be executed.
    fn helper(dir: &Path, script: &str) -> PathBuf {
        let path = dir.join("helper");
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$2\" && chmod 755 \"$2\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", write, "sh", script]).arg(&path);
        assert!(shell.status().unwrap().success());
        path
    }

    fn run(script: &str, timeout: Duration, interrupt: &Interrupt) -> Result<bool, &'static str> {
        let dir = tempfile::tempdir().unwrap();
        let path = helper(dir.path(), script);
        let helpers = Helpers { interrupt, timeout };
        let answer = helpers.run(path.to_str().unwrap(), "r.example")?;
        Ok(answer.is_some())
    }

    #[test]
    fn a_helper_that_hangs_is_ended() {
        let interrupt = Interrupt::default();
        let short = Duration::from_millis(200);
        let hangs = run("exec sleep 60", short, &interrupt);
        assert_eq!(hangs, Err("took longer than 30 s"));
        // One that never ends to answer ends with the one that reads it.
        let endless = run("exec yes", Duration::from_secs(30), &interrupt);
        assert_eq!(endless, Ok(false));
        interrupt.raise(2);
        let interrupted = run("exec sleep 60", TIMEOUT, &interrupt);
        assert_eq!(interrupted, Err("was interrupted"));
    }

    #[test]
    fn an_answer_may_come_in_pieces() {
        let script = "printf '{\"Username\":\"u\",'; sleep 0.1; echo '\"Secret\":\"p\"}'";
        assert_eq!(run(script, TIMEOUT, &Interrupt::default()), Ok(true));
    }
}
