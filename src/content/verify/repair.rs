//! Repairs the registry until nothing is left to repair.

use super::TakenOver;
use crate::content::Cache;
use crate::error::{Error, Result};
use crate::registry::{Damage, Repaired};

/// The repairs that were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repairs {
    /// Of the registry file, in the order of the repairs.
    pub of_file: Vec<Repaired>,
    /// Of a home that was moved.
    pub taken_over: Option<TakenOver>,
}

impl Repairs {
    /// Returns whether nothing had to be repaired.
    pub fn is_empty(&self) -> bool {
        self.of_file.is_empty() && self.taken_over.is_none()
    }

    /// Returns whether entries are lost for good.
    pub fn has_lost(&self) -> bool {
        self.of_file.iter().any(|repaired| {
            matches!(&repaired.damage, Damage::Unparsable { lost, .. } if !lost.is_empty())
        })
    }
}

impl Cache {
    /// Repairs the registry as far as that needs no guess: first the file, as
    /// [`Registry::repair`](crate::Registry::repair) does, then the paths of a home that
    /// was moved, as [`take_over_moved`](Self::take_over_moved) does. `repairs` gets what
    /// is repaired, also where an error ends it early.
    ///
    /// A damaged legacy registry stays as it is, because it is never written.
    ///
    /// # Errors
    ///
    /// Those of every change, and
    /// [`Error::NothingRecovered`].
    pub fn repair(&self, repairs: &mut Repairs) -> Result<()> {
        let registry = self.registry();
        // A recovered document may contain copies of an entry, which are repaired next.
        loop {
            match registry.repair() {
                Ok(Some(another)) => repairs.of_file.push(another),
                Ok(None) => break,
                Err(Error::Corrupt { path, .. }) if registry.is_legacy_path(&path) => break,
                Err(error) => return Err(error),
            }
        }
        repairs.taken_over = match self.take_over_moved() {
            // A report says so of a registry that cannot be read.
            Err(Error::Corrupt { .. }) => None,
            taken_over => taken_over?,
        };
        Ok(())
    }
}
