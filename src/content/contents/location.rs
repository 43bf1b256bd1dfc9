//! The places of content in the cache, and reading what lies there.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::Contents;
use crate::content::cache_root::CacheRoot;
use crate::content::file_tree::{Divided, FileTree, Left};
use crate::content::manifest::Manifest;
use crate::document::EntryRef;
use crate::error::{AtPath, Error, Result};
use crate::fields::Field;
use crate::store::{Dir, FileId};

/// The number of times that a directory is read that changes meanwhile.
const ATTEMPTS: usize = 3;

/// The place of content in the cache root.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Location {
    /// The working directory that contains it, if a crash left it aside.
    pub(super) holder: Option<OsString>,
    pub(super) name: OsString,
}

/// A tree, with the place that it was read at.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) place: Location,
    /// The content.
    pub(crate) tree: FileTree,
    /// The files that deployments left beside it.
    pub(crate) deployment: Left,
    /// The files that can be made again.
    pub(crate) generated: Left,
}

impl Located {
    pub(crate) fn new(place: Location, divided: Divided) -> Self {
        Located {
            place,
            tree: divided.content,
            deployment: divided.deployment,
            generated: divided.generated,
        }
    }
}

impl Contents<'_> {
    /// Returns which directory an entry's content lies in; `None` if there is none that
    /// can be opened.
    pub(crate) fn dir_id(&self, entry: &EntryRef<'_>) -> Option<FileId> {
        let (reference, path) = (entry.reference(), entry.text_of(Field::CachePath));
        let (_, place) = self.look(&reference, &path).ok()?;
        let dir = self.open(&place?).ok()?;
        Some(dir.attributes().ok()?.id)
    }

    /// Opens the directory that content lies in.
    pub(crate) fn open(&self, place: &Location) -> Result<Dir> {
        let root = self.root_of(place)?;
        match &place.holder {
            None => root.open_dir(&place.name),
            Some(holder) => {
                let holder = root.open_dir(holder)?;
                holder
                    .open_dir(&place.name)
                    .at("open", &holder.path_of(&place.name))
            }
        }
    }

    /// Returns the path of the directory that content lies in, for messages.
    pub(crate) fn path_of(&self, place: &Location) -> Result<PathBuf> {
        let root = self.root_of(place)?.path();
        Ok(match &place.holder {
            None => root.join(&place.name),
            Some(holder) => root.join(holder).join(&place.name),
        })
    }

    fn root_of(&self, place: &Location) -> Result<&CacheRoot> {
        let root = self.opened()?.root.as_ref();
        root.ok_or_else(|| std::io::ErrorKind::NotFound.into())
            .map_err(|cause: std::io::Error| Error::Io {
                action: "open",
                path: PathBuf::from(&place.name),
                cause,
            })
    }

    /// Reads what lies in a directory, again if it changes meanwhile, divided by the
    /// manifest of a digest.
    pub(crate) fn read(&self, place: &Location, digest: &str) -> Result<Divided> {
        let manifest = self.cache.manifests.find(digest)?;
        let known = manifest.as_ref().map(Manifest::paths).unwrap_or_default();
        let mut attempt = 1;
        let tree = loop {
            match self.open(place).and_then(|dir| FileTree::stored(&dir)) {
                Err(Error::ContentChanged { .. }) if attempt < ATTEMPTS => attempt += 1,
                read => break read?,
            }
        };
        Ok(tree.divide(|path, _| known.contains(path.as_os_str().as_bytes())))
    }
}
