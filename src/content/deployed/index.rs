//! Finds what cldctl's local state says of an artifact.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::DeployedBy;
use super::names::Name;
use super::quoted::{Quoted, key_of};
use super::state_dir::{StateDir, StateFile};
use crate::content::cache_root::CacheRoot;
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::reference::{CacheKey, ReferenceParts};
use crate::store::{self, Opened};

/// The largest state file that is held in memory, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// The names of deployed artifacts in cldctl's local state, indexed.
#[derive(Debug, Default)]
pub(crate) struct Deployments {
    /// By repository and tag.
    by_name: HashMap<(String, String), Vec<DeployedBy>>,
    /// By the name of the directory that a repository and tag have.
    by_key_of_name: HashMap<OsString, Vec<DeployedBy>>,
    /// By the name of the directory in this home's cache that a path leads into.
    by_key: HashMap<OsString, Vec<DeployedBy>>,
    /// Paths that do not lead into this home's cache.
    elsewhere: Vec<(PathBuf, DeployedBy)>,
    /// Strings of files that cannot be parsed.
    quoted: HashMap<String, Vec<DeployedBy>>,
    /// What files can name that are too large to be parsed.
    large: Vec<(Quoted, DeployedBy)>,
}

impl Deployments {
    /// Reads cldctl's local state. Without a directory nothing is deployed.
    ///
    /// # Errors
    ///
    /// Something there cannot be read, so that it is not known what is deployed, and
    /// [`Interrupted`](crate::Error::Interrupted).
    pub(crate) fn read(
        state: &StateDir,
        root: Option<&CacheRoot>,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let mut found = Deployments::default();
        for StateFile { path, names, by } in state.files()? {
            match read(&path, interrupt)? {
                Some(StateText::Whole(text)) => {
                    for name in names(&text) {
                        found.add(name, &by, root)?;
                    }
                }
                Some(StateText::Large(quoted)) => found.large.push((quoted, by)),
                None => {}
            }
        }
        Ok(found)
    }

    fn add(&mut self, name: Name, by: &DeployedBy, root: Option<&CacheRoot>) -> Result<()> {
        let by = by.clone();
        match name {
            Name::Reference(reference) => {
                let parts = ReferenceParts::of(&reference);
                if let Some(key) = key_of(&parts) {
                    let known = self.by_key_of_name.entry(key.as_str().into());
                    known.or_default().push(by.clone());
                }
                let name = (
                    parts.repository.to_owned(),
                    parts.tag_or_latest().to_owned(),
                );
                self.by_name.entry(name).or_default().push(by);
            }
            Name::Path(path) => match root.map(|root| key_in(root, &path)).transpose()?.flatten() {
                Some(key) => self.by_key.entry(key).or_default().push(by),
                None => self.elsewhere.push((path, by)),
            },
            Name::Quoted(text) => self.quoted.entry(text).or_default().push(by),
        }
        Ok(())
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
        let large = self.large.iter();
        let large = large.filter(|(quoted, _)| quoted.names(reference, key, path));
        found.extend(large.map(|(_, by)| by.clone()));
        found.sort();
        found.dedup();
        found
    }

    /// Returns what deploys a directory of this home's cache, whatever entry has it: by a
    /// path in it, or by a reference that has it.
    pub(crate) fn of_dir(&self, dir: &OsStr) -> Vec<DeployedBy> {
        let known = [self.by_key.get(dir), self.by_key_of_name.get(dir)];
        let known = known.into_iter().flatten().flatten();
        let large = self.large.iter();
        let large = large.filter(|(quoted, _)| quoted.names_dir(dir));
        known.chain(large.map(|(_, by)| by)).cloned().collect()
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

/// What a state file has.
enum StateText {
    Whole(Vec<u8>),
    /// It is larger than what is held in memory.
    Large(Quoted),
}

/// Reads a state file; `None` if there is none.
fn read(path: &Path, interrupt: &Interrupt) -> Result<Option<StateText>> {
    let file = store::resolve(path)?;
    if let Some(text) = store::read_up_to(&file, MAX_BYTES)? {
        return Ok(Some(StateText::Whole(text)));
    }
    match Opened::at(&file)? {
        Some(opened) => Ok(Some(StateText::Large(Quoted::search(
            &opened, path, interrupt,
        )?))),
        None => Ok(None),
    }
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
        let found = Deployments::read(&fixtures(), None, &Interrupt::default()).unwrap();
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
        let found = Deployments::read(&state, Some(&root), &Interrupt::default()).unwrap();
        assert_eq!(by(&found, home.path(), "app:v1").len(), 1);
        assert_eq!(by(&found, home.path(), "app:v2").len(), 0);
    }

    #[test]
    fn without_state_nothing_is_deployed_and_unreadable_state_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::at(dir.path().join("state"));
        let found = Deployments::read(&state, None, &Interrupt::default()).unwrap();
        assert_eq!(by(&found, dir.path(), "app:v1"), []);
        let file = dir
            .path()
            .join("state/datacenters/dc/datacenter.state.json");
        std::fs::create_dir_all(&file).unwrap();
        assert!(matches!(
            Deployments::read(&state, None, &Interrupt::default()),
            Err(Error::NotAFile { .. })
        ));
    }
}
