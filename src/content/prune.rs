//! Frees disk: a plan of what can go, and its execution.

mod choose;
mod execute;

use std::collections::HashMap;
use std::fmt;
use std::time::SystemTime;

use super::Snapshot;
use super::deployed::DeployedBy;
use super::orphans::{Unreferenced, UnreferencedData};
use super::plugins::Plugins;
use super::removal::{RemoveOptions, Removed};
use crate::document::Edit;
use crate::error::{Error, Result};
use crate::select::Filter;
use choose::Choice;

/// What a prune may remove besides directories and leftovers that no entry needs: by
/// default, entries without a tag, and entries whose content is gone.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PruneOptions {
    /// Tagged artifacts may go too. Then all of them go that the filters select, unless
    /// `keep_last` or `max_bytes` keeps them.
    pub tagged: bool,
    /// Only entries that match may go.
    pub filters: Vec<Filter>,
    /// Of tagged artifacts, the newest of each repository stay, this many.
    pub keep_last: Option<usize>,
    /// Provider plugins of artifacts that stay go too: `.terraform` directories in which
    /// nothing has changed for an hour.
    pub generated: bool,
    /// Of tagged artifacts, the oldest go until the rest takes no more than this.
    pub max_bytes: Option<u64>,
}

/// Why an entry goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PruneReason {
    /// It has no repository and tag.
    Untagged,
    /// Its own directory does not exist.
    Gone,
    /// The filters select it.
    Filter,
    /// There are enough newer ones in its repository.
    KeepLast,
    /// It is among the oldest, and all together take too much.
    MaxSize,
}

impl PruneReason {
    /// Returns the name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            PruneReason::Untagged => "untagged",
            PruneReason::Gone => "gone",
            PruneReason::Filter => "filter",
            PruneReason::KeepLast => "keep-last",
            PruneReason::MaxSize => "max-size",
        }
    }
}

impl fmt::Display for PruneReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a prune is to remove. [`Cache::prune`](crate::Cache::prune) removes just that.
#[derive(Debug)]
#[non_exhaustive]
pub struct PrunePlan {
    /// The artifacts, and what their removal would come to.
    pub removed: Vec<Removed>,
    /// The directories and leftovers that no entry needs.
    pub unreferenced: Vec<Unreferenced>,
    /// What would go if it were not deployed.
    pub kept: Vec<KeptDeployed>,
    /// Why it is not known of some artifacts and directories whether they could go. They
    /// stay.
    pub unknown: Vec<Error>,
    /// The entries by their text.
    entries: HashMap<String, PlannedEntry>,
    reasons: HashMap<String, PruneReason>,
    made_at: SystemTime,
}

#[derive(Clone, Debug)]
struct PlannedEntry {
    reference: String,
    reason: PruneReason,
}

impl PrunePlan {
    /// Returns the references of the entries that go, each with the reason.
    pub fn reasons(&self) -> &HashMap<String, PruneReason> {
        &self.reasons
    }
}

/// An artifact, or a directory without an entry, that is kept because it is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptDeployed {
    /// Its reference; of a directory without an entry, its path.
    pub reference: String,
    /// By what it is deployed.
    pub by: Vec<DeployedBy>,
}

/// What became of a [`PrunePlan`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Pruned {
    /// The artifacts that were removed.
    pub removed: Vec<Removed>,
    /// The directories and leftovers that were removed.
    pub unreferenced: Vec<Unreferenced>,
    /// The directories and leftovers that could not be removed, and why.
    pub failed: Vec<(Unreferenced, Error)>,
    /// The directories and leftovers that stay, because they changed since the plan was
    /// made.
    pub changed: Vec<Unreferenced>,
    /// The references of the entries that stay, because they changed since then.
    pub changed_entries: Vec<String>,
    /// Why the prune ended early; what is named above is done all the same.
    pub error: Option<Error>,
}

/// Adds an error unless the same is known already, because what kept several looks from
/// being made is reported once.
fn add_new(unknown: &mut Vec<Error>, error: Error) {
    let message = error.to_string();
    if unknown.iter().all(|known| known.to_string() != message) {
        unknown.push(error);
    }
}

impl Snapshot<'_> {
    /// Plans what can be removed to free disk; nothing is changed.
    ///
    /// ```
    /// use cldctl_registry::prune::PruneOptions;
    /// use cldctl_registry::{Cache, Home};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// let cache = Cache::open(Home::at(dir.path())?)?;
    /// let mut options = PruneOptions::default();
    /// options.tagged = true;
    /// options.filters.push("until=30d".parse()?);
    /// options.keep_last = Some(3);
    ///
    /// let plan = cache.snapshot()?.plan_prune(&options)?;
    /// for removed in &plan.removed {
    ///     println!("{}: {}", removed.reference, plan.reasons()[&removed.reference]);
    /// }
    /// let pruned = cache.prune(plan)?;
    /// assert!(pruned.error.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The registry cannot be read, and [`Error::UnusableFilter`]. What else cannot be
    /// looked at is in the plan, and stays.
    pub fn plan_prune(&self, options: &PruneOptions) -> Result<PrunePlan> {
        let (cache, document) = (self.cache, self.document()?);
        let now = SystemTime::now();
        let Choice {
            reasons,
            mut kept,
            mut unknown,
        } = choose::choose(cache, document, options)?;
        // What is not known must not hide what is.
        let mut unreferenced = UnreferencedData::default();
        let found = cache.find_unreferenced(document, now, &mut unreferenced);
        unknown.extend(found.err());
        unknown.extend(unreferenced.unknown);
        let mut unreferenced_and_generated = unreferenced.found;
        if options.generated {
            let stays = |index| !reasons.contains_key(&index);
            let plugins = Plugins::find(cache, document, stays, now);
            unreferenced_and_generated.extend(plugins.found);
            unknown.extend(plugins.unknown);
        }
        kept.extend(unreferenced.kept);
        let mut edit = Edit::default();
        reasons.keys().for_each(|&index| edit.remove(index));
        let removed = cache.would_remove(&self.registry, &edit, RemoveOptions::default());
        let (removed, reasons) = match removed {
            Ok(removed) => (removed, reasons),
            Err(error) => {
                add_new(&mut unknown, error);
                Default::default()
            }
        };
        let entries = reasons.into_iter().filter_map(|(index, reason)| {
            let entry = document.entry(index)?;
            let reference = entry.reference().into_owned();
            Some((entry.text().to_owned(), PlannedEntry { reference, reason }))
        });
        let entries: HashMap<String, PlannedEntry> = entries.collect();
        let planned = entries.values();
        Ok(PrunePlan {
            removed,
            unreferenced: unreferenced_and_generated,
            kept,
            unknown,
            reasons: planned
                .map(|it| (it.reference.clone(), it.reason))
                .collect(),
            entries,
            made_at: now,
        })
    }
}

#[cfg(test)]
mod tests;
