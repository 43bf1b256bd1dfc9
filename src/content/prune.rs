//! Frees disk: a plan of what can go, and its execution.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use super::orphans::{Unreferenced, UnreferencedData};
use super::removal::{RemovalPlan, Removed};
use super::{Cache, Contents};
use crate::document::{Document, Edit, OpenDocument};
use crate::error::{Error, Result};
use crate::fields::Field;
use crate::reference::ReferenceParts;
use crate::select::{Candidate, Filter, Retention, Selection, select_expired};
use crate::timestamp;

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

/// What a prune is to remove. [`Cache::prune`] removes just that.
#[derive(Debug)]
#[non_exhaustive]
pub struct PrunePlan {
    /// The artifacts, and what their removal would come to.
    pub removed: Vec<Removed>,
    /// The directories and leftovers that no entry needs.
    pub unreferenced: Vec<Unreferenced>,
    /// Why it is not known of some artifacts and directories whether they could go. They
    /// stay.
    pub unknown: Vec<Error>,
    /// The entries by their text.
    entries: HashMap<String, Planned>,
    reasons: HashMap<String, PruneReason>,
    made_at: SystemTime,
}

#[derive(Clone, Debug)]
struct Planned {
    reference: String,
    reason: PruneReason,
}

impl PrunePlan {
    /// Returns the references of the entries that go, each with the reason.
    pub fn reasons(&self) -> &HashMap<String, PruneReason> {
        &self.reasons
    }
}

/// What became of a [`PrunePlan`].
#[derive(Debug)]
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

impl Cache {
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
    /// let plan = cache.plan_prune(&options)?;
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
    /// As [`select`](Self::select), and that the cache cannot be read.
    pub fn plan_prune(&self, options: &PruneOptions) -> Result<PrunePlan> {
        self.registry().require_memory()?;
        self.plan_prune_in(&self.registry().load()?.into(), options)
    }

    /// As [`plan_prune`](Self::plan_prune), for a registry that was read already.
    pub(crate) fn plan_prune_in(
        &self,
        registry: &OpenDocument,
        options: &PruneOptions,
    ) -> Result<PrunePlan> {
        let document = registry.whole()?;
        let now = SystemTime::now();
        let (reasons, mut unknown) = choose(self, document, options)?;
        let UnreferencedData {
            found: unreferenced,
            unknown: more,
        } = self.unreferenced_by(document, now)?;
        unknown.extend(more);
        let mut edit = Edit::default();
        reasons.keys().for_each(|&index| edit.remove(index));
        let entries = reasons.into_iter().filter_map(|(index, reason)| {
            let entry = document.entry(index)?;
            let reference = entry.reference().into_owned();
            Some((entry.text().to_owned(), Planned { reference, reason }))
        });
        let entries: HashMap<String, Planned> = entries.collect();
        let planned = entries.values();
        Ok(PrunePlan {
            removed: self.would_remove(registry, &edit, false)?,
            unreferenced,
            unknown,
            reasons: planned
                .map(|it| (it.reference.clone(), it.reason))
                .collect(),
            entries,
            made_at: now,
        })
    }

    /// Removes just what a plan names. What changed since it was made stays, and is named.
    ///
    /// # Errors
    ///
    /// Those of every change, as long as nothing is done; later ones are in the result.
    /// Content that cannot be deleted is no error: the result names it.
    pub fn prune(&self, plan: PrunePlan) -> Result<Pruned> {
        let mut pruned = Pruned {
            removed: Vec::new(),
            unreferenced: Vec::new(),
            failed: Vec::new(),
            changed: Vec::new(),
            changed_entries: Vec::new(),
            error: None,
        };
        if !plan.unreferenced.is_empty() {
            let swept = self.remove_unreferenced(&plan.unreferenced, plan.made_at)?;
            let failed = swept.failed.iter().map(|(item, _)| item);
            let known: HashSet<&PathBuf> =
                failed.chain(&swept.gone).map(|item| &item.path).collect();
            let changed = plan.unreferenced.iter();
            let changed = changed.filter(|item| !known.contains(&item.path));
            pruned.changed = changed.cloned().collect();
            (pruned.unreferenced, pruned.failed) = (swept.gone, swept.failed);
        }
        let result = self.remove_planned(&plan.entries, &mut pruned);
        let is_nothing_done = plan.unreferenced.is_empty() && pruned.removed.is_empty();
        match result {
            Err(error) if is_nothing_done => Err(error),
            result => {
                pruned.error = result.err();
                Ok(pruned)
            }
        }
    }

    /// Removes the planned entries as far as they still stand in the registry as they did.
    fn remove_planned(
        &self,
        planned: &HashMap<String, Planned>,
        pruned: &mut Pruned,
    ) -> Result<()> {
        let contents = self.contents();
        // Content that is gone by the plan may be on its way back, so it is left alone.
        for is_gone in [true, false] {
            let wanted = |planned: &Planned| (planned.reason == PruneReason::Gone) == is_gone;
            if !planned.values().any(wanted) {
                continue;
            }
            let mut kept = HashMap::new();
            let removed = self.remove_selected(RemovalPlan {
                select: &mut |document| {
                    let mut edit = Edit::default();
                    kept = planned.iter().filter(|(_, it)| wanted(it)).collect();
                    let document = document.whole()?;
                    for (index, entry) in document.entries().enumerate() {
                        let found = planned.get(entry.text()).filter(|it| wanted(it));
                        let Some(Planned { reference, .. }) = found else {
                            continue;
                        };
                        let path = entry.text_of(Field::CachePath);
                        if !is_gone || contents.is_gone(reference, &path).unwrap_or(false) {
                            edit.remove(index);
                            kept.remove(&entry.text().to_owned());
                        }
                    }
                    Ok(edit)
                },
                keep_content: is_gone,
            })?;
            pruned.removed.extend(removed);
            let kept = kept.into_values();
            pruned
                .changed_entries
                .extend(kept.map(|it| it.reference.clone()));
        }
        Ok(())
    }
}

/// Returns the places of the entries that go, each with the reason, and why it is not
/// known of some whether they could go; those stay.
fn choose(
    cache: &Cache,
    document: &Document,
    options: &PruneOptions,
) -> Result<(HashMap<usize, PruneReason>, Vec<Error>)> {
    let mut unknown = Vec::new();
    let contents = cache.contents();
    let selection = Selection {
        filters: options.filters.clone(),
        ..Selection::default()
    };
    let selected = selection.choose(document, &contents, &timestamp::now())?;
    let mut is_selected = vec![false; document.entries().len()];
    selected
        .into_iter()
        .for_each(|index| is_selected[index] = true);

    let mut reasons = HashMap::new();
    let mut tagged: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, entry) in document.entries().enumerate() {
        let is_gone = contents.is_gone(&entry.reference(), &entry.text_of(Field::CachePath));
        let is_gone = is_gone.unwrap_or_else(|error| {
            unknown.push(error);
            false
        });
        if is_selected[index] && entry.is_untagged() {
            reasons.insert(index, PruneReason::Untagged);
        } else if is_selected[index] && is_gone {
            reasons.insert(index, PruneReason::Gone);
        } else if options.tagged && !entry.is_untagged() && !is_gone {
            // Entries of one reference are one artifact.
            let reference = entry.reference().into_owned();
            tagged.entry(reference).or_default().push(index);
        }
    }
    let disk = match options.max_bytes {
        Some(_) => Disk::of(document, &contents, &reasons)?,
        None => Disk::default(),
    };
    let candidates: Vec<Candidate> = tagged
        .into_iter()
        .filter_map(|(reference, indices)| {
            let entry = document.entry(*indices.first()?)?;
            Some(Candidate {
                repository: ReferenceParts::of(&reference).repository.to_owned(),
                created_at: entry.created_at().ok().flatten(),
                bytes: indices
                    .iter()
                    .filter_map(|index| disk.freed_by.get(index))
                    .fold(0, |sum: u64, bytes| sum.saturating_add(*bytes)),
                is_selected: indices.iter().all(|&index| is_selected[index]),
                indices,
                reference,
            })
        })
        .collect();
    let retention = Retention {
        keep_last: options.keep_last.unwrap_or_default(),
        max_bytes: options.max_bytes,
    };
    let reason = match (options.max_bytes, options.keep_last) {
        (Some(_), _) => PruneReason::MaxSize,
        (None, Some(_)) => PruneReason::KeepLast,
        (None, None) => PruneReason::Filter,
    };
    for index in select_expired(&candidates, retention, disk.kept) {
        reasons.insert(index, reason);
    }
    Ok((reasons, unknown))
}

/// What the content of artifacts takes.
#[derive(Default)]
struct Disk {
    /// The bytes that removing an entry frees, by its place: those of its
    /// directory, if no entry of another reference has the same.
    freed_by: HashMap<usize, u64>,
    /// The bytes that stay whatever else is removed.
    kept: u64,
}

impl Disk {
    /// Measures all entries but those that go anyway.
    fn of(
        document: &Document,
        contents: &Contents<'_>,
        going: &HashMap<usize, PruneReason>,
    ) -> Result<Self> {
        let mut dirs: HashMap<PathBuf, (u64, Vec<usize>)> = HashMap::new();
        for (index, entry) in document.entries().enumerate() {
            if going.contains_key(&index) {
                continue;
            }
            let usage = contents.usage(&entry.reference(), &entry.text_of(Field::CachePath))?;
            if let Some(usage) = usage {
                let holders = dirs.entry(usage.path);
                let (_, holders) = holders.or_insert((usage.allocated, Vec::new()));
                holders.push(index);
            }
        }
        let mut disk = Disk::default();
        for (bytes, holders) in dirs.into_values() {
            let reference = |index: &usize| document.entry(*index).map(|entry| entry.reference());
            let first = holders.first().and_then(reference);
            let is_sole = holders.iter().all(|index| reference(index) == first);
            let is_tagged = holders.iter().all(|&index| {
                document
                    .entry(index)
                    .is_some_and(|entry| !entry.is_untagged())
            });
            match holders.first() {
                Some(&index) if is_sole && is_tagged => {
                    disk.freed_by.insert(index, bytes);
                }
                _ => disk.kept = disk.kept.saturating_add(bytes),
            }
        }
        Ok(disk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::Home;
    use crate::import::{Import, ImportSource};
    use crate::reference::Reference;

    /// A cache with `app:v1`, `app:v2` and an untagged artifact.
    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(Home::at(&dir.path().join("home")).unwrap()).unwrap();
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
        let plan = cache.plan_prune(&PruneOptions::default()).unwrap();
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
        let plan = cache.plan_prune(&options).unwrap();
        assert_eq!(names(&plan.removed), ["app:v1", "app:v2"]);
        let mut changed = cache.registry().get("app:v1").unwrap().unwrap();
        changed.size = Some(7);
        cache.registry().add(changed).unwrap();
        let pruned = cache.prune(plan).unwrap();
        assert_eq!(names(&pruned.removed), ["app:v2"]);
        assert_eq!(pruned.changed_entries, ["app:v1"]);
        assert!(cache.registry().get("app:v1").unwrap().is_some());
    }
}
