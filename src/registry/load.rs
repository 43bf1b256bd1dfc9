//! Reading the registry, whatever form it has.

use std::fs::Metadata;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use bytestring::ByteString;

use super::scan::ReadMode;
use crate::document::{Document, Unreadable};
use crate::error::{Error, Result};
use crate::escape::escape_display;
use crate::json::ParseError;
use crate::store::{self, Identity};

/// How long a file that cannot be parsed may be in the middle of being written,
/// before it counts as damaged.
const TORN_FOR: Duration = Duration::from_millis(250);
const TORN_PAUSE: Duration = Duration::from_millis(10);

/// What stands in the file, or in the legacy file beside it.
pub(super) struct Loaded {
    pub(super) document: Document,
    /// What the file was when it was read; none if it does not exist.
    pub(super) file: Option<Identity>,
    /// Whose mode and owner the next version of the file gets.
    pub(super) like: Option<Metadata>,
    pub(super) is_legacy: bool,
}

impl Loaded {
    /// Refuses to write a text in place of an older form if cldctl, which reads that as
    /// it can, could not read the text.
    pub(super) fn require_readable<'t>(
        &self,
        path: &Path,
        pieces: impl IntoIterator<Item = &'t str>,
    ) -> Result<()> {
        if !self.document.is_converted() {
            return Ok(());
        }
        let text: String = pieces.into_iter().collect();
        let written = Document::parse(text).map_err(|cause| Error::Corrupt {
            path: path.to_owned(),
            cause,
        })?;
        let Some(Unreadable { entry, field, more }) = written.unreadable_for_cldctl() else {
            return Ok(());
        };
        let field = escape_display(&field);
        let value = match (entry, more) {
            (None, _) => format!("it has an unreadable `{field}`"),
            (Some(entry), 0) => format!("entry {entry} has an unreadable `{field}`"),
            (Some(entry), more) => {
                format!("entry {entry} has an unreadable `{field}`, and {more} more are unreadable")
            }
        };
        Err(Error::Unconvertible {
            path: path.to_owned(),
            value,
        })
    }

    pub(super) fn require_writable(&self, path: &Path) -> Result<()> {
        use std::os::unix::fs::MetadataExt;

        // Judged by the bits and not by what the system would permit, since
        // root may do everything and a rename needs no permission on the file.
        if let (Some(_), Some(like)) = (self.file, &self.like)
            && like.mode() & 0o222 == 0
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

/// Reads the registry.
///
/// # Errors
///
/// It cannot be read, or is none.
pub(super) fn load(path: &Path, legacy_path: &Path, mode: ReadMode) -> Result<Loaded> {
    let since = Instant::now();
    let is_patient = mode == ReadMode::Patient;
    loop {
        match load_once(path, legacy_path) {
            Err(Error::Corrupt { .. }) if is_patient && since.elapsed() < TORN_FOR => {
                std::thread::sleep(TORN_PAUSE);
            }
            result => return result,
        }
    }
}

fn load_once(path: &Path, legacy_path: &Path) -> Result<Loaded> {
    if let Some(snapshot) = store::read(path)? {
        return Ok(Loaded {
            file: Some(snapshot.identity),
            document: parse(snapshot.bytes, path, Document::parse)?,
            like: Some(snapshot.metadata),
            is_legacy: false,
        });
    }
    let legacy = match Identity::of(legacy_path)? {
        Some(_) => store::read(&store::resolve(legacy_path)?)?,
        None => None,
    };
    Ok(match legacy {
        Some(snapshot) => Loaded {
            document: parse(snapshot.bytes, legacy_path, Document::parse_legacy)?,
            file: None,
            like: Some(snapshot.metadata),
            is_legacy: true,
        },
        None => Loaded {
            document: Document::empty(),
            file: None,
            like: None,
            is_legacy: false,
        },
    })
}

pub(super) fn parse(
    bytes: Bytes,
    path: &Path,
    parse: fn(ByteString) -> Result<Document, ParseError>,
) -> Result<Document> {
    let parsed = match ByteString::try_from(bytes.clone()) {
        Ok(text) => parse(text),
        Err(error) => {
            let offset = error.valid_up_to();
            let reason = format!("invalid UTF-8 at byte {offset}");
            Err(ParseError::at(&bytes, offset, reason))
        }
    };
    parsed.map_err(|cause| Error::Corrupt {
        path: path.to_owned(),
        cause,
    })
}
