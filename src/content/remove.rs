//! Removing artifacts: the entry first, then its content.

use super::Cache;
use super::doomed::{Doomed, Removed, delete, doom};
use super::manifest::Manifests;
use super::progress::Work;
use super::root::CacheRoot;
use super::scratch::Scratch;
use crate::document::{Document, Edit};
use crate::error::Result;
use crate::registry::Change;

/// Chooses what to remove from a document.
pub(crate) type Selection<'s> = dyn FnMut(&Document) -> Result<Edit> + 's;

/// What is to be removed and how.
pub(crate) struct RemovalPlan<'s> {
    /// Chooses the entries; called again when the registry changed meanwhile.
    pub(crate) select: &'s mut Selection<'s>,
    /// Leaves all content where it is.
    pub(crate) keep_content: bool,
}

impl Cache {
    /// Removes all entries with exactly this reference, and their content.
    /// Empty if there is none.
    ///
    /// # Errors
    ///
    /// Those of every change. Content that cannot be deleted is no error; its
    /// [`Fate`](crate::Fate) says so.
    pub fn remove(&self, reference: &str) -> Result<Vec<Removed>> {
        let mut select = |document: &Document| {
            let mut edit = Edit::default();
            let entries = document.entries().enumerate();
            for (index, _) in entries.filter(|(_, entry)| entry.reference() == reference) {
                edit.remove(index);
            }
            Ok(edit)
        };
        self.remove_selected(RemovalPlan {
            select: &mut select,
            keep_content: false,
        })
    }

    /// Removes what a plan selects. The entries go in one change; entries of
    /// the same reference are one artifact.
    pub(crate) fn remove_selected(&self, plan: RemovalPlan<'_>) -> Result<Vec<Removed>> {
        let mut change = Removal {
            cache: self,
            root: None,
            doomed: Vec::new(),
            retired: Vec::new(),
            swept: None,
            plan,
        };
        let outcome = self.registry().update(&mut change);
        // The registry is free again; deleting may take its time.
        let removed = delete(change.doomed, &self.progress);
        let swept = change.swept;
        self.progress.during(Work::Deleting, || drop(swept));
        outcome.map(|()| removed)
    }

    /// What removing by an edit of this document would come to.
    #[cfg(feature = "cli")]
    pub(crate) fn would_remove(
        &self,
        document: &Document,
        edit: &Edit,
        keep_content: bool,
    ) -> Result<Vec<Removed>> {
        let root = CacheRoot::open(self.home()).unwrap_or(None);
        let doomed = doom(document, edit, root.as_ref(), keep_content);
        Ok(doomed
            .into_iter()
            .map(|doomed| doomed.preview(root.as_ref()))
            .collect())
    }
}

struct Removal<'c, 's> {
    cache: &'c Cache,
    plan: RemovalPlan<'s>,
    root: Option<CacheRoot>,
    doomed: Vec<Doomed>,
    retired: Vec<String>,
    /// What killed processes left.
    swept: Option<Scratch>,
}

impl Change for Removal<'_, '_> {
    fn edit(&mut self, document: &Document) -> Result<Edit> {
        (self.plan.select)(document)
    }

    fn before_commit(&mut self, document: &Document, edit: &Edit) -> Result<()> {
        self.retired = Manifests::retired_by(document, edit, None);
        self.cache.manifests.sweep()?;
        if !self.plan.keep_content {
            // Where the cache cannot be opened, its content is out of our
            // reach, and stays.
            self.root = CacheRoot::open(self.cache.home()).unwrap_or(None);
            self.swept = match &self.root {
                Some(root) => root.mend()?,
                None => None,
            };
        }
        self.doomed = doom(document, edit, self.root.as_ref(), self.plan.keep_content);
        Ok(())
    }

    fn roll_back(&mut self) {
        self.doomed.clear();
    }

    fn after_commit(&mut self, durable: bool) {
        // Should the power fail now, the entries may be back; so their content
        // stays. `prune` finds it if they are not.
        if !durable {
            self.doomed.clear();
            return;
        }
        for doomed in &mut self.doomed {
            doomed.discard(self.root.as_ref());
        }
        self.cache.manifests.retire(&self.retired);
    }
}
