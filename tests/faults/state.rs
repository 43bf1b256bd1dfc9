//! The state of a home at one moment.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::home::Home;
use crate::operations::TIME;

/// A directory of content: the mode and the text of each file, the mode of each
/// directory.
pub(crate) type Tree = BTreeMap<String, (u32, Option<Vec<u8>>)>;

const CACHE: &str = "user/.cldctl/cache/artifacts/";
/// A directory outside the cache that may link into it.
const ELSEWHERE: &str = "elsewhere";

/// The state of a home, the same in each copy of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The text of the registry.
    pub(crate) registry: Option<Vec<u8>>,
    /// The target of the registry, if it is a link.
    pub(crate) link: Option<PathBuf>,
    /// The text of the older registry beside it.
    pub(crate) legacy: Option<Vec<u8>>,
    /// The directories of the cache that belong to references, and the one
    /// elsewhere, each by its name.
    pub(crate) content: BTreeMap<String, Tree>,
    /// The manifests by their digests.
    pub(crate) manifests: BTreeMap<String, Vec<u8>>,
    /// What is remembered of registries for the content of each digest.
    pub(crate) remotes: BTreeMap<String, String>,
    /// Unexpected files beside the registry and the manifests.
    pub(crate) temporaries: Vec<String>,
    /// Staging and trash.
    pub(crate) scratch: Vec<String>,
}

/// Returns the text of a registry without the times of `it:1` that no change was told: a
/// load registers it with the present one.
fn without_times_of_it(text: &str) -> String {
    let told = TIME.trim_start_matches("--created-at=");
    let mut is_it = false;
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        if line.contains("\"reference\": ") {
            is_it = line.contains("\"it:1\"");
        }
        match line.split_once("\"createdAt\": \"") {
            Some((before, time)) if is_it && !time.starts_with(told) => {
                let end = time.find('"').unwrap_or(time.len());
                out.push_str(&format!(
                    "{before}\"createdAt\": \"{{time}}{}",
                    &time[end..]
                ));
            }
            _ => out.push_str(line),
        }
    }
    out
}

impl State {
    pub(crate) fn of(home: &Home) -> Self {
        let registry = home.registry();
        let dir = registry.parent().unwrap();
        let text = |path: &Path| {
            let text = String::from_utf8(fs::read(path).ok()?).unwrap();
            let text = text.replace(&home.root(), "{home}");
            Some(without_times_of_it(&text).into_bytes())
        };
        let mut state = State {
            registry: text(&registry),
            link: fs::read_link(&registry).ok(),
            legacy: text(&dir.join("components.json")),
            content: BTreeMap::new(),
            manifests: BTreeMap::new(),
            remotes: BTreeMap::new(),
            temporaries: Vec::new(),
            scratch: Vec::new(),
        };
        let known = [
            "artifacts.json",
            "artifacts.json.lock",
            "components.json",
            "manifests",
        ];
        let strange = names(dir).into_iter();
        let strange = strange.filter(|name| !known.contains(&&**name));
        state.temporaries.extend(strange);
        if let Some(target) = &state.link {
            // The lock is beside the target of a link.
            let strange = names(dir.join(target).parent().unwrap()).into_iter();
            let strange = strange.filter(|name| !name.starts_with("real.json"));
            state.temporaries.extend(strange);
        }
        let manifests = dir.join("manifests");
        for name in names(&manifests) {
            match name.rsplit_once('.') {
                Some((hex, "sha256")) => {
                    let text = fs::read(manifests.join(&name)).unwrap();
                    state.manifests.insert(hex.to_owned(), text);
                }
                Some((hex, "remotes")) => {
                    let text = fs::read_to_string(manifests.join(&name)).unwrap();
                    let text = text.replace(&home.repository(), "{home}");
                    state.remotes.insert(hex.to_owned(), text);
                }
                _ => state.temporaries.push(name),
            }
        }
        let elsewhere = tree(&home.path(ELSEWHERE));
        if !elsewhere.is_empty() {
            state.content.insert(ELSEWHERE.to_owned(), elsewhere);
        }
        let cache = home.cache();
        for name in names(&cache) {
            if name.starts_with('.') {
                state.scratch.push(name);
            } else {
                let tree = tree(&cache.join(&name));
                state.content.insert(name, tree);
            }
        }
        state
    }

    /// Returns the entries with content there, each with its cache key and digest; an
    /// error says why the registry cannot be read.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, String> {
        let Some(text) = self.registry.as_ref().or(self.legacy.as_ref()) else {
            return Ok(Vec::new());
        };
        let document: Value =
            serde_json::from_slice(text).map_err(|error| format!("the registry: {error}"))?;
        let entries = [&document["artifacts"], &document["components"]]
            .into_iter()
            .find_map(Value::as_array)
            .ok_or("the registry has no entries")?;
        let entries = entries.iter().map(|entry| Entry {
            reference: entry["reference"].as_str().unwrap_or_default().to_owned(),
            key: entry["cachePath"]
                .as_str()
                .and_then(|path| path.strip_prefix("{home}/"))
                .map(|path| path.strip_prefix(CACHE).unwrap_or(path))
                .map(str::to_owned),
            digest: entry["digest"]
                .as_str()
                .and_then(|digest| digest.strip_prefix("sha256:"))
                .map(str::to_owned),
        });
        Ok(entries.collect())
    }
}

/// The fields of an entry about its content.
pub(crate) struct Entry {
    pub(crate) reference: String,
    /// Its directory in the cache, if it is there.
    pub(crate) key: Option<String>,
    pub(crate) digest: Option<String>,
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn tree(dir: &Path) -> Tree {
    // A dangling link has no content.
    let entries = walkdir::WalkDir::new(dir).into_iter().flatten();
    let entries = entries.map(|entry| {
        let path = entry.path().strip_prefix(dir).unwrap();
        let text = entry.file_type().is_file();
        let text = text.then(|| fs::read(entry.path()).unwrap());
        let mode = entry.metadata().unwrap().mode();
        (path.to_string_lossy().into_owned(), (mode, text))
    });
    entries.collect()
}
