//! Holds content against its digest.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::content_finding::{
    foreign, left, missing, moved, no_cache, no_content, not_readable, unverifiable,
};
use super::finding::{Code, Finding, add, command};
use super::moved::keys;
use crate::content::contents::{Located, Location};
use crate::content::file_tree::Node;
use crate::content::hash::hash_each;
use crate::content::manifest::{FileHash, Manifest};
use crate::content::{Cache, CacheState, Contents, Operation};
use crate::digest::hex;
use crate::document::{Document, EntryRef};
use crate::error::{AtPath, Error, Result};
use crate::escape::escape_display;
use crate::fields::Field;
use crate::store::{FileId, stat};

/// The outcome of a look at the content of entries.
pub(super) struct Outcome {
    pub(super) checked: Vec<Checked>,
    pub(super) files: usize,
    pub(super) bytes: u64,
}

/// The findings about one entry.
pub(super) struct Checked {
    /// The place of the entry among those that were looked at.
    pub(super) index: usize,
    pub(super) reference: String,
    /// The directory that was looked at; `None` if there was none to open.
    pub(super) dir: Option<FileId>,
    pub(super) findings: Vec<Finding>,
}

/// A directory with the hash of each file of its content.
struct Hashed<'t> {
    located: &'t Located,
    files: BTreeMap<&'t [u8], Result<FileHash>>,
}

/// The next step for an entry.
enum Look {
    /// To hash the content at this place.
    Hash(Location),
    /// Content that no hash can tell anything about.
    Unverifiable(Location),
    Found(Finding),
    Nothing,
    /// Its content is missing, as is the whole cache.
    NoCache,
}

/// Looks at the content of entries. All their files are hashed at once, and
/// those of a directory that several have only one time.
pub(super) fn check(
    cache: &Cache,
    document: &Document,
    entries: &[EntryRef<'_>],
) -> Result<Outcome> {
    let contents = cache.contents();
    let keys = keys(document.entries());
    let mut checked = Vec::new();
    let mut to_hash: Vec<(usize, Location)> = Vec::new();
    let mut trees: HashMap<Location, Result<Located>> = HashMap::new();
    let mut is_cache_missing = false;
    for (index, entry) in entries.iter().enumerate() {
        let reference = entry.reference();
        let mut findings = Vec::new();
        match look(&contents, entry, &keys) {
            Ok(Look::Hash(place)) => {
                trees.entry(place.clone()).or_insert_with(|| {
                    let digest = entry.text_of(Field::Digest);
                    let divided = contents.read(&place, &digest)?;
                    Ok(Located::new(place.clone(), divided))
                });
                to_hash.push((index, place));
            }
            Ok(Look::Unverifiable(place)) => {
                let digest = entry.text_of(Field::Digest);
                findings.push(unverifiable(&reference, &digest));
                match contents.read(&place, &digest) {
                    Ok(divided) => {
                        let located = Located::new(place, divided);
                        findings.extend(left(&reference, &located));
                    }
                    Err(error) => findings.push(not_readable(&reference, &error)),
                }
            }
            Ok(Look::Found(finding)) => findings.push(finding),
            Ok(Look::Nothing) => {}
            Ok(Look::NoCache) => is_cache_missing = true,
            Err(error) => findings.push(not_readable(&reference, &error)),
        }
        checked.push(Checked {
            index,
            reference: reference.into_owned(),
            dir: None,
            findings,
        });
    }
    if is_cache_missing && let Some(first) = checked.first_mut() {
        first
            .findings
            .insert(0, no_cache(&cache.home().cache_root()));
    }

    let hashed = hash_trees(cache, &contents, &trees)?;
    for (index, place) in &to_hash {
        let entry = &entries[*index];
        checked[*index].dir = match &trees[place] {
            Ok(located) => Some(located.tree.id),
            Err(_) => contents.dir_id(entry),
        };
        checked[*index].findings = match (hashed.get(place), &trees[place]) {
            (Some(hashed), _) => compare(cache, &contents, entry, hashed)
                .unwrap_or_else(|error| vec![not_readable(&entry.reference(), &error)]),
            (None, Err(error)) => vec![not_readable(&entry.reference(), error)],
            (None, Ok(_)) => Vec::new(),
        };
    }
    let found = trees.values().flatten();
    Ok(Outcome {
        checked,
        files: found.clone().map(|it| it.tree.files.len()).sum(),
        bytes: bytes_of(found),
    })
}

/// Hashes the files of all trees at once.
fn hash_trees<'t>(
    cache: &Cache,
    contents: &Contents<'_>,
    trees: &'t HashMap<Location, Result<Located>>,
) -> Result<HashMap<&'t Location, Hashed<'t>>> {
    let found = trees.values().flatten();
    let files: Vec<(&Located, &Node)> = found
        .clone()
        .flat_map(|located| located.tree.files.iter().map(move |file| (located, file)))
        .collect();
    let hashing = cache
        .progress
        .begin(Operation::Hashing, bytes_of(found.clone()));
    let interrupt = cache.registry().interrupt();
    let open = |place: &_| contents.open(place);
    let hashes = hash_each(files.clone(), open, interrupt, &hashing)?;
    let mut hashed: HashMap<&Location, Hashed<'_>> = HashMap::new();
    for located in found {
        let files = BTreeMap::new();
        hashed.insert(&located.place, Hashed { located, files });
    }
    for ((located, file), hash) in files.into_iter().zip(hashes) {
        if let Some(hashed) = hashed.get_mut(&located.place) {
            hashed.files.insert(file.path.as_os_str().as_bytes(), hash);
        }
    }
    Ok(hashed)
}

/// Returns the length of all files of trees, in bytes.
fn bytes_of<'t>(trees: impl Iterator<Item = &'t Located>) -> u64 {
    trees.fold(0, |sum, located| sum.saturating_add(located.tree.bytes()))
}

/// Returns what there is to be done about an entry.
fn look(
    contents: &Contents<'_>,
    entry: &EntryRef<'_>,
    keys: &HashMap<String, usize>,
) -> Result<Look> {
    let (reference, path) = (entry.reference(), entry.text_of(Field::CachePath));
    let digest = entry.text_of(Field::Digest);
    Ok(match contents.look(&reference, &path)? {
        (_, Some(place)) => match contents.can_be_verified(&digest)? {
            true => Look::Hash(place),
            false => Look::Unverifiable(place),
        },
        // Metadata alone: cldctl pulls the content when it needs it.
        (CacheState::None, None) => Look::Nothing,
        (CacheState::Foreign, None) if contents.own_key(&reference, &path)?.is_some() => {
            let leads = stat(Path::new(&*path)).at("read", Path::new(&*path))?;
            Look::Found(match leads {
                // A link to a directory that is not the entry's own.
                Some(found) if found.is_dir() => foreign(&reference, &path),
                // A file, say, or a link to nothing.
                _ => no_content(&reference, &path),
            })
        }
        (CacheState::Missing, None) if contents.is_there()? => {
            Look::Found(missing(&reference, &path))
        }
        (CacheState::Missing, None) => Look::NoCache,
        (_, None) => Look::Found(match contents.moved_to(&reference, &path, keys)? {
            Some(own) => moved(&reference, &path, &own),
            None => foreign(&reference, &path),
        }),
    })
}

fn compare(
    cache: &Cache,
    contents: &Contents<'_>,
    entry: &EntryRef<'_>,
    hashed: &Hashed<'_>,
) -> Result<Vec<Finding>> {
    let reference = &*entry.reference();
    let digest = &*entry.text_of(Field::Digest);
    let manifest = cache.manifests.find(digest)?;
    let expected = manifest.as_ref().map(Manifest::files).unwrap_or_default();
    let remedy = match add(reference, " PATH") {
        Some(add) => format!("{add} imports it again; if cldctl pulled it, pull it again"),
        // It is registered, but could not be registered again.
        None => format!("{} removes it", command("rm", reference, "")),
    };
    let find = |code, path: &[u8], what: &str| {
        let path = String::from_utf8_lossy(path);
        let message = format!("`{}` {what}", escape_display(&path));
        Finding::new(code, reference, message, remedy.as_str())
    };
    let mut findings: BTreeMap<&[u8], Finding> = BTreeMap::new();
    for (&path, hash) in &hashed.files {
        let finding = match hash {
            Err(error @ Error::ContentChanged { .. }) => Some(Finding::new(
                Code::FileChanged,
                reference,
                error.to_string(),
                remedy.as_str(),
            )),
            Err(error) => Some(not_readable(reference, error)),
            Ok(_) if manifest.is_none() => None,
            Ok(hash) => match expected.get(path) {
                None => Some(find(Code::FileExtra, path, "is not covered by the digest")),
                Some(expected) if *expected == hex(hash) => None,
                Some(_) => Some(find(Code::FileChanged, path, "has different content")),
            },
        };
        findings.extend(finding.map(|finding| (path, finding)));
    }
    if manifest.is_none() {
        let mut findings: Vec<Finding> = findings.into_values().collect();
        if findings.is_empty() && digest_of(hashed).as_deref() != Some(digest) {
            findings.push(unverifiable(reference, digest));
        }
        findings.extend(left(reference, hashed.located));
        return Ok(findings);
    }
    for path in expected.keys() {
        if !hashed.files.contains_key(path.as_slice()) {
            findings.insert(path, find(Code::FileMissing, path, "is missing"));
        }
    }
    // We store files alone.
    let tree = &hashed.located.tree;
    let links = tree.links.iter().map(|(path, _)| path);
    for path in links.chain(&tree.others) {
        let path = path.as_os_str().as_bytes();
        findings.insert(path, find(Code::FileExtra, path, "is not a regular file"));
    }
    let mut findings: Vec<Finding> = findings.into_values().collect();
    let is_extra = |finding: &Finding| finding.code == Code::FileExtra;
    if findings.iter().any(is_extra) {
        let path = entry.text_of(Field::CachePath);
        if !contents.deployed()?.of(reference, &path)?.is_empty() {
            // Whatever else a deployment left there is no damage.
            for finding in findings.iter_mut().filter(|finding| is_extra(finding)) {
                finding.code = Code::DeploymentFiles;
                finding.remedy =
                    format!("it stays while `{}` is deployed", escape_display(reference));
            }
        }
    }
    findings.extend(left(reference, hashed.located));
    Ok(findings)
}

/// Returns the digest of the files as they are.
fn digest_of(hashed: &Hashed<'_>) -> Option<String> {
    let files = hashed
        .files
        .iter()
        .map(|(path, hash)| Some((path.to_vec(), *hash.as_ref().ok()?)));
    let manifest = Manifest::of(files.collect::<Option<_>>()?);
    Some(manifest.digest().as_str().to_owned())
}
