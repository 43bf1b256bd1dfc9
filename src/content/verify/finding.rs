//! Findings, and their texts.

use std::fmt;
use std::path::Path;

use crate::escape::escape_display;
use crate::home::DanglingLink;
use crate::json::ParseError;
use crate::quote;
use crate::reference::Reference;
use crate::registry::Registry;

/// A problem, or a note.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The kind of the finding.
    pub code: Code,
    /// The reference or path that it is about.
    pub subject: String,
    /// The finding, as the end of a sentence about the subject. Control characters are
    /// escaped.
    pub message: String,
    /// The remedy.
    pub remedy: String,
}

/// The kind of a finding. Its name is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The registry is not JSON, or does not have its layout, so that it cannot be read.
    UnparsableRegistry,
    /// A reference is registered more than once.
    DuplicateReference,
    /// An entry has a field that makes cldctl reject the whole registry.
    UnreadableField,
    /// An entry's own directory is missing.
    ContentMissing,
    /// An entry's path does not exist, but its own directory does: the home was moved, or
    /// restored from elsewhere.
    MovedContent,
    /// The whole cache is missing.
    CacheMissing,
    /// Content that could not be read.
    ContentUnreadable,
    /// A file has different content from what the digest covers.
    FileChanged,
    /// A file that the digest covers is missing.
    FileMissing,
    /// The content contains something that the digest does not cover.
    FileExtra,
    /// A directory of the cache that no entry names.
    OrphanDirectory,
    /// The digest has no manifest in this registry.
    UnverifiableDigest,
    /// Two references have the same directory.
    KeyCollision,
    /// The content is outside of this home's cache.
    ForeignPath,
    /// Content that other processes changed at each look, so that nothing can be said of it.
    ContentChanging,
    /// Files that a deployment wrote: state, inputs, or others in an artifact that is
    /// deployed.
    DeploymentFiles,
    /// Hidden files, provider plugins and dependencies, which can be made again.
    GeneratedFiles,
    /// A directory that no entry names, and that is deployed.
    DeployedDirectory,
    /// State of a deployment that a replacement or removal kept aside, or left when it was
    /// interrupted.
    KeptAside,
    /// A leftover of an interrupted process.
    Leftover,
    /// The registry has a version that this program does not write.
    ForeignVersion,
    /// A link on the path of the registry or of the cache is dangling.
    DanglingLink,
}

impl Code {
    /// Returns the name in reports.
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
            Code::ContentChanging => "content-changing",
            Code::DeploymentFiles => "deployment-files",
            Code::GeneratedFiles => "generated-files",
            Code::DeployedDirectory => "deployed-directory",
            Code::KeptAside => "kept-aside",
            Code::Leftover => "leftover",
            Code::ForeignVersion => "foreign-version",
            Code::DanglingLink => "dangling-link",
        }
    }

    /// Returns true for a problem, and false for a note.
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
            | Code::ContentChanging
            | Code::DeploymentFiles
            | Code::GeneratedFiles
            | Code::DeployedDirectory
            | Code::KeptAside
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

    /// Returns a finding about a path.
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

/// Returns a command with a reference, as it can be typed in a shell.
pub(super) fn command(start: &str, reference: &str, end: &str) -> String {
    // A reference that cannot be typed is shown escaped, to name the artifact.
    let word = quote::operand(reference).unwrap_or_else(|| escape_display(reference).into_owned());
    format!("`cldctl-registry {start} {word}{end}`")
}

/// Returns the command that registers content again, unless `add` refuses the reference.
pub(super) fn add(reference: &str, end: &str) -> Option<String> {
    let is_taken = Reference::parse_new(reference).is_ok();
    is_taken.then(|| command("add", reference, end))
}
