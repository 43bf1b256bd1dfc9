//! Bringing content into the cache and registering it.

use std::path::PathBuf;

use chrono::{DateTime, FixedOffset};

use super::Cache;
use super::install::{Install, Recording};
use super::progress::Operation;
use super::rules::Rules;
use super::stage::Staged;
use super::status::CacheState;
use crate::document::Document;
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::error::{Error, Result};
use crate::fields::Field;
use crate::reference::Reference;
use crate::registry::{Added, Upsert};
use crate::timestamp;

/// Where content comes from, and what it is to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportSource {
    /// A directory, or the file in it that describes the artifact, under a
    /// reference.
    Directory {
        /// The reference.
        reference: Reference,
        /// The directory or file.
        path: PathBuf,
    },
    /// A directory or file, under its digest and without repository and tag, as
    /// `cldctl build` registers what it was given no tag for.
    Untagged {
        /// The directory or file.
        path: PathBuf,
    },
    /// What lies in the reference's own directory of the cache already.
    InPlace {
        /// The reference.
        reference: Reference,
    },
}

impl ImportSource {
    fn reference(&self) -> Option<&Reference> {
        match self {
            ImportSource::Directory { reference, .. } | ImportSource::InPlace { reference } => {
                Some(reference)
            }
            ImportSource::Untagged { .. } => None,
        }
    }
}

/// Content that is to be registered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Import {
    /// Where it comes from, and what to call it.
    pub source: ImportSource,
    /// What it is; by default what its description says.
    pub artifact_type: Option<ArtifactType>,
    /// When it was made; by default now.
    pub created_at: Option<DateTime<FixedOffset>>,
    /// Refuses a reference that is registered already.
    pub no_clobber: bool,
    /// Takes what cldctl leaves out: hidden files, `node_modules` and the like.
    pub all_files: bool,
    /// Stores what a link leads to that leaves the directory, or that leads to a
    /// directory; otherwise such a link is refused.
    pub dereference: bool,
    /// Globs of what is taken although it would be left out. A glob without `/` is
    /// about names anywhere, one with `/` about whole paths; `*` also matches `/`.
    pub include: Vec<String>,
    /// Globs of what is left out besides. They take precedence.
    pub exclude: Vec<String>,
}

impl Import {
    /// An import with defaults for all but the source.
    pub fn new(source: ImportSource) -> Self {
        Import {
            source,
            artifact_type: None,
            created_at: None,
            no_clobber: false,
            all_files: false,
            dereference: false,
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }

    /// An import of a directory under a reference.
    pub fn directory(reference: &Reference, path: impl Into<PathBuf>) -> Self {
        Import::new(ImportSource::Directory {
            reference: reference.clone(),
            path: path.into(),
        })
    }
}

/// Metadata that is to be registered without content.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MetadataImport {
    /// The entry.
    pub entry: ArtifactEntry,
    /// Leaves an entry unchanged that differs in its time alone.
    pub keeps_time: bool,
    /// Refuses a reference that is registered already.
    pub no_clobber: bool,
}

impl MetadataImport {
    /// Creates an import of an entry that replaces one of the same reference.
    pub fn new(entry: ArtifactEntry) -> Self {
        MetadataImport {
            entry,
            keeps_time: false,
            no_clobber: false,
        }
    }
}

/// What came of an import.
#[non_exhaustive]
#[derive(Debug)]
pub struct Imported {
    /// Whether the entry is new.
    pub result: Added,
    /// The entry.
    pub entry: ArtifactEntry,
    /// How many names were left out.
    pub left_out: usize,
    /// The entry as it stands in the registry, in JSON, unknown fields included.
    pub stored: String,
    /// Why not all of the content that was replaced could be deleted.
    pub not_deleted: Option<Error>,
}

impl Imported {
    fn new(upsert: Upsert, left_out: usize, not_deleted: Option<Error>) -> Self {
        Imported {
            result: upsert.result,
            entry: upsert.entry,
            left_out,
            stored: upsert.stored,
            not_deleted,
        }
    }
}

impl Cache {
    /// Brings content into the cache and registers it. Either the entry and the
    /// whole content are there afterwards, or neither is; the exception is a
    /// crash while the content of an existing entry is replaced, which can
    /// leave the old entry with the new content. The same import mends that.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidReference`] unless [`Reference::parse_new`] takes it,
    /// [`Error::UnsafeContent`], [`Error::ContentChanged`],
    /// [`Error::UnknownType`], [`Error::NoContent`], [`Error::Collision`],
    /// [`Error::AlreadyExists`], and those of every change.
    pub fn import(&self, import: &Import) -> Result<Imported> {
        if let Some(reference) = import.source.reference() {
            reference.check_new()?;
            self.refuse_existing(None, reference, import.no_clobber)?;
        }
        let artifact_type = import.artifact_type.as_ref();
        let staged = match &import.source {
            ImportSource::Directory { path, .. } | ImportSource::Untagged { path } => {
                let rules = Rules::new(
                    import.all_files,
                    import.dereference,
                    &import.include,
                    &import.exclude,
                );
                Staged::copy_in(self, path, artifact_type, &rules)?
            }
            ImportSource::InPlace { reference } => {
                Staged::in_place(self, reference, artifact_type)?
            }
        };

        let digest = staged.manifest.digest();
        let reference = match import.source.reference() {
            Some(reference) => reference.clone(),
            None => Reference::parse(digest.as_str())?,
        };
        let created_at = import.created_at.unwrap_or_else(timestamp::now);
        let path = self.path_text(&reference);
        let mut entry =
            ArtifactEntry::new(&reference, staged.artifact_type.clone(), created_at, &path);
        if matches!(import.source, ImportSource::Untagged { .. }) {
            entry = entry.untagged();
        }
        entry.digest = Some(digest.to_string());
        entry.size = Some(staged.size());

        self.register(
            staged,
            &reference,
            entry,
            import.created_at.is_none(),
            import.no_clobber,
            None,
        )
    }

    /// Registers the content of an entry under another reference too, as a copy
    /// of its own, with the type, digest, size and time of the entry.
    ///
    /// # Errors
    ///
    /// [`Error::NoContent`] if the entry's own directory is not there, and those
    /// of [`import`](Self::import).
    pub fn tag(
        &self,
        source: &ArtifactEntry,
        reference: &Reference,
        no_clobber: bool,
    ) -> Result<Imported> {
        self.tag_in(None, source, reference, no_clobber)
    }

    /// As [`tag`](Self::tag); `registry` is the registry if it was read already.
    pub(crate) fn tag_in(
        &self,
        registry: Option<&Document>,
        source: &ArtifactEntry,
        reference: &Reference,
        no_clobber: bool,
    ) -> Result<Imported> {
        reference.check_new()?;
        self.refuse_existing(registry, reference, no_clobber)?;
        let contents = self.contents();
        let named = source.cache_path.as_deref().unwrap_or_default();
        let of = source.reference.as_deref().unwrap_or_default();
        let place = match contents.look(of, named)? {
            (_, Some(place)) => place,
            (CacheState::None, None) => return self.tag_metadata(source, reference, no_clobber),
            (CacheState::Foreign, None) if contents.own_key(of, named)?.is_none() => {
                return self.tag_metadata(source, reference, no_clobber);
            }
            (_, None) => {
                return Err(Error::NoContent {
                    reference: of.to_owned(),
                    path: named.into(),
                });
            }
        };
        let staged = Staged::copy_of(self, source, &place)?;
        let path = self.path_text(reference);
        let created_at = source.created_at.unwrap_or_else(timestamp::now);
        let entry = ArtifactEntry {
            digest: source.digest.clone(),
            // cldctl could not read a negative one back.
            size: source
                .size
                .filter(|size| *size >= 0)
                .or(Some(staged.size())),
            ..ArtifactEntry::new(reference, staged.artifact_type.clone(), created_at, &path)
        };
        self.register(staged, reference, entry, false, no_clobber, Some(source))
    }

    /// Registers an entry that is metadata alone under another reference too.
    fn tag_metadata(
        &self,
        source: &ArtifactEntry,
        reference: &Reference,
        no_clobber: bool,
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
            no_clobber,
        })
    }

    /// Returns the `cachePath` of an entry that is recorded as metadata alone: that of
    /// the reference's own directory if it exists, otherwise none, so that cldctl
    /// pulls the content when it needs it.
    ///
    /// # Errors
    ///
    /// The system does not say whether the directory exists.
    pub fn recorded_path(&self, reference: &Reference) -> Result<String> {
        let path = self.path_text(reference);
        let (state, _) = self.contents().look(reference.as_str(), &path)?;
        Ok(match state {
            CacheState::Present => path,
            _ => String::new(),
        })
    }

    /// Returns the path of the reference's own directory. A home is UTF-8, and so is
    /// a reference.
    fn path_text(&self, reference: &Reference) -> String {
        let path = self.home().cache_path(reference);
        path.to_string_lossy().into_owned()
    }

    /// Refuses a reference that is registered. It is decided under the lock, but
    /// there is no need to copy first.
    fn refuse_existing(
        &self,
        registry: Option<&Document>,
        reference: &Reference,
        no_clobber: bool,
    ) -> Result<()> {
        let name = reference.as_str();
        let exists = || match registry {
            Some(document) => {
                let mut entries = document.entries();
                Ok(entries.any(|entry| entry.has(Field::Reference, name)))
            }
            None => self.registry().get(name).map(|found| found.is_some()),
        };
        if no_clobber && exists()? {
            return Err(Error::AlreadyExists {
                reference: reference.to_string(),
            });
        }
        Ok(())
    }

    /// Swaps content in and registers it. `source` is the entry that it is a
    /// copy of, if it is one.
    fn register(
        &self,
        staged: Staged,
        reference: &Reference,
        entry: ArtifactEntry,
        keeps_time: bool,
        no_clobber: bool,
        source: Option<&ArtifactEntry>,
    ) -> Result<Imported> {
        let key = reference.cache_key();
        let left_out = staged.tree.left_out;
        let there = match staged.work {
            Some(_) => staged.same_in_place(self, &key)?,
            None => None,
        };
        let upsert = Upsert {
            entry,
            keeps_time,
            no_clobber,
            ..Upsert::default()
        };
        let mut change = Install::new(self, staged, key, there, upsert).copied_from(source);
        self.registry().update(&mut change)?;
        let (upsert, not_deleted) = self
            .progress
            .during(Operation::Deleting, || change.finish());
        Ok(Imported::new(upsert, left_out, not_deleted))
    }

    /// Registers metadata alone. Content of the reference, if there is any,
    /// stays as it is.
    ///
    /// # Errors
    ///
    /// As [`Registry::add`](crate::Registry::add), [`Error::InvalidReference`]
    /// also unless [`Reference::parse_new`] takes it, and
    /// [`Error::AlreadyExists`].
    pub fn record(&self, record: MetadataImport) -> Result<Imported> {
        Reference::parse_new(record.entry.reference.as_deref().unwrap_or_default())?;
        let upsert = Upsert {
            entry: record.entry,
            keeps_time: record.keeps_time,
            no_clobber: record.no_clobber,
            ..Upsert::default()
        };
        let mut change = Recording::new(self, upsert);
        self.registry().update(&mut change)?;
        let upsert = self
            .progress
            .during(Operation::Deleting, || change.finish());
        Ok(Imported::new(upsert, 0, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::ArtifactType;
    use crate::home::Home;

    #[test]
    fn content_is_neither_imported_nor_tagged_nor_recorded_for_a_slip() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("app");
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("cld.yml"), "name: app\n").unwrap();
        let cache = Cache::open(Home::at(&dir.path().join("home")).unwrap()).unwrap();
        let name = Reference::parse("app:v1").unwrap();
        let entry = cache.import(&Import::directory(&name, &source)).unwrap();

        let slip = Reference::parse("app:").unwrap();
        let in_place = Import::new(ImportSource::InPlace {
            reference: slip.clone(),
        });
        let recorded = ArtifactEntry::new(&slip, ArtifactType::Component, timestamp::now(), "");
        for result in [
            cache.import(&Import::directory(&slip, &source)),
            cache.import(&in_place),
            cache.tag(&entry.entry, &slip, false),
            cache.record(MetadataImport {
                entry: recorded,
                keeps_time: false,
                no_clobber: false,
            }),
        ] {
            assert!(
                matches!(result, Err(Error::InvalidReference(_))),
                "{result:?}"
            );
        }
        assert_eq!(cache.registry().list().unwrap().len(), 1);
    }
}
