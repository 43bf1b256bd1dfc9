//! Identifying the directories that entries name, where their names may be names of one
//! directory.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::store::{FileId, if_exists, lstat, stat, uninterrupted};

/// The identities of the directories that entries name, and of links to them.
#[derive(Default)]
pub(super) struct Identities {
    holders: HashMap<FileId, String>,
    /// An entry whose directory the system cannot identify, with its path and the number
    /// of the error.
    unknown: Option<(String, PathBuf, i32)>,
}

impl Identities {
    /// Identifies what lies at paths, each with the reference of the entry that names it.
    pub(super) fn of<'e>(root: &Path, named: impl Iterator<Item = (PathBuf, &'e str)>) -> Self {
        let mut identities = Identities::default();
        for (path, reference) in named {
            match identities_of(root, &path) {
                Ok(found) => {
                    for identity in found {
                        let holder = identities.holders.entry(identity);
                        holder.or_insert_with(|| reference.to_owned());
                    }
                }
                Err(error) => {
                    let errno = error.raw_os_error().unwrap_or_default();
                    identities.unknown = Some((reference.to_owned(), path, errno));
                }
            }
        }
        identities
    }

    /// Returns the reference of an entry that names the directory with this identity.
    ///
    /// # Errors
    ///
    /// The directory of an entry is not known, so that it may be this one.
    pub(super) fn holder_of(&self, identity: FileId) -> Result<Option<&str>> {
        match (self.holders.get(&identity), &self.unknown) {
            (Some(reference), _) => Ok(Some(reference)),
            (None, None) => Ok(None),
            (None, Some((reference, path, errno))) => Err(Error::UnknownDirectory {
                reference: reference.clone(),
                path: path.clone(),
                cause: io::Error::from_raw_os_error(*errno),
            }),
        }
    }
}

/// Returns the identities of a path, of the directory that it leads to, and of the
/// directories below the cache root that contain that one, because an entry needs them too.
fn identities_of(root: &Path, path: &Path) -> io::Result<Vec<FileId>> {
    let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let mut found = Vec::from_iter(lstat(path)?.map(id));
    found.extend(stat(path)?.filter(fs::Metadata::is_dir).map(id));
    let real = if_exists(uninterrupted(|| fs::canonicalize(path)))?;
    let real = real.unwrap_or_default();
    let within = real.ancestors().take_while(|dir| *dir != root);
    for dir in within.filter(|dir| dir.starts_with(root)) {
        found.extend(stat(dir)?.map(id));
    }
    Ok(found)
}
