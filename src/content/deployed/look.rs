//! Tells which artifacts are deployed.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::DeployedBy;
use super::extends::Extensions;
use super::index::Deployments;
use super::live::{LiveState, ReadState};
use super::state_dir::StateDir;
use crate::content::Cache;
use crate::content::cache_root::CacheRoot;
use crate::content::residue::{PLUGINS, can_be_live};
use crate::entry::ArtifactEntry;
use crate::error::{AtPath, Result};
use crate::reference::Reference;
use crate::store::{Dir, Kind, Step, Walk, if_exists, is_another_kind};

impl Cache {
    /// Returns why an artifact counts as deployed: by live state of OpenTofu, Terraform or
    /// Pulumi in its own directory, by cldctl's local state, or because a deployed
    /// datacenter extends it. Nothing, if it is not deployed.
    ///
    /// # Errors
    ///
    /// Something that would tell cannot be read.
    pub fn deployed_by(&self, entry: &ArtifactEntry) -> Result<Vec<DeployedBy>> {
        let reference = entry.reference.as_deref().unwrap_or_default();
        let path = entry.cache_path.as_deref().unwrap_or_default();
        Deployed::read(self)?.of(reference, path)
    }
}

/// Tells which artifacts are deployed. cldctl's state is read once, and directories are
/// looked at when they are asked about.
pub(crate) struct Deployed<'c> {
    cache: &'c Cache,
    root: Option<CacheRoot>,
    state: Deployments,
    extensions: OnceLock<Extensions>,
    /// Whether directories are deployed, by themselves or because one extends them that is.
    known: Mutex<HashMap<OsString, bool>>,
    live: Mutex<HashMap<OsString, Vec<DeployedBy>>>,
    /// Directories that a crash left aside, each with the name of what contains it.
    aside: OnceLock<Vec<(OsString, OsString)>>,
}

impl<'c> Deployed<'c> {
    /// Reads cldctl's local state.
    ///
    /// # Errors
    ///
    /// The state or the cache cannot be read.
    pub(crate) fn read(cache: &'c Cache) -> Result<Self> {
        let root = cache.root()?;
        let state = StateDir::at(cache.state_dir());
        let interrupt = cache.registry().interrupt();
        Ok(Deployed {
            state: Deployments::read(&state, root.as_ref(), interrupt)?,
            cache,
            root,
            extensions: OnceLock::new(),
            known: Mutex::default(),
            live: Mutex::default(),
            aside: OnceLock::new(),
        })
    }

    /// Returns why an artifact is deployed, sorted; nothing if it is not. `path` is where
    /// its entry says that its content lies.
    ///
    /// # Errors
    ///
    /// Something that would tell cannot be read.
    pub(crate) fn of(&self, reference: &str, path: &str) -> Result<Vec<DeployedBy>> {
        let key = Reference::parse(reference).ok().map(|it| it.cache_key());
        let mut by = self.state.of(reference, key.as_ref(), Path::new(path));
        if let Some(key) = &key {
            let name = OsStr::new(key.as_str());
            by.extend(self.live_in(name)?);
            by.extend(self.extended_by(reference, name)?);
        }
        by.sort();
        by.dedup();
        Ok(by)
    }

    /// Returns why a directory of the cache is deployed that may have no entry.
    pub(crate) fn of_dir(&self, name: &OsStr) -> Result<Vec<DeployedBy>> {
        let mut by = self.state.of_dir(name);
        by.extend(self.live_in(name)?);
        Ok(by)
    }

    /// Returns the live state in a directory of the cache, as it was when it was asked for
    /// first. What is removed is looked at again under the locks of its state.
    fn live_in(&self, name: &OsStr) -> Result<Vec<DeployedBy>> {
        let Some(root) = &self.root else {
            return Ok(Vec::new());
        };
        let live = || self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = live().get(name) {
            return Ok(known.clone());
        }
        let found = match root.look(name)? {
            Some(found) if found.kind == Kind::Dir => live_below(&root.open_dir(name)?)?,
            Some(_) => Vec::new(),
            // The next change puts it back.
            None => match self.aside(root, name)? {
                Some(dir) => live_below(&dir)?,
                None => Vec::new(),
            },
        };
        live().insert(name.to_owned(), found.clone());
        Ok(found)
    }

    /// Opens the directory of a key that a crash left aside.
    fn aside(&self, root: &CacheRoot, name: &OsStr) -> Result<Option<Dir>> {
        let aside = match self.aside.get() {
            Some(aside) => aside,
            None => {
                let found = root.interrupted_swaps()?;
                self.aside.get_or_init(|| found)
            }
        };
        let Some((holder, _)) = aside.iter().find(|(_, aside)| aside == name) else {
            return Ok(None);
        };
        let holder = root.open_dir(holder)?;
        match holder.open_dir(name) {
            // A link or a file.
            Err(error) if is_another_kind(&error) => Ok(None),
            opened => opened.map(Some).at("open", &holder.path_of(name)),
        }
    }

    /// Returns the deployed datacenters that extend an artifact, which has the directory
    /// `own`.
    fn extended_by(&self, reference: &str, own: &OsStr) -> Result<Vec<DeployedBy>> {
        let extensions = self.extensions()?;
        let extending = extensions.of(reference).iter().filter(|dir| *dir != own);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        extensions.spread(extending.clone(), &mut known, |dir| {
            let is_named = |it: &String| !self.state.of(it, None, Path::new("")).is_empty();
            Ok(!self.of_dir(dir)?.is_empty() || extensions.references(dir).iter().any(is_named))
        })?;
        let deployed = extending.filter(|dir| known.get(*dir) == Some(&true));
        let by = deployed.map(|dir| DeployedBy::Extends {
            reference: match extensions.references(dir).first() {
                Some(reference) => reference.clone(),
                None => dir.to_string_lossy().into_owned(),
            },
        });
        Ok(by.collect())
    }

    fn extensions(&self) -> Result<&Extensions> {
        if let Some(known) = self.extensions.get() {
            return Ok(known);
        }
        let read = Extensions::read(self.cache, self.root.as_ref())?;
        Ok(self.extensions.get_or_init(|| read))
    }
}

/// Returns the live state in a directory.
///
/// # Errors
///
/// Something in it cannot be read, so that it may have some.
fn live_below(top: &Dir) -> Result<Vec<DeployedBy>> {
    let mut found = Vec::new();
    let walk = top.try_clone().and_then(Walk::through);
    let mut walk = walk.at("read", top.path())?;
    while let Some(step) = walk.next().at("read", top.path())? {
        let Step::Name(name, listed) = step else {
            continue;
        };
        let path = walk.path().join(&name);
        let at = top.path_of(&path);
        let Some(kind) = if_exists(walk.dir().kind_of(&name, listed)).at("read", &at)? else {
            continue;
        };
        match kind {
            Kind::Dir if name == PLUGINS => {}
            Kind::Dir => {
                let entered = walk.enter(name, |_| std::io::Result::Ok(()));
                if_exists(entered).at("open", &at)?;
            }
            Kind::File | Kind::Link => {
                let Some(format) = can_be_live(&path) else {
                    continue;
                };
                let read = match if_exists(walk.dir().open_file(&name)) {
                    Ok(None) => continue,
                    Ok(Some(file)) => ReadState::of(&file, format, &path, |backup| {
                        let name = backup.file_name().unwrap_or_default();
                        walk.dir().open_file(name)
                    })
                    .at("read", &at)?,
                    // A link: what it leads to is not looked at.
                    Err(error) if is_another_kind(&error) => ReadState {
                        path,
                        state: LiveState::Unreadable,
                    },
                    Err(error) => return Err(error).at("open", &at),
                };
                found.extend(DeployedBy::state(&read.path, read.state));
            }
            _ => {}
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::ArtifactType;
    use crate::home::Home;
    use std::fs;

    /// Registers a datacenter that extends others.
    fn add(cache: &Cache, name: &str, extends: &[String]) {
        let reference = Reference::parse(name).unwrap();
        let dir = cache.home().cache_path(&reference);
        fs::create_dir_all(&dir).unwrap();
        let quoted = extends.iter().map(|name| format!("extends = \"{name}\"\n"));
        fs::write(dir.join("datacenter.dc"), quoted.collect::<String>()).unwrap();
        let now = crate::timestamp::now();
        let path = dir.to_str().unwrap();
        let entry = ArtifactEntry::new(&reference, ArtifactType::Datacenter, now, path);
        cache.registry().add(entry).unwrap();
    }

    #[test]
    fn any_number_of_ways_through_extensions_is_followed_once() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(Home::at(dir.path()).unwrap()).unwrap();
        // Each level doubles the number of ways.
        let level = |at: usize| ["a", "b"].map(|side| format!("{side}:{at}"));
        let last = 40;
        for at in 0..=last {
            let below = match at {
                // The first one extends the last one, so that they are a circle.
                0 => level(last),
                _ => level(at - 1),
            };
            for name in level(at) {
                add(&cache, &name, &below);
            }
        }
        add(&cache, "alone:1", &[]);
        // It is extended by none, so that it is not deployed.
        add(&cache, "leaf:1", &level(3));
        let of = |deployed: &Deployed<'_>, name: &str| deployed.of(name, "").unwrap();
        assert_eq!(of(&Deployed::read(&cache).unwrap(), "a:0"), []);

        let reference = Reference::parse("b:7").unwrap();
        let state = cache
            .home()
            .cache_path(&reference)
            .join("terraform.tfstate");
        fs::write(state, "not empty").unwrap();
        let deployed = Deployed::read(&cache).unwrap();
        for at in [0, 3, 7, 8, last] {
            let extending = level((at + 1) % (last + 1));
            let mut by = of(&deployed, &level(at)[0]);
            by.retain(|by| matches!(by, DeployedBy::Extends { .. }));
            let expected = extending.map(|reference| DeployedBy::Extends { reference });
            assert_eq!(by, expected, "{at}");
        }
        for name in ["alone:1", "leaf:1"] {
            assert_eq!(of(&deployed, name), [], "{name}");
        }
    }
}
