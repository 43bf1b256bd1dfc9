//! Which entry owns a directory of the cache.
//!
//! An entry owns one directory at the most: the one whose name is the key of
//! its reference, if its `cachePath` names just that directory in this home's
//! cache root. A registry can name anything else (another home's path, `..`, a user's
//! documents), and such a directory is never touched. Keys collide, so that even an own
//! directory can be another entry's too.

mod identities;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::cache_root::CacheRoot;
use crate::document::{EntryRef, OpenDocument};
use crate::error::{AtPath, Result};
use crate::fields::Field;
use crate::reference::{CacheKey, Reference};
use crate::store::{Kind, if_exists};
use identities::Identities;

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
    /// True if any two names could be one directory, through links or by the rules of
    /// Unicode.
    may_alias: bool,
    by_identity: OnceCell<Identities>,
}

/// The directory that an entry names.
enum Named<'e> {
    /// A directory in the cache root, or in what may be the cache root.
    InRoot(Cow<'e, str>),
    /// A path that does not lie in the cache root, or not by its spelling.
    Elsewhere(&'e Path),
}

impl<'r> Ownership<'r> {
    /// Collects what some entries name.
    pub(crate) fn of<'e>(root: &'r CacheRoot, entries: impl Iterator<Item = EntryRef<'e>>) -> Self {
        let mut ownership = Ownership::new(root);
        for entry in entries {
            let path = entry.text_of(Field::CachePath);
            ownership.add(&entry.reference(), Path::new(&*path));
        }
        ownership
    }

    /// Collects what entries of a document name, as far as that tells who holds the
    /// directories of these names. `counts` says which entries count, by their places.
    ///
    /// # Errors
    ///
    /// The document cannot be read.
    pub(crate) fn of_names(
        root: &'r CacheRoot,
        document: &OpenDocument,
        names: &[&str],
        counts: impl Fn(usize, &EntryRef<'_>) -> bool + Send + Sync,
    ) -> Result<Self> {
        #[derive(Default)]
        struct Found {
            named: Vec<(String, String)>,
            has_others: bool,
        }
        let folded: HashSet<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        let parts = document.fold(|found: &mut Found, index, entry| {
            if !counts(index, entry) {
                return;
            }
            let (reference, path) = (entry.reference(), entry.text_of(Field::CachePath));
            for_each_named(root, &reference, Path::new(&*path), |named| match named {
                Named::InRoot(name) if folded.contains(&name.to_ascii_lowercase()) => {
                    let reference = reference.clone().into_owned();
                    found.named.push((name.into_owned(), reference));
                }
                Named::InRoot(name) => found.has_others |= !name.is_ascii(),
                Named::Elsewhere(_) => found.has_others = true,
            });
        })?;
        let mut ownership = Ownership::new(root);
        let mut has_others = false;
        for part in parts {
            has_others |= part.has_others;
            for (name, reference) in part.named {
                ownership.add_name(&name, &reference);
            }
        }
        let is_known = |name: &&str| {
            let may_alias = has_others || ownership.may_alias(name);
            ownership.by_name.contains_key(*name) || !may_alias
        };
        if names.iter().all(is_known) {
            return Ok(ownership);
        }
        // Only the system can say which directories are the same, of all that are named.
        let mut ownership = Ownership::new(root);
        let parts = document.fold(|found: &mut Vec<_>, index, entry| {
            if counts(index, entry) {
                let path = entry.text_of(Field::CachePath).into_owned();
                found.push((entry.reference().into_owned(), path));
            }
        })?;
        for (reference, path) in parts.into_iter().flatten() {
            ownership.add(&reference, Path::new(&path));
        }
        Ok(ownership)
    }

    fn new(root: &'r CacheRoot) -> Self {
        Ownership {
            root,
            by_name: HashMap::new(),
            folded: HashSet::new(),
            elsewhere: Vec::new(),
            may_alias: has_links(root),
            by_identity: OnceCell::new(),
        }
    }

    fn add(&mut self, reference: &str, path: &Path) {
        let root = self.root;
        for_each_named(root, reference, path, |named| match named {
            Named::InRoot(name) => self.add_name(&name, reference),
            Named::Elsewhere(path) => {
                self.elsewhere.push((path.to_owned(), reference.to_owned()));
            }
        });
    }

    fn add_name(&mut self, name: &str, reference: &str) {
        if !self.by_name.contains_key(name) {
            self.may_alias |= !name.is_ascii();
            self.folded.insert(name.to_ascii_lowercase());
            self.by_name.insert(name.to_owned(), reference.to_owned());
        }
    }

    /// Returns whether a directory of another name could be the one of this name. Nearly
    /// always, names tell all directories apart.
    fn may_alias(&self, name: &str) -> bool {
        self.may_alias
            || !self.elsewhere.is_empty()
            || !name.is_ascii()
            || self.folded.contains(&name.to_ascii_lowercase())
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
        // On a file system that takes `App` and `app` for one, say, only the system can
        // say which directories are the same.
        if !self.may_alias(name) {
            return Ok(None);
        }
        // Of a link it is the link that goes, not the directory behind it.
        let path = self.root.path().join(name);
        let Some(own) = if_exists(fs::symlink_metadata(&path)).at("read", &path)? else {
            return Ok(None);
        };
        let identities = self.by_identity.get_or_init(|| self.identities());
        identities.holder_of((own.dev(), own.ino()))
    }

    /// Identifies all directories that the entries name.
    fn identities(&self) -> Identities {
        let root = self.root.path();
        let names = self.by_name.iter();
        let names = names.map(|(name, reference)| (root.join(name), &**reference));
        let elsewhere = self.elsewhere.iter();
        let elsewhere = elsewhere.map(|(path, reference)| (path.clone(), &**reference));
        Identities::of(root, names.chain(elsewhere))
    }
}

/// Calls `each` with what an entry names by its reference and by its path.
fn for_each_named(root: &CacheRoot, reference: &str, path: &Path, mut each: impl FnMut(Named<'_>)) {
    let key = reference.replace(['/', ':'], "_");
    if can_exist(Path::new(&key)) {
        each(Named::InRoot(key.into()));
    }
    if path.as_os_str().is_empty() || !can_exist(path) {
        return;
    }
    let name = path.file_name().and_then(OsStr::to_str);
    let is_in_root = match path.parent() {
        Some(parent) if parent.is_absolute() => root.is_at(parent).ok(),
        _ => Some(false),
    };
    // In another home's cache, or in this one before it was moved.
    let in_a_cache = path
        .parent()
        .is_some_and(|dir| dir.ends_with("cache/artifacts"));
    // Where the system does not say, it may be the root.
    if let Some(name) = name.filter(|_| in_a_cache || is_in_root != Some(false)) {
        each(Named::InRoot(name.into()));
    }
    if is_in_root != Some(true) || name.is_none() {
        each(Named::Elsewhere(path));
    }
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
