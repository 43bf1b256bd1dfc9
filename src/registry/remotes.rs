//! The origins and targets of artifacts: the manifests in OCI registries that have the content
//! of a digest. An entry has no place for it, because cldctl drops what it does not
//! know.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Registry;
#[cfg(feature = "remote")]
use super::Update;
use crate::digest::{Digest, digest_hex};
#[cfg(feature = "remote")]
use crate::document::Edit;
use crate::error::{AtPath, Result};
#[cfg(feature = "remote")]
use crate::fields::Field;
#[cfg(feature = "remote")]
use crate::store::Guard;
use crate::store::{self, Locked, if_exists};

/// The longest file, in bytes. A longer one is none.
const MAX_BYTES: u64 = 1 << 20;

/// The most manifests that are remembered for some content: the newest ones.
const MAX_REMEMBERED: usize = 100;

/// The ending of the names of the files. They lie beside the manifests of content, and go with
/// them.
pub(crate) const ENDING: &str = "remotes";

/// A manifest in an OCI registry that has the content of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remote {
    /// The name that it was pulled by or pushed to.
    pub reference: String,
    /// The digest of the manifest.
    pub manifest_digest: String,
    /// The digest of the tree that was in place then. Unlike the digest of the content, it
    /// depends on modes and empty directories.
    pub(crate) tree: String,
}

/// The file of some content.
#[derive(Default, Serialize, Deserialize)]
struct Remembered {
    remotes: Vec<Stored>,
}

/// A [`Remote`] as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", remote = "Remote")]
struct StoredFields {
    reference: String,
    manifest_digest: String,
    tree: String,
}

#[derive(Serialize, Deserialize)]
struct Stored(#[serde(with = "StoredFields")] Remote);

/// The manifests that are remembered for the content of each digest.
#[derive(Clone, Debug)]
pub(crate) struct Remotes {
    dir: PathBuf,
}

impl Remotes {
    /// Opens what is remembered beside the manifests of content.
    pub(crate) fn new(dir: PathBuf) -> Self {
        Remotes { dir }
    }

    /// Returns what is remembered for content of a digest.
    pub(crate) fn of(&self, content: &str) -> Vec<Remote> {
        let path = self.path(content);
        path.and_then(|path| read(&path)).unwrap_or_default()
    }

    /// Returns whether the file of content of a digest is none, or cannot be parsed. One that
    /// cannot be read may be another user's.
    pub(crate) fn is_damaged(&self, content: &str) -> bool {
        let Some(path) = self.path(content) else {
            return false;
        };
        let Ok(Some(found)) = store::lstat(&path) else {
            return false;
        };
        !found.is_file()
            || match store::read_up_to(&path, MAX_BYTES) {
                Ok(Some(text)) => parse(&text).is_none(),
                Ok(None) => found.len() > MAX_BYTES,
                Err(_) => false,
            }
    }

    /// Returns the digests of the content that each of these manifests has, in one pass over
    /// all that is remembered.
    fn contents_of<'m>(
        &self,
        manifests: impl Iterator<Item = &'m Digest>,
    ) -> Result<HashMap<&'m str, BTreeSet<String>>> {
        let manifests = manifests.map(|manifest| (manifest.as_str(), BTreeSet::new()));
        let mut found: HashMap<_, BTreeSet<_>> = manifests.collect();
        if found.is_empty() {
            return Ok(found);
        }
        let entries = if_exists(store::read_dir(&self.dir));
        let Some(entries) = entries.at("read the directory", &self.dir)? else {
            return Ok(found);
        };
        for entry in entries {
            let path = entry.at("read the directory", &self.dir)?.path();
            let hex = path.file_stem().and_then(|stem| stem.to_str());
            let content = format!("sha256:{}", hex.unwrap_or_default());
            if self.path(&content).as_ref() != Some(&path) {
                continue;
            }
            for remote in read(&path).unwrap_or_default() {
                if let Some(contents) = found.get_mut(&*remote.manifest_digest) {
                    contents.insert(content.clone());
                }
            }
        }
        Ok(found)
    }

    /// Forgets what is remembered for content of a digest.
    pub(crate) fn forget(&self, content: &str) -> Result<()> {
        match self.path(content) {
            Some(path) => if_exists(fs::remove_file(&path))
                .at("remove", &path)
                .map(|_| ()),
            None => Ok(()),
        }
    }

    /// Returns whether a remote is not remembered yet for content of a digest that has a
    /// place for it.
    pub(crate) fn lacks(&self, content: &str, remote: &Remote) -> bool {
        self.path(content).is_some() && !self.of(content).contains(remote)
    }

    /// Remembers a remote, durably, under the registry's lock. Where a directory has the
    /// name of the file, nothing is remembered.
    pub(crate) fn keep(&self, content: &str, remote: &Remote, locked: &Locked<'_>) -> Result<()> {
        let (Some(path), Some(text)) = (self.path(content), self.with(content, remote)) else {
            return Ok(());
        };
        if store::lstat(&path).is_ok_and(|found| found.is_some_and(|found| found.is_dir())) {
            return Ok(());
        }
        locked.disk().create_dir(&self.dir)?;
        locked.put(&path, &text)
    }

    /// Returns the text of the file with a remote added, as the newest; `None` if it is
    /// remembered already.
    fn with(&self, content: &str, remote: &Remote) -> Option<Vec<u8>> {
        let mut remotes = self.of(content);
        if remotes.contains(remote) {
            return None;
        }
        remotes.retain(|known| known.reference != remote.reference);
        remotes.push(remote.clone());
        let first = remotes.len().saturating_sub(MAX_REMEMBERED);
        remotes.drain(..first);
        let remotes = remotes.into_iter().map(Stored).collect();
        serde_json::to_vec(&Remembered { remotes }).ok()
    }

    fn path(&self, content: &str) -> Option<PathBuf> {
        let hex = content
            .starts_with("sha256:")
            .then(|| digest_hex(content))??;
        Some(self.dir.join(Path::new(hex).with_extension(ENDING)))
    }
}

/// Reads what is remembered; `None` if there is no regular file that can be read and parsed.
/// All of it can be found out again, so that no command fails because of it.
fn read(path: &Path) -> Option<Vec<Remote>> {
    parse(&store::read_up_to(path, MAX_BYTES).ok()??)
}

fn parse(text: &[u8]) -> Option<Vec<Remote>> {
    let remembered = serde_json::from_slice::<Remembered>(text).ok()?;
    let remotes = remembered.remotes.into_iter();
    Some(remotes.map(|Stored(remote)| remote).collect())
}

/// Returns the digest that an operand is or ends with, and the part before it.
fn split_digest(operand: &str) -> Option<(&str, Digest)> {
    match operand.find("sha256:") {
        Some(start) => Some((&operand[..start], operand[start..].parse().ok()?)),
        None => Some(("", format!("sha256:{operand}").parse().ok()?)),
    }
}

impl Registry {
    /// Returns what is remembered of other registries.
    pub(crate) fn remotes(&self) -> Remotes {
        Remotes::new(self.path.with_file_name("manifests"))
    }

    /// Returns the operands that are or end with digests of manifests that were pulled or
    /// pushed, as places, each with the digest of the content instead: once for each content
    /// that the manifest has.
    ///
    /// # Errors
    ///
    /// The directory of what is remembered cannot be read.
    pub(crate) fn with_content_digests(&self, operands: &[&str]) -> Result<Vec<(usize, String)>> {
        let split = operands.iter().enumerate();
        let split = split.filter_map(|(at, operand)| split_digest(operand).map(|it| (at, it)));
        let split: Vec<_> = split.collect();
        let manifests = split.iter().map(|(_, (_, manifest))| manifest);
        let found = self.remotes().contents_of(manifests)?;
        let replaced = split.iter().flat_map(|(at, (before, manifest))| {
            let contents = found.get(manifest.as_str()).into_iter().flatten();
            contents.map(move |content| (*at, format!("{before}{content}")))
        });
        Ok(replaced.collect())
    }

    /// Remembers a manifest that has the content of a digest, if an entry has that content.
    ///
    /// # Errors
    ///
    /// Those of a change.
    #[cfg(feature = "remote")]
    pub(crate) fn remember(&self, content: &str, remote: Remote) -> Result<()> {
        let remotes = self.remotes();
        if !remotes.lacks(content, &remote) {
            return Ok(());
        }
        self.update(|document| {
            let has_content = document.fold(|has_content: &mut bool, _, entry| {
                *has_content |= entry.has(Field::Digest, content);
            })?;
            let remembering = Remembering {
                remotes: &remotes,
                content,
                remote: &remote,
                is_needed: has_content.contains(&true),
            };
            Ok(Update::guarded(Edit::default(), remembering))
        })
    }
}

/// Writes what is remembered, under the lock of the registry.
#[cfg(feature = "remote")]
struct Remembering<'r> {
    remotes: &'r Remotes,
    content: &'r str,
    remote: &'r Remote,
    /// An entry has the content. Without one, nothing would remove the file.
    is_needed: bool,
}

#[cfg(feature = "remote")]
impl Guard for Remembering<'_> {
    type Value = ();

    fn acts_alone(&self) -> bool {
        self.is_needed
    }

    fn prepare(&mut self, locked: &Locked<'_>) -> Result<()> {
        self.remotes.keep(self.content, self.remote, locked)
    }

    fn committed(self, _durable: bool) {}
}

#[cfg(test)]
#[cfg(feature = "remote")]
mod tests;
