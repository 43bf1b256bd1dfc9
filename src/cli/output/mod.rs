//! Output. Standard output carries data alone, the same bytes on a terminal as in a
//! pipe; everything else is printed on standard error.

pub(super) mod json;
pub(super) mod messages;
pub(super) mod progress;
pub(super) mod removal;
pub(super) mod renderer;
pub(super) mod row;
pub(super) mod status;
pub(super) mod table;
pub(super) mod template;
#[cfg(feature = "archive")]
pub(super) mod transfer;
pub(super) mod units;
pub(super) mod usage;
pub(super) mod verification;
pub(super) mod yaml;

use std::io::{BufWriter, StdoutLock, Write, stdout};

use super::exit::OutputError;

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
    pub(super) fn each<T>(
        &mut self,
        items: &[T],
        render: impl Fn(&mut String, &T),
    ) -> Result<(), OutputError> {
        let mut text = String::new();
        for item in items {
            text.clear();
            render(&mut text, item);
            self.write(&text)?;
        }
        Ok(())
    }

    /// Writes what is still buffered.
    pub(super) fn finish(mut self) -> Result<(), OutputError> {
        self.0.flush().map_err(OutputError)
    }
}

/// Prints what a change did. A failure to print is ignored because the change is made,
/// and the exit code says that.
pub(super) fn report(text: &str) {
    let mut out = Out::new();
    let _ = out.write(text).and_then(|()| out.finish());
}
