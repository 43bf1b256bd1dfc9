//! A view of what the cache contains, opened once for many entries.

mod location;

pub(crate) use location::{Located, Location};

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::Cache;
use super::cache_root::CacheRoot;
use super::deployed::Deployed;
use super::ownership::own_key;
use super::status::CacheState;
use crate::digest::digest_hex;
use crate::error::{AtPath, Error, Result};
use crate::reference::{CacheKey, Reference};
use crate::store::{Kind, lstat};

impl Cache {
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
    pub(super) cache: &'c Cache,
    opened: OnceLock<Opened>,
    deployed: OnceLock<Deployed<'c>>,
    failure: Mutex<Option<Error>>,
}

struct Opened {
    root: Option<CacheRoot>,
    /// Directories that a crash left aside, and that the next change puts back.
    aside: Vec<Location>,
}

/// The space that the content of an entry takes, in bytes.
#[derive(Clone, Debug)]
pub(crate) struct ContentUsage {
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// The sum of the files' lengths.
    pub(crate) bytes: u64,
    /// The disk that the file system allocated for all that lies in the directory.
    pub(crate) allocated: u64,
    /// The sum of the lengths of generated files.
    pub(crate) generated: u64,
}

impl Contents<'_> {
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
}

impl Opened {
    /// Returns where the content of a name is that a crash left aside.
    fn aside_of(&self, name: &OsStr) -> Option<&Location> {
        self.aside.iter().find(|place| place.name == name)
    }
}
