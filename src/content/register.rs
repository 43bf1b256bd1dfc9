//! Registering content: as it is where the same lies in its place already, otherwise as
//! a copy.

use super::Cache;
use super::copy;
use super::file_tree::LeftOut;
use super::import::Imported;
use super::install::Install;
use super::inventory::Inventory;
use super::manifest::Manifest;
use super::stage::{Compared, Staged};
use crate::entry::ArtifactEntry;
use crate::error::{Error, Result};
use crate::reference::CacheKey;
use crate::registry::{Remote, Upsert};

/// How content is registered.
pub(crate) struct Registration<'s> {
    pub(crate) key: CacheKey,
    pub(crate) upsert: Upsert,
    /// The entry that the content is a copy of.
    pub(crate) source: Option<&'s ArtifactEntry>,
    /// What of the source was left out.
    pub(crate) left_out: LeftOut,
    /// The manifest in another registry that the content came from.
    pub(crate) remote: Option<Remote>,
}

impl Cache {
    /// Registers content, and copies it unless the same lies in the directory of its key
    /// already. `describe` says how, by the manifest of the content; `keys` are those that
    /// it may have.
    pub(crate) fn bring_in<'s>(
        &self,
        content: &Inventory,
        keys: &[CacheKey],
        describe: impl Fn(&Manifest) -> Result<Registration<'s>>,
    ) -> Result<Imported> {
        let mut different = None;
        for key in keys {
            let staged = match Staged::compare(self, content, key)? {
                Compared::Same(staged) => staged,
                Compared::Other(other) => {
                    different = other;
                    continue;
                }
            };
            let registration = describe(&staged.manifest)?;
            match self.register(*staged, None, registration) {
                // Another process replaced or removed what was in place, or it overwrote
                // untagged content with this, whose directory is another one.
                Err(Error::ContentChanged { .. } | Error::NoContent { .. }) => {}
                registered => return registered,
            }
        }
        let staged = copy::copy(self, content)?;
        let registration = describe(&staged.manifest)?;
        let there = staged.same_in_place(self, &registration.key, different.as_ref())?;
        self.register(staged, there, registration)
    }

    /// Registers content, and swaps it into its place unless the same is `there`.
    pub(crate) fn register(
        &self,
        staged: Staged,
        there: Option<Inventory>,
        registration: Registration<'_>,
    ) -> Result<Imported> {
        let Registration {
            key,
            upsert,
            source,
            left_out,
            remote,
        } = registration;
        let install = Install::new(self, staged, key, there, upsert)
            .copied_from(source)
            .remembering(remote);
        Ok(Imported::new(install.run()?, left_out))
    }
}
