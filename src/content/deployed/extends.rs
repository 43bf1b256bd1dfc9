//! Finds the datacenters that extend others.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io::Read;

use super::names;
use crate::content::Cache;
use crate::content::cache_root::CacheRoot;
use crate::document::EntryRef;
use crate::error::{AtPath, Result};
use crate::reference::{Reference, ReferenceParts, can_be_key};
use crate::registry::ReadMode;
use crate::store::{Kind, attributes_of, if_exists, is_another_kind};

/// The files that describe a datacenter.
const DESCRIPTIONS: [&str; 2] = ["datacenter.dc", "datacenter.hcl"];

/// The largest description that is read, in bytes.
const MAX_DESCRIPTION: u64 = 16 << 20;

/// The datacenters of the cache that can extend others, by the strings that they quote.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    /// The directories by the names that descriptions in them quote.
    quoting: HashMap<NameParts, Vec<OsString>>,
    /// The references of the entries that have these directories.
    references: HashMap<OsString, Vec<String>>,
}

/// A repository and a tag.
type NameParts = (String, String);

impl Extensions {
    /// Reads the descriptions in the cache.
    ///
    /// # Errors
    ///
    /// One cannot be read, or the registry.
    pub(super) fn read(cache: &Cache, root: Option<&CacheRoot>) -> Result<Self> {
        let mut found = Extensions::default();
        let mut dirs = HashSet::new();
        let Some(root) = root else {
            return Ok(found);
        };
        for (dir, listed) in root.names()? {
            // What else lies there, such as `lost+found`, is not cldctl's.
            let is_key = dir.to_str().is_some_and(can_be_key);
            if !is_key || listed.is_some_and(|kind| kind != Kind::Dir) {
                continue;
            }
            for text in described(root, &dir)? {
                let quoting = found.quoting.entry(name_of(&text)).or_default();
                quoting.push(dir.clone());
                dirs.insert(dir.clone());
            }
        }
        if !dirs.is_empty() {
            found.references = references_of(cache, &dirs)?;
        }
        Ok(found)
    }

    /// Returns the directories whose datacenters extend an artifact, as far as that is
    /// known.
    pub(super) fn of(&self, reference: &str) -> &[OsString] {
        let quoting = self.quoting.get(&name_of(reference));
        quoting.map_or(&[], |dirs| dirs)
    }

    /// Returns the references of the entries that have a directory.
    pub(super) fn references(&self, dir: &OsStr) -> &[String] {
        self.references
            .get(dir)
            .map_or(&[], |references| references)
    }

    /// Finds which directories are deployed: `by_itself` says so, or one that extends them
    /// is. `known` has what was found before, and gets what is found now.
    pub(super) fn spread<'e>(
        &'e self,
        dirs: impl IntoIterator<Item = &'e OsString>,
        known: &mut HashMap<OsString, bool>,
        by_itself: impl Fn(&OsStr) -> Result<bool>,
    ) -> Result<()> {
        let mut waiting: Vec<&OsString> = dirs.into_iter().collect();
        let mut found: HashMap<&OsString, bool> = HashMap::new();
        // The directories that each extends, of those that were looked at.
        let mut extended: HashMap<&OsString, Vec<&OsString>> = HashMap::new();
        let mut deployed = Vec::new();
        while let Some(dir) = waiting.pop() {
            if found.contains_key(dir) {
                continue;
            }
            let before = known.get(dir).copied();
            let is_deployed = before.map_or_else(|| by_itself(dir), Ok)?;
            found.insert(dir, is_deployed);
            if is_deployed {
                deployed.push(dir);
            } else if before.is_none() {
                for child in self.references(dir).iter().flat_map(|it| self.of(it)) {
                    extended.entry(child).or_default().push(dir);
                    waiting.push(child);
                }
            }
        }
        while let Some(dir) = deployed.pop() {
            for parent in extended.remove(dir).into_iter().flatten() {
                if found.insert(parent, true) == Some(false) {
                    deployed.push(parent);
                }
            }
        }
        let found = found.into_iter();
        known.extend(found.map(|(dir, is_deployed)| (dir.clone(), is_deployed)));
        Ok(())
    }
}

fn name_of(reference: &str) -> NameParts {
    let parts = ReferenceParts::of(reference);
    (
        parts.repository.to_owned(),
        parts.tag_or_latest().to_owned(),
    )
}

/// Returns the references of the entries that have directories.
fn references_of(
    cache: &Cache,
    dirs: &HashSet<OsString>,
) -> Result<HashMap<OsString, Vec<String>>> {
    let visit = |found: &mut Vec<(OsString, String)>, entry: &EntryRef<'_>| {
        let reference = entry.reference();
        if let Ok(parsed) = Reference::parse(&reference) {
            let key = OsString::from(parsed.cache_key().as_str());
            if dirs.contains(&key) {
                found.push((key, reference.into_owned()));
            }
        }
    };
    let scanned = cache.registry().scan(ReadMode::AtOnce, visit)?;
    let mut references: HashMap<OsString, Vec<String>> = HashMap::new();
    for (dir, reference) in scanned.parts.into_iter().flatten() {
        references.entry(dir).or_default().push(reference);
    }
    Ok(references)
}

/// Returns the quoted strings of the descriptions of a datacenter in a directory of the
/// cache.
fn described(root: &CacheRoot, name: &OsStr) -> Result<Vec<String>> {
    let mut strings = Vec::new();
    let dir = match root.dir().open_dir(name) {
        Err(error) if is_another_kind(&error) => return Ok(strings),
        opened => if_exists(opened).at("open", &root.dir().path_of(name))?,
    };
    let Some(dir) = dir else {
        return Ok(strings);
    };
    for description in DESCRIPTIONS {
        let at = dir.path_of(description);
        let opened = match dir.open_file(OsStr::new(description)) {
            // No file, so none that cldctl reads.
            Err(error) if is_another_kind(&error) => continue,
            opened => if_exists(opened).at("open", &at)?,
        };
        let Some(file) = opened else {
            continue;
        };
        if attributes_of(&file).at("read", &at)?.kind != Kind::File {
            continue;
        }
        let mut text = Vec::new();
        let read = file.take(MAX_DESCRIPTION).read_to_end(&mut text);
        read.at("read", &at)?;
        strings.extend(names::of_description(&text));
    }
    Ok(strings)
}
