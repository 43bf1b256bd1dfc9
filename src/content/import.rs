//! Bringing content into the cache and registering it.

mod request;

pub use request::{Import, ImportSource, MetadataImport};

use std::path::PathBuf;

use super::Cache;
use super::file_tree::LeftOut;
use super::install::{self, Registered};
use super::inventory::Inventory;
use super::manifest::Manifest;
use super::progress::Operation;
use super::register::Registration;
use super::rules::Rules;
use super::stage::Staged;
use super::status::CacheState;
use super::{hash, source};
use crate::document::EntryRef;
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::error::{Error, Result};
use crate::reference::{CacheKey, Reference};
use crate::registry::{Added, ReadMode, Upsert};
use crate::timestamp;

/// The outcome of an import.
#[non_exhaustive]
#[derive(Debug)]
pub struct Imported {
    /// The change: the entry is new, updated or unchanged.
    pub result: Added,
    /// The entry.
    pub entry: ArtifactEntry,
    /// The files of the source that were left out.
    pub left_out: LeftOut,
    /// The entry as it is stored in the registry, in JSON, unknown fields included.
    pub stored: String,
    /// The files of deployments, relative to the directory, that were carried from the
    /// directory that was replaced into the new one.
    pub carried: Vec<PathBuf>,
    /// Why not all of the content that was replaced could be deleted:
    /// [`Error::KeptAside`] if a deployment changed it meanwhile.
    pub not_deleted: Option<Error>,
}

impl Imported {
    pub(crate) fn new(registered: Registered, left_out: LeftOut) -> Self {
        let Registered {
            upserted,
            carried,
            not_deleted,
        } = registered;
        Imported {
            result: upserted.result,
            entry: upserted.entry,
            left_out,
            stored: upserted.stored,
            carried,
            not_deleted,
        }
    }
}

impl Cache {
    /// Brings content into the cache and registers it. Either the entry and the
    /// whole content are there afterwards, or neither is; the exception is a
    /// crash while the content of an existing entry is replaced, which can
    /// leave the old entry with the new content. The same import repairs that.
    ///
    /// Content that lies in its place already is not copied.
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
        let given = import.artifact_type.as_ref();
        let path = match &import.source {
            ImportSource::Directory { path, .. } | ImportSource::Untagged { path } => path,
            ImportSource::InPlace { reference } => {
                let present = self.registry().get(reference.as_str())?.unwrap_or_default();
                let known = self.manifest_of(present.digest.as_deref())?;
                let read = source::read_in_place(self, reference, given, known.as_ref())?;
                let (root, content, artifact_type) = read;
                let manifest = self.hash(&content)?;
                let mut registration =
                    self.imported_as(import, &artifact_type, &content, &manifest)?;
                if let (None, Some(time)) = (import.created_at, present.created_at) {
                    // It is the same artifact, whatever was changed in it.
                    registration.upsert.entry.created_at = Some(time);
                }
                let staged = Staged::in_place(root, content, manifest);
                return self.register(staged, None, registration);
            }
        };
        let rules = Rules::new(
            import.all_files,
            import.dereference,
            &import.include,
            &import.exclude,
        );
        let (content, artifact_type) = source::read(self, path, given, &rules)?;
        let keys = match import.source.reference() {
            Some(reference) => vec![reference.cache_key()],
            None => self.untagged_keys(content.size())?,
        };
        self.bring_in(&content, &keys, |manifest| {
            self.imported_as(import, &artifact_type, &content, manifest)
        })
    }

    /// Returns the keys of the untagged artifacts of a size: content without a name may be
    /// one of them, which its digest will tell.
    fn untagged_keys(&self, size: i64) -> Result<Vec<CacheKey>> {
        let visit = |keys: &mut Vec<_>, entry: &EntryRef<'_>| {
            if entry.is_untagged() && entry.size() == Ok(Some(size)) {
                keys.extend(Reference::parse(&entry.reference()).map(|it| it.cache_key()));
            }
        };
        let scanned = self.registry().scan(ReadMode::Patient, visit)?;
        Ok(scanned.parts.into_iter().flatten().collect())
    }

    /// Returns the registration of imported content.
    fn imported_as(
        &self,
        import: &Import,
        artifact_type: &ArtifactType,
        content: &Inventory,
        manifest: &Manifest,
    ) -> Result<Registration<'static>> {
        let digest = manifest.digest();
        let reference = match import.source.reference() {
            Some(reference) => reference.clone(),
            None => Reference::parse(digest.as_str())?,
        };
        let created_at = import.created_at.unwrap_or_else(timestamp::now);
        let path = self.path_text(&reference);
        let mut entry = ArtifactEntry::new(&reference, artifact_type.clone(), created_at, &path);
        if matches!(import.source, ImportSource::Untagged { .. }) {
            entry = entry.untagged();
        }
        entry.digest = Some(digest.to_string());
        entry.size = Some(content.size());
        Ok(Registration {
            key: reference.cache_key(),
            upsert: Upsert {
                entry,
                keeps_time: import.created_at.is_none(),
                no_clobber: import.no_clobber,
            },
            source: None,
            left_out: content.tree().left_out.clone(),
            remote: None,
        })
    }

    /// Returns the manifest of the content of a digest, if it is kept.
    pub(crate) fn manifest_of(&self, digest: Option<&str>) -> Result<Option<Manifest>> {
        match digest {
            Some(digest) => self.manifests.find(digest),
            None => Ok(None),
        }
    }

    /// Hashes the files of some content.
    pub(crate) fn hash(&self, content: &Inventory) -> Result<Manifest> {
        let hashing = self
            .progress
            .begin(Operation::Hashing, content.tree().bytes());
        hash::hash(content, self.registry().interrupt(), &hashing)
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
    pub(crate) fn path_text(&self, reference: &Reference) -> String {
        let path = self.home().cache_path(reference);
        path.to_string_lossy().into_owned()
    }

    /// Refuses a reference that is registered. It is decided under the lock, but
    /// there is no need to copy first.
    pub(crate) fn refuse_existing(&self, reference: &Reference, no_clobber: bool) -> Result<()> {
        if no_clobber && self.registry().get(reference.as_str())?.is_some() {
            return Err(Error::AlreadyExists {
                reference: reference.to_string(),
            });
        }
        Ok(())
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
        };
        let recorded = install::record(self, &upsert)?;
        Ok(Imported::new(recorded, LeftOut::default()))
    }
}

#[cfg(test)]
mod tests;
