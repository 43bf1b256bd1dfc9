//! What the program prints. Standard output carries data alone, and the same
//! bytes on a terminal as in a pipe; everything else goes to standard error.

pub(super) mod json;
pub(super) mod messages;
pub(super) mod progress;
pub(super) mod removal;
pub(super) mod row;
pub(super) mod table;
pub(super) mod template;
pub(super) mod units;
pub(super) mod yaml;

use std::hint::black_box;
use std::io::{BufWriter, StdoutLock, Write, stdout};

use super::exit::OutputError;
use crate::parallel;

/// So many items are rendered by one core at a time.
const PIECE: usize = 512;

/// So many items, or less, are rendered before threads have started.
const FEW: usize = 2048;

/// So many pieces are held in memory before they are written.
const WAVE: usize = 32;

/// So many items are fetched from memory together.
const GROUP: usize = 16;

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

    /// Writes each item, which is made from a text, as `render` appends it. All
    /// cores render.
    pub(super) fn each<T: AsRef<str> + Sync>(
        &mut self,
        items: &[T],
        render: impl Fn(&mut String, &T) -> anyhow::Result<()> + Send + Sync,
    ) -> anyhow::Result<()> {
        let size = if items.len() > FEW { PIECE } else { FEW };
        self.pieces(items.chunks(size), |text, items: &[T]| {
            items.chunks(GROUP).try_for_each(|items| {
                items.iter().for_each(fetch);
                items.iter().try_for_each(|item| render(text, item))
            })
        })
    }

    /// Writes pieces of the output, as `render` appends each. All cores render,
    /// some pieces ahead of what is written.
    pub(super) fn pieces<P: Send>(
        &mut self,
        pieces: impl IntoIterator<Item = P>,
        render: impl Fn(&mut String, P) -> anyhow::Result<()> + Send + Sync,
    ) -> anyhow::Result<()> {
        let mut pieces = pieces.into_iter().peekable();
        // Memory is used again: to get it takes as long as to fill it.
        let mut texts = Vec::new();
        while pieces.peek().is_some() {
            texts.resize_with(WAVE, String::new);
            let wave = pieces.by_ref().take(WAVE).zip(texts.drain(..)).collect();
            let rendered = parallel::map(wave, |(piece, mut text): (P, String)| {
                text.clear();
                let end = render(&mut text, piece);
                (text, end)
            });
            for (text, end) in rendered {
                self.write(&text)?;
                texts.push(text);
                end?;
            }
        }
        Ok(())
    }

    /// Writes what is still held back.
    pub(super) fn finish(mut self) -> Result<(), OutputError> {
        self.0.flush().map_err(OutputError)
    }
}

/// Has the processor read a text, which may lie anywhere in a large document, so
/// that it reads the next ones too meanwhile.
fn fetch(item: &impl AsRef<str>) {
    /// So many bytes come at once.
    const LINE: usize = 64;
    let bytes = item.as_ref().as_bytes().iter().step_by(LINE);
    black_box(bytes.fold(0, |all, byte| all | byte));
}

/// Prints what a change did. The change stands, so it alone decides how the
/// program ends, whether or not somebody reads this.
pub(super) fn report(text: &str) {
    let mut out = Out::new();
    let _ = out.write(text).and_then(|()| out.finish());
}
