//! The state of the content of an entry, without hashing it.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::Cache;
use super::cache_root::CacheRoot;
use super::deployed::{Deployed, DeployedBy};
use super::file_tree::{Divided, FileTree, Left};
use super::manifest::Manifest;
use super::ownership::own_key;
use crate::digest::digest_hex;
use crate::document::EntryRef;
use crate::entry::ArtifactEntry;
use crate::error::{AtPath, Error, Result};
use crate::fields::Field;
use crate::reference::{CacheKey, Reference};
use crate::store::{Dir, FileId, Kind, lstat};

/// The number of times that a directory is read that changes meanwhile.
const ATTEMPTS: usize = 3;

/// The place of an entry's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheState {
    /// In the entry's own directory of this home's cache.
    Present,
    /// Nowhere: the own directory does not exist.
    Missing,
    /// In a directory that is not the entry's own; nothing here touches it.
    Foreign,
    /// The entry names no directory: it is metadata alone, and cldctl pulls the
    /// content when it needs it.
    None,
}

impl CacheState {
    /// Returns the name in reports and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            CacheState::Present => "present",
            CacheState::Missing => "missing",
            CacheState::Foreign => "foreign",
            CacheState::None => "none",
        }
    }
}

/// The verifiability of content against its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DigestState {
    /// The manifest that hashes to the digest is kept here.
    Verifiable,
    /// There is a digest, but no manifest for it.
    Unverifiable,
    /// The entry has no digest.
    Absent,
}

impl DigestState {
    /// Returns the name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            DigestState::Verifiable => "verifiable",
            DigestState::Unverifiable => "unverifiable",
            DigestState::Absent => "absent",
        }
    }
}

/// The state of the content of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContentStatus {
    /// The place of the content.
    pub cache: CacheState,
    /// The number of its regular files, without what deployments left beside them; 0
    /// unless it is present.
    pub files: u64,
    /// The sum of their lengths in bytes; 0 unless it is present.
    pub bytes: u64,
    /// Whether it can be verified, and why not.
    pub digest: DigestState,
    /// Hidden files, provider plugins and dependencies, which can be made again.
    pub generated: FileTotal,
    /// Why the artifact counts as deployed; nothing if it does not.
    pub deployed: Vec<DeployedBy>,
}

/// The number of files, and the sum of their lengths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileTotal {
    /// The number.
    pub files: u64,
    /// The sum of the lengths, in bytes.
    pub bytes: u64,
}

impl From<&Left> for FileTotal {
    fn from(left: &Left) -> Self {
        FileTotal {
            files: left.files.len() as u64,
            bytes: left.bytes(),
        }
    }
}

impl Cache {
    /// Looks at the content of an entry.
    ///
    /// # Errors
    ///
    /// The content or its manifest cannot be read.
    pub fn status(&self, entry: &ArtifactEntry) -> Result<ContentStatus> {
        self.contents().status(entry)
    }

    /// Returns a view of the cache, to look at the content of many entries. The
    /// cache is opened at the first look.
    pub(crate) fn contents(&self) -> Contents<'_> {
        Contents {
            cache: self,
            opened: OnceLock::new(),
            deployed: OnceLock::new(),
            failure: Mutex::new(None),
        }
    }
}

/// A view of the cache, to see what it contains.
pub(crate) struct Contents<'c> {
    cache: &'c Cache,
    opened: OnceLock<Opened>,
    deployed: OnceLock<Deployed<'c>>,
    failure: Mutex<Option<Error>>,
}

struct Opened {
    root: Option<CacheRoot>,
    /// Directories that a crash left aside, and that the next change puts back.
    aside: Vec<Location>,
}

/// Where content lies in the cache root.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Location {
    /// The working directory that contains it, if a crash left it aside.
    holder: Option<OsString>,
    name: OsString,
}

/// A tree, with the place that it was read at.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) place: Location,
    /// The content.
    pub(crate) tree: FileTree,
    /// What deployments left beside it.
    pub(crate) deployment: Left,
    /// What can be made again.
    pub(crate) generated: Left,
}

/// How much the content of an entry takes, in bytes.
#[derive(Clone, Debug)]
pub(crate) struct ContentUsage {
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// The sum of the files' lengths.
    pub(crate) bytes: u64,
    /// What the file system allocated for all that lies in the directory.
    pub(crate) allocated: u64,
    /// The sum of the lengths of generated files.
    pub(crate) generated: u64,
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
    /// Looks at the content of an entry.
    ///
    /// # Errors
    ///
    /// As [`Cache::status`].
    pub(crate) fn status(&self, entry: &ArtifactEntry) -> Result<ContentStatus> {
        let reference = entry.reference.as_deref().unwrap_or_default();
        let path = entry.cache_path.as_deref().unwrap_or_default();
        let (cache, place) = self.look(reference, path)?;
        let name = entry.digest.as_deref().unwrap_or_default();
        let divided = place.map(|place| self.read(&place, name)).transpose()?;
        let content = divided.as_ref().map(|divided| &divided.content);
        let generated = divided.as_ref().map(|divided| &divided.generated);
        let digest = match entry.digest.as_deref() {
            None | Some("") => DigestState::Absent,
            Some(digest) if self.cache.manifests.can_verify(digest)? => DigestState::Verifiable,
            Some(_) => DigestState::Unverifiable,
        };
        Ok(ContentStatus {
            cache,
            files: content.map_or(0, |tree| tree.files.len() as u64),
            bytes: content.map_or(0, FileTree::bytes),
            digest,
            generated: generated.map(FileTotal::from).unwrap_or_default(),
            deployed: self.deployed()?.of(reference, path)?,
        })
    }

    /// Returns where the content of an entry is; `None` if the system does not say,
    /// for which there is [a failure](Self::take_failure) then.
    pub(crate) fn known_state(&self, reference: &str, path: &str) -> Option<CacheState> {
        let state = self.look(reference, path).map(|(state, _)| state);
        state.map_err(|error| self.fail(error)).ok()
    }

    /// Returns what tells which artifacts are deployed; it is read when it is first asked
    /// for.
    pub(crate) fn deployed(&self) -> Result<&Deployed<'_>> {
        if let Some(deployed) = self.deployed.get() {
            return Ok(deployed);
        }
        let read = Deployed::read(self.cache)?;
        Ok(self.deployed.get_or_init(|| read))
    }

    /// Returns whether an entry is deployed; `None` if that is not known, for which there
    /// is [a failure](Self::take_failure) then.
    pub(crate) fn known_deployed(&self, reference: &str, path: &str) -> Option<bool> {
        let has_failed = self
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some();
        if has_failed {
            return None;
        }
        let by = self
            .deployed()
            .and_then(|deployed| deployed.of(reference, path));
        let by = by.map_err(|error| self.fail(error)).ok()?;
        Some(!by.is_empty())
    }

    fn fail(&self, error: Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
    }

    /// Returns why a state was not known, the first time.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.take()
    }

    /// Returns whether the content of an entry is gone for good: the cache is there,
    /// and the entry's own directory is not. What lies elsewhere is never gone.
    ///
    /// # Errors
    ///
    /// The system does not say.
    pub(crate) fn is_gone(&self, reference: &str, path: &str) -> Result<bool> {
        let opened = self.opened()?;
        let Some(root) = &opened.root else {
            return Ok(false);
        };
        let Some(key) = own_key(root, reference, path)? else {
            return Ok(false);
        };
        let name = OsStr::new(key.as_str());
        Ok(root.look(name)?.is_none() && opened.aside_of(name).is_none())
    }

    fn opened(&self) -> Result<&Opened> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let root = self.cache.root()?;
        let aside = match &root {
            Some(root) => root.interrupted_swaps()?,
            None => Vec::new(),
        };
        let aside = aside.into_iter().map(|(holder, name)| Location {
            holder: Some(holder),
            name,
        });
        let opened = Opened {
            root,
            aside: aside.collect(),
        };
        Ok(self.opened.get_or_init(|| opened))
    }

    /// Returns the key of the directory that an entry owns, whether or not it is
    /// there.
    pub(crate) fn own_key(&self, reference: &str, path: &str) -> Result<Option<CacheKey>> {
        match &self.opened()?.root {
            Some(root) => own_key(root, reference, path),
            None => Ok(None),
        }
    }

    /// Returns the own directory of an entry whose `cachePath` names another one that
    /// does not exist, if the own one does: the home was moved or restored from
    /// elsewhere.
    /// `keys` counts the references that have each cache key: of a directory that may be
    /// another entry's too, it is not known whose content it contains.
    pub(crate) fn moved_to(
        &self,
        reference: &str,
        path: &str,
        keys: &HashMap<String, usize>,
    ) -> Result<Option<String>> {
        let Ok(reference) = Reference::parse(reference) else {
            return Ok(None);
        };
        let (Some(root), named) = (&self.opened()?.root, Path::new(path)) else {
            return Ok(None);
        };
        if !named.is_absolute() || own_key(root, reference.as_str(), path)?.is_some() {
            return Ok(None);
        }
        if lstat(named).at("read", named)?.is_some() {
            return Ok(None);
        }
        let key = reference.cache_key();
        if keys.get(key.as_str()).is_some_and(|count| *count > 1) {
            return Ok(None);
        }
        let own = root.look(OsStr::new(key.as_str()))?;
        let is_dir = own.is_some_and(|own| own.kind == Kind::Dir);
        let path = self.cache.home().cache_path(&reference);
        // A home is UTF-8, and so is a reference.
        Ok(is_dir.then(|| path.to_string_lossy().into_owned()))
    }

    /// Returns where the directory of a key lies, for messages.
    pub(crate) fn dir_of(&self, key: &CacheKey) -> Result<PathBuf> {
        Ok(match &self.opened()?.root {
            Some(root) => root.dir_of(key),
            None => self.cache.home().cache_root().join(key.as_str()),
        })
    }

    /// Returns whether hashing can tell anything about content: there is a manifest,
    /// or the digest could be that of one.
    pub(crate) fn can_be_verified(&self, digest: &str) -> Result<bool> {
        let is_sha256 = digest.starts_with("sha256:") && digest_hex(digest).is_some();
        Ok(is_sha256 || self.cache.manifests.can_verify(digest)?)
    }

    /// Returns whether there is a cache.
    pub(crate) fn is_there(&self) -> Result<bool> {
        Ok(self.opened()?.root.is_some())
    }

    /// Returns how much the content of an entry takes; `None` unless it is present.
    pub(crate) fn usage(
        &self,
        reference: &str,
        path: &str,
        digest: &str,
    ) -> Result<Option<ContentUsage>> {
        let (_, Some(place)) = self.look(reference, path)? else {
            return Ok(None);
        };
        let divided = self.read(&place, digest)?;
        Ok(Some(ContentUsage {
            path: self.path_of(&place)?,
            bytes: divided.content.bytes(),
            allocated: divided.content.allocated,
            generated: divided.generated.bytes(),
        }))
    }

    /// Returns where the content of an entry is, with its place if it is present.
    ///
    /// # Errors
    ///
    /// The system does not say.
    pub(crate) fn look(
        &self,
        reference: &str,
        path: &str,
    ) -> Result<(CacheState, Option<Location>)> {
        if path.is_empty() {
            return Ok((CacheState::None, None));
        }
        let opened = self.opened()?;
        let Some(root) = &opened.root else {
            let is_own = self.is_own_by_name(reference, path);
            let state = if is_own {
                CacheState::Missing
            } else {
                CacheState::Foreign
            };
            return Ok((state, None));
        };
        let Some(key) = own_key(root, reference, path)? else {
            return Ok((CacheState::Foreign, None));
        };
        let name = OsStr::new(key.as_str());
        Ok(match root.look(name)? {
            Some(found) if found.kind == Kind::Dir => {
                let place = Location {
                    holder: None,
                    name: name.to_owned(),
                };
                (CacheState::Present, Some(place))
            }
            // What a link leads to is not the entry's own.
            Some(_) => (CacheState::Foreign, None),
            None => match opened.aside_of(name) {
                Some(place) => (CacheState::Present, Some(place.clone())),
                None => (CacheState::Missing, None),
            },
        })
    }

    /// Returns whether a path is, by its spelling, that of the reference's own
    /// directory: all that can be said where there is no cache root.
    fn is_own_by_name(&self, reference: &str, path: &str) -> bool {
        let home = self.cache.home();
        Reference::parse(reference)
            .is_ok_and(|reference| home.cache_path(&reference) == Path::new(path))
    }

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

impl Opened {
    /// Returns where the content of a name is that a crash left aside.
    fn aside_of(&self, name: &OsStr) -> Option<&Location> {
        self.aside.iter().find(|place| place.name == name)
    }
}
