//! Reading the registry, whatever form it has.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::document::Document;
use crate::error::{Error, Result};
use crate::json::ParseError;
use crate::store::{self, Identity, Snapshot};

/// How long a file that cannot be parsed may be in the middle of being written,
/// before it counts as damaged.
const TORN_FOR: Duration = Duration::from_millis(250);
const TORN_PAUSE: Duration = Duration::from_millis(10);

/// What stands in the file, or in the legacy file beside it.
pub(super) struct Loaded {
    pub(super) document: Document,
    /// The file that was read; none if it does not exist.
    pub(super) file: Option<FileState>,
    pub(super) is_legacy: bool,
}

pub(super) struct FileState {
    pub(super) identity: Identity,
    pub(super) metadata: std::fs::Metadata,
}

impl Loaded {
    pub(super) fn require_writable(&self, path: &Path) -> Result<()> {
        use std::os::unix::fs::MetadataExt;

        // Judged by the bits and not by what the system would permit, since
        // root may do everything and a rename needs no permission on the file.
        if let Some(file) = &self.file
            && file.metadata.mode() & 0o222 == 0
        {
            return Err(Error::ReadOnly {
                path: path.to_owned(),
            });
        }
        match self.document.foreign_version() {
            Some(version) => Err(Error::ForeignVersion {
                path: path.to_owned(),
                version: version.to_owned(),
            }),
            None => Ok(()),
        }
    }
}

/// Reads the registry, and again for a moment if it cannot be parsed: cldctl
/// can leave it empty or torn while it writes.
pub(super) fn load(path: &Path, legacy_path: &Path) -> Result<Loaded> {
    let since = Instant::now();
    loop {
        match load_once(path, legacy_path) {
            Err(Error::Corrupt { .. }) if since.elapsed() < TORN_FOR => {
                std::thread::sleep(TORN_PAUSE);
            }
            result => return result,
        }
    }
}

fn load_once(path: &Path, legacy_path: &Path) -> Result<Loaded> {
    if let Some(snapshot) = store::read(path)? {
        let (text, file) = split(snapshot, path)?;
        return Ok(Loaded {
            document: Document::parse(text).map_err(corrupt(path))?,
            file: Some(file),
            is_legacy: false,
        });
    }
    let legacy = match legacy_path.try_exists() {
        Ok(true) => store::read(&store::resolve(legacy_path)?)?,
        _ => None,
    };
    let is_legacy = legacy.is_some();
    let document = match legacy {
        None => Document::empty(),
        Some(snapshot) => {
            let (text, _) = split(snapshot, legacy_path)?;
            Document::parse_legacy(text).map_err(corrupt(legacy_path))?
        }
    };
    Ok(Loaded {
        document,
        file: None,
        is_legacy,
    })
}

fn split(snapshot: Snapshot, path: &Path) -> Result<(String, FileState)> {
    let file = FileState {
        identity: snapshot.identity,
        metadata: snapshot.metadata,
    };
    match String::from_utf8(snapshot.bytes) {
        Ok(text) => Ok((text, file)),
        Err(error) => {
            let offset = error.utf8_error().valid_up_to();
            let reason = format!("invalid UTF-8 at byte {offset}");
            Err(corrupt(path)(ParseError::at(
                error.as_bytes(),
                offset,
                reason,
            )))
        }
    }
}

fn corrupt(path: &Path) -> impl FnOnce(ParseError) -> Error {
    let path = path.to_owned();
    move |cause| Error::Corrupt { path, cause }
}
