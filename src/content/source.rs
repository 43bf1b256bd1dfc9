//! Where content comes from, and what it is.

use std::fs;
use std::path::{Path, PathBuf};

use crate::entry::ArtifactType;
use crate::error::{AtPath, Error, Result};

/// The files that make a directory a component or a datacenter.
const DESCRIPTIONS: [(&str, ArtifactType); 4] = [
    ("cld.yml", ArtifactType::Component),
    ("cld.yaml", ArtifactType::Component),
    ("datacenter.dc", ArtifactType::Datacenter),
    ("datacenter.hcl", ArtifactType::Datacenter),
];

/// The directory that a path names, itself or by the file that describes the
/// artifact; with all links resolved.
pub(super) fn source_dir(path: &Path) -> Result<PathBuf> {
    let real = fs::canonicalize(path).at("open", path)?;
    let metadata = fs::metadata(&real).at("open", path)?;
    if metadata.is_dir() {
        return Ok(real);
    }
    let describes = DESCRIPTIONS
        .iter()
        .any(|(name, _)| path.file_name().is_some_and(|n| n == *name));
    match path.parent() {
        Some(parent) if describes => {
            let parent = if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            };
            fs::canonicalize(parent).at("open", parent)
        }
        _ => Err(Error::UnsafeContent {
            path: path.to_owned(),
            reason: "it is neither a directory nor a `cld.yml` or `datacenter.dc`".to_owned(),
        }),
    }
}

/// What a directory is: what the caller says, or what its description says.
pub(super) fn type_of(dir: &Path, given: Option<&ArtifactType>) -> Result<ArtifactType> {
    if let Some(given) = given {
        return Ok(given.clone());
    }
    let mut found = DESCRIPTIONS
        .iter()
        .filter(|(name, _)| dir.join(name).is_file())
        .map(|(_, artifact_type)| artifact_type);
    let reason = match found.next() {
        Some(first) if found.all(|other| other == first) => return Ok(first.clone()),
        Some(_) => "it has both a `cld.yml` and a `datacenter.dc`",
        None => "it has neither a `cld.yml` nor a `datacenter.dc`",
    };
    Err(Error::UnknownType {
        path: dir.to_owned(),
        reason,
    })
}
