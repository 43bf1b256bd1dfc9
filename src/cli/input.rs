//! Standard input that can be interrupted: a signal only raises an interrupt, which nobody
//! sees while a read waits for a process that writes nothing.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::Interrupt;

/// How much is read at once, in bytes.
const BUFFER: usize = 256 * 1024;

/// The number of buffers that are read ahead.
const AHEAD: usize = 2;

/// The time between two looks at the interrupt.
const PAUSE: Duration = Duration::from_millis(50);

/// A reader whose waiting ends at an interrupt.
pub(super) struct InterruptibleInput {
    chunks: Receiver<io::Result<Vec<u8>>>,
    current: Vec<u8>,
    at: usize,
    interrupt: Interrupt,
}

impl InterruptibleInput {
    /// Reads from `input` in another thread, which ends with the program.
    pub(super) fn new(mut input: impl Read + Send + 'static, interrupt: &Interrupt) -> Self {
        let (sender, chunks) = sync_channel(AHEAD);
        std::thread::spawn(move || {
            loop {
                let mut chunk = vec![0; BUFFER];
                let read = input.read(&mut chunk).map(|read| {
                    chunk.truncate(read);
                    chunk
                });
                let is_last = match &read {
                    Ok(chunk) => chunk.is_empty(),
                    Err(error) => error.kind() != io::ErrorKind::Interrupted,
                };
                if sender.send(read).is_err() || is_last {
                    return;
                }
            }
        });
        InterruptibleInput {
            chunks,
            current: Vec::new(),
            at: 0,
            interrupt: interrupt.clone(),
        }
    }
}

impl Read for InterruptibleInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.current.len() {
            self.interrupt.check().map_err(io::Error::other)?;
            match self.chunks.recv_timeout(PAUSE) {
                Ok(chunk) => (self.current, self.at) = (chunk?, 0),
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
            if self.current.is_empty() {
                return Ok(0);
            }
        }
        let read = (&self.current[self.at..]).read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_read_and_an_interrupt_ends_the_waiting() {
        let interrupt = Interrupt::default();
        let text = vec![7; 3 * BUFFER + 5];
        let mut input = InterruptibleInput::new(io::Cursor::new(text.clone()), &interrupt);
        let mut read = Vec::new();
        input.read_to_end(&mut read).unwrap();
        assert!(read == text);
        let (reader, _writer) = io::pipe().unwrap();
        let mut waiting = InterruptibleInput::new(reader, &interrupt);
        interrupt.raise(15);
        assert!(waiting.read(&mut [0]).is_err());
    }
}
