//! Finds what cldctl's local state says of an artifact.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::DeployedBy;
use super::names::{self, Name};
use crate::content::cache_root::CacheRoot;
use crate::error::{AtPath, Result};
use crate::reference::{CacheKey, Reference, ReferenceParts};
use crate::store::{self, if_exists, stat};

/// The largest state file that is read, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// The deepest that the files of declared components are looked for: a repository has fewer
/// parts.
const MAX_DEPTH: usize = 64;

/// The directory in which cldctl's local backend keeps its state.
#[derive(Clone, Debug)]
pub(crate) struct StateDir(PathBuf);

impl StateDir {
    pub(crate) fn at(path: PathBuf) -> Self {
        StateDir(path)
    }

    /// Calls `each` with every name of a deployed artifact, and with what deploys it.
    ///
    /// # Errors
    ///
    /// Something there cannot be read, so that it is not known what is deployed.
    fn names(&self, each: &mut dyn FnMut(Name, DeployedBy)) -> Result<()> {
        for (datacenter, dir) in dirs_in(&self.0.join("datacenters"))? {
            let by = DeployedBy::Datacenter {
                datacenter: datacenter.clone(),
            };
            let mut add = |names: Vec<Name>, by: &DeployedBy| {
                names.into_iter().for_each(|name| each(name, by.clone()));
            };
            let state = read(&dir.join("datacenter.state.json"))?;
            add(
                state.map_or_else(Vec::new, |text| names::of_datacenter(&text)),
                &by,
            );
            for file in files_below(&dir.join("components"), MAX_DEPTH)? {
                let state = read(&file)?;
                add(
                    state.map_or_else(Vec::new, |text| names::of_component(&text)),
                    &by,
                );
            }
            for (environment, dir) in dirs_in(&dir.join("environments"))? {
                let by = DeployedBy::Environment {
                    datacenter: datacenter.clone(),
                    environment,
                };
                let state = read(&dir.join("environment.state.json"))?;
                add(
                    state.map_or_else(Vec::new, |text| names::of_environment(&text)),
                    &by,
                );
            }
        }
        Ok(())
    }
}

/// The names of deployed artifacts in cldctl's local state, indexed.
#[derive(Debug, Default)]
pub(crate) struct Deployments {
    /// By repository and tag.
    by_name: HashMap<(String, String), Vec<DeployedBy>>,
    /// By the name of the directory in this home's cache.
    by_key: HashMap<OsString, Vec<DeployedBy>>,
    /// Paths that do not lead into this home's cache.
    elsewhere: Vec<(PathBuf, DeployedBy)>,
    /// Strings of files that cannot be parsed.
    quoted: HashMap<String, Vec<DeployedBy>>,
}

impl Deployments {
    /// Reads cldctl's local state. Without a directory nothing is deployed.
    ///
    /// # Errors
    ///
    /// Something there cannot be read, so that it is not known what is deployed.
    pub(crate) fn read(state: &StateDir, root: Option<&CacheRoot>) -> Result<Self> {
        let mut found = Deployments::default();
        let mut paths = Vec::new();
        state.names(&mut |name, by| match name {
            Name::Reference(reference) => {
                let parts = ReferenceParts::of(&reference);
                let name = (
                    parts.repository.to_owned(),
                    parts.tag_or_latest().to_owned(),
                );
                found.by_name.entry(name).or_default().push(by);
            }
            Name::Path(path) => paths.push((path, by)),
            Name::Quoted(text) => found.quoted.entry(text).or_default().push(by),
        })?;
        for (path, by) in paths {
            match root.map(|root| key_in(root, &path)).transpose()?.flatten() {
                Some(key) => found.by_key.entry(key).or_default().push(by),
                None => found.elsewhere.push((path, by)),
            }
        }
        Ok(found)
    }

    /// Returns what deploys an artifact, sorted, each once. `path` is where its entry says
    /// that its content is stored.
    pub(crate) fn of(
        &self,
        reference: &str,
        key: Option<&CacheKey>,
        path: &Path,
    ) -> Vec<DeployedBy> {
        let parts = ReferenceParts::of(reference);
        let name = (
            parts.repository.to_owned(),
            parts.tag_or_latest().to_owned(),
        );
        let mut found: Vec<DeployedBy> = Vec::new();
        let mut add =
            |by: Option<&Vec<DeployedBy>>| found.extend(by.into_iter().flatten().cloned());
        add(self.by_name.get(&name));
        add(key.and_then(|key| self.by_key.get(OsStr::new(key.as_str()))));
        if !self.quoted.is_empty() {
            let tagged = format!("{}:{}", name.0, name.1);
            for text in [reference, &name.0, &tagged] {
                add(self.quoted.get(text));
            }
            add(path.to_str().and_then(|path| self.quoted.get(path)));
        }
        if !path.as_os_str().is_empty() {
            let inside = self
                .elsewhere
                .iter()
                .filter(|(used, _)| used.starts_with(path));
            found.extend(inside.map(|(_, by)| by.clone()));
        }
        found.sort();
        found.dedup();
        found
    }
}

impl Deployments {
    /// Returns what deploys a directory of this home's cache, whatever entry has it: by a
    /// path in it, or by a reference that has it.
    pub(crate) fn of_dir(&self, dir: &OsStr) -> Vec<DeployedBy> {
        let mut found: Vec<DeployedBy> = Vec::new();
        found.extend(self.by_key.get(dir).into_iter().flatten().cloned());
        for ((repository, tag), by) in &self.by_name {
            let reference = Reference::parse(&format!("{repository}:{tag}"));
            if reference.is_ok_and(|it| it.cache_key().as_str() == dir) {
                found.extend(by.iter().cloned());
            }
        }
        found
    }
}

/// Returns the name of the directory of the cache that a path leads into, by identity where
/// the path exists.
fn key_in(root: &CacheRoot, path: &Path) -> Result<Option<OsString>> {
    if let Ok(below) = path.strip_prefix(root.path()) {
        return Ok(below.iter().next().map(OsStr::to_owned));
    }
    for dir in path.ancestors() {
        let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else {
            return Ok(None);
        };
        // A path that cannot be looked at is none of this cache, whose root is open.
        if root.is_at(parent).unwrap_or(false) {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

/// Returns the text of a state file; `None` if there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let file = store::resolve(path)?;
    if stat(&file).at("read", &file)?.is_none() {
        return Ok(None);
    }
    match store::read_up_to(&file, MAX_BYTES)? {
        Some(text) => Ok(Some(text)),
        None => Err(std::io::Error::from(std::io::ErrorKind::FileTooLarge)).at("read", path),
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

/// Returns the state files below a directory.
fn files_below(dir: &Path, depth: usize) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for (name, path) in entries_of(dir)? {
        let Some(metadata) = stat(&path).at("read", &path)? else {
            continue;
        };
        if metadata.is_dir() && depth > 0 {
            found.extend(files_below(&path, depth - 1)?);
        } else if metadata.is_file() && name.to_string_lossy().ends_with(".state.json") {
            found.push(path);
        }
    }
    Ok(found)
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
    use crate::error::Error;
    use crate::home::Home;
    use crate::reference::Reference;
    use crate::store::Disk;

    fn fixtures() -> StateDir {
        StateDir::at(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/state").into())
    }

    fn by(found: &Deployments, home: &Path, reference: &str) -> Vec<DeployedBy> {
        let key = Reference::parse(reference).unwrap().cache_key();
        let path = home.join("cache/artifacts").join(key.as_str());
        found.of(reference, Some(&key), &path)
    }

    #[test]
    fn what_the_fixtures_deploy_is_found_and_nothing_else() {
        let home = Path::new("/home/dev/.cldctl");
        let found = Deployments::read(&fixtures(), None).unwrap();
        let deployed = [
            "ghcr.io/acme/dc-aws:v1",
            "ghcr.io/acme/stripe:v2",
            "ghcr.io/acme/app:v1",
            "ghcr.io/acme/app:v2",
            "ghcr.io/acme/web:latest",
            "ghcr.io/acme/web",
            "my-dc:latest",
            "other:v3",
        ];
        for reference in deployed {
            assert!(!by(&found, home, reference).is_empty(), "{reference}");
        }
        for reference in [
            "plain:v1",
            "not-a-reference:v9",
            "ghcr.io/acme/app:v3",
            "other:v1",
        ] {
            assert_eq!(by(&found, home, reference), [], "{reference}");
        }
        let app = by(&found, home, "ghcr.io/acme/app:v1");
        let prod = DeployedBy::Environment {
            datacenter: "aws".to_owned(),
            environment: "prod".to_owned(),
        };
        assert_eq!(app, [prod]);
    }

    #[test]
    fn a_path_is_found_by_identity_whatever_its_spelling() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("home")).unwrap();
        let root = CacheRoot::create(&home, &Disk::default()).unwrap();
        std::os::unix::fs::symlink(dir.path().join("home"), dir.path().join("alias")).unwrap();
        let datacenter = dir.path().join("state/datacenters/dc");
        std::fs::create_dir_all(&datacenter).unwrap();
        let alias = dir.path().join("alias/cache/artifacts/app_v1/modules/x");
        let state = format!(
            r#"{{"modules":{{"x":{{"source":"{}"}}}}}}"#,
            alias.display()
        );
        std::fs::write(datacenter.join("datacenter.state.json"), state).unwrap();
        let state = StateDir::at(dir.path().join("state"));
        let found = Deployments::read(&state, Some(&root)).unwrap();
        assert_eq!(by(&found, home.path(), "app:v1").len(), 1);
        assert_eq!(by(&found, home.path(), "app:v2").len(), 0);
    }

    #[test]
    fn without_state_nothing_is_deployed_and_unreadable_state_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::at(dir.path().join("state"));
        let found = Deployments::read(&state, None).unwrap();
        assert_eq!(by(&found, dir.path(), "app:v1"), []);
        let file = dir
            .path()
            .join("state/datacenters/dc/datacenter.state.json");
        std::fs::create_dir_all(&file).unwrap();
        assert!(matches!(
            Deployments::read(&state, None),
            Err(Error::NotAFile { .. })
        ));
    }
}
