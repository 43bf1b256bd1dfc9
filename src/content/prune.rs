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
mod tests {
    use super::*;
    use crate::content::Cache;
    use crate::home::Home;
    use crate::import::{Import, ImportSource};
    use crate::reference::Reference;

    /// A cache with `app:v1`, `app:v2` and an untagged artifact.
    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(Home::at(dir.path().join("home")).unwrap()).unwrap();
        let source = dir.path().join("app");
        std::fs::create_dir(&source).unwrap();
        for name in ["v1", "v2", ""] {
            std::fs::write(source.join("cld.yml"), name).unwrap();
            let import = match name {
                "" => Import::new(ImportSource::Untagged {
                    path: source.clone(),
                }),
                tag => {
                    let reference = Reference::parse(&format!("app:{tag}")).unwrap();
                    Import::directory(&reference, &source)
                }
            };
            cache.import(&import).unwrap();
        }
        (dir, cache)
    }

    fn names(removed: &[Removed]) -> Vec<&str> {
        removed.iter().map(|it| it.reference.as_str()).collect()
    }

    #[test]
    fn without_options_only_what_is_untagged_goes() {
        let (_dir, cache) = cache();
        let plan = cache
            .snapshot()
            .unwrap()
            .plan_prune(&PruneOptions::default())
            .unwrap();
        assert_eq!(plan.removed.len(), 1);
        let reasons: Vec<_> = plan.reasons().values().collect();
        assert_eq!(reasons, [&PruneReason::Untagged]);
        assert_eq!(
            cache.registry().list().unwrap().len(),
            3,
            "a plan removes nothing"
        );
        let pruned = cache.prune(plan).unwrap();
        assert!(names(&pruned.removed)[0].starts_with("sha256:"));
        assert!(pruned.error.is_none() && pruned.changed_entries.is_empty());
        assert_eq!(cache.registry().list().unwrap().len(), 2);
    }

    #[test]
    fn what_changed_since_the_plan_stays_and_is_named() {
        let (_dir, cache) = cache();
        let options = PruneOptions {
            tagged: true,
            filters: vec!["tag=v*".parse().unwrap()],
            ..PruneOptions::default()
        };
        let plan = cache.snapshot().unwrap().plan_prune(&options).unwrap();
        assert_eq!(names(&plan.removed), ["app:v1", "app:v2"]);
        let mut changed = cache.registry().get("app:v1").unwrap().unwrap();
        changed.size = Some(7);
        cache.registry().add(changed).unwrap();
        let pruned = cache.prune(plan).unwrap();
        assert_eq!(names(&pruned.removed), ["app:v2"]);
        assert_eq!(pruned.changed_entries, ["app:v1"]);
        assert!(cache.registry().get("app:v1").unwrap().is_some());
    }

    #[test]
    fn what_cannot_be_looked_at_does_not_hide_what_can() {
        let (dir, cache) = cache();
        let snapshot = cache.snapshot().unwrap();
        std::fs::rename(cache.home().cache_root(), dir.path().join("away")).unwrap();
        std::fs::write(cache.home().cache_root(), "").unwrap();
        let options = PruneOptions {
            tagged: true,
            max_bytes: Some(0),
            ..PruneOptions::default()
        };
        let plan = snapshot.plan_prune(&options).unwrap();
        assert!(!plan.unknown.is_empty() && plan.removed.is_empty());
    }

    #[test]
    fn unreadable_manifests_and_state_do_not_hide_a_leftover() {
        let (_dir, cache) = cache();
        let home = cache.home().clone();
        let leftover = home.cache_root().join(".staging:abcdefghijkl");
        std::fs::create_dir(&leftover).unwrap();
        let mut options = PruneOptions::default();
        options.filters.push("deployed=true".parse().unwrap());
        let state = home.path().join("state");
        let manifests = home.manifests_dir();
        std::fs::remove_dir_all(&manifests).unwrap();
        for link in [&state, &manifests] {
            std::os::unix::fs::symlink(link, link).unwrap();
        }
        let snapshot = cache.snapshot().unwrap();
        let plan = snapshot.plan_prune(&options).unwrap();
        let unknown: Vec<_> = plan.unknown.iter().map(Error::to_string).collect();
        for path in [&state, &manifests] {
            let names = |message: &&String| message.contains(path.to_str().unwrap());
            assert_eq!(unknown.iter().filter(names).count(), 1, "{unknown:?}");
        }
        assert!(plan.removed.is_empty() && plan.unreferenced.len() == 1);
        let pruned = cache.prune(plan).unwrap();
        assert_eq!(pruned.unreferenced[0].path, leftover);
        assert!(!leftover.exists());
    }
}
