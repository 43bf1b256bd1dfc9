//! The check of a state that a change may leave.
//!
//! The registry is the old one or the new one, byte for byte (`prune` has a step
//! between them). Each of its entries with content has exactly the content that it had
//! or was given, in all files and modes, and its manifest. After success was reported,
//! the registry is the new one.
//!
//! The design permits three states between old and new, and only before the report: if
//! content replaces other content, the old entry with whole new content; if the system
//! cannot exchange two directories, the old content moved aside, which the next change
//! restores; and if it cannot rename the old directory at all, the old entry with a
//! part of its content, or with none.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::tree::{Item, Tree, below};

/// Paths from the user's directory.
const REGISTRY: &str = ".cldctl/registry/artifacts.json";
const LEGACY: &str = ".cldctl/registry/components.json";
const MANIFESTS: &str = ".cldctl/registry/manifests";
const CACHE: &str = ".cldctl/cache/artifacts";

/// A permitted state between the old one and the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Between {
    OldEntryOnNewContent,
    ContentAside,
    ContentMissing,
}

/// An entry, with the fields about its content.
#[derive(Debug)]
struct Entry {
    /// The whole entry.
    value: Value,
    reference: String,
    /// The path from the user's directory, if the content is in the cache.
    content: Option<PathBuf>,
    manifest: Option<PathBuf>,
}

/// The state before a change, after it, or between its steps if it has several.
pub(super) struct Whole {
    pub(super) tree: Tree,
    entries: Vec<Entry>,
}

impl Whole {
    /// Creates a state. `root` is the directory of the tree.
    pub(super) fn new(root: &Path, tree: Tree) -> Self {
        let entries = entries(root, &tree);
        Whole { tree, entries }
    }

    /// Returns the references that a list must show.
    pub(super) fn references(&self) -> Vec<String> {
        let entries = self.entries.iter();
        entries.map(|entry| entry.reference.clone()).collect()
    }

    /// Returns whether an entry is the same as in another state.
    pub(super) fn has_as(&self, other: &Whole, reference: &str) -> bool {
        let entry = |whole: &'_ Whole| {
            let mut entries = whole.entries.iter();
            let entry = entries.find(|entry| entry.reference == reference);
            entry.map(|entry| entry.value.clone())
        };
        entry(self).is_some() && entry(self) == entry(other)
    }

    /// Checks that each entry has its whole content and its manifest, as one of these
    /// states has them; the error says what is missing. If content is being replaced,
    /// an entry may have the new content.
    pub(super) fn content_is_of(&self, states: &[&Whole]) -> Result<(), String> {
        for entry in &self.entries {
            let mut known = states.to_vec();
            known.retain(|whole| whole.entries.iter().any(|it| it.value == entry.value));
            let Some(whole) = known.first() else {
                continue;
            };
            let reference = &entry.reference;
            if let Some(manifest) = &entry.manifest
                && let item @ Some(_) = whole.tree.get(manifest)
                && self.tree.get(manifest) != item
            {
                return Err(format!("no manifest of {reference}"));
            }
            let Some(path) = &entry.content else {
                continue;
            };
            let is_last = |whole: &&&Whole| std::ptr::eq(**whole, states[states.len() - 1]);
            let is_replaced = !known.iter().any(|it| is_last(&it));
            let mut allowed: Vec<_> = known.iter().map(|it| below(&it.tree, path)).collect();
            if is_replaced {
                allowed.push(below(&states[states.len() - 1].tree, path));
            }
            let found = below(&self.tree, path);
            if !allowed
                .iter()
                .any(|content| content.is_empty() || *content == found)
            {
                let count = found.len();
                return Err(format!(
                    "the content of {reference} is not whole: {count} items"
                ));
            }
        }
        Ok(())
    }

    /// Checks that the state has the same artifacts with the same content as another
    /// state, and one more; the error says what is missing. Times may differ.
    pub(super) fn is_as_good_as(&self, other: &Whole, more: &str) -> Result<(), String> {
        let mut expected = other.references();
        expected.push(more.to_owned());
        expected.sort();
        let mut found = self.references();
        found.sort();
        if found != expected {
            return Err(format!(
                "run again, it leaves {found:?} instead of {expected:?}"
            ));
        }
        for entry in &self.entries {
            let is_same = |it: &&Entry| it.reference == entry.reference;
            let Some(same) = other.entries.iter().find(is_same) else {
                continue;
            };
            let content = |whole: &Whole, entry: &Entry| {
                let content = entry.content.as_ref();
                content.map(|path| format!("{:?}", below(&whole.tree, path)))
            };
            if content(self, entry) != content(other, same)
                || entry.value["digest"] != same.value["digest"]
            {
                let reference = &entry.reference;
                return Err(format!("run again, it leaves other content of {reference}"));
            }
        }
        Ok(())
    }
}

/// The check of a change, with the states before and after each of its commits.
pub(super) struct Judge {
    pub(super) steps: Vec<Whole>,
    /// True if content can only be deleted in place.
    pub(super) is_lower_layer: bool,
}

impl Judge {
    /// Returns the state that a report of success promises.
    pub(super) fn new_state(&self) -> &Whole {
        self.steps.last().unwrap()
    }

    /// Returns the index of the step that a state is in, and the permitted state
    /// between steps, if it is one; the error says what is wrong.
    pub(super) fn judge(
        &self,
        state: &Tree,
        reported: bool,
    ) -> Result<(&Whole, Option<Between>), String> {
        let registry = registry(state);
        if reported && registry != self::registry(&self.new_state().tree) {
            return Err("success was reported, but the registry is not the new one".to_owned());
        }
        let mut steps = self.steps.iter();
        let Some(step) = steps.position(|whole| self::registry(&whole.tree) == registry) else {
            return Err(match registry {
                Some(Item::File(text, mode)) => {
                    let text = String::from_utf8_lossy(&text[..text.len().min(60)]);
                    format!("the registry is neither old nor new: {text:?} {mode:o}")
                }
                other => format!("the registry is neither old nor new: {other:?}"),
            });
        };
        let is_new = step + 1 == self.steps.len();
        let legacy = |tree: &Tree| tree.get(Path::new(LEGACY)).cloned();
        if legacy(state) != legacy(&self.steps[0].tree) {
            return Err("the legacy registry has changed".to_owned());
        }
        let whole = &self.steps[step];
        let mut between = None;
        for entry in &whole.entries {
            if let Some(manifest) = &entry.manifest
                && let item @ Some(_) = whole.tree.get(manifest)
                && state.get(manifest) != item
            {
                return Err(format!("no manifest of {}", entry.reference));
            }
            match self.content(entry, whole, state, is_new) {
                Ok(found) => between = between.max(found),
                Err(wrong) => return Err(wrong),
            }
        }
        match between {
            Some(between) if reported => Err(format!(
                "success was reported, but the state is {between:?}"
            )),
            _ => Ok((whole, between)),
        }
    }

    fn content(
        &self,
        entry: &Entry,
        whole: &Whole,
        state: &Tree,
        is_new: bool,
    ) -> Result<Option<Between>, String> {
        let Some(path) = &entry.content else {
            return Ok(None);
        };
        let (expected, found) = (below(&whole.tree, path), below(state, path));
        if found == expected || expected.is_empty() {
            return Ok(None);
        }
        let is_replaced =
            |new: &Entry| new.reference == entry.reference && new.value != entry.value;
        if !is_new && self.new_state().entries.iter().any(is_replaced) {
            if found == below(&self.new_state().tree, path) && !found.is_empty() {
                return Ok(Some(Between::OldEntryOnNewContent));
            }
            if found.is_empty() && aside(state, path.file_name().unwrap(), &expected) {
                return Ok(Some(Between::ContentAside));
            }
            let is_part = found
                .iter()
                .all(|(path, item)| expected.get(path) == Some(item));
            if self.is_lower_layer && is_part {
                return Ok(Some(Between::ContentMissing));
            }
        }
        let (found, of) = (found.len(), expected.len());
        let reference = &entry.reference;
        Err(format!(
            "the content of {reference} differs: {found} of {of} items are right"
        ))
    }
}

/// Returns the file that contains the registry.
pub(super) fn registry(tree: &Tree) -> Option<&Item> {
    followed(tree, Path::new(REGISTRY))
}

/// Returns the item at a path, following a link.
fn followed<'t>(tree: &'t Tree, path: &Path) -> Option<&'t Item> {
    match tree.get(path) {
        Some(Item::Link(target)) => {
            let mut led = path.parent().unwrap().to_owned();
            for part in Path::new(target).components() {
                match part {
                    Component::ParentDir => assert!(led.pop()),
                    part => led.push(part),
                }
            }
            followed(tree, &led)
        }
        item => item,
    }
}

/// Returns whether content is at the path to which the first of two renames moves it.
fn aside(state: &Tree, key: &OsStr, expected: &BTreeMap<&Path, &Item>) -> bool {
    let in_cache = below(state, Path::new(CACHE));
    let mut names = in_cache.keys().filter_map(|path| path.to_str());
    names.any(|name| {
        let is_swap = [".swap-", ".trash:swap-"]
            .iter()
            .any(|it| name.starts_with(it));
        let is_swap = is_swap && !name.contains('/');
        is_swap && below(state, &Path::new(CACHE).join(name).join(key)) == *expected
    })
}

/// Returns the entries of a registry, or of the legacy one that it will be migrated
/// from.
fn entries(root: &Path, tree: &Tree) -> Vec<Entry> {
    let text = [REGISTRY, LEGACY]
        .iter()
        .find_map(|path| followed(tree, Path::new(path)));
    let Some(Item::File(text, _)) = text else {
        return Vec::new();
    };
    let document: Value = serde_json::from_slice(text).unwrap();
    let entries = ["artifacts", "components"]
        .iter()
        .find_map(|key| document[key].as_array());
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let entries = entries.into_iter().flatten().map(|value| {
        let content = PathBuf::from(text(value, "cachePath"));
        let content = content.strip_prefix(root).ok().map(Path::to_owned);
        let digest = text(value, "digest");
        let manifest = digest.strip_prefix("sha256:").map(|hex| {
            let name = format!("{hex}.sha256");
            Path::new(MANIFESTS).join(name)
        });
        Entry {
            reference: text(value, "reference"),
            content: content.filter(|path| path.starts_with(CACHE)),
            manifest,
            value: value.clone(),
        }
    });
    entries.collect()
}
