//! Completion: parts of the references in the registry.

use std::collections::BTreeSet;

use super::ReadMode;
use super::Registry;
use crate::error::Result;
use crate::escape::is_unsafe;

impl Registry {
    /// Returns a part of each reference, where it begins with `start`, for a shell to
    /// complete. There is none of a reference in which the part is empty or cannot be
    /// typed, and none of a registry whose version this library does not write.
    ///
    /// The registry is read as it is at this moment: a file that is just being written is
    /// not read again, and a legacy one is not converted.
    ///
    /// ```
    /// use cldctl_registry::{ReferenceParts, Registry};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// let registry = Registry::open(dir.path().join("artifacts.json"))?;
    /// let tags = registry.complete("v1", |reference| {
    ///     ReferenceParts::of(reference).tag_or_latest()
    /// })?;
    /// assert!(tags.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    pub fn complete(&self, start: &str, part: fn(&str) -> &str) -> Result<BTreeSet<String>> {
        let scanned = self.scan(ReadMode::AtOnce, |found: &mut BTreeSet<String>, entry| {
            let reference = entry.reference();
            let value = part(&reference);
            if value.starts_with(start) && !value.is_empty() && !value.contains(is_unsafe) {
                found.insert(value.to_owned());
            }
        })?;
        Ok(match scanned.foreign_version {
            Some(_) => BTreeSet::new(),
            None => scanned.parts.into_iter().flatten().collect(),
        })
    }
}
