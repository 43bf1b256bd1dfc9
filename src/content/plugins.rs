//! Provider plugins of artifacts that stay, which OpenTofu downloads again.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::deletion::delete;
use super::deployed::Quiet;
use super::file_tree::{Left, Opener};
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
    let plugins = contained(&generated);
    if plugins.is_empty() {
        return Ok(Vec::new());
    }
    let top = contents.open(&place)?;
    let mut found = Vec::new();
    for (dir, inside) in plugins {
        if inside.is_settled(now) && is_default_workspace(&top, dir)? {
            found.push(Unreferenced {
                kind: UnreferencedKind::Generated,
                path: contents.path_of(&place)?.join(dir),
                bytes: inside.bytes,
                allocated: inside.bytes,
            });
        }
    }
    if !found.is_empty() {
        Quiet::look(&top)?;
    }
    Ok(found)
}

/// Returns whether a path is that of a directory of plugins, and in no other one.
fn is_plugins(path: &Path) -> bool {
    let mut names = path.iter().rev();
    names.next() == Some(OsStr::new(PLUGINS)) && !names.any(|name| name == PLUGINS)
}

/// What a directory of plugins contains.
#[derive(Default)]
struct Inside {
    bytes: u64,
    /// The time since 1970 of the last change, of the directory itself too.
    newest: Duration,
}

impl Inside {
    /// Returns whether nothing changed lately.
    fn is_settled(&self, now: SystemTime) -> bool {
        let age = now.duration_since(UNIX_EPOCH + self.newest);
        age.is_ok_and(|age| age >= SETTLED)
    }
}

/// Returns the directories of plugins with what they contain.
fn contained(generated: &Left) -> BTreeMap<&Path, Inside> {
    let dirs = generated.dirs.iter().map(|dir| &*dir.path);
    let dirs = dirs.filter(|dir| is_plugins(dir));
    let mut plugins: BTreeMap<&Path, Inside> = dirs.map(|dir| (dir, Inside::default())).collect();
    for node in generated.dirs.iter().chain(&generated.files) {
        let mut around = node.path.ancestors().filter(|dir| is_plugins(dir));
        if let Some(inside) = around.next().and_then(|dir| plugins.get_mut(dir)) {
            inside.bytes = inside.bytes.saturating_add(node.len);
            inside.newest = inside.newest.max(node.identity.last_change());
        }
    }
    plugins
}

/// The file in a directory of plugins that names the selected workspace.
const SELECTION: &str = "environment";

/// Returns the directory of plugins in which a file selects a workspace; `None` if it is
/// no such file.
pub(super) fn workspace_selected_by(file: &Path) -> Option<&Path> {
    let dir = file.parent().filter(|dir| is_plugins(dir))?;
    (file.file_name() == Some(OsStr::new(SELECTION))).then_some(dir)
}

/// Returns whether OpenTofu has no workspace selected but the default one, which it would
/// use without the directory.
pub(super) fn is_default_workspace(top: &Dir, dir: &Path) -> Result<bool> {
    /// The longest name of a workspace that is read, in bytes.
    const MAX_NAME: u64 = 256;
    let path = dir.join(SELECTION);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::file_tree::FileTree;
    use std::fs;

    #[test]
    fn what_each_directory_of_plugins_contains_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            ("a/.terraform/providers/p", "12345"),
            ("a/.terraform/modules/x/.terraform/y", "12"),
            ("b/.terraform/environment", "prod"),
            ("b/node_modules/z", "none of them"),
        ];
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let tree = FileTree::stored(&Dir::open(dir.path()).unwrap()).unwrap();
        let generated = tree.divide(|_, _| false).generated;
        let plugins = contained(&generated);
        let bytes: Vec<_> = plugins.iter().map(|(dir, it)| (*dir, it.bytes)).collect();
        let expected = [("a/.terraform", 7), ("b/.terraform", 4)];
        assert_eq!(bytes, expected.map(|(dir, bytes)| (Path::new(dir), bytes)));

        let newest = plugins.values().map(|it| it.newest).max().unwrap();
        let settled = UNIX_EPOCH + newest + SETTLED;
        let is_settled = |now| plugins.values().all(|it| it.is_settled(now));
        assert!(is_settled(settled) && !is_settled(UNIX_EPOCH + newest));
    }
}
