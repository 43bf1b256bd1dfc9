//! Registering the content of an entry under another reference.

use std::slice;

use super::Cache;
use super::file_tree::LeftOut;
use super::import::{Imported, MetadataImport};
use super::inventory::Inventory;
use super::register::Registration;
use super::status::CacheState;
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::error::{Error, Result};
use crate::reference::Reference;
use crate::registry::Upsert;
use crate::timestamp;

/// How an artifact is registered under another reference: by default, an artifact that has
/// the reference already is replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TagOptions {
    /// Refuses a reference that is registered already.
    pub no_clobber: bool,
}

impl TagOptions {
    /// Returns options that refuse a reference that is registered already.
    #[must_use]
    pub fn no_clobber() -> Self {
        TagOptions { no_clobber: true }
    }
}

impl Cache {
    /// Registers the content of an entry under another reference too, as a copy
    /// of its own, with the type, digest, size and time of the entry.
    ///
    /// ```
    /// use cldctl_registry::import::{Import, TagOptions};
    /// use cldctl_registry::{Cache, Error, Home, Reference};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let source = dir.path().join("app");
    /// # std::fs::create_dir(&source)?;
    /// # std::fs::write(source.join("cld.yml"), "name: app\n")?;
    /// let cache = Cache::open(Home::at(dir.path().join("home"))?)?;
    /// let imported = cache.import(&Import::directory(&Reference::parse_new("app:v1")?, &source))?;
    ///
    /// let latest = Reference::parse_new("app:latest")?;
    /// cache.tag(&imported.entry, &latest, TagOptions::default())?;
    /// assert!(cache.home().cache_path(&latest).join("cld.yml").is_file());
    ///
    /// let refused = cache.tag(&imported.entry, &latest, TagOptions::no_clobber());
    /// assert!(matches!(refused, Err(Error::AlreadyExists { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoContent`] if the entry's own directory is not there,
    /// [`Error::ContentAltered`], [`Error::StateInContent`], and those of
    /// [`import`](Self::import).
    pub fn tag(
        &self,
        source: &ArtifactEntry,
        reference: &Reference,
        options: TagOptions,
    ) -> Result<Imported> {
        reference.check_new()?;
        self.refuse_existing(reference, options.no_clobber)?;
        let contents = self.contents();
        let named = source.cache_path.as_deref().unwrap_or_default();
        let of = source.reference.as_deref().unwrap_or_default();
        let place = match contents.look(of, named)? {
            (_, Some(place)) => place,
            (CacheState::None, None) => return self.tag_metadata(source, reference, options),
            (CacheState::Foreign, None) if contents.own_key(of, named)?.is_none() => {
                return self.tag_metadata(source, reference, options);
            }
            (_, None) => {
                return Err(Error::NoContent {
                    reference: of.to_owned(),
                    path: named.into(),
                });
            }
        };
        let manifest = self.manifest_of(source.digest.as_deref())?;
        let content = Inventory::to_share(contents.open(&place)?, of, manifest.as_ref())?;
        let artifact_type = source.artifact_type.clone();
        let path = self.path_text(reference);
        let created_at = source.created_at.unwrap_or_else(timestamp::now);
        let entry = ArtifactEntry {
            digest: source.digest.clone(),
            // cldctl could not read a negative one back.
            size: source
                .size
                .filter(|size| *size >= 0)
                .or(Some(content.size())),
            ..ArtifactEntry::new(
                reference,
                artifact_type.unwrap_or(ArtifactType::Component),
                created_at,
                &path,
            )
        };
        let key = reference.cache_key();
        self.bring_in(&content, slice::from_ref(&key), |found| {
            let registered = manifest.as_ref();
            if let Some(path) = registered.and_then(|it| it.first_difference(found)) {
                return Err(Error::ContentAltered {
                    reference: of.to_owned(),
                    path: content.dir().path_of(path),
                });
            }
            Ok(Registration {
                key: key.clone(),
                upsert: Upsert {
                    entry: entry.clone(),
                    keeps_time: false,
                    no_clobber: options.no_clobber,
                },
                source: Some(source),
                left_out: LeftOut::default(),
                remote: None,
            })
        })
    }

    /// Registers an entry that is metadata alone under another reference too.
    fn tag_metadata(
        &self,
        source: &ArtifactEntry,
        reference: &Reference,
        options: TagOptions,
    ) -> Result<Imported> {
        let path = match source.cache_path.as_deref() {
            None | Some("") => self.recorded_path(reference)?,
            Some(elsewhere) => elsewhere.to_owned(),
        };
        let artifact_type = source.artifact_type.clone();
        let created_at = source.created_at.unwrap_or_else(timestamp::now);
        let entry = ArtifactEntry {
            digest: source.digest.clone(),
            size: source.size.filter(|size| *size >= 0).or(Some(0)),
            ..ArtifactEntry::new(
                reference,
                artifact_type.unwrap_or(ArtifactType::Component),
                created_at,
                &path,
            )
        };
        self.record(MetadataImport {
            entry,
            keeps_time: false,
            no_clobber: options.no_clobber,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Import;
    use crate::content::residue::residue_of;
    use crate::home::Home;
    use crate::store::Kind;
    use proptest::prelude::*;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::SystemTime;

    const NAMES: [&str; 12] = [
        "a",
        "main.tf",
        "modules",
        ".terraform",
        ".pulumi",
        "node_modules",
        ".env",
        "terraform.tfstate",
        "terraform.tfstate.d",
        "terraform.tfvars.json",
        ".terraform.lock.hcl",
        "crash.log",
    ];
    const SECRET: &str = "a secret of a deployment";

    /// Writes a file, unless its path does not go together with others.
    fn write(top: &Path, path: &[usize], text: &str, is_wanted: impl Fn(&Path) -> bool) {
        let path: PathBuf = path.iter().map(|&at| NAMES[at]).collect();
        let at = top.join(&path);
        if is_wanted(&path) && fs::create_dir_all(at.parent().unwrap()).is_ok() && !at.exists() {
            fs::write(at, text).unwrap();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_copy_of_what_is_deployed_is_its_content_and_verifies(
            content in proptest::collection::vec(
                proptest::collection::vec(0..NAMES.len(), 1..4), 0..8),
            left in proptest::collection::vec(
                proptest::collection::vec(0..NAMES.len(), 1..5), 0..16),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let source = dir.path().join("dc");
            fs::create_dir(&source).unwrap();
            fs::write(source.join("datacenter.dc"), "").unwrap();
            for path in &content {
                write(&source, path, "content", |path| residue_of(path, Kind::File).is_none());
            }
            let cache = Cache::open(Home::at(dir.path().join("home")).unwrap()).unwrap();
            let name = |text| Reference::parse(text).unwrap();
            let import = Import::directory(&name("dc:v1"), &source);
            let entry = cache.import(&import).unwrap().entry;
            let own = cache.home().cache_path(&name("dc:v1"));
            for path in &left {
                write(&own, path, SECRET, |path| residue_of(path, Kind::File).is_some());
            }

            cache.tag(&entry, &name("copy:v1"), TagOptions::default()).unwrap();
            let copy = cache.home().cache_path(&name("copy:v1"));
            for found in walkdir::WalkDir::new(copy).into_iter().map(Result::unwrap) {
                let text = fs::read(found.path()).unwrap_or_default();
                prop_assert!(text != SECRET.as_bytes(), "{:?}", found.path());
            }
            let report = cache.verify(Some(&["copy:v1"]), SystemTime::now()).unwrap();
            prop_assert!(report.problems.is_empty() && report.notes.is_empty(), "{report:?}");
            let report = cache.verify(Some(&["dc:v1"]), SystemTime::now()).unwrap();
            prop_assert!(report.problems.is_empty(), "{report:?}");
        }
    }
}
