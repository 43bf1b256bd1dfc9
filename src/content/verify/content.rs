//! Whether content is what its digest says.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::finding::{Code, Finding, command};
use crate::content::copy::hash_each;
use crate::content::manifest::{FileHash, Manifest};
use crate::content::tree::{Node, Tree};
use crate::content::{Cache, CacheState, Contents, Work};
use crate::digest::{digest_hex, hex};
use crate::document::EntryView;
use crate::error::{AtPath, Error, Result};
use crate::escape::visible;
use crate::fields::Field;
use crate::reference::Reference;
use crate::store::uninterrupted;

/// What came of looking at the content of entries.
pub(super) struct Outcome {
    pub(super) checked: Vec<Checked>,
    pub(super) files: usize,
    pub(super) bytes: u64,
}

/// What was found of one entry.
pub(super) struct Checked {
    /// The place of the entry among those that were looked at.
    pub(super) index: usize,
    pub(super) reference: String,
    pub(super) findings: Vec<Finding>,
}

/// A directory with the hash of each of its files.
struct Hashed<'t> {
    tree: &'t Tree,
    files: BTreeMap<&'t [u8], Result<FileHash>>,
}

/// Looks at the content of entries. All their files are hashed at once, and
/// those of a directory that several have only one time.
pub(super) fn check(cache: &Cache, entries: &[EntryView<'_>]) -> Result<Outcome> {
    let contents = cache.contents();
    let mut checked = Vec::new();
    let mut to_hash: Vec<(usize, PathBuf)> = Vec::new();
    let mut trees: HashMap<PathBuf, Result<Tree>> = HashMap::new();
    let mut is_cache_missing = false;
    for (index, entry) in entries.iter().enumerate() {
        let (reference, path) = (entry.reference(), entry.text_of(Field::CachePath));
        let digest = entry.text_of(Field::Digest);
        let (state, dir) = contents.look(&reference, &path);
        let mut findings = Vec::new();
        match dir {
            _ if path.is_empty() => findings.push(no_directory(&reference)),
            Some(dir) => match can_be_checked(cache, &digest) {
                true => {
                    trees
                        .entry(dir.clone())
                        .or_insert_with(|| Tree::stored(&dir));
                    to_hash.push((index, dir));
                }
                false => findings.push(unverifiable(&reference, &digest)),
            },
            None => match absent(&contents, state, &reference, &path) {
                Some(finding) => findings.push(finding),
                None => is_cache_missing = true,
            },
        }
        checked.push(Checked {
            index,
            reference: reference.into_owned(),
            findings,
        });
    }
    if is_cache_missing && let Some(first) = checked.first_mut() {
        first
            .findings
            .insert(0, no_cache(&cache.home().cache_root()));
    }

    let files: Vec<(&PathBuf, &Node)> = trees
        .iter()
        .filter_map(|(dir, tree)| Some((dir, tree.as_ref().ok()?)))
        .flat_map(|(dir, tree)| tree.files.iter().map(move |file| (dir, file)))
        .collect();
    let bytes = files
        .iter()
        .fold(0, |sum: u64, (_, file)| sum.saturating_add(file.len));
    let ongoing = cache.progress.begin(Work::Hashing, bytes);
    let nodes = files.iter().map(|(_, file)| *file).collect();
    let hashes = hash_each(nodes, cache.registry().interrupt(), &ongoing)?;
    let count = files.len();
    let mut hashed: HashMap<&PathBuf, Hashed<'_>> = HashMap::new();
    for (dir, tree) in &trees {
        if let Ok(tree) = tree {
            let files = BTreeMap::new();
            hashed.insert(dir, Hashed { tree, files });
        }
    }
    for ((dir, file), hash) in files.into_iter().zip(hashes) {
        if let Some(hashed) = hashed.get_mut(dir) {
            hashed.files.insert(file.path.as_os_str().as_bytes(), hash);
        }
    }
    for (index, dir) in &to_hash {
        let entry = &entries[*index];
        checked[*index].findings = match (hashed.get(dir), &trees[dir]) {
            (Some(hashed), _) => compare(cache, entry, hashed),
            (None, Err(error)) => vec![not_readable(&entry.reference(), error)],
            (None, Ok(_)) => Vec::new(),
        };
    }
    Ok(Outcome {
        checked,
        files: count,
        bytes,
    })
}

/// Why an entry's content is not there to be looked at; none where the whole
/// cache is missing.
fn absent(
    contents: &Contents<'_>,
    state: CacheState,
    reference: &str,
    path: &str,
) -> Option<Finding> {
    if let Some(error) = denied(Path::new(path)) {
        return Some(not_readable(reference, &error));
    }
    // A file, say, or a link to nowhere.
    let own = contents.own_dir(reference, path);
    if own.is_some_and(|own| fs::symlink_metadata(&own).is_ok() && !own.is_dir()) {
        return Some(no_content(reference, path));
    }
    if matches!(state, CacheState::Foreign) {
        return Some(foreign(reference, path));
    }
    let is_gone = contents.is_gone(reference, path);
    is_gone.then(|| missing(reference, path))
}

/// The error, if the system does not let us see what lies at a path.
fn denied(path: &Path) -> Option<Error> {
    let seen = uninterrupted(|| fs::symlink_metadata(path));
    let gone = |error: &io::Error| {
        use io::ErrorKind::{InvalidInput, NotADirectory, NotFound};
        matches!(error.kind(), NotFound | NotADirectory | InvalidInput)
    };
    match seen {
        Err(error) if !gone(&error) => Err::<(), _>(error).at("read", path).err(),
        _ => None,
    }
}

/// Whether hashing can tell anything: there is a manifest, or a digest that
/// could be that of one.
fn can_be_checked(cache: &Cache, digest: &str) -> bool {
    digest.starts_with("sha256:") && digest_hex(digest).is_some()
        || cache.manifests.vouch_for(digest)
}

fn compare(cache: &Cache, entry: &EntryView<'_>, hashed: &Hashed<'_>) -> Vec<Finding> {
    let reference = &*entry.reference();
    let digest = &*entry.text_of(Field::Digest);
    let manifest = cache.manifests.find(digest);
    let expected = manifest.as_ref().map(Manifest::files).unwrap_or_default();
    let remedy = match Reference::parse(reference) {
        Ok(_) => format!(
            "{} imports it anew; for what cldctl pulled, pull it again",
            command("add", reference, " PATH")
        ),
        // It stands there, but cannot be registered.
        Err(_) => format!("{} removes it", command("rm", reference, "")),
    };
    let find = |code, path: &[u8], what: &str| {
        let path = String::from_utf8_lossy(path);
        let message = format!("`{}` {what}", visible(&path));
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
                None => Some(find(
                    Code::FileExtra,
                    path,
                    "was not there when the digest was made",
                )),
                Some(expected) if *expected == hex(hash) => None,
                Some(_) => Some(find(Code::FileChanged, path, "has another content")),
            },
        };
        findings.extend(finding.map(|finding| (path, finding)));
    }
    if manifest.is_none() {
        if findings.is_empty() && digest_of(hashed).as_deref() != Some(digest) {
            return vec![unverifiable(reference, digest)];
        }
        return findings.into_values().collect();
    }
    for path in expected.keys() {
        if !hashed.files.contains_key(path.as_slice()) {
            findings.insert(path, find(Code::FileMissing, path, "is gone"));
        }
    }
    // We store files alone.
    let links = hashed.tree.links.iter().map(|(path, _)| path);
    for path in links.chain(&hashed.tree.others) {
        let path = path.as_os_str().as_bytes();
        findings.insert(path, find(Code::FileExtra, path, "is no regular file"));
    }
    findings.into_values().collect()
}

/// The digest of the files as they are.
fn digest_of(hashed: &Hashed<'_>) -> Option<String> {
    let files = hashed
        .files
        .iter()
        .map(|(path, hash)| Some((path.to_vec(), *hash.as_ref().ok()?)));
    let manifest = Manifest::of(files.collect::<Option<_>>()?);
    Some(manifest.digest().as_str().to_owned())
}

fn unverifiable(reference: &str, digest: &str) -> Finding {
    let message = match digest {
        "" => "has no digest to check its content against",
        _ => "nobody here knows what its digest is the digest of, so its content cannot be checked",
    };
    let remedy = format!(
        "{} registers the content anew as it is now, with a digest and a time of today",
        command("add", reference, "")
    );
    Finding::new(Code::UnverifiableDigest, reference, message, remedy)
}

fn missing(reference: &str, path: &str) -> Finding {
    Finding::new(
        Code::ContentMissing,
        reference,
        format!("its content is gone: `{}`", visible(path)),
        format!(
            "pull or build it again, or {} removes the entry",
            command("rm", reference, "")
        ),
    )
}

fn no_content(reference: &str, path: &str) -> Finding {
    Finding::new(
        Code::ContentMissing,
        reference,
        format!("its content is gone: `{}` is no directory", visible(path)),
        format!(
            "look what it is and move it away, then pull or build it again; or {} removes the entry",
            command("rm", reference, "")
        ),
    )
}

fn foreign(reference: &str, path: &str) -> Finding {
    Finding::new(
        Code::ForeignPath,
        reference,
        format!(
            "its content is not checked: `{}` is not its own directory",
            visible(path)
        ),
        format!(
            "{} brings a copy into the cache",
            command("add", reference, " PATH")
        ),
    )
}

fn no_directory(reference: &str) -> Finding {
    Finding::new(
        Code::ForeignPath,
        reference,
        "names no directory of content",
        format!(
            "{} brings content into the cache",
            command("add", reference, " PATH")
        ),
    )
}

fn no_cache(root: &Path) -> Finding {
    Finding::at(
        Code::CacheMissing,
        root,
        "is not there, and the content of all artifacts in it with it",
        "if it lies on another disk, mount that; if it is lost, pull or build the artifacts again",
    )
}

fn not_readable(reference: &str, error: &Error) -> Finding {
    Finding::new(
        Code::ContentUnreadable,
        reference,
        error.to_string(),
        "see that it can be read, and try again",
    )
}
