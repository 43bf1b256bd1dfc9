//! Removes the artifacts that operands name or a selection chooses.

use std::collections::HashSet;

use super::{RemovalPlan, RemoveOptions, Removed};
use crate::content::{Cache, Contents, Snapshot};
use crate::document::{Document, Edit};
use crate::error::Result;
use crate::registry::resolve::{DigestPrefix, ResolvedPlaces, Unresolved};
use crate::select::Selection;
use crate::timestamp;

/// What became of artifacts that were to be removed by name.
#[derive(Debug)]
#[non_exhaustive]
pub struct NamedRemoval {
    /// The artifacts that were removed.
    pub removed: Vec<Removed>,
    /// The operands that name no one artifact.
    pub unresolved: Vec<Unresolved>,
}

/// Artifacts that a selection chose for removal, as they were when it was planned.
#[derive(Debug)]
#[non_exhaustive]
pub struct ChosenPlan {
    /// What their removal would come to.
    pub removed: Vec<Removed>,
    /// The entries as they stand in the file.
    texts: HashSet<String>,
}

/// What became of artifacts that a selection chose for removal.
#[derive(Debug)]
#[non_exhaustive]
pub struct ChosenRemoval {
    /// The artifacts that were removed.
    pub removed: Vec<Removed>,
    /// The references of entries that stay, because they came or changed since the plan
    /// was made.
    pub kept: Vec<String>,
}

impl ChosenPlan {
    /// Returns whether nothing is chosen.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}

impl Snapshot<'_> {
    /// Returns what [`Cache::remove_named`] would come to.
    ///
    /// # Errors
    ///
    /// The registry or the cache cannot be read.
    pub fn plan_named_removal<S: AsRef<str>>(
        &self,
        operands: &[S],
        options: RemoveOptions,
    ) -> Result<NamedRemoval> {
        let document = self.document()?;
        let registry = self.cache.registry();
        let resolved = registry.resolve_in(document, operands, DigestPrefix::Long)?;
        let edit = removal_of(&resolved);
        Ok(NamedRemoval {
            removed: self.cache.would_remove(&self.registry, &edit, options)?,
            unresolved: resolved.unresolved(),
        })
    }

    /// Plans the removal of the artifacts that a selection chooses, for people to agree
    /// to; nothing is changed.
    ///
    /// # Errors
    ///
    /// As [`Cache::select`].
    pub fn plan_removal(
        &self,
        selection: &Selection,
        options: RemoveOptions,
    ) -> Result<ChosenPlan> {
        let document = self.document()?;
        let contents = self.cache.contents();
        let chosen = selection.choose(document, &contents, &timestamp::now())?;
        let mut edit = Edit::default();
        chosen.iter().for_each(|&index| edit.remove(index));
        let entries = chosen.iter().filter_map(|&index| document.entry(index));
        Ok(ChosenPlan {
            removed: self.cache.would_remove(&self.registry, &edit, options)?,
            texts: entries.map(|entry| entry.text().to_owned()).collect(),
        })
    }
}

impl Cache {
    /// Removes the artifacts that operands name, and their content unless it is to be
    /// kept. Each operand is tried; it may be a reference, or at least 12 digits of a
    /// digest, as [`Registry::resolve`](crate::Registry::resolve) finds them.
    ///
    /// ```
    /// use cldctl_registry::remove::RemoveOptions;
    /// use cldctl_registry::resolve::Unresolved;
    /// use cldctl_registry::{Cache, Home};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// let cache = Cache::open(Home::at(dir.path())?)?;
    /// let removal = cache.remove_named(&["app:v1"], RemoveOptions::default())?;
    /// assert!(removal.removed.is_empty());
    /// assert!(matches!(removal.unresolved[..], [Unresolved::Missing { .. }]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove).
    pub fn remove_named<S: AsRef<str>>(
        &self,
        operands: &[S],
        options: RemoveOptions,
    ) -> Result<NamedRemoval> {
        let mut resolved = None;
        let removed = self.remove_selected(RemovalPlan {
            select: &mut |document| {
                let digits = DigestPrefix::Long;
                let found = self
                    .registry()
                    .resolve_in_open(document, operands, digits)?;
                let edit = removal_of(&found);
                resolved = Some(found);
                Ok(edit)
            },
            options,
        })?;
        Ok(NamedRemoval {
            removed,
            unresolved: resolved.map_or_else(Vec::new, |found| found.unresolved()),
        })
    }

    /// Removes the artifacts that a selection chooses, and their content unless it is to
    /// be kept. With a plan, only entries that are in it and have not changed since.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove) and [`select`](Self::select).
    pub fn remove_chosen(
        &self,
        selection: &Selection,
        options: RemoveOptions,
        plan: Option<&ChosenPlan>,
    ) -> Result<ChosenRemoval> {
        let contents = self.contents();
        let now = timestamp::now();
        let mut kept = Vec::new();
        let removed = self.remove_selected(RemovalPlan {
            select: &mut |document| {
                let chosen = chosen_edit(document.whole()?, selection, &contents, plan, &now)?;
                kept = chosen.kept;
                Ok(chosen.edit)
            },
            options,
        })?;
        Ok(ChosenRemoval { removed, kept })
    }
}

/// Returns the edit that removes the entries that operands name.
fn removal_of(resolved: &ResolvedPlaces) -> Edit {
    let mut edit = Edit::default();
    resolved.all().for_each(|index| edit.remove(index));
    edit
}

/// The entries that go, and the references of those that stay because they came or changed
/// since the plan was made.
struct ChosenEdit {
    edit: Edit,
    kept: Vec<String>,
}

fn chosen_edit(
    document: &Document,
    selection: &Selection,
    contents: &Contents<'_>,
    plan: Option<&ChosenPlan>,
    now: &chrono::DateTime<chrono::FixedOffset>,
) -> Result<ChosenEdit> {
    let (mut edit, mut kept) = (Edit::default(), Vec::new());
    for index in selection.choose(document, contents, now)? {
        match (document.entry(index), plan) {
            (Some(entry), Some(plan)) if !plan.texts.contains(entry.text()) => {
                kept.push(entry.reference().into_owned());
            }
            _ => edit.remove(index),
        }
    }
    let is_everything = *selection == Selection::default() && kept.is_empty();
    if is_everything && document.entries().len() > 0 {
        edit = Edit::clear();
    }
    Ok(ChosenEdit { edit, kept })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{ArtifactEntry, ArtifactType};
    use crate::home::Home;
    use crate::reference::Reference;

    fn add(cache: &Cache, name: &str) {
        let reference = Reference::parse(name).unwrap();
        let entry = ArtifactEntry::new(&reference, ArtifactType::Component, timestamp::now(), "");
        cache.registry().add(entry).unwrap();
    }

    #[test]
    fn every_operand_is_tried_and_those_that_name_nothing_are_returned() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(Home::at(dir.path()).unwrap()).unwrap();
        for name in ["app:v1", "web:v1"] {
            add(&cache, name);
        }
        let removal = cache
            .remove_named(&["app:v2", "app:v1"], RemoveOptions::default())
            .unwrap();
        assert_eq!(removal.removed.len(), 1);
        let missing = Unresolved::Missing {
            operand: "app:v2".to_owned(),
        };
        assert_eq!(removal.unresolved, [missing]);
    }

    #[test]
    fn what_came_since_a_plan_was_made_stays() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(Home::at(dir.path()).unwrap()).unwrap();
        add(&cache, "app:v1");
        let everything = Selection::default();
        let plan = cache
            .snapshot()
            .unwrap()
            .plan_removal(&everything, RemoveOptions::default())
            .unwrap();
        add(&cache, "web:v1");
        let removal = cache
            .remove_chosen(&everything, RemoveOptions::default(), Some(&plan))
            .unwrap();
        assert_eq!(removal.kept, ["web:v1"]);
        assert_eq!(removal.removed[0].reference, "app:v1");
        let removal = cache
            .remove_chosen(&everything, RemoveOptions::default(), None)
            .unwrap();
        assert_eq!((removal.removed.len(), removal.kept.len()), (1, 0));
    }
}
