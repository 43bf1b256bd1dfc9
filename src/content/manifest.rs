//! Manifests: the hashes of the files of content, whose hash is its digest. They are kept
//! so that content can be verified.
//!
//! The manifest of a directory is what
//! `find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum` prints in
//! it, with coreutils 9, and the digest of the content is that of its manifest.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::residue::{Residue, residue_of};
use crate::digest::{Digest, digest_hex, hex};
use crate::document::{Document, Edit, EntryRef, OpenDocument};
use crate::error::{AtPath, Result};
use crate::fields::Field;
use crate::registry::{REMOTES_ENDING, Remotes};
use crate::store::{self, Disk, Kind, Locked, if_exists};

/// The longest manifest, in bytes: that of some million files. A longer file is none.
const MAX_BYTES: u64 = 256 << 20;

/// The SHA-256 of a file.
pub(crate) type FileHash = [u8; 32];

/// The manifest of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    text: Vec<u8>,
    digest: Digest,
}

impl Manifest {
    /// Makes the manifest of files, each with its path from the directory and its hash, in
    /// any order.
    pub(crate) fn of(mut files: Vec<(Vec<u8>, FileHash)>) -> Self {
        // All names begin with `./`, so their order is that of the paths.
        files.sort_unstable();
        let mut text = Vec::new();
        for (path, hash) in files {
            let escaped = path
                .iter()
                .any(|byte| matches!(byte, b'\\' | b'\n' | b'\r'));
            if escaped {
                text.push(b'\\');
            }
            text.extend_from_slice(hex(&hash).as_bytes());
            text.extend_from_slice(b"  ./");
            for byte in path {
                match byte {
                    b'\\' => text.extend_from_slice(b"\\\\"),
                    b'\n' => text.extend_from_slice(b"\\n"),
                    b'\r' => text.extend_from_slice(b"\\r"),
                    other => text.push(other),
                }
            }
            text.push(b'\n');
        }
        Manifest {
            digest: Digest::of(&text),
            text,
        }
    }

    /// Returns the digest of the content.
    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns the paths of the files.
    pub(crate) fn paths(&self) -> HashSet<Vec<u8>> {
        self.files().into_keys().collect()
    }

    /// Returns the first path that is one of state, by its name.
    pub(crate) fn first_state(&self) -> Option<PathBuf> {
        let files = self.files().into_keys();
        let mut paths = files.map(|path| PathBuf::from(OsString::from_vec(path)));
        paths.find(|path| residue_of(path, Kind::File) == Some(Residue::State))
    }

    /// Returns the first path at which other content differs; `None` if it is the same.
    pub(crate) fn first_difference(&self, other: &Manifest) -> Option<PathBuf> {
        let (own, others) = (self.files(), other.files());
        let differs = |path: &&Vec<u8>| own.get(*path) != others.get(*path);
        let path = own.keys().chain(others.keys()).find(differs)?;
        Some(PathBuf::from(OsStr::from_bytes(path)))
    }

    /// Returns the files by their paths, each with its hash in hex. Lines that are not of
    /// a manifest are ignored.
    pub(crate) fn files(&self) -> BTreeMap<Vec<u8>, &str> {
        let lines = self.text.split(|byte| *byte == b'\n');
        lines.filter_map(file_of).collect()
    }
}

/// Returns the path and the hash in a line of a manifest.
fn file_of(line: &[u8]) -> Option<(Vec<u8>, &str)> {
    let (line, escaped) = match line.strip_prefix(b"\\") {
        Some(rest) => (rest, true),
        None => (line, false),
    };
    let (hash, path) = line.split_at_checked(64)?;
    let path = path.strip_prefix(b"  ./")?;
    let mut name = Vec::with_capacity(path.len());
    let mut bytes = path.iter();
    while let Some(&byte) = bytes.next() {
        name.push(match byte {
            b'\\' if escaped => match bytes.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                other => *other,
            },
            byte => byte,
        });
    }
    Some((name, std::str::from_utf8(hash).ok()?))
}

/// The manifests of a home, each in a file named after its digest.
#[derive(Clone, Debug)]
pub(crate) struct Manifests {
    dir: PathBuf,
    /// What is known of the content besides, and goes with its manifest.
    remotes: Remotes,
}

impl Manifests {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Manifests {
            remotes: Remotes::new(dir.clone()),
            dir,
        }
    }

    /// Returns whether content of this digest can be verified: its manifest is here
    /// and hashes to it.
    pub(crate) fn can_verify(&self, digest: &str) -> Result<bool> {
        Ok(self.find(digest)?.is_some())
    }

    /// Returns the manifest of content of this digest, if it is here and hashes to
    /// it.
    ///
    /// # Errors
    ///
    /// It cannot be read, so that nothing is known about it.
    pub(crate) fn find(&self, digest: &str) -> Result<Option<Manifest>> {
        let Some(path) = self.path(digest) else {
            return Ok(None);
        };
        let Some(text) = store::read_up_to(&path, MAX_BYTES)? else {
            return Ok(None);
        };
        let found = Digest::of(&text);
        Ok((found.as_str() == digest).then_some(Manifest {
            text,
            digest: found,
        }))
    }

    /// Returns whether the manifest of content of this digest is kept, and makes it
    /// survive a power loss: the process that wrote it may have been killed before
    /// it synced it.
    pub(crate) fn settle(&self, digest: &str, disk: &Disk) -> Result<bool> {
        let Some(path) = self.path(digest) else {
            return Ok(false);
        };
        if !self.can_verify(digest)? {
            return Ok(false);
        }
        store::sync_file(&path).at("sync", &path)?;
        disk.sync_dir(&self.dir).at("sync", &self.dir)?;
        Ok(true)
    }

    /// Keeps a manifest, durably, under the registry's lock.
    pub(crate) fn keep(&self, manifest: &Manifest, locked: &Locked<'_>) -> Result<()> {
        let Some(path) = self.path(manifest.digest().as_str()) else {
            return Ok(());
        };
        locked.disk().create_dir(&self.dir)?;
        locked.put(&path, &manifest.text)
    }

    /// Removes what killed processes left. Only the holder of the registry's
    /// lock may do so.
    pub(crate) fn sweep(&self) -> Result<()> {
        store::sweep_all(&self.dir)
    }

    /// Returns the paths of the manifests whose digest no entry has, and of what is
    /// remembered besides, also where it is damaged.
    pub(crate) fn without_entry(&self, document: &Document) -> Result<HashSet<PathBuf>> {
        let mut left: HashSet<PathBuf> = self.all()?.into_iter().collect();
        for entry in document.entries() {
            if let Ok(Some(digest)) = entry.string(Field::Digest)
                && let Some(path) = self.path(&digest)
            {
                left.remove(&path);
                if !self.remotes.is_damaged(&digest) {
                    left.remove(&path.with_extension(REMOTES_ENDING));
                }
            }
        }
        Ok(left)
    }

    /// Returns the paths of all manifests, and of what is remembered besides.
    fn all(&self) -> Result<Vec<PathBuf>> {
        let entries = if_exists(store::read_dir(&self.dir));
        let Some(entries) = entries.at("read the directory", &self.dir)? else {
            return Ok(Vec::new());
        };
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let paths: Vec<_> = paths
            .collect::<io::Result<_>>()
            .at("read the directory", &self.dir)?;
        let is_manifest = |path: &PathBuf| {
            let hex = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            let own = self.path(&format!("sha256:{hex}"));
            own.is_some_and(|own| *path == own || *path == own.with_extension(REMOTES_ENDING))
        };
        Ok(paths.into_iter().filter(is_manifest).collect())
    }

    /// Removes a manifest, and forgets where its content came from.
    pub(crate) fn remove(&self, digest: &str) -> Result<()> {
        let forgotten = self.remotes.forget(digest);
        if let Some(path) = self.path(digest) {
            if_exists(fs::remove_file(&path)).at("remove", &path)?;
        }
        forgotten
    }

    /// Removes manifests that no entry needs any more.
    pub(crate) fn remove_all(&self, digests: &[String]) {
        for digest in digests {
            // A manifest too many does no harm.
            let _ = self.remove(digest);
        }
    }

    /// Returns the digests that have a manifest and that an edit leaves without an entry.
    /// `kept` is that of the entry that it brings in.
    ///
    /// # Errors
    ///
    /// The document cannot be read.
    pub(crate) fn unreferenced_after(
        &self,
        document: &OpenDocument,
        edit: &Edit,
        kept: Option<&str>,
    ) -> Result<Vec<String>> {
        let digest_of = |entry: &EntryRef<'_>| {
            let digest = entry.string(Field::Digest).ok().flatten();
            digest.map(Cow::into_owned)
        };
        let changed = edit.changed(document.len()).collect();
        let changed = document.pick_at(&changed, digest_of)?.into_iter();
        let mut unreferenced: HashSet<String> = changed
            .filter_map(|(_, digest)| digest)
            .filter(|digest| Some(&**digest) != kept && self.may_have(digest))
            .collect();
        if !unreferenced.is_empty() {
            let parts = document.fold(|others: &mut Vec<String>, index, entry| {
                if !edit.changes(index)
                    && let Ok(Some(digest)) = entry.string(Field::Digest)
                    && unreferenced.contains(&*digest)
                {
                    others.push(digest.into_owned());
                }
            })?;
            for digest in parts.into_iter().flatten() {
                unreferenced.remove(&digest);
            }
        }
        Ok(unreferenced.into_iter().collect())
    }

    /// Returns whether there may be a manifest of a digest: if there is none, it does
    /// not matter which entries have the digest.
    fn may_have(&self, digest: &str) -> bool {
        let path = self.path(digest);
        path.is_some_and(|path| store::lstat(&path).map_or(true, |found| found.is_some()))
    }

    fn path(&self, digest: &str) -> Option<PathBuf> {
        // Ours are all SHA-256.
        let hex = digest
            .starts_with("sha256:")
            .then(|| digest_hex(digest))??;
        Some(self.dir.join(Path::new(hex).with_extension("sha256")))
    }
}

#[cfg(test)]
mod tests;
