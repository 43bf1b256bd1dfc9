//! What the program prints. Standard output carries data alone, and the same
//! bytes on a terminal as in a pipe; everything else goes to standard error.

pub(super) mod json;
pub(super) mod messages;
pub(super) mod progress;
pub(super) mod removal;
pub(super) mod renderer;
pub(super) mod row;
pub(super) mod status;
pub(super) mod table;
pub(super) mod template;
pub(super) mod units;
pub(super) mod usage;
pub(super) mod verification;
pub(super) mod yaml;

use std::io::{BufWriter, StdoutLock, Write, stdout};

use super::exit::OutputError;
use crate::parallel;

/// So many items are rendered by one core at a time.
const PIECE: usize = 512;

/// So many items, or less, are rendered before threads have started.
const FEW: usize = 2048;

/// So many pieces are held in memory before they are written.
const WAVE: usize = 32;

/// Standard output, for commands that only read: a failure to write ends them.
pub(super) struct Out(BufWriter<StdoutLock<'static>>);

impl Out {
    pub(super) fn new() -> Self {
        Out(BufWriter::with_capacity(64 * 1024, stdout().lock()))
    }

    pub(super) fn write(&mut self, text: &str) -> Result<(), OutputError> {
        self.0.write_all(text.as_bytes()).map_err(OutputError)
    }

    pub(super) fn line(&mut self, text: &str) -> Result<(), OutputError> {
        self.write(text)?;
        self.write("\n")
    }

    /// Writes each item, as `render` appends it.
    pub(super) fn each<T: Sync>(
        &mut self,
        items: &[T],
        render: impl Fn(&mut String, &T) + Send + Sync,
    ) -> Result<(), OutputError> {
        self.pieces(items, |text, items| {
            items.iter().for_each(|item| render(text, item));
        })
    }

    /// Writes items, some at a time, as `render` appends them. All cores render,
    /// some pieces ahead of what is written.
    pub(super) fn pieces<T: Sync>(
        &mut self,
        items: &[T],
        render: impl Fn(&mut String, &[T]) + Send + Sync,
    ) -> Result<(), OutputError> {
        let size = if items.len() > FEW { PIECE } else { FEW };
        // Memory is used again: to get it takes as long as to fill it.
        let mut texts = Vec::new();
        for wave in items.chunks(WAVE * size) {
            texts.resize_with(WAVE, String::new);
            let pieces = wave.chunks(size).zip(texts.drain(..)).collect();
            let rendered = parallel::map(pieces, |(items, mut text): (&[T], String)| {
                text.clear();
                render(&mut text, items);
                text
            });
            for text in rendered {
                self.write(&text)?;
                texts.push(text);
            }
        }
        Ok(())
    }

    /// Writes what is still held back.
    pub(super) fn finish(mut self) -> Result<(), OutputError> {
        self.0.flush().map_err(OutputError)
    }
}

/// Prints what a change did. The change stands, so it alone decides how the
/// program ends, whether or not somebody reads this.
pub(super) fn report(text: &str) {
    let mut out = Out::new();
    let _ = out.write(text).and_then(|()| out.finish());
}
