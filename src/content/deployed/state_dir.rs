//! Finds the state files of cldctl's local backend.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::DeployedBy;
use super::names::{self, Name};
use crate::error::{AtPath, Result};
use crate::store::{self, FileId, if_exists, stat};

/// The deepest that the files of declared components are looked for: a repository has fewer
/// parts.
const MAX_DEPTH: usize = 64;

/// The directory in which cldctl's local backend keeps its state.
#[derive(Clone, Debug)]
pub(crate) struct StateDir(PathBuf);

/// A file in which cldctl names what it deployed. There may be none at its path.
pub(super) struct StateFile {
    pub(super) path: PathBuf,
    /// Returns the names of deployed artifacts in the text of the file.
    pub(super) names: fn(&[u8]) -> Vec<Name>,
    /// What deploys these artifacts.
    pub(super) by: DeployedBy,
}

impl StateDir {
    pub(crate) fn at(path: PathBuf) -> Self {
        StateDir(path)
    }

    /// Returns the state files, none without a directory.
    ///
    /// # Errors
    ///
    /// A directory cannot be read, so that it is not known what is deployed.
    pub(super) fn files(&self) -> Result<Vec<StateFile>> {
        let mut files = Vec::new();
        for (datacenter, dir) in dirs_in(&self.0.join("datacenters"))? {
            let by = DeployedBy::Datacenter {
                datacenter: datacenter.clone(),
            };
            files.push(StateFile {
                path: dir.join("datacenter.state.json"),
                names: names::of_datacenter,
                by: by.clone(),
            });
            let mut components = Vec::new();
            let mut seen = HashSet::new();
            files_below(
                &dir.join("components"),
                MAX_DEPTH,
                &mut seen,
                &mut components,
            )?;
            files.extend(components.into_iter().map(|path| StateFile {
                path,
                names: names::of_component,
                by: by.clone(),
            }));
            for (environment, dir) in dirs_in(&dir.join("environments"))? {
                files.push(StateFile {
                    path: dir.join("environment.state.json"),
                    names: names::of_environment,
                    by: DeployedBy::Environment {
                        datacenter: datacenter.clone(),
                        environment,
                    },
                });
            }
        }
        Ok(files)
    }
}

/// Returns the directories in a directory with their names, links to directories included;
/// none if there is no such directory.
fn dirs_in(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for (name, path) in entries_of(dir)? {
        let metadata = stat(&path).at("read", &path)?;
        if metadata.is_some_and(|metadata| metadata.is_dir()) {
            found.push((name.to_string_lossy().into_owned(), path));
        }
    }
    Ok(found)
}

/// Adds the state files below a directory. Each directory is looked at once, because links
/// in it can lead back to it in any number of ways.
fn files_below(
    dir: &Path,
    depth: usize,
    seen: &mut HashSet<FileId>,
    found: &mut Vec<PathBuf>,
) -> Result<()> {
    for (name, path) in entries_of(dir)? {
        let Some(metadata) = stat(&path).at("read", &path)? else {
            continue;
        };
        if metadata.is_dir() {
            if depth > 0 && seen.insert((metadata.dev(), metadata.ino())) {
                files_below(&path, depth - 1, seen, found)?;
            }
        } else if metadata.is_file() && name.to_string_lossy().ends_with(".state.json") {
            found.push(path);
        }
    }
    Ok(())
}

fn entries_of(dir: &Path) -> Result<Vec<(OsString, PathBuf)>> {
    let entries = if_exists(store::read_dir(dir)).at("read the directory", dir)?;
    let entries = entries.into_iter().flatten();
    let mut found = entries
        .map(|entry| entry.map(|entry| (entry.file_name(), entry.path())))
        .collect::<std::io::Result<Vec<_>>>()
        .at("read the directory", dir)?;
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn each_directory_of_components_is_looked_at_once_whatever_links_lead_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let components = dir.path().join("datacenters/dc/components");
        std::fs::create_dir_all(components.join("acme")).unwrap();
        std::fs::write(components.join("acme/app.state.json"), "{}").unwrap();
        // Each step could go two ways.
        for name in ["one", "two"] {
            symlink("..", components.join("acme").join(name)).unwrap();
            symlink("acme", components.join(name)).unwrap();
        }
        let files = StateDir::at(dir.path().to_owned()).files().unwrap();
        let names: Vec<_> = files.iter().filter_map(|it| it.path.file_name()).collect();
        assert_eq!(names, ["datacenter.state.json", "app.state.json"]);
    }
}
