//! The program on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::running::wait_until;

pub(crate) const CTRL_C: &str = "\u{3}";
pub(crate) const CTRL_D: &str = "\u{4}";

/// The streams of a program that can lead to the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    In,
    Out,
    Err,
}

/// All of them.
pub(crate) const ALL: &[Stream] = &[Stream::In, Stream::Out, Stream::Err];

/// A program that runs on a terminal of its own and ends with the test.
pub(crate) struct Session {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

/// The end of a program on a terminal.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The code that a shell gives: 128 and the number of the signal if one killed it.
    pub(crate) code: i32,
    /// All that was written to the terminal, line ends as the program wrote
    /// them.
    pub(crate) written: String,
    /// The standard output, unless that was the terminal.
    pub(crate) stdout: String,
    /// The standard error, unless that was the terminal.
    pub(crate) stderr: String,
}

impl Session {
    /// Runs a program with these streams on a terminal of this width, and the other
    /// outputs in pipes.
    pub(crate) fn start(command: Command, streams: &[Stream], columns: u16) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        fcntl_setfd(&keyboard, FdFlags::CLOEXEC).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let name = std::ffi::OsStr::from_bytes(name.to_bytes());
        // As it is no session's leader, this gives the test no terminal.
        let terminal = File::options().read(true).write(true).open(name).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&terminal, size).unwrap();

        let child = spawn(command, streams, &terminal);
        drop(terminal);
        let keyboard = File::from(keyboard);
        let screen = Arc::default();
        let reader = thread::spawn({
            let (screen, mut terminal) = (Arc::clone(&screen), keyboard.try_clone().unwrap());
            move || read(&mut terminal, &screen)
        });
        Session {
            child,
            keyboard,
            screen,
            reader: Some(reader),
        }
    }

    /// Waits until this was written to the terminal.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) {
        wait_until(text, || self.written().contains(text));
    }

    /// Types keys.
    pub(crate) fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    fn written(&self) -> String {
        let written = self.screen.lock().unwrap();
        String::from_utf8_lossy(&written).replace("\r\n", "\n")
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        let mut status = None;
        wait_until("the program has ended", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let status = status.unwrap();
        self.reader.take().unwrap().join().unwrap();
        let (mut stdout, mut stderr) = (String::new(), String::new());
        if let Some(mut pipe) = self.child.stdout.take() {
            pipe.read_to_string(&mut stdout).unwrap();
        }
        if let Some(mut pipe) = self.child.stderr.take() {
            pipe.read_to_string(&mut stderr).unwrap();
        }
        Ended {
            code: status
                .code()
                .unwrap_or(128 + status.signal().unwrap_or_default()),
            written: self.written(),
            stdout,
            stderr,
        }
    }
}

/// Starts the program. What it was given of the terminal is closed here when
/// this returns, so that the terminal ends with the program.
fn spawn(mut command: Command, streams: &[Stream], terminal: &File) -> Child {
    let on = |stream, otherwise: Stdio| {
        if streams.contains(&stream) {
            Stdio::from(terminal.try_clone().unwrap())
        } else {
            otherwise
        }
    };
    if !command.get_envs().any(|(name, _)| name == "TERM") {
        command.env("TERM", "xterm-256color");
    }
    command
        .stdin(on(Stream::In, Stdio::null()))
        .stdout(on(Stream::Out, Stdio::piped()))
        .stderr(on(Stream::Err, Stdio::piped()))
        .spawn()
        .unwrap()
}

/// Collects what is written to the terminal until it is closed.
fn read(terminal: &mut File, screen: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    // Linux ends it with an error, macOS with nothing more to read.
    while let Ok(read @ 1..) = terminal.read(&mut buffer) {
        screen.lock().unwrap().extend_from_slice(&buffer[..read]);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Both fail if it has ended, and then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the lines on a screen of this width in the end, without colour and trailing
/// blanks.
pub(crate) fn standing(written: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut chars = written.chars();
    while let Some(char) = chars.next() {
        match char {
            '\n' => {
                (row, column) = (row + 1, 0);
                lines.resize(lines.len().max(row + 1), Vec::new());
            }
            '\r' => column = 0,
            '\u{1b}' => {
                let mut sequence = String::new();
                while !sequence.ends_with(|char: char| char.is_ascii_alphabetic()) {
                    sequence.push(chars.next().unwrap());
                }
                if sequence == "[K" {
                    lines[row].truncate(column);
                } else {
                    assert!(sequence.ends_with('m'), "{sequence:?}: {written:?}");
                }
            }
            char => {
                if column == columns {
                    (row, column) = (row + 1, 0);
                    lines.resize(lines.len().max(row + 1), Vec::new());
                }
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = char;
                column += 1;
            }
        }
    }
    let lines = lines.into_iter().map(String::from_iter);
    let lines = lines.map(|line| line.trim_end().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}
