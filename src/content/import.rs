//! Bringing content into the cache and registering it.

use std::path::PathBuf;

use chrono::{DateTime, FixedOffset};

use super::Cache;
use super::importing::{Importing, Recording};
use super::prepared::Prepared;
use super::progress::Work;
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::error::{Error, Result};
use crate::reference::Reference;
use crate::registry::{Added, Put};
use crate::timestamp;

/// Where content comes from, and what it is to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
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

impl Source {
    fn reference(&self) -> Option<&Reference> {
        match self {
            Source::Directory { reference, .. } | Source::InPlace { reference } => Some(reference),
            Source::Untagged { .. } => None,
        }
    }
}

/// Content that is to be registered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Import {
    /// Where it comes from, and what to call it.
    pub source: Source,
    /// What it is; by default what its description says.
    pub artifact_type: Option<ArtifactType>,
    /// When it was made; by default now.
    pub created_at: Option<DateTime<FixedOffset>>,
    /// Refuses a reference that is registered already.
    pub no_clobber: bool,
    /// Takes what cldctl leaves out: hidden files, `node_modules` and the like.
    pub all_files: bool,
}

impl Import {
    /// An import with defaults for all but the source.
    pub fn new(source: Source) -> Self {
        Import {
            source,
            artifact_type: None,
            created_at: None,
            no_clobber: false,
            all_files: false,
        }
    }

    /// An import of a directory under a reference.
    pub fn directory(reference: &Reference, path: impl Into<PathBuf>) -> Self {
        Import::new(Source::Directory {
            reference: reference.clone(),
            path: path.into(),
        })
    }
}

/// Metadata that is to be registered without content.
#[derive(Clone, Debug)]
pub struct Record {
    /// The entry.
    pub entry: ArtifactEntry,
    /// Leaves an entry unchanged that differs in its time alone.
    pub keeps_time: bool,
    /// Refuses a reference that is registered already.
    pub no_clobber: bool,
}

/// What came of an import.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Imported {
    /// Whether the entry is new.
    pub result: Added,
    /// The entry.
    pub entry: ArtifactEntry,
    /// How many names were left out.
    pub left_out: usize,
    /// The entry as it stands in the registry, in JSON, unknown fields included.
    pub stored: String,
}

impl Imported {
    fn new(put: Put, left_out: usize) -> Self {
        Imported {
            result: put.result,
            entry: put.entry,
            left_out,
            stored: put.stored,
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
            self.refuse_existing(reference, import.no_clobber)?;
        }
        let (interrupt, progress) = (self.registry().interrupt(), &self.progress);
        let artifact_type = import.artifact_type.as_ref();
        let prepared = match &import.source {
            Source::Directory { path, .. } | Source::Untagged { path } => Prepared::stage(
                self.home(),
                path,
                artifact_type,
                import.all_files,
                interrupt,
                progress,
            )?,
            Source::InPlace { reference } => {
                Prepared::take(self.home(), reference, artifact_type, interrupt, progress)?
            }
        };

        let digest = prepared.manifest.digest();
        let reference = match import.source.reference() {
            Some(reference) => reference.clone(),
            None => Reference::parse(digest.as_str())?,
        };
        let created_at = import.created_at.unwrap_or_else(timestamp::now);
        // A home is UTF-8, and so is a reference.
        let path = self
            .home()
            .cache_path(&reference)
            .to_string_lossy()
            .into_owned();
        let mut entry = ArtifactEntry::new(
            &reference,
            prepared.artifact_type.clone(),
            created_at,
            &path,
        );
        if matches!(import.source, Source::Untagged { .. }) {
            entry = entry.untagged();
        }
        entry.digest = Some(digest.to_string());
        entry.size = Some(size_of(&prepared));

        self.register(
            prepared,
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
        reference.check_new()?;
        self.refuse_existing(reference, no_clobber)?;
        let prepared = Prepared::copy_of(self, source, self.registry().interrupt())?;
        let path = self
            .home()
            .cache_path(reference)
            .to_string_lossy()
            .into_owned();
        let created_at = source.created_at.unwrap_or_else(timestamp::now);
        let entry = ArtifactEntry {
            digest: source.digest.clone(),
            // cldctl could not read a negative one back.
            size: source
                .size
                .filter(|size| *size >= 0)
                .or(Some(size_of(&prepared))),
            ..ArtifactEntry::new(reference, prepared.artifact_type.clone(), created_at, &path)
        };
        self.register(prepared, reference, entry, false, no_clobber, Some(source))
    }

    /// Refuses a reference that is registered. It is decided under the lock, but
    /// there is no need to copy first.
    fn refuse_existing(&self, reference: &Reference, no_clobber: bool) -> Result<()> {
        if no_clobber && self.registry().get(reference.as_str())?.is_some() {
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
        prepared: Prepared,
        reference: &Reference,
        entry: ArtifactEntry,
        keeps_time: bool,
        no_clobber: bool,
        source: Option<&ArtifactEntry>,
    ) -> Result<Imported> {
        let interrupt = self.registry().interrupt();
        let key = reference.cache_key();
        let left_out = prepared.tree.left_out;
        let there = match prepared.staged {
            Some(_) => prepared.same_in_place(&key, interrupt, &self.progress)?,
            None => None,
        };
        let put = Put {
            entry,
            keeps_time,
            no_clobber,
            ..Put::default()
        };
        let mut change = Importing::new(self, prepared, key, there, put).copied_from(source);
        self.registry().update(&mut change)?;
        // The content that was replaced goes.
        let put = self.progress.during(Work::Deleting, || change.into_put());
        Ok(Imported::new(put, left_out))
    }

    /// Registers metadata alone. Content of the reference, if there is any,
    /// stays as it is.
    ///
    /// # Errors
    ///
    /// As [`Registry::add`](crate::Registry::add), [`Error::InvalidReference`]
    /// also unless [`Reference::parse_new`] takes it, and
    /// [`Error::AlreadyExists`].
    pub fn record(&self, record: Record) -> Result<Imported> {
        Reference::parse_new(record.entry.reference.as_deref().unwrap_or_default())?;
        let put = Put {
            entry: record.entry,
            keeps_time: record.keeps_time,
            no_clobber: record.no_clobber,
            ..Put::default()
        };
        let mut change = Recording::new(self, put);
        self.registry().update(&mut change)?;
        let put = self.progress.during(Work::Deleting, || change.into_put());
        Ok(Imported::new(put, 0))
    }
}

/// The size of content as it is registered.
fn size_of(prepared: &Prepared) -> i64 {
    i64::try_from(prepared.tree.bytes()).unwrap_or(i64::MAX)
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
        let in_place = Import::new(Source::InPlace {
            reference: slip.clone(),
        });
        let recorded = ArtifactEntry::new(&slip, ArtifactType::Component, timestamp::now(), "");
        for result in [
            cache.import(&Import::directory(&slip, &source)),
            cache.import(&in_place),
            cache.tag(&entry.entry, &slip, false),
            cache.record(Record {
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
