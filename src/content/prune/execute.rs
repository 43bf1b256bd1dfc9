//! The execution of a plan.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::{PlannedEntry, PrunePlan, PruneReason, Pruned};
use crate::content::Cache;
use crate::content::removal::{RemovalPlan, RemoveOptions};
use crate::document::Edit;
use crate::error::Result;
use crate::fields::Field;

impl Pruned {
    /// Returns whether there is nothing to report.
    fn is_empty(&self) -> bool {
        self.removed.is_empty()
            && self.unreferenced.is_empty()
            && self.failed.is_empty()
            && self.changed.is_empty()
            && self.changed_entries.is_empty()
    }
}

impl Cache {
    /// Removes just what a plan names. What changed since it was made stays, and is named.
    ///
    /// # Errors
    ///
    /// Those of every change, as long as nothing is done; later ones are in the result.
    /// Content that cannot be deleted is no error: the result names it.
    pub fn prune(&self, plan: PrunePlan) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        // This comes first because it frees disk for the change of the registry.
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
        match self.remove_planned(&plan.entries, &mut pruned) {
            Err(error) if pruned.is_empty() => Err(error),
            result => {
                pruned.error = result.err();
                Ok(pruned)
            }
        }
    }

    /// Removes the planned entries as far as they still stand in the registry as they did.
    fn remove_planned(
        &self,
        planned: &HashMap<String, PlannedEntry>,
        pruned: &mut Pruned,
    ) -> Result<()> {
        let contents = self.contents();
        // Content that is gone by the plan may be on its way back, so it is left alone.
        for is_gone in [true, false] {
            let wanted = |planned: &PlannedEntry| (planned.reason == PruneReason::Gone) == is_gone;
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
                        let Some(PlannedEntry { reference, .. }) = found else {
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
                options: match is_gone {
                    true => RemoveOptions::keeping_content(),
                    false => RemoveOptions::default(),
                },
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
