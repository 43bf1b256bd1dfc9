//! The errors that the library reports.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::content::DeployedBy;
use crate::escape::{brief, escape_display};
use crate::json::ParseError;
use crate::reference::InvalidReference;

/// The result of the library's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The longest reason that is shown, in characters: it may quote what others wrote.
const MAX_REASON: usize = 600;

/// The reason that an operation failed. Unless a variant says otherwise, the registry is as
/// it was before.
///
/// The message of an error includes that of its cause;
/// [`source`](std::error::Error::source) returns the cause for programs to look at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused something.
    #[error("could not {action} `{}`: {}", shown(.path), os_message(.cause))]
    #[non_exhaustive]
    Io {
        /// The action: "open", "write", …
        action: &'static str,
        /// The path that it was tried on.
        path: PathBuf,
        /// The answer of the system.
        #[source]
        cause: io::Error,
    },

    /// The change is in place, but the directory could not be synced: it may
    /// not survive a power loss.
    #[error(
        "the change to `{}` is applied, but may not survive a power loss: {}",
        shown(.path), os_message(.cause)
    )]
    #[non_exhaustive]
    NotDurable {
        /// The registry.
        path: PathBuf,
        /// The answer of the system.
        #[source]
        cause: io::Error,
    },

    /// The registry is not JSON, or not of the registry's shape.
    #[error("the registry `{}` is damaged: {cause}", shown(.path))]
    #[non_exhaustive]
    Corrupt {
        /// The registry.
        path: PathBuf,
        /// The place and kind of the damage.
        #[source]
        cause: ParseError,
    },

    /// The registry has an older form and a value that cldctl cannot read, which in the
    /// form of today would cost it the whole registry.
    #[error("cannot convert `{}`: {value}", shown(.path))]
    #[non_exhaustive]
    Unconvertible {
        /// The registry.
        path: PathBuf,
        /// The value's place, as the end of a sentence.
        value: String,
    },

    /// Nothing in the damaged registry shows that it was one, so that it is not
    /// replaced by an empty one.
    #[error("could not repair `{}`: nothing in it was recognized as a registry ({cause})", shown(.path))]
    #[non_exhaustive]
    NothingRecovered {
        /// The registry.
        path: PathBuf,
        /// The reason that it cannot be read.
        #[source]
        cause: ParseError,
    },

    /// The registry has a version that this program does not write.
    #[error(
        "the registry `{}` has version {}, which this program cannot change",
        shown(.path), escape_display(.version)
    )]
    #[non_exhaustive]
    ForeignVersion {
        /// The registry.
        path: PathBuf,
        /// The version as it is in the file.
        version: String,
    },

    /// The registry has no write permission, so that even root does not change it.
    #[error("the registry `{}` is read-only", shown(.path))]
    #[non_exhaustive]
    ReadOnly {
        /// The registry.
        path: PathBuf,
    },

    /// Something other than a regular file has the name of one that is needed.
    #[error("`{}` is {found}, expected a regular file", shown(.path))]
    #[non_exhaustive]
    NotAFile {
        /// Its path.
        path: PathBuf,
        /// Its kind, with an article.
        found: &'static str,
    },

    /// A link on the way to what is to be created leads to nothing, as to a disk that is
    /// not mounted.
    #[error(
        "`{}` is a symbolic link to `{}`, which does not exist",
        shown(.link), shown(.target)
    )]
    #[non_exhaustive]
    DanglingLink {
        /// The link.
        link: PathBuf,
        /// Its target, as it is stored.
        target: PathBuf,
    },

    /// Another process held the lock for longer than we were to wait.
    #[error("timed out after {} waiting for the lock `{}`", in_seconds(.waited), shown(.path))]
    #[non_exhaustive]
    LockTimeout {
        /// The lock file.
        path: PathBuf,
        /// The time that was waited.
        waited: Duration,
    },

    /// The file system has no locks, or none to give.
    #[error("could not lock `{}`{}: {}", shown(.path), on(.file_system), os_message(.cause))]
    #[non_exhaustive]
    LockUnsupported {
        /// The file or directory to be locked.
        path: PathBuf,
        /// The kind of file system that it lies on, where the system says.
        file_system: Option<String>,
        /// The answer of the system.
        #[source]
        cause: io::Error,
    },

    /// Processes that take no lock changed the registry again and again for as
    /// long as we were to wait.
    #[error("`{}` kept changing for {}", shown(.path), in_seconds(.waited))]
    #[non_exhaustive]
    Contended {
        /// The registry.
        path: PathBuf,
        /// The time that was waited.
        waited: Duration,
    },

    /// A signal asked to stop; what was begun is undone.
    #[error("interrupted")]
    #[non_exhaustive]
    Interrupted {
        /// The signal's number.
        signal: i32,
    },

    /// No entry can be made for the reference.
    #[error(transparent)]
    InvalidReference(#[from] InvalidReference),

    /// A time that cldctl could not read back.
    #[error("invalid time `{0}`: cldctl cannot read it back")]
    UnwritableTime(String),

    /// A size below zero.
    #[error("invalid size `{0}`: a size cannot be negative")]
    NegativeSize(i64),

    /// The user's home directory is not to be found, or of no use.
    #[error("could not find the home directory: {reason}")]
    #[non_exhaustive]
    NoHome {
        /// The fault in it.
        reason: String,
    },

    /// The directory's path cannot be written in JSON.
    #[error("the directory `{}` is not valid UTF-8, and the registry stores paths as text", shown(.path))]
    #[non_exhaustive]
    NotUtf8 {
        /// The directory.
        path: PathBuf,
    },

    /// The content holds something that cannot be imported.
    #[error("cannot import `{}`: {}", shown(.path), escape_display(&brief(.reason, MAX_REASON)))]
    #[non_exhaustive]
    UnsafeContent {
        /// The path that cannot.
        path: PathBuf,
        /// The reason.
        reason: String,
    },

    /// A file of the content is not what was registered, so that it may have what a
    /// deployment wrote into it: secrets, say.
    #[error("`{}` is no longer what was registered as `{}`", shown(.path), escape_display(.reference))]
    #[non_exhaustive]
    ContentAltered {
        /// The reference.
        reference: String,
        /// The file.
        path: PathBuf,
    },

    /// The content that was registered has the state of a deployment, which is never
    /// shared.
    #[error("`{}` is the state of a deployment, and registered as content of `{}`", shown(.path), escape_display(.reference))]
    #[non_exhaustive]
    StateInContent {
        /// The reference.
        reference: String,
        /// The state file.
        path: PathBuf,
    },

    /// An archive, or an artifact in it, cannot be taken.
    #[error("cannot load `{}`: {}", shown(.path), escape_display(&brief(.reason, MAX_REASON)))]
    #[non_exhaustive]
    UnsafeArchive {
        /// The archive, or the reference of the artifact.
        path: PathBuf,
        /// The reason.
        reason: String,
    },

    /// The content of an artifact cannot be saved, because it could not be loaded again.
    #[error("cannot save `{}`: {}", escape_display(.reference), escape_display(&brief(.reason, MAX_REASON)))]
    #[non_exhaustive]
    Unsavable {
        /// The reference.
        reference: String,
        /// The reason.
        reason: String,
    },

    /// The content to be loaded has more bytes than it may have.
    #[error("cannot load `{}`: it has more than {max_bytes} bytes", shown(.path))]
    #[non_exhaustive]
    TooLarge {
        /// The archive, or the reference of the artifact.
        path: PathBuf,
        /// The most bytes that it may have.
        max_bytes: u64,
    },

    /// An archive does not have what its index or a manifest names.
    #[error("`{}` does not contain the blob `{}`", shown(.path), escape_display(.digest))]
    #[non_exhaustive]
    BlobMissing {
        /// The archive.
        path: PathBuf,
        /// The digest of the blob.
        digest: String,
    },

    /// An archive names no artifact of this reference.
    #[error("`{}` does not contain the artifact `{}`", shown(.path), escape_display(.reference))]
    #[non_exhaustive]
    NotInArchive {
        /// The archive.
        path: PathBuf,
        /// The reference.
        reference: String,
    },

    /// An archive does not say which reference an artifact in it has.
    #[error("`{}` does not say which reference its artifact has", shown(.path))]
    #[non_exhaustive]
    NoReference {
        /// The archive.
        path: PathBuf,
    },

    /// A reference was given for the one artifact of an archive, which has none or several.
    #[error("`{}` contains {count} artifacts, and one reference was given", shown(.path))]
    #[non_exhaustive]
    NoSingle {
        /// The archive.
        path: PathBuf,
        /// The number of artifacts.
        count: usize,
    },

    /// A reference cannot be the name of an artifact in a registry.
    #[error("`{}` cannot be the name of an artifact in a registry: {reason}", escape_display(.reference))]
    #[non_exhaustive]
    NoRemoteName {
        /// The reference.
        reference: String,
        /// The reason.
        reason: &'static str,
    },

    /// An OCI registry could not be used now; another try may help.
    #[error("cannot use the registry `{}`: {}", escape_display(.registry), escape_display(.reason))]
    #[non_exhaustive]
    Unavailable {
        /// The registry.
        registry: String,
        /// The reason.
        reason: String,
    },

    /// An OCI registry does not let in. Registries answer so to names that do not exist
    /// too.
    #[error("`{}` does not exist, or access is denied", escape_display(.reference))]
    #[non_exhaustive]
    Denied {
        /// The artifact.
        reference: String,
        /// Its registry.
        registry: String,
        /// Where credentials were looked for, each with what is wrong with it.
        looked: Vec<String>,
        /// Whether some were found.
        has_credentials: bool,
    },

    /// An OCI registry does not have an artifact.
    #[error("artifact `{}` not found in its registry", escape_display(.reference))]
    #[non_exhaustive]
    NotInRegistry {
        /// The artifact.
        reference: String,
    },

    /// An OCI registry does not take an artifact.
    #[error("the registry does not take `{}`: {}", escape_display(.reference), escape_display(.reason))]
    #[non_exhaustive]
    NotTaken {
        /// The artifact.
        reference: String,
        /// The answer of the registry.
        reason: String,
    },

    /// A directory is neither empty nor an OCI image layout.
    #[error("`{}` is neither empty nor an OCI image layout", shown(.path))]
    #[non_exhaustive]
    NoLayout {
        /// The directory.
        path: PathBuf,
    },

    /// It is not known which files of a directory are the artifact's content: it has no
    /// manifest, and other files lie there.
    #[error("cannot tell the content of `{}` from what a deployment left, such as `{}`", escape_display(.reference), shown(.path))]
    #[non_exhaustive]
    UnclearContent {
        /// The reference.
        reference: String,
        /// A file that may be no content.
        path: PathBuf,
    },

    /// The content changed while it was read.
    #[error("`{}` changed while it was read", shown(.path))]
    #[non_exhaustive]
    ContentChanged {
        /// The path that changed.
        path: PathBuf,
    },

    /// Neither a component nor a datacenter, or both.
    #[error("could not detect the type of `{}`: {reason}", shown(.path))]
    #[non_exhaustive]
    UnknownType {
        /// The directory.
        path: PathBuf,
        /// The descriptions in it.
        reason: &'static str,
    },

    /// There is no content where a reference's content lies.
    #[error("no content for `{}` at `{}`", escape_display(.reference), shown(.path))]
    #[non_exhaustive]
    NoContent {
        /// The reference.
        reference: String,
        /// The directory of its content.
        path: PathBuf,
    },

    /// The content's directory belongs to another entry too.
    #[error(
        "the content of `{}` would replace that of `{}`: both are stored in `{}`",
        escape_display(.reference), escape_display(.other), shown(.path)
    )]
    #[non_exhaustive]
    Collision {
        /// The reference that was to be added.
        reference: String,
        /// The one that has the directory.
        other: String,
        /// The directory.
        path: PathBuf,
    },

    /// The system does not say whether another entry names the same directory.
    #[error(
        "could not check whether `{}` has the same directory: `{}`: {}",
        escape_display(.reference), shown(.path), os_message(.cause)
    )]
    #[non_exhaustive]
    UnknownDirectory {
        /// The reference of the other entry.
        reference: String,
        /// The path that it names.
        path: PathBuf,
        /// The answer of the system.
        #[source]
        cause: io::Error,
    },

    /// A filter that compares with an artifact's time cannot be used.
    #[error("invalid filter: `{}` {reason}", escape_display(.operand))]
    #[non_exhaustive]
    UnusableFilter {
        /// The artifact that the filter names.
        operand: String,
        /// The fault in it.
        reason: UnusableFilter,
    },

    /// The artifact is deployed, so that it stays.
    #[error("artifact `{}` is deployed: {}", escape_display(.reference), list_of(.by))]
    #[non_exhaustive]
    Deployed {
        /// The reference.
        reference: String,
        /// The directory of its content.
        path: PathBuf,
        /// By what; at least one.
        by: Vec<DeployedBy>,
    },

    /// Something that would tell whether the artifact is deployed cannot be read, so that it
    /// stays.
    #[error("could not tell whether `{}` is deployed: {cause}", escape_display(.reference))]
    #[non_exhaustive]
    DeploymentUnknown {
        /// The reference.
        reference: String,
        /// What cannot be read.
        #[source]
        cause: Box<Error>,
        /// True if that is the directory of another artifact, or in it.
        is_elsewhere: bool,
    },

    /// OpenTofu or Terraform works in the directory: it holds the lock of a state file.
    #[error("`{}` is in use: OpenTofu or Terraform holds its lock", shown(.path))]
    #[non_exhaustive]
    AtWork {
        /// The state file.
        path: PathBuf,
    },

    /// The directory has the state of a deployment, and its file system cannot rename it:
    /// on overlayfs, one of a lower layer.
    #[error("cannot replace `{}`: it has the state of a deployment, and its file system cannot rename it", shown(.path))]
    #[non_exhaustive]
    StateNotMovable {
        /// The directory.
        path: PathBuf,
    },

    /// New content has a file where the state of a deployment lies, or has to lie.
    #[error("cannot replace `{}`: it is the state of a deployment, and the new content has `{}`", shown(.path), shown(.content))]
    #[non_exhaustive]
    StateInTheWay {
        /// The state, in the directory that was to be replaced.
        path: PathBuf,
        /// The path of the new content, from its directory.
        content: PathBuf,
    },

    /// A deployment changed what it left in a directory while that was replaced or removed,
    /// or may have. The directory is kept.
    #[error("a deployment may have changed `{}` meanwhile: the old directory is kept as `{}`", shown(.path), shown(.kept))]
    #[non_exhaustive]
    KeptAside {
        /// The directory of the content.
        path: PathBuf,
        /// Where the old directory is now.
        kept: PathBuf,
    },

    /// There is an entry of this reference already, and it was to be kept.
    #[error("artifact `{}` already exists", escape_display(.reference))]
    #[non_exhaustive]
    AlreadyExists {
        /// The reference.
        reference: String,
    },
}

/// The reason of [`Error::NoRemoteName`] for a reference without a registry.
#[cfg(any(feature = "cli", feature = "remote"))]
pub(crate) const NO_REGISTRY: &str = "it names no registry";

/// The reason that no time follows from what a filter names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnusableFilter {
    /// It names no artifact, and this is why it is no time either.
    #[error("is neither an artifact nor a time: {0}")]
    Unknown(String),
    /// It names several artifacts.
    #[error("matches several artifacts")]
    Ambiguous,
    /// The artifact has no known creation time.
    #[error("has no known creation time")]
    NoTime,
}

impl Error {
    /// Names the artifact of which this does not let it be known whether it is deployed.
    /// `is_elsewhere` says whether a path is in the directory of another one.
    pub(crate) fn hiding_deployments_of(
        self,
        reference: &str,
        is_elsewhere: impl FnOnce(&Path) -> bool,
    ) -> Self {
        match self {
            interrupted @ Error::Interrupted { .. } => interrupted,
            cause => Error::DeploymentUnknown {
                reference: reference.to_owned(),
                is_elsewhere: match &cause {
                    Error::Io { path, .. } => is_elsewhere(path),
                    _ => false,
                },
                cause: Box::new(cause),
            },
        }
    }
}

/// Returns reasons for which an artifact is deployed, as the end of a sentence.
fn list_of(by: &[DeployedBy]) -> String {
    let by: Vec<String> = by.iter().map(ToString::to_string).collect();
    by.join(", ")
}

/// A path as it is shown: what would act on a terminal is escaped.
fn shown(path: &Path) -> String {
    escape_display(&path.to_string_lossy()).into_owned()
}

/// Returns the answer of the system, as the end of a sentence: without Rust's error number,
/// in lower case.
pub(crate) fn os_message(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => "unknown error".to_owned(),
    }
}

fn on(file_system: &Option<String>) -> String {
    match file_system {
        Some(name) => format!(" on {}", escape_display(name)),
        None => String::new(),
    }
}

fn in_seconds(duration: &Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

/// Gives an I/O error the path that it is about.
pub(crate) trait AtPath<T> {
    /// Names what was tried, and on what.
    fn at(self, action: &'static str, path: &Path) -> Result<T>;
}

impl<T, E: Into<io::Error>> AtPath<T> for Result<T, E> {
    fn at(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(|cause| Error::Io {
            action,
            path: path.to_owned(),
            cause: cause.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn the_cause_is_named_by_the_message_and_can_be_looked_at() {
        let error = std::fs::read("/nowhere").at("read", Path::new("/nowhere"));
        let error = error.unwrap_err();
        let cause = error
            .source()
            .and_then(|cause| cause.downcast_ref::<io::Error>());
        assert_eq!(cause.map(io::Error::kind), Some(io::ErrorKind::NotFound));
        let path = PathBuf::from("/x");
        let cause = ParseError::at(b"{", 1, "expected a key");
        let error = Error::Corrupt {
            path,
            cause: cause.clone(),
        };
        assert_eq!(
            error.source().map(ToString::to_string),
            Some(cause.to_string())
        );
        assert_eq!(error.to_string().matches("expected a key").count(), 1);
        assert!(Error::Interrupted { signal: 2 }.source().is_none());
    }

    #[test]
    fn an_io_error_names_its_path_once_and_reads_as_a_sentence() {
        let error = std::fs::read("/nowhere/\u{1b}x").at("read", Path::new("/nowhere/\u{1b}x"));
        assert_eq!(
            error.unwrap_err().to_string(),
            r"could not read `/nowhere/\u{1b}x`: no such file or directory"
        );
    }
}
