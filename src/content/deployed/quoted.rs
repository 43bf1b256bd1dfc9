//! Searches a state file that is too large to be held in memory.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use super::names::Strings;
use crate::error::{AtPath, Result};
use crate::interrupt::Interrupt;
use crate::reference::{CacheKey, Reference, ReferenceParts};
use crate::store::Opened;

/// The length of the part of a file that is read at once, in bytes.
const BUFFER: usize = 1 << 20;

/// The most names that are told apart. A file with more counts for every artifact.
const MAX_NAMES: usize = 4 << 20;

/// What the quoted strings of a file can name: each artifact whose reference, repository or
/// directory is one of them, or that has a path of them in its directory. Only hashes are
/// kept, so that an artifact is never missed, and memory is bounded.
#[derive(Debug, Default)]
pub(super) struct Quoted {
    hashes: HashSet<u64>,
    hasher: RandomState,
    is_full: bool,
}

/// A name of an artifact.
#[derive(Hash)]
enum Form<'n> {
    /// A string, or a path above one.
    Text(&'n [u8]),
    /// The name of a directory of the cache.
    Dir(&'n [u8]),
}

impl Quoted {
    /// Searches an open file. `path` is its name in errors.
    ///
    /// # Errors
    ///
    /// The file cannot be read, and [`Interrupted`](crate::Error::Interrupted).
    pub(super) fn search(file: &Opened, path: &Path, interrupt: &Interrupt) -> Result<Self> {
        let mut quoted = Quoted::default();
        let mut strings = Strings::default();
        let mut buffer = vec![0; BUFFER];
        let mut offset = 0;
        while !quoted.is_full {
            interrupt.check()?;
            let read = crate::store::uninterrupted(|| file.read_at(&mut buffer, offset));
            let read = read.at("read", path)?;
            if read == 0 {
                break;
            }
            strings.feed(&buffer[..read], &mut |text| quoted.add(&text));
            offset += read as u64;
        }
        Ok(quoted)
    }

    fn add(&mut self, text: &str) {
        let path = Path::new(text);
        if !path.is_absolute() {
            self.insert(&Form::Text(text.as_bytes()));
            let key = key_of(&ReferenceParts::of(text));
            if let Some(key) = key {
                self.insert(&Form::Dir(key.as_str().as_bytes()));
            }
            return;
        }
        for above in path.ancestors() {
            self.insert(&Form::Text(above.as_os_str().as_bytes()));
        }
        // Whether it leads into this cache is not asked: the home can have other names.
        for part in path.components() {
            if let Component::Normal(name) = part {
                self.insert(&Form::Dir(name.as_bytes()));
            }
        }
    }

    fn insert(&mut self, form: &Form<'_>) {
        if self.hashes.len() < MAX_NAMES {
            self.hashes.insert(self.hasher.hash_one(form));
        } else {
            self.is_full = true;
        }
    }

    fn has(&self, form: &Form<'_>) -> bool {
        self.is_full || self.hashes.contains(&self.hasher.hash_one(form))
    }

    /// Returns whether a string can name an artifact.
    pub(super) fn names(&self, reference: &str, key: Option<&CacheKey>, path: &Path) -> bool {
        let repository = ReferenceParts::of(reference).repository;
        self.has(&Form::Text(reference.as_bytes()))
            || self.has(&Form::Text(repository.as_bytes()))
            || !path.as_os_str().is_empty() && self.has(&Form::Text(path.as_os_str().as_bytes()))
            || key.is_some_and(|key| self.names_dir(OsStr::new(key.as_str())))
    }

    /// Returns whether a string can name the artifact that has a directory of the cache.
    pub(super) fn names_dir(&self, dir: &OsStr) -> bool {
        self.has(&Form::Dir(dir.as_bytes()))
    }
}

/// Returns the key of the directory that a repository and tag have.
pub(super) fn key_of(parts: &ReferenceParts<'_>) -> Option<CacheKey> {
    let name = format!("{}:{}", parts.repository, parts.tag_or_latest());
    Some(Reference::parse(&name).ok()?.cache_key())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(text: &str) -> Quoted {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let opened = Opened::at(file.path()).unwrap().unwrap();
        Quoted::search(&opened, file.path(), &Interrupt::default()).unwrap()
    }

    fn names(quoted: &Quoted, reference: &str, path: &str) -> bool {
        let key = Reference::parse(reference).unwrap().cache_key();
        quoted.names(reference, Some(&key), Path::new(path))
    }

    #[test]
    fn an_artifact_is_found_by_each_of_its_names_and_no_other_one_is() {
        let quoted = search(
            r#"{"a":"app:v1","b":"ghcr.io/acme/web","c":"pinned:v2@sha256:00",
                "d":"/alias/cache/artifacts/dc_v1/modules/vpc","e":"/src/local/cld.yml",
                "f":"ghcr.io\/acme\/escaped:v1"}"#,
        );
        for reference in [
            "app:v1",
            "ghcr.io/acme/web",
            "ghcr.io/acme/web:latest",
            "ghcr.io/acme/web:v3",
            "pinned:v2",
            "dc:v1",
            "ghcr.io/acme/escaped:v1",
        ] {
            assert!(names(&quoted, reference, ""), "{reference}");
        }
        assert!(names(&quoted, "other:v1", "/src/local"));
        for reference in ["app:v2", "app", "dc:v2", "acme/web", "modules:v1"] {
            assert!(!names(&quoted, reference, "/src/loca"), "{reference}");
        }
        assert!(quoted.names_dir(OsStr::new("app_v1")) && quoted.names_dir(OsStr::new("dc_v1")));
        assert!(!quoted.names_dir(OsStr::new("app_v2")));
    }

    #[test]
    fn strings_are_found_across_the_parts_that_are_read() {
        let far = " ".repeat(BUFFER - 4);
        let quoted = search(&format!("{far}\"app:v1\"{far}\"web\\u003av1\""));
        assert!(names(&quoted, "app:v1", "") && names(&quoted, "web:v1", ""));
    }
}
