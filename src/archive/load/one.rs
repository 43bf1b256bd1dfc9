//! Loading one artifact of a layout.

use std::path::PathBuf;

use super::super::chosen::Found;
use super::super::layout::Layout;
use super::super::receive::Incoming;
use super::{LoadOptions, Loaded};
use crate::content::{Cache, Imported, Operation, TagOptions};
use crate::entry::ArtifactEntry;
use crate::error::{Error, Result};
use crate::reference::Reference;
use crate::registry::Added;

impl Cache {
    pub(super) fn load_one(
        &self,
        layout: &mut Layout<'_>,
        found: &Found,
        options: &LoadOptions,
        loaded: &mut Loaded,
    ) -> Result<Added> {
        let reference = reference_of(found, &layout.path)?;
        reference.check_new()?;
        self.refuse_existing(reference, options.no_clobber)?;
        let incoming = incoming(reference, found, options);
        let received = self.receive(&incoming, |layer, unpacking| {
            layout.with_blob(layer, |blob| unpacking.layer(layer, blob))
        })?;
        loaded.left_out = received.left_out;
        Ok(loaded.note(received.imported))
    }

    /// Registers content that was loaded under another reference already.
    pub(super) fn load_again(
        &self,
        source: &ArtifactEntry,
        found: &Found,
        options: &LoadOptions,
        loaded: &mut Loaded,
    ) -> Result<Added> {
        let reference = reference_of(found, &PathBuf::new())?;
        // Another manifest may say other things of the same layers.
        incoming(reference, found, options).require_same(source)?;
        let tag = TagOptions {
            no_clobber: options.no_clobber,
        };
        Ok(loaded.note(self.tag(source, reference, tag)?))
    }
}

fn incoming<'i>(reference: &'i Reference, found: &'i Found, options: &LoadOptions) -> Incoming<'i> {
    Incoming {
        reference,
        manifest: &found.manifest,
        named: &found.named,
        artifact_type: None,
        no_clobber: options.no_clobber,
        max_bytes: options.max_bytes,
        origin: None,
        operation: Operation::Copying,
    }
}

fn reference_of<'f>(found: &'f Found, path: &std::path::Path) -> Result<&'f Reference> {
    let missing = || Error::NoReference {
        path: path.to_owned(),
    };
    found.reference.as_ref().ok_or_else(missing)
}

impl Loaded {
    /// Notes what was registered.
    fn note(&mut self, imported: Imported) -> Added {
        self.artifact_type = imported.entry.artifact_type.clone();
        self.carried = imported.carried;
        self.not_deleted = imported.not_deleted;
        self.entry = Some(imported.entry);
        imported.result
    }
}
