//! Opening the content to import, and detecting its type.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::Cache;
use super::cache_root::{CacheRoot, id_of};
use super::inventory::Inventory;
use super::manifest::Manifest;
use super::refusal::{NO_DIR, NO_SOURCE, refused};
use super::rules::{Rules, Verdict};
use crate::entry::ArtifactType;
use crate::error::{AtPath, Error, Result};
use crate::home::Home;
use crate::reference::Reference;
use crate::store::{Dir, Kind, if_exists, uninterrupted};

/// The files that make a directory a component or a datacenter.
const DESCRIPTIONS: [(&str, ArtifactType); 4] = [
    ("cld.yml", ArtifactType::Component),
    ("cld.yaml", ArtifactType::Component),
    ("datacenter.dc", ArtifactType::Datacenter),
    ("datacenter.hcl", ArtifactType::Datacenter),
];

/// Returns whether files describe an artifact of a type.
#[cfg(feature = "archive")]
pub(crate) fn is_described_as(
    artifact_type: &ArtifactType,
    has_file: impl Fn(&str) -> bool,
) -> bool {
    let mut of_type = DESCRIPTIONS
        .iter()
        .filter(|(_, described)| described == artifact_type);
    of_type.any(|(name, _)| has_file(name))
}

/// Reads the content that a path names: a directory, or the file in it that describes
/// the artifact. `given` is the type that the caller wants.
///
/// # Errors
///
/// Those of [`Inventory::to_import`], [`Error::UnknownType`], and
/// [`Error::UnsafeContent`] for what is no source, or contains the cache.
pub(crate) fn read(
    cache: &Cache,
    path: &Path,
    given: Option<&ArtifactType>,
    rules: &Rules,
) -> Result<(Inventory, ArtifactType)> {
    let dir = open(path)?;
    let artifact_type = type_of(&dir, given)?;
    if refuse_cache_in(&dir, cache.home(), rules)? {
        // Created later, it would change the directory that is being read.
        cache.create_root()?;
    }
    let root = cache.root()?.map(|root| root.id());
    let content = Inventory::to_import(dir, rules, root)?;
    Ok((content, artifact_type))
}

/// Reads the content that lies in the reference's own directory of the cache already:
/// what an import would take, and what the manifest of the present entry has but for state.
///
/// # Errors
///
/// [`Error::NoContent`] if there is none, [`Error::UnknownType`],
/// [`Error::UnsafeContent`], and I/O errors.
pub(crate) fn read_in_place(
    cache: &Cache,
    reference: &Reference,
    given: Option<&ArtifactType>,
    manifest: Option<&Manifest>,
) -> Result<(CacheRoot, Inventory, ArtifactType)> {
    let no_content = || Error::NoContent {
        reference: reference.to_string(),
        path: cache.home().cache_path(reference),
    };
    let root = cache.root()?.ok_or_else(no_content)?;
    let key = reference.cache_key();
    let name = OsStr::new(key.as_str());
    match root.look(name)? {
        Some(found) if found.kind == Kind::Dir => {}
        Some(_) => return Err(refused(&root.dir_of(&key), NO_DIR)),
        None => return Err(no_content()),
    }
    let dir = root.open_dir(name)?;
    let artifact_type = type_of(&dir, given)?;
    let content = Inventory::to_register(dir, manifest)?;
    Ok((root, content, artifact_type))
}

/// Opens the directory that a path names, itself or by the file that describes the
/// artifact, by its path without links.
fn open(path: &Path) -> Result<Dir> {
    let real = uninterrupted(|| fs::canonicalize(path)).at("open", path)?;
    let metadata = uninterrupted(|| fs::metadata(&real)).at("open", path)?;
    let real = if metadata.is_dir() {
        real
    } else {
        let name = path.file_name();
        let describes = DESCRIPTIONS
            .iter()
            .any(|(description, _)| name.is_some_and(|name| name == *description));
        match path.parent() {
            Some(parent) if describes => {
                let parent = if parent.as_os_str().is_empty() {
                    Path::new(".")
                } else {
                    parent
                };
                uninterrupted(|| fs::canonicalize(parent)).at("open", parent)?
            }
            _ => {
                return Err(refused(path, NO_SOURCE));
            }
        }
    };
    Dir::open(&real).at("open", path)
}

/// Returns the type of the artifact in a directory: the given one, or else the one that
/// its description has.
fn type_of(dir: &Dir, given: Option<&ArtifactType>) -> Result<ArtifactType> {
    if let Some(given) = given {
        return Ok(given.clone());
    }
    let mut found = Vec::new();
    for (name, artifact_type) in &DESCRIPTIONS {
        if has_file(dir, name)? {
            found.push(artifact_type);
        }
    }
    let reason = match &found[..] {
        [first, rest @ ..] if rest.iter().all(|other| other == first) => {
            return Ok((*first).clone());
        }
        [_, ..] => "it has both a `cld.yml` and a `datacenter.dc`",
        [] => "it has neither a `cld.yml` nor a `datacenter.dc`",
    };
    Err(Error::UnknownType {
        path: dir.path().to_owned(),
        reason,
    })
}

/// Returns whether a directory has a file of this name, or a link to one.
fn has_file(dir: &Dir, name: &str) -> Result<bool> {
    let path = dir.path_of(name);
    let found = if_exists(dir.attributes_of(OsStr::new(name))).at("read", &path)?;
    Ok(match found.map(|found| found.kind) {
        Some(Kind::File) => true,
        Some(Kind::Link) => {
            let target = if_exists(uninterrupted(|| fs::metadata(&path)));
            target.at("read", &path)?.is_some_and(|it| it.is_file())
        }
        _ => false,
    })
}

/// Refuses a source that contains the cache, or would, because the cache would be copied
/// into itself. A source is accepted if the rules leave out what leads to the cache.
/// Returns whether it contains the cache.
fn refuse_cache_in(source: &Dir, home: &Home, rules: &Rules) -> Result<bool> {
    let Some(way) = way_to_cache(source, home)? else {
        return Ok(false);
    };
    let mut steps: Vec<&Path> = way
        .ancestors()
        .filter(|it| !it.as_os_str().is_empty())
        .collect();
    steps.reverse();
    let is_taken = |path: &&Path| rules.verdict(path, Kind::Dir, false) == Verdict::Take;
    if steps.iter().all(is_taken) {
        return Err(refused(source.path(), "the cache lies in it"));
    }
    Ok(true)
}

/// Returns the path of the cache below a directory, if it lies or would lie there.
fn way_to_cache(source: &Dir, home: &Home) -> Result<Option<PathBuf>> {
    let root = home.cache_root();
    let id = source.attributes().at("read", source.path())?.id;
    for existing in root.ancestors() {
        let found = uninterrupted(|| fs::canonicalize(existing));
        let Some(real) = if_exists(found).at("open", existing)? else {
            continue;
        };
        let rest = root.strip_prefix(existing).unwrap_or(Path::new(""));
        for dir in real.ancestors() {
            if id_of(dir)? == Some(id) {
                let way = real.strip_prefix(dir).unwrap_or(Path::new(""));
                return Ok(Some(way.join(rest)));
            }
        }
        break;
    }
    Ok(None)
}
