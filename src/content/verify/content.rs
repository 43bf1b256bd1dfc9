//! Whether content is what its digest says.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::finding::{Code, Finding, add, command};
use super::moved::keys;
use crate::content::file_tree::{Left, Node};
use crate::content::hash::hash_each;
use crate::content::manifest::{FileHash, Manifest};
use crate::content::contents::{Located, Location};
use crate::content::{Cache, CacheState, Contents, Operation};
use crate::digest::hex;
use crate::document::{Document, EntryRef};
use crate::error::{AtPath, Error, Result};
use crate::escape::escape_display;
use crate::fields::Field;
use crate::store::{FileId, stat};

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
    /// The directory that was looked at; `None` if there was none to open.
    pub(super) dir: Option<FileId>,
    pub(super) findings: Vec<Finding>,
}

/// A directory with the hash of each file of its content.
struct Hashed<'t> {
    located: &'t Located,
    files: BTreeMap<&'t [u8], Result<FileHash>>,
}

/// What is to be done about an entry.
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

    let files: Vec<(&Located, &Node)> = trees
        .values()
        .filter_map(|located| located.as_ref().ok())
        .flat_map(|located| located.tree.files.iter().map(move |file| (located, file)))
        .collect();
    let bytes = files
        .iter()
        .fold(0, |sum: u64, (_, file)| sum.saturating_add(file.len));
    let ongoing = cache.progress.begin(Operation::Hashing, bytes);
    let interrupt = cache.registry().interrupt();
    let hashes = hash_each(
        files.clone(),
        |place| contents.open(place),
        interrupt,
        &ongoing,
    )?;
    let count = files.len();
    let mut hashed: HashMap<&Location, Hashed<'_>> = HashMap::new();
    for located in trees.values().flatten() {
        let files = BTreeMap::new();
        hashed.insert(&located.place, Hashed { located, files });
    }
    for ((located, file), hash) in files.into_iter().zip(hashes) {
        if let Some(hashed) = hashed.get_mut(&located.place) {
            hashed.files.insert(file.path.as_os_str().as_bytes(), hash);
        }
    }
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
    Ok(Outcome {
        checked,
        files: count,
        bytes,
    })
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
        // It stands there, but cannot be registered.
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

/// Returns what deployments left beside content.
fn left(reference: &str, located: &Located) -> Vec<Finding> {
    let note = |code, left: &Left, what: &str, remedy: &str| {
        let count = left.paths().count();
        let s = if count == 1 { "" } else { "s" };
        let message = format!("has {count} {what} file{s} ({} bytes)", left.bytes());
        (count > 0).then(|| Finding::new(code, reference, message, remedy))
    };
    let lock = located.deployment.paths().find(|path| {
        let name = path.file_name().unwrap_or_default().as_bytes();
        name.starts_with(b".") && name.ends_with(b".tfstate.lock.info")
    });
    let remedy = match lock {
        Some(path) => format!(
            "they stay with the artifact; `{}` was left by a killed OpenTofu unless one is at work",
            escape_display(&path.to_string_lossy())
        ),
        None => "they stay with the artifact, and are never copied or shared".to_owned(),
    };
    let deployment = note(
        Code::DeploymentFiles,
        &located.deployment,
        "deployment",
        &remedy,
    );
    let generated = note(
        Code::GeneratedFiles,
        &located.generated,
        "generated",
        "`cldctl-registry prune --generated` removes provider plugins",
    );
    deployment.into_iter().chain(generated).collect()
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
        "" => "has no digest to verify its content against",
        _ => "its digest has no manifest in this registry, so its content cannot be verified",
    };
    let remedy = match add(reference, "") {
        Some(add) => {
            format!("{add} registers the content as it is now, with a new digest and time")
        }
        None => under_another(),
    };
    Finding::new(Code::UnverifiableDigest, reference, message, remedy)
}

fn missing(reference: &str, path: &str) -> Finding {
    Finding::new(
        Code::ContentMissing,
        reference,
        format!("its content is missing: `{}`", escape_display(path)),
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
        format!(
            "its content is missing: `{}` is not a directory",
            escape_display(path)
        ),
        format!(
            "check what it is and move it away, then pull or build it again; or {} removes the \
             entry",
            command("rm", reference, "")
        ),
    )
}

fn foreign(reference: &str, path: &str) -> Finding {
    Finding::new(
        Code::ForeignPath,
        reference,
        format!(
            "its content was not checked: `{}` is not its own directory",
            escape_display(path)
        ),
        match add(reference, " PATH") {
            Some(add) => format!("{add} imports a copy into the cache"),
            None => under_another(),
        },
    )
}

/// The remedy where `add` refuses the reference of the entry.
fn under_another() -> String {
    format!(
        "{} registers a copy under a reference that `add` accepts",
        command("add", "REF", " PATH")
    )
}

fn moved(reference: &str, path: &str, own: &str) -> Finding {
    Finding::new(
        Code::MovedContent,
        reference,
        format!(
            "its `cachePath` is `{}`, which does not exist, but its content is in `{}`",
            escape_display(path),
            escape_display(own)
        ),
        "`cldctl-registry verify --repair` corrects the path",
    )
}

fn no_cache(root: &Path) -> Finding {
    Finding::at(
        Code::CacheMissing,
        root,
        "is missing, and so is the content of all artifacts stored in it",
        "if it is on another disk, mount that disk; if it is lost, pull or build the artifacts \
         again",
    )
}

fn not_readable(reference: &str, error: &Error) -> Finding {
    Finding::new(
        Code::ContentUnreadable,
        reference,
        error.to_string(),
        "make it readable, and try again",
    )
}
