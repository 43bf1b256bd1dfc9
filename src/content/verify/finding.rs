//! What can be found, in words.

use std::fmt;
use std::path::Path;

use crate::escape::escape_display;
use crate::home::DanglingLink;
use crate::json::ParseError;
use crate::quote;
use crate::reference::Reference;
use crate::registry::Registry;

/// Something that is wrong, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What kind of thing it is.
    pub code: Code,
    /// What it is about: a reference, or a path.
    pub subject: String,
    /// What is found, as the end of a sentence about the subject. What a
    /// terminal would obey is escaped.
    pub message: String,
    /// What can be done about it.
    pub remedy: String,
}

/// What kind of thing was found. Its name is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The registry is no JSON, or not of its shape: nobody can read it.
    UnparsableRegistry,
    /// A reference stands in the registry more than once.
    DuplicateReference,
    /// An entry has a field that cldctl cannot read, and so cannot read the
    /// registry at all.
    UnreadableField,
    /// An entry's own directory is gone.
    ContentMissing,
    /// An entry's path leads nowhere, but its own directory is there: the home was
    /// moved, or restored from elsewhere.
    MovedContent,
    /// The cache is not there at all.
    CacheMissing,
    /// Content that could not be read.
    ContentUnreadable,
    /// A file has different content than the digest says.
    FileChanged,
    /// A file that the digest stands for is gone.
    FileMissing,
    /// Something lies in the content that the digest does not stand for.
    FileExtra,
    /// A directory of the cache that no entry names.
    OrphanDirectory,
    /// Nobody here knows what the digest is the digest of.
    UnverifiableDigest,
    /// Two references have the same directory.
    KeyCollision,
    /// The content lies outside of this home's cache.
    ForeignPath,
    /// What a process left behind.
    Leftover,
    /// The registry has a version that this program does not write.
    ForeignVersion,
    /// A link on the way to the registry or to the cache leads to nothing.
    DanglingLink,
}

impl Code {
    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::UnparsableRegistry => "unparsable-registry",
            Code::DuplicateReference => "duplicate-reference",
            Code::UnreadableField => "unreadable-field",
            Code::ContentMissing => "content-missing",
            Code::MovedContent => "moved-content",
            Code::CacheMissing => "cache-missing",
            Code::ContentUnreadable => "content-unreadable",
            Code::FileChanged => "file-changed",
            Code::FileMissing => "file-missing",
            Code::FileExtra => "file-extra",
            Code::OrphanDirectory => "orphan-directory",
            Code::UnverifiableDigest => "unverifiable-digest",
            Code::KeyCollision => "key-collision",
            Code::ForeignPath => "foreign-path",
            Code::Leftover => "leftover",
            Code::ForeignVersion => "foreign-version",
            Code::DanglingLink => "dangling-link",
        }
    }

    /// Whether it is a problem; else it is a note.
    pub fn is_problem(self) -> bool {
        match self {
            Code::UnparsableRegistry
            | Code::DanglingLink
            | Code::DuplicateReference
            | Code::UnreadableField
            | Code::ContentMissing
            | Code::MovedContent
            | Code::CacheMissing
            | Code::ContentUnreadable
            | Code::FileChanged
            | Code::FileMissing
            | Code::FileExtra
            | Code::OrphanDirectory => true,
            Code::UnverifiableDigest
            | Code::KeyCollision
            | Code::ForeignPath
            | Code::Leftover
            | Code::ForeignVersion => false,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Finding {
    pub(super) fn new(
        code: Code,
        subject: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Finding {
            code,
            subject: subject.into(),
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// About what lies at a path.
    pub(super) fn at(code: Code, path: &Path, message: &str, remedy: impl Into<String>) -> Self {
        Finding::new(code, path.to_string_lossy(), message, remedy)
    }

    pub(super) fn unparsable(registry: &Registry, path: &Path, cause: &ParseError) -> Self {
        let remedy = if registry.is_legacy_path(path) {
            "repair it by hand or move it away; this program never writes a legacy registry"
        } else {
            "`cldctl-registry verify --repair` recovers every complete entry"
        };
        let message = format!("cannot be read: {cause}");
        Finding::at(Code::UnparsableRegistry, path, &message, remedy)
    }

    pub(super) fn dangling_link(link: &DanglingLink) -> Self {
        let hidden = match link.hides_registry {
            true => "the registry",
            false => "the content of all artifacts",
        };
        let message = format!(
            "is a link to `{}`, which does not exist, so {hidden} cannot be found",
            escape_display(&link.target.to_string_lossy())
        );
        let remedy = "mount the disk that it points to, or point it to a directory";
        Finding::at(Code::DanglingLink, &link.link, &message, remedy)
    }

    pub(super) fn foreign_version(path: &Path, version: &str) -> Self {
        Finding::at(
            Code::ForeignVersion,
            path,
            &format!(
                "has version {}, which this program cannot change",
                escape_display(version)
            ),
            "it was written by a newer program; upgrade cldctl-registry",
        )
    }
}

/// A command with a reference, as it can be given to a shell.
pub(super) fn command(start: &str, reference: &str, end: &str) -> String {
    // What cannot be typed is shown all the same, to name the artifact.
    let word = quote::operand(reference).unwrap_or_else(|| escape_display(reference).into_owned());
    format!("`cldctl-registry {start} {word}{end}`")
}

/// Returns the command that registers content again, unless `add` refuses the reference.
pub(super) fn add(reference: &str, end: &str) -> Option<String> {
    let is_taken = Reference::parse_new(reference).is_ok();
    is_taken.then(|| command("add", reference, end))
}
