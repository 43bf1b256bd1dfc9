//! The texts of findings about the content of entries.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::finding::{Code, Finding, add, command};
use crate::content::contents::Located;
use crate::content::file_tree::Left;
use crate::error::Error;
use crate::escape::escape_display;

/// Returns what deployments left beside content.
pub(super) fn left(reference: &str, located: &Located) -> Vec<Finding> {
    let note = |code, left: &Left, what: &str, remedy: &str| {
        let count = left.paths().count();
        let s = if count == 1 { "" } else { "s" };
        let message = format!("has {count} {what} file{s} ({} bytes)", left.bytes());
        (count > 0).then(|| Finding::new(code, reference, message, remedy))
    };
    let lock = located.deployment.paths().find(|path| {
        let name = path.file_name().unwrap_or_default().as_bytes();
        name.starts_with(b".") && name.ends_with(b".tfstate.lock.info")
    });
    let remedy = match lock {
        Some(path) => format!(
            "they stay with the artifact; `{}` was left by a killed OpenTofu unless one is at work",
            escape_display(&path.to_string_lossy())
        ),
        None => "they stay with the artifact, and are never copied or shared".to_owned(),
    };
    let deployment = note(
        Code::DeploymentFiles,
        &located.deployment,
        "deployment",
        &remedy,
    );
    let generated = note(
        Code::GeneratedFiles,
        &located.generated,
        "generated",
        "`cldctl-registry prune --generated` removes provider plugins",
    );
    deployment.into_iter().chain(generated).collect()
}

/// Returns the note that hashing tells nothing about content, for want of a manifest.
pub(super) fn unverifiable(reference: &str, digest: &str) -> Finding {
    let message = match digest {
        "" => "has no digest to verify its content against",
        _ => "its digest has no manifest in this registry, so its content cannot be verified",
    };
    let remedy = match add(reference, "") {
        Some(add) => {
            format!("{add} registers the content as it is now, with a new digest and time")
        }
        None => under_another(),
    };
    Finding::new(Code::UnverifiableDigest, reference, message, remedy)
}

/// Returns the problem that an entry's own directory is missing.
pub(super) fn missing(reference: &str, path: &str) -> Finding {
    Finding::new(
        Code::ContentMissing,
        reference,
        format!("its content is missing: `{}`", escape_display(path)),
        format!(
            "pull or build it again, or {} removes the entry",
            command("rm", reference, "")
        ),
    )
}

/// Returns the problem that something other than a directory has the name of an entry's own
/// one.
pub(super) fn no_content(reference: &str, path: &str) -> Finding {
    Finding::new(
        Code::ContentMissing,
        reference,
        format!(
            "its content is missing: `{}` is not a directory",
            escape_display(path)
        ),
        format!(
            "check what it is and move it away, then pull or build it again; or {} removes the \
             entry",
            command("rm", reference, "")
        ),
    )
}

/// Returns the note that content lies outside of the entry's own directory.
pub(super) fn foreign(reference: &str, path: &str) -> Finding {
    Finding::new(
        Code::ForeignPath,
        reference,
        format!(
            "its content was not checked: `{}` is not its own directory",
            escape_display(path)
        ),
        match add(reference, " PATH") {
            Some(add) => format!("{add} imports a copy into the cache"),
            None => under_another(),
        },
    )
}

/// Returns the remedy where `add` refuses the reference of the entry.
fn under_another() -> String {
    format!(
        "{} registers a copy under a reference that `add` accepts",
        command("add", "REF", " PATH")
    )
}

/// Returns the problem that only the path of an entry is wrong.
pub(super) fn moved(reference: &str, path: &str, own: &str) -> Finding {
    Finding::new(
        Code::MovedContent,
        reference,
        format!(
            "its `cachePath` is `{}`, which does not exist, but its content is in `{}`",
            escape_display(path),
            escape_display(own)
        ),
        "`cldctl-registry verify --repair` corrects the path",
    )
}

/// Returns the problem that the whole cache is missing.
pub(super) fn no_cache(root: &Path) -> Finding {
    Finding::at(
        Code::CacheMissing,
        root,
        "is missing, and so is the content of all artifacts stored in it",
        "if it is on another disk, mount that disk; if it is lost, pull or build the artifacts \
         again",
    )
}

/// Returns the problem that content cannot be read.
pub(super) fn not_readable(reference: &str, error: &Error) -> Finding {
    Finding::new(
        Code::ContentUnreadable,
        reference,
        error.to_string(),
        "make it readable, and try again",
    )
}
