//! The copy of a registry file that is kept when its author may regret a change.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::store::{self, Guard, Locked, WholeFile};
use crate::timestamp;

/// Keeps a durable copy of the file as it was, beside it, under the name
/// `artifacts.json.corrupt-<time>`. Where there is no file, none is kept.
#[derive(Debug, Default)]
pub(crate) struct Backup {
    copy: Option<PathBuf>,
}

impl Guard for Backup {
    /// Where the copy lies.
    type Value = Option<PathBuf>;

    fn prepare(&mut self, locked: &Locked<'_>) -> Result<()> {
        if let Some(file) = store::read(locked.path())? {
            // The directory is synced with the copy, and the file comes before its
            // directory.
            locked.sync()?;
            self.copy = Some(keep_copy(locked, &file)?);
        }
        locked.check_interrupt()
    }

    fn committed(mut self, _durable: bool) -> Option<PathBuf> {
        self.copy.take()
    }
}

impl Drop for Backup {
    fn drop(&mut self) {
        if let Some(copy) = self.copy.take() {
            // The file itself is still there.
            let _ = std::fs::remove_file(copy);
        }
    }
}

/// Keeps a copy under a name that was free.
fn keep_copy(locked: &Locked<'_>, file: &WholeFile) -> Result<PathBuf> {
    let path: &Path = locked.path();
    let time = timestamp::now().format("%Y%m%dT%H%M%SZ");
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut number = 0_u32;
    loop {
        let suffix = match number {
            0 => String::new(),
            number => format!("-{number}"),
        };
        let copy = path.with_file_name(format!("{name}.corrupt-{time}{suffix}"));
        if locked.create(&copy, &file.bytes, &file.metadata)? {
            return Ok(copy);
        }
        number += 1;
    }
}
