//! Tells which artifacts are deployed.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::index::{Deployments, StateDir};
use super::live::LiveState;
use super::{DeployedBy, names};
use crate::content::Cache;
use crate::content::cache_root::CacheRoot;
use crate::content::residue::{PLUGINS, can_be_live};
use crate::content::workdir::Purpose;
use crate::document::EntryRef;
use crate::entry::ArtifactEntry;
use crate::error::{AtPath, Result};
use crate::reference::{Reference, ReferenceParts};
use crate::registry::ReadMode;
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

/// The files that describe a datacenter.
const DESCRIPTIONS: [&str; 2] = ["datacenter.dc", "datacenter.hcl"];

/// The largest description that is read, in bytes.
const MAX_DESCRIPTION: u64 = 16 << 20;

/// Tells which artifacts are deployed. cldctl's state is read once, and directories are
/// looked at when they are asked about.
pub(crate) struct Deployed<'c> {
    cache: &'c Cache,
    root: Option<CacheRoot>,
    state: Deployments,
    /// The directories of the cache, by the names that descriptions in them quote.
    named: OnceLock<HashMap<NameParts, Vec<OsString>>>,
    live: Mutex<HashMap<OsString, Vec<DeployedBy>>>,
}

impl<'c> Deployed<'c> {
    /// Reads cldctl's local state.
    ///
    /// # Errors
    ///
    /// The state or the cache cannot be read.
    pub(crate) fn read(cache: &'c Cache) -> Result<Self> {
        let root = cache.root()?;
        Ok(Deployed {
            state: Deployments::read(&StateDir::at(cache.state_dir()), root.as_ref())?,
            cache,
            root,
            named: OnceLock::new(),
            live: Mutex::default(),
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
            by.extend(self.extended_by(reference, name, &mut Vec::new())?);
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
            Some(_) | None => Vec::new(),
        };
        live().insert(name.to_owned(), found.clone());
        Ok(found)
    }

    /// Returns the deployed datacenters that extend an artifact, `on_way` being those that
    /// are being asked about.
    fn extended_by(
        &self,
        reference: &str,
        own: &OsStr,
        on_way: &mut Vec<OsString>,
    ) -> Result<Vec<DeployedBy>> {
        let mut by = Vec::new();
        let named = self.named()?.get(&name_of(reference));
        for dir in named.into_iter().flatten() {
            if dir == own || on_way.contains(dir) {
                continue;
            }
            let child = self.reference_of(dir)?;
            on_way.push(dir.clone());
            if !self.of_dir(dir)?.is_empty()
                || !self.state.of(&child, None, Path::new("")).is_empty()
                || !self.extended_by(&child, dir, on_way)?.is_empty()
            {
                by.push(DeployedBy::Extends { reference: child });
            }
            on_way.pop();
        }
        Ok(by)
    }

    /// Returns the reference of the entry that has a directory; the name of the directory,
    /// if none has.
    fn reference_of(&self, dir: &OsStr) -> Result<String> {
        let visit = |found: &mut Option<String>, entry: &EntryRef<'_>| {
            let reference = entry.reference();
            if found.is_none()
                && Reference::parse(&reference).is_ok_and(|it| it.cache_key().as_str() == dir)
            {
                *found = Some(reference.into_owned());
            }
        };
        let scanned = self.cache.registry().scan(ReadMode::AtOnce, visit)?;
        let found = scanned.parts.into_iter().flatten().next();
        Ok(found.unwrap_or_else(|| dir.to_string_lossy().into_owned()))
    }

    /// Returns the directories of the cache by the names that their descriptions of a
    /// datacenter quote.
    fn named(&self) -> Result<&HashMap<NameParts, Vec<OsString>>> {
        if let Some(known) = self.named.get() {
            return Ok(known);
        }
        let mut named: HashMap<NameParts, Vec<OsString>> = HashMap::new();
        if let Some(root) = &self.root {
            for (dir, listed) in root.names()? {
                if Purpose::of_name(&dir).is_some() || listed.is_some_and(|kind| kind != Kind::Dir)
                {
                    continue;
                }
                for text in described(root, &dir)? {
                    let dirs = named.entry(name_of(&text)).or_default();
                    dirs.push(dir.clone());
                }
            }
        }
        Ok(self.named.get_or_init(|| named))
    }
}

/// A repository and a tag.
type NameParts = (String, String);

fn name_of(reference: &str) -> NameParts {
    let parts = ReferenceParts::of(reference);
    (
        parts.repository.to_owned(),
        parts.tag_or_latest().to_owned(),
    )
}

/// Returns the quoted strings of the descriptions of a datacenter in a directory of the
/// cache.
fn described(root: &CacheRoot, name: &OsStr) -> Result<Vec<String>> {
    let mut strings = Vec::new();
    for description in DESCRIPTIONS {
        let path = Path::new(name).join(description);
        let at = root.dir().path_of(&path);
        let dir = match root.dir().open_dir(name) {
            Err(error) if is_another_kind(&error) => continue,
            opened => opened,
        };
        let opened = dir.and_then(|dir| dir.open_file(OsStr::new(description)));
        let opened = match opened {
            // No file, so none that cldctl reads.
            Err(error) if is_another_kind(&error) => continue,
            opened => if_exists(opened).at("open", &at)?,
        };
        if let Some(file) = opened {
            let mut text = Vec::new();
            let read = file.take(MAX_DESCRIPTION).read_to_end(&mut text);
            read.at("read", &at)?;
            strings.extend(names::of_description(&text));
        }
    }
    Ok(strings)
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
                let state = match if_exists(walk.dir().open_file(&name)) {
                    Ok(None) => continue,
                    Ok(Some(file)) => LiveState::read(file, format).at("read", &at)?,
                    // A link: what it leads to is not looked at.
                    Err(error) if is_another_kind(&error) => LiveState::Unreadable,
                    Err(error) => return Err(error).at("open", &at),
                };
                found.extend(DeployedBy::state(&path, state));
            }
            _ => {}
        }
    }
    found.sort();
    Ok(found)
}
