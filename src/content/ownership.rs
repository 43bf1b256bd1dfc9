//! Which entry owns a directory of the cache.
//!
//! An entry owns one directory at the most: the one whose name is the key of
//! its reference, if its `cachePath` names just that directory in this home's
//! cache root. A registry can name anything else (another home's path, `..`, a user's
//! documents), and such a directory is never touched. Keys collide, so that even an own
//! directory can be another entry's too.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::cache_root::CacheRoot;
use crate::document::EntryRef;
use crate::error::{AtPath, Error, Result};
use crate::fields::Field;
use crate::reference::{CacheKey, Reference};
use crate::store::{FileId, Kind, if_exists, lstat, stat, uninterrupted};

/// Returns the key of the directory that an entry owns; `None` if it owns none,
/// whether or not there is such a directory.
///
/// # Errors
///
/// The system does not say whether the path names the cache root.
pub(crate) fn own_key(
    root: &CacheRoot,
    reference: &str,
    cache_path: &str,
) -> Result<Option<CacheKey>> {
    let Ok(reference) = Reference::parse(reference) else {
        return Ok(None);
    };
    let key = reference.cache_key();
    let path = Path::new(cache_path);
    let has_the_form = path.is_absolute()
        && can_exist(path)
        // A path with `..` never counts as the entry's own directory.
        && !path.components().any(|part| part == Component::ParentDir)
        && path.file_name().is_some_and(|name| name == key.as_str());
    let is_own = match path.parent() {
        Some(parent) if has_the_form => root.is_at(parent)?,
        _ => false,
    };
    Ok(is_own.then_some(key))
}

/// The directories that entries name, by key or by path.
pub(crate) struct Ownership<'r> {
    root: &'r CacheRoot,
    /// Names in the cache root, each with the reference that claims it.
    by_name: HashMap<String, String>,
    /// The same names without regard to case.
    folded: HashSet<String>,
    /// Paths that do not lie in the cache root, or not by their spelling.
    elsewhere: Vec<(PathBuf, String)>,
    /// Whether any two names could be one directory, through links or by the rules of
    /// Unicode.
    may_alias: bool,
    by_identity: OnceCell<Identities>,
}

impl<'r> Ownership<'r> {
    /// Collects what some entries name.
    pub(crate) fn of<'e>(root: &'r CacheRoot, entries: impl Iterator<Item = EntryRef<'e>>) -> Self {
        let mut ownership = Ownership {
            root,
            by_name: HashMap::new(),
            folded: HashSet::new(),
            elsewhere: Vec::new(),
            may_alias: has_links(root),
            by_identity: OnceCell::new(),
        };
        for entry in entries {
            let reference = entry.reference().into_owned();
            ownership.add_name(reference.replace(['/', ':'], "_"), &reference);
            let path = entry.text_of(Field::CachePath);
            ownership.add_path(Path::new(&*path), reference);
        }
        ownership
    }

    fn add_path(&mut self, path: &Path, reference: String) {
        if path.as_os_str().is_empty() || !can_exist(path) {
            return;
        }
        let name = path.file_name().and_then(OsStr::to_str);
        let is_in_root = match path.parent() {
            Some(parent) if parent.is_absolute() => self.root.is_at(parent).ok(),
            _ => Some(false),
        };
        // In another home's cache, or in this one before it was moved.
        let in_a_cache = path
            .parent()
            .is_some_and(|dir| dir.ends_with("cache/artifacts"));
        // Where the system does not say, it may be the root.
        if let Some(name) = name.filter(|_| in_a_cache || is_in_root != Some(false)) {
            self.add_name(name.to_owned(), &reference);
        }
        if is_in_root != Some(true) || name.is_none() {
            self.elsewhere.push((path.to_owned(), reference));
        }
    }

    fn add_name(&mut self, name: String, reference: &str) {
        if can_exist(Path::new(&name)) && !self.by_name.contains_key(&name) {
            self.may_alias |= !name.is_ascii();
            self.folded.insert(name.to_ascii_lowercase());
            self.by_name.insert(name, reference.to_owned());
        }
    }

    /// Returns the reference of an entry that names the directory of this key.
    ///
    /// # Errors
    ///
    /// The system does not say, so that it may be any entry's.
    pub(crate) fn holder_of(&self, key: &CacheKey) -> Result<Option<&str>> {
        self.holder_of_name(key.as_str())
    }

    /// Returns the reference of an entry that names the directory of this name.
    ///
    /// # Errors
    ///
    /// As [`holder_of`](Self::holder_of).
    pub(crate) fn holder_of_name(&self, name: &str) -> Result<Option<&str>> {
        if let Some(reference) = self.by_name.get(name) {
            return Ok(Some(reference));
        }
        // Nearly always, names tell all directories apart. Where they may not,
        // as on a file system that takes `App` and `app` for one, only the
        // system can say which directories are the same.
        let may_alias = self.may_alias
            || !self.elsewhere.is_empty()
            || !name.is_ascii()
            || self.folded.contains(&name.to_ascii_lowercase());
        if !may_alias {
            return Ok(None);
        }
        // Of a link it is the link that goes, not the directory behind it.
        let path = self.root.path().join(name);
        let Some(own) = if_exists(fs::symlink_metadata(&path)).at("read", &path)? else {
            return Ok(None);
        };
        let named = self.by_identity.get_or_init(|| self.identities());
        let identity = (own.dev(), own.ino());
        match (named.holders.get(&identity), &named.unknown) {
            (Some(reference), _) => Ok(Some(reference)),
            (None, None) => Ok(None),
            (None, Some((reference, path, errno))) => Err(Error::UnknownDirectory {
                reference: reference.clone(),
                path: path.clone(),
                cause: io::Error::from_raw_os_error(*errno),
            }),
        }
    }

    /// Returns which directories the entries name, and links to them.
    fn identities(&self) -> Identities {
        let names = self
            .by_name
            .iter()
            .map(|(name, reference)| (self.root.path().join(name), reference));
        let elsewhere = self
            .elsewhere
            .iter()
            .map(|(path, reference)| (path.clone(), reference));
        let mut identities = Identities::default();
        for (path, reference) in names.chain(elsewhere) {
            match self.identities_of(&path) {
                Ok(found) => {
                    for identity in found {
                        let holder = identities.holders.entry(identity);
                        holder.or_insert_with(|| reference.clone());
                    }
                }
                Err(error) => {
                    let errno = error.raw_os_error().unwrap_or_default();
                    identities.unknown = Some((reference.clone(), path, errno));
                }
            }
        }
        identities
    }

    fn identities_of(&self, path: &Path) -> io::Result<Vec<FileId>> {
        let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let mut found = Vec::from_iter(lstat(path)?.map(id));
        found.extend(stat(path)?.filter(fs::Metadata::is_dir).map(id));
        let real = if_exists(uninterrupted(|| fs::canonicalize(path)))?;
        let real = real.unwrap_or_default();
        // An entry needs the directories that contain its own, too.
        let within = real.ancestors().take_while(|dir| *dir != self.root.path());
        for dir in within.filter(|dir| dir.starts_with(self.root.path())) {
            found.extend(stat(dir)?.map(id));
        }
        Ok(found)
    }
}

/// The directories that entries name.
#[derive(Default)]
struct Identities {
    holders: HashMap<FileId, String>,
    /// An entry whose directory the system cannot identify, with its path and the number
    /// of the error.
    unknown: Option<(String, PathBuf, i32)>,
}

/// Returns whether a file system could have anything at a path. No name is longer than
/// 255 bytes (`NAME_MAX` of all file systems that Linux and macOS have), none contains a
/// NUL, and no system takes a path of 4096 bytes.
fn can_exist(path: &Path) -> bool {
    let is_name = |name: &[u8]| name.len() <= 255 && !name.contains(&0);
    // PATH_MAX, with the NUL that ends a path.
    path.as_os_str().len() < 4096
        && path
            .components()
            .all(|part| is_name(part.as_os_str().as_bytes()))
}

/// Returns whether the cache root contains a link, or may contain one, so that two names
/// could be one directory.
fn has_links(root: &CacheRoot) -> bool {
    root.names().map_or(true, |names| {
        names
            .iter()
            .any(|(_, kind)| !kind.is_some_and(|kind| kind != Kind::Link))
    })
}

#[cfg(test)]
mod tests;
