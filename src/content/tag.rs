//! Registering the content of an entry under another reference.

use std::slice;

use super::Cache;
use super::import::{Imported, MetadataImport};
use super::inventory::Inventory;
use super::register::Registration;
use super::status::CacheState;
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::error::{Error, Result};
use crate::reference::Reference;
use crate::registry::Upsert;
use crate::timestamp;

impl Cache {
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
        let content = Inventory::stored(contents.open(&place)?)?;
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
        self.bring_in(&content, slice::from_ref(&key), |_| {
            Ok(Registration {
                key: key.clone(),
                upsert: Upsert {
                    entry: entry.clone(),
                    keeps_time: false,
                    no_clobber,
                },
                source: Some(source),
                left_out: 0,
            })
        })
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
}
