//! Loading artifacts from an OCI image layout.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::MAX_BYTES;
use super::chosen::{Found, chosen};
use super::image::{CONTENT_DIGEST, Named};
use super::layout::Layout;
use super::unpack::Unpacking;
use crate::content::file_tree::LeftOut;
use crate::content::register::Registration;
use crate::content::source::is_described_as;
use crate::content::{Cache, TagOptions};
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::error::{AtPath, Error, Result};
use crate::reference::Reference;
use crate::registry::{Added, Upsert};
use crate::timestamp;

/// Where artifacts are loaded from.
pub enum LoadSource<'s> {
    /// A tar archive, read as it comes.
    Reader(&'s mut dyn Read),
    /// A tar archive in a file.
    File(PathBuf),
    /// A layout in a directory.
    Dir(PathBuf),
}

/// How artifacts are loaded: by default, all of them, under the references that they were
/// saved with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadOptions {
    /// Only the artifacts of these references are loaded; all, if there are none.
    pub references: Vec<String>,
    /// The reference that a single artifact gets.
    pub rename: Option<Reference>,
    /// Refuses a reference that is registered already.
    pub no_clobber: bool,
    /// The most bytes that the files of an artifact may have together, and that an archive
    /// may have that has to be stored to be read.
    pub max_bytes: u64,
    /// Changes nothing, and returns what would be loaded.
    pub dry_run: bool,
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions {
            references: Vec::new(),
            rename: None,
            no_clobber: false,
            max_bytes: MAX_BYTES,
            dry_run: false,
        }
    }
}

/// What became of an artifact of an archive.
#[derive(Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// The reference that it has, or would have.
    pub reference: String,
    /// Its type, if its manifest says it.
    pub artifact_type: Option<ArtifactType>,
    /// The digest of its manifest, as registries have it.
    pub manifest_digest: String,
    /// The length of its compressed layers, in bytes.
    pub compressed_size: u64,
    /// Whether the entry is new, updated or unchanged, or why there is none; `None` if
    /// nothing was to change.
    pub result: Option<Result<Added>>,
    /// The entry.
    pub entry: Option<ArtifactEntry>,
    /// Links and what only deployments write, by their paths: they were left out.
    pub left_out: Vec<PathBuf>,
    /// The files of deployments that were carried from the content that was replaced.
    pub carried: Vec<PathBuf>,
    /// Why not all of the content that was replaced could be deleted.
    pub not_deleted: Option<Error>,
}

impl Cache {
    /// Loads artifacts from an OCI image layout: one of ours, or one that skopeo, podman or
    /// cldctl made. Everything is checked before anything is registered.
    ///
    /// # Errors
    ///
    /// [`Error::UnsafeArchive`] for what is no layout, or names what it does not have,
    /// [`Error::NoReference`], and I/O errors. What becomes of each artifact is in the
    /// result.
    pub fn load(&self, source: LoadSource<'_>, options: &LoadOptions) -> Result<Vec<Loaded>> {
        let mut layout = match source {
            LoadSource::Reader(archive) => {
                let path = Path::new("standard input");
                Layout::in_pipe(path, archive, |rest| self.spool(rest, options.max_bytes))?
            }
            LoadSource::File(path) => {
                let file = File::open(&path).at("open", &path)?;
                Layout::in_file(&path, file)?
            }
            LoadSource::Dir(path) => Layout::in_dir(&path)?,
        };
        let found = chosen(&mut layout, options)?;
        let mut done: HashMap<Vec<String>, ArtifactEntry> = HashMap::new();
        let mut all = Vec::new();
        for found in found {
            let layers = &found.manifest.layers;
            let key: Vec<String> = layers.iter().map(|layer| layer.digest.clone()).collect();
            let mut loaded = Loaded {
                reference: found
                    .reference
                    .as_ref()
                    .map_or_else(String::new, Reference::to_string),
                artifact_type: match &found.named {
                    Named::Artifact(named) => Some(named.clone()),
                    _ => None,
                },
                manifest_digest: found.digest.clone(),
                compressed_size: layers.iter().map(|it| it.size).fold(0, u64::saturating_add),
                result: None,
                entry: None,
                left_out: Vec::new(),
                carried: Vec::new(),
                not_deleted: None,
            };
            if !options.dry_run {
                // Of a pipe, a layer comes once.
                let result = match done.get(&key) {
                    Some(source) => self.load_again(source, &found, options, &mut loaded),
                    None => self.load_one(&mut layout, &found, options, &mut loaded),
                };
                if let (Ok(_), Some(entry)) = (&result, &loaded.entry) {
                    done.insert(key, entry.clone());
                }
                if let Err(interrupted @ Error::Interrupted { .. }) = result {
                    return Err(interrupted);
                }
                loaded.result = Some(result);
            }
            all.push(loaded);
        }
        Ok(all)
    }

    /// Stores an archive that has to be read at several places. The file has no name, so
    /// that nothing is left of it.
    fn spool(&self, archive: &mut dyn Read, max_bytes: u64) -> Result<File> {
        let root = self.create_root()?;
        let dir = root.path();
        let mut file = tempfile::tempfile_in(dir).at("create a temporary file in", dir)?;
        let mut left = max_bytes;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            self.registry().interrupt().check()?;
            let input = Path::new("standard input");
            let read =
                crate::store::uninterrupted(|| archive.read(&mut buffer)).at("read", input)?;
            if read == 0 {
                return Ok(file);
            }
            left = left
                .checked_sub(read as u64)
                .ok_or_else(|| Error::TooLarge {
                    path: input.to_owned(),
                    max_bytes,
                })?;
            file.write_all(&buffer[..read]).at("write", dir)?;
        }
    }

    fn load_one(
        &self,
        layout: &mut Layout<'_>,
        found: &Found,
        options: &LoadOptions,
        loaded: &mut Loaded,
    ) -> Result<Added> {
        let Some(reference) = &found.reference else {
            return Err(Error::NoReference {
                path: layout.path.clone(),
            });
        };
        let subject = PathBuf::from(reference.as_str());
        let refused = |reason: String| Error::UnsafeArchive {
            path: subject.clone(),
            reason,
        };
        reference.check_new()?;
        self.refuse_existing(reference, options.no_clobber)?;
        match &found.named {
            Named::Module => {
                return Err(refused("it is a module, which is no artifact".to_owned()));
            }
            _ if found.manifest.layers.is_empty() => {
                return Err(refused("it has no layers".to_owned()));
            }
            Named::Artifact(_) | Named::Nothing => {}
        }
        let digest = found.manifest.annotations.get(CONTENT_DIGEST);
        let max_bytes = options.max_bytes;
        let mut unpacking = Unpacking::begin(self, subject.clone(), max_bytes, digest.is_none())?;
        // A layer that is named twice is the same both times.
        let mut applied: Vec<&str> = Vec::new();
        for layer in &found.manifest.layers {
            if !applied.contains(&&*layer.digest) {
                layout.with_blob(layer, |blob| unpacking.layer(layer, blob))?;
                applied.push(&layer.digest);
            }
        }
        let artifact_type =
            type_of(&found.named, |name| unpacking.has_file(name)).map_err(refused)?;
        let unpacked = unpacking.finish()?;
        let content = unpacked.staged.manifest.digest().clone();
        if let Some(expected) = digest
            && *expected != content.as_str()
        {
            return Err(Error::UnsafeArchive {
                path: subject,
                reason: format!(
                    "its content has the digest `{content}` instead of `{}`",
                    crate::escape::escape_display(expected)
                ),
            });
        }
        if reference.as_str().starts_with("sha256:") && reference.as_str() != content.as_str() {
            return Err(Error::UnsafeArchive {
                path: subject,
                reason: format!("its reference is not the digest of its content, `{content}`"),
            });
        }
        let path = self.path_text(reference);
        let now = timestamp::now();
        let mut entry = ArtifactEntry::new(reference, artifact_type, now, &path);
        entry.digest = Some(content.to_string());
        entry.size = Some(unpacked.staged.content.size());
        let registration = Registration {
            key: reference.cache_key(),
            upsert: Upsert {
                entry,
                keeps_time: true,
                no_clobber: options.no_clobber,
            },
            source: None,
            left_out: LeftOut::default(),
        };
        let there = unpacked
            .staged
            .same_in_place(self, &registration.key, None)?;
        let imported = self.register(unpacked.staged, there, registration)?;
        loaded.left_out = unpacked.left_out;
        loaded.artifact_type = imported.entry.artifact_type.clone();
        loaded.carried = imported.carried;
        loaded.not_deleted = imported.not_deleted;
        loaded.entry = Some(imported.entry);
        Ok(imported.result)
    }

    /// Registers content that was loaded under another reference already.
    fn load_again(
        &self,
        source: &ArtifactEntry,
        found: &Found,
        options: &LoadOptions,
        loaded: &mut Loaded,
    ) -> Result<Added> {
        let Some(reference) = &found.reference else {
            return Err(Error::NoReference {
                path: PathBuf::new(),
            });
        };
        let tag = TagOptions {
            no_clobber: options.no_clobber,
        };
        let imported = self.tag(source, reference, tag)?;
        loaded.artifact_type = imported.entry.artifact_type.clone();
        loaded.carried = imported.carried;
        loaded.not_deleted = imported.not_deleted;
        loaded.entry = Some(imported.entry);
        Ok(imported.result)
    }
}

/// Returns the type of an artifact by what its image says and the files in its root.
fn type_of(
    named: &Named,
    has_file: impl Fn(&str) -> bool,
) -> std::result::Result<ArtifactType, String> {
    let types = [ArtifactType::Component, ArtifactType::Datacenter];
    let described: Vec<&ArtifactType> = types
        .iter()
        .filter(|artifact_type| is_described_as(artifact_type, &has_file))
        .collect();
    match (named, &described[..]) {
        (_, []) => Err("it has neither a `cld.yml` nor a `datacenter.dc`".to_owned()),
        (Named::Artifact(named), described) if !described.contains(&named) => Err(format!(
            "its manifest says that it is a {}, and its files that it is a {}",
            named.as_str(),
            described[0].as_str()
        )),
        (Named::Artifact(named), _) => Ok(named.clone()),
        (_, [one]) => Ok((*one).clone()),
        (_, _) => Err("it has both a `cld.yml` and a `datacenter.dc`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Home;
    use crate::archive::SaveTarget;
    use crate::import::Import;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::fs;

    /// An archive of two artifacts.
    fn archive() -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(Home::at(dir.path().join("home")).unwrap()).unwrap();
        let mut entries = Vec::new();
        for name in ["one", "two"] {
            let source = dir.path().join(name);
            fs::create_dir_all(source.join("lib/empty")).unwrap();
            fs::write(source.join("cld.yml"), name).unwrap();
            fs::write(source.join("lib/file"), name.repeat(200)).unwrap();
            let reference = Reference::parse(&format!("{name}:v1")).unwrap();
            let import = Import::directory(&reference, &source);
            entries.push(cache.import(&import).unwrap().entry);
        }
        let mut archive = Vec::new();
        cache
            .save(&entries, SaveTarget::Writer(&mut archive))
            .unwrap();
        archive
    }

    fn names(dir: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(dir).into_iter().flatten();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn a_damaged_archive_is_loaded_or_refused_and_leaves_nothing(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in proptest::option::of(any::<prop::sample::Index>()),
            from_file in any::<bool>(),
        ) {
            static ARCHIVE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
            let mut archive = ARCHIVE.get_or_init(archive).clone();
            for (at, byte) in changes {
                let at = at.index(archive.len());
                archive[at] = byte;
            }
            if let Some(cut) = cut {
                archive.truncate(cut.index(archive.len()));
            }
            let dir = tempfile::tempdir().unwrap();
            let cache = Cache::open(Home::at(dir.path().join("home")).unwrap()).unwrap();
            let options = LoadOptions {
                max_bytes: 1 << 20,
                ..LoadOptions::default()
            };
            let mut bytes = &*archive;
            let file = dir.path().join("archive.tar");
            let loaded = match from_file {
                false => cache.load(LoadSource::Reader(&mut bytes), &options),
                true => {
                    fs::write(&file, &archive).unwrap();
                    cache.load(LoadSource::File(file.clone()), &options)
                }
            };
            // What was registered is whole, and nothing else is there.
            let entries = cache.registry().list().unwrap();
            let report = cache.verify(None, std::time::SystemTime::now()).unwrap();
            prop_assert!(report.problems.is_empty(), "{report:?}");
            let keys: BTreeSet<String> = entries
                .iter()
                .map(|entry| {
                    let reference = entry.reference.as_deref().unwrap();
                    Reference::parse(reference).unwrap().cache_key().as_str().to_owned()
                })
                .collect();
            prop_assert_eq!(names(&cache.home().cache_root()), keys);
            let _ = fs::remove_file(file);
            let outside = names(dir.path());
            prop_assert!(outside.is_subset(&BTreeSet::from(["home".to_owned()])), "{outside:?}");
            if let Ok(loaded) = loaded {
                for loaded in loaded.iter().filter(|it| matches!(it.result, Some(Ok(_)))) {
                    prop_assert!(entries.iter().any(|entry| entry.reference.as_deref() == Some(&*loaded.reference)));
                }
            }
        }
    }
}
