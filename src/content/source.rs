//! Where content comes from, and what it is.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::cache_root::id_of;
use super::refusal::refused;
use super::rules::{Rules, Verdict};
use crate::entry::ArtifactType;
use crate::error::{AtPath, Error, Result};
use crate::home::Home;
use crate::store::{Dir, Kind, if_exists, uninterrupted};

/// The files that make a directory a component or a datacenter.
const DESCRIPTIONS: [(&str, ArtifactType); 4] = [
    ("cld.yml", ArtifactType::Component),
    ("cld.yaml", ArtifactType::Component),
    ("datacenter.dc", ArtifactType::Datacenter),
    ("datacenter.hcl", ArtifactType::Datacenter),
];

/// Opens the directory that a path names, itself or by the file that describes the
/// artifact, by its path without links.
pub(super) fn open_source(path: &Path) -> Result<Dir> {
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
                let reason = "it is neither a directory nor a `cld.yml` or `datacenter.dc`";
                return Err(refused(path, reason));
            }
        }
    };
    Dir::open(&real).at("open", path)
}

/// Returns what a directory is: what the caller says, or what its description says.
pub(super) fn type_of(dir: &Dir, given: Option<&ArtifactType>) -> Result<ArtifactType> {
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

/// Refuses a source that the cache lies in, or would, unless the rules leave out
/// what leads to it: it would be copied into itself. Returns whether it lies in it.
pub(super) fn refuse_cache_in(source: &Dir, home: &Home, rules: &Rules) -> Result<bool> {
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
