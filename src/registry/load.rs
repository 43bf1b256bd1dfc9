//! Reading the registry, whatever form it has.

use std::fs::Metadata;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::scan::ReadMode;
use crate::document::{Document, Edit, InFile, OpenDocument, Piece, UnreadableValue};
use crate::error::{Error, Result};
use crate::escape::escape_display;
use crate::json::ParseError;
use crate::store::{self, Identity, Opened, Part, WholeFile};

/// The time for which a file that cannot be parsed may be in the middle of being written,
/// before it counts as damaged.
const TORN_FOR: Duration = Duration::from_millis(250);
const TORN_PAUSE: Duration = Duration::from_millis(10);

/// A file that is no longer than this, in bytes, is held in memory while it is changed,
/// because one pass over it is enough then. To find memory for a larger one takes the system
/// longer than to pass over it once more.
/// Unit tests try both ways on small files.
const SMALL: u64 = if cfg!(test) { 128 << 10 } else { 8 << 20 };

/// The registry of the file, or of the legacy file beside it.
pub(super) struct Loaded {
    pub(super) document: OpenDocument,
    /// The file, if the document stays in it.
    opened: Option<Arc<Opened>>,
    /// The identity of the file when it was read; `None` if it does not exist.
    pub(super) file: Option<Identity>,
    /// Whose mode and owner the next version of the file gets.
    pub(super) like: Option<Metadata>,
    pub(super) is_legacy: bool,
}

impl Loaded {
    pub(super) fn in_memory(
        document: Document,
        file: Option<Identity>,
        like: Option<Metadata>,
    ) -> Self {
        Loaded {
            document: document.into(),
            opened: None,
            file,
            like,
            is_legacy: false,
        }
    }

    /// Returns whether the document is still what it was. One that stays in its file can be
    /// written in place by a process that takes no lock.
    pub(super) fn is_unchanged(&self) -> bool {
        let mut opened = self.opened.iter();
        opened.all(|opened| opened.is_unchanged())
    }

    /// Returns the new text of the registry, in pieces; `None` if it stays as it is. A legacy
    /// one is always written in the form of today.
    ///
    /// # Errors
    ///
    /// The document cannot be read.
    pub(super) fn pieces(&self, edit: &Edit) -> Result<Option<Vec<Piece>>> {
        Ok(match self.document.pieces(edit)? {
            None if self.is_legacy => {
                let text = self.document.whole()?.text();
                Some(vec![Piece::Kept(0..text.len())])
            }
            pieces => pieces,
        })
    }

    /// Returns the new text that pieces of it make, in parts to be written.
    ///
    /// # Errors
    ///
    /// The document cannot be read.
    pub(super) fn parts<'t>(&'t self, pieces: &'t [Piece]) -> Result<Vec<Part<'t>>> {
        let parts = pieces.iter().map(|piece| {
            Ok(match (piece, &self.opened) {
                (Piece::New(text), _) => Part::Text(text.as_bytes()),
                (Piece::Kept(span), Some(opened)) => {
                    Part::Span(opened, span.start as u64..span.end as u64)
                }
                (Piece::Kept(span), None) => {
                    Part::Text(&self.document.whole()?.text().as_bytes()[span.clone()])
                }
            })
        });
        parts.collect()
    }

    /// Refuses to write a text in place of an older form if cldctl, which reads that as
    /// it can, could not read the text.
    pub(super) fn require_readable(&self, path: &Path, pieces: &[Piece]) -> Result<()> {
        if !self.document.is_converted() {
            return Ok(());
        }
        let document = self.document.whole()?;
        let text: String = pieces.iter().map(|piece| document.text_of(piece)).collect();
        let written = Document::parse(text).map_err(|cause| Error::Corrupt {
            path: path.to_owned(),
            cause,
        })?;
        let Some(UnreadableValue { entry, field, more }) = written.unreadable_for_cldctl() else {
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

/// Reads the registry into memory.
///
/// # Errors
///
/// It cannot be read, or is none.
pub(super) fn load(path: &Path, legacy_path: &Path, mode: ReadMode) -> Result<Loaded> {
    patiently(mode, || match Opened::at(path)? {
        Some(opened) => held(&opened, path),
        None => legacy(legacy_path),
    })
}

/// Reads the registry to change it: one that is large and in the form that Go writes stays in
/// its file.
///
/// # Errors
///
/// As [`load`].
pub(super) fn open(path: &Path, legacy_path: &Path) -> Result<Loaded> {
    patiently(ReadMode::Patient, || {
        let Some(opened) = Opened::at(path)? else {
            return legacy(legacy_path);
        };
        if opened.len() <= SMALL {
            return held(&opened, path);
        }
        let opened = Arc::new(opened);
        // Why it cannot be read shows when all of it is read.
        let document = InFile::index(opened.clone(), path.to_owned())
            .ok()
            .flatten();
        match document.filter(|_| opened.is_unchanged()) {
            Some(document) => Ok(Loaded {
                document: OpenDocument::InFile(document),
                file: Some(Identity::from(opened.metadata())),
                like: Some(opened.metadata().clone()),
                opened: Some(opened),
                is_legacy: false,
            }),
            None => held(&opened, path),
        }
    })
}

/// Reads again for a moment what cannot be parsed, if there is time.
fn patiently(mode: ReadMode, read: impl Fn() -> Result<Loaded>) -> Result<Loaded> {
    let since = Instant::now();
    loop {
        match read() {
            Err(Error::Corrupt { .. })
                if mode == ReadMode::Patient && since.elapsed() < TORN_FOR =>
            {
                std::thread::sleep(TORN_PAUSE);
            }
            result => return result,
        }
    }
}

/// Reads a registry file into memory.
fn held(opened: &Opened, path: &Path) -> Result<Loaded> {
    let file = WholeFile::of(opened, path)?;
    Ok(Loaded::in_memory(
        parse(file.bytes, path, Document::parse)?,
        Some(file.identity),
        Some(file.metadata),
    ))
}

/// Reads the legacy registry; without one, there are no entries.
fn legacy(path: &Path) -> Result<Loaded> {
    let file = match Identity::of(path)? {
        Some(_) => store::read(&store::resolve(path)?)?,
        None => None,
    };
    let Some(file) = file else {
        return Ok(Loaded::in_memory(Document::empty(), None, None));
    };
    let document = parse(file.bytes, path, Document::parse_legacy)?;
    Ok(Loaded {
        is_legacy: true,
        ..Loaded::in_memory(document, None, Some(file.metadata))
    })
}

pub(super) fn parse(
    bytes: Vec<u8>,
    path: &Path,
    parse: fn(String) -> Result<Document, ParseError>,
) -> Result<Document> {
    let parsed = String::from_utf8(bytes).map_or_else(
        |error| {
            let offset = error.utf8_error().valid_up_to();
            let reason = format!("invalid UTF-8 at byte {offset}");
            Err(ParseError::at(error.as_bytes(), offset, reason))
        },
        parse,
    );
    parsed.map_err(|cause| Error::Corrupt {
        path: path.to_owned(),
        cause,
    })
}
