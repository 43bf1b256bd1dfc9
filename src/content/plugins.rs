//! Provider plugins of artifacts that stay, which OpenTofu downloads again.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::deletion::delete;
use super::deployed::Quiet;
use super::file_tree::{Left, Node, Opener};
use super::orphans::{SETTLED, Unreferenced, UnreferencedKind};
use super::residue::PLUGINS;
use super::{Cache, Contents};
use crate::document::{Document, EntryRef};
use crate::error::{AtPath, Error, Result};
use crate::fields::Field;
use crate::store::{Dir, if_exists};

/// The plugins of artifacts, as far as they are known.
#[derive(Default)]
pub(super) struct Plugins {
    /// The directories that can go, by path.
    pub(super) found: Vec<Unreferenced>,
    /// The reasons why it is not known of some whether they can go.
    pub(super) unknown: Vec<Error>,
}

impl Plugins {
    /// Finds the directories of plugins that can go, in the directories of the entries
    /// that stay.
    pub(super) fn find(
        cache: &Cache,
        document: &Document,
        stays: impl Fn(usize) -> bool,
        now: SystemTime,
    ) -> Self {
        let contents = cache.contents();
        let mut plugins = Plugins::default();
        for (index, entry) in document.entries().enumerate() {
            if !stays(index) {
                continue;
            }
            match of_entry(&contents, &entry, now) {
                Ok(found) => plugins.found.extend(found),
                // A deployment is at work, and needs them.
                Err(Error::AtWork { .. } | Error::ContentChanged { .. }) => {}
                Err(error) => plugins.unknown.push(error),
            }
        }
        // Two entries can have one directory.
        plugins.found.sort_by(|a, b| a.path.cmp(&b.path));
        plugins.found.dedup();
        plugins
    }
}

fn of_entry(
    contents: &Contents<'_>,
    entry: &EntryRef<'_>,
    now: SystemTime,
) -> Result<Vec<Unreferenced>> {
    let (reference, path) = (entry.reference(), entry.text_of(Field::CachePath));
    let (_, Some(place)) = contents.look(&reference, &path)? else {
        return Ok(Vec::new());
    };
    let generated = contents
        .read(&place, &entry.text_of(Field::Digest))?
        .generated;
    let dirs = generated.dirs.iter().filter(|dir| is_plugins(&dir.path));
    let dirs: Vec<&Node> = dirs.collect();
    if dirs.is_empty() {
        return Ok(Vec::new());
    }
    let top = contents.open(&place)?;
    let mut found = Vec::new();
    for dir in dirs {
        if is_settled(&generated, &dir.path, now) && is_default_workspace(&top, &dir.path)? {
            let files = generated.files.iter();
            let files = files.filter(|file| file.path.starts_with(&dir.path));
            let bytes = files.map(|file| file.len).fold(0, u64::saturating_add);
            found.push(Unreferenced {
                kind: UnreferencedKind::Generated,
                path: contents.path_of(&place)?.join(&dir.path),
                bytes,
                allocated: bytes,
            });
        }
    }
    if !found.is_empty() {
        Quiet::require(&top)?;
    }
    Ok(found)
}

/// Returns whether a path is that of a directory of plugins, and in no other one.
fn is_plugins(path: &Path) -> bool {
    let mut names = path.iter().rev();
    names.next() == Some(OsStr::new(PLUGINS)) && !names.any(|name| name == PLUGINS)
}

/// Returns whether nothing in a directory changed lately.
fn is_settled(generated: &Left, dir: &Path, now: SystemTime) -> bool {
    let nodes = generated.dirs.iter().chain(&generated.files);
    let nodes = nodes.filter(|node| node.path.starts_with(dir));
    let newest = nodes.map(|node| node.identity.last_change()).max();
    let newest = UNIX_EPOCH + newest.unwrap_or(Duration::ZERO);
    now.duration_since(newest).is_ok_and(|age| age >= SETTLED)
}

/// Returns whether OpenTofu has no workspace selected but the default one, which it would
/// use without the directory.
fn is_default_workspace(top: &Dir, dir: &Path) -> Result<bool> {
    /// The longest name of a workspace that is read, in bytes.
    const MAX_NAME: u64 = 256;
    let path = dir.join("environment");
    let at = top.path_of(&path);
    let opened = if_exists(Opener::default().open_file(top, &path)).at("open", &at)?;
    let Some(file) = opened else {
        return Ok(true);
    };
    let mut name = Vec::new();
    file.take(MAX_NAME).read_to_end(&mut name).at("read", &at)?;
    Ok(matches!(name.trim_ascii(), b"" | b"default"))
}

/// Deletes a directory of plugins, from the open cache root downwards.
///
/// # Errors
///
/// A deployment is at work in the artifact's directory, or the system refuses.
pub(super) fn delete_plugins(root: &Path, path: &Path) -> Result<()> {
    let root = std::fs::canonicalize(root).at("open", root)?;
    let opened = Dir::open(&root).at("open", &root)?;
    let below = path.strip_prefix(&root).unwrap_or(path);
    let mut names = below.iter();
    let key = names.next().unwrap_or_default();
    let top = opened.open_dir(key).at("open", &opened.path_of(key))?;
    let quiet = Quiet::require(&top)?;
    let mut opener = Opener::default();
    let (parent, name) = opener.parent_of(&top, names.as_path()).at("open", path)?;
    delete(parent, name)?;
    drop(quiet);
    Ok(())
}
