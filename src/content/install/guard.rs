//! The guard that puts in place what an entry with content needs: the content and its
//! manifest.

use super::Install;
use crate::content::cache_root::{Old, Swap};
use crate::content::carry::Carried;
use crate::content::cleanup::{Cleanup, Leftovers};
use crate::content::deployed::Seen;
use crate::content::manifest::Manifest;
use crate::content::workdir::WorkDir;
use crate::error::{Error, Result};
use crate::registry::Upserted;
use crate::store::{Guard, Locked};

/// Puts content and its manifest in place.
pub(super) struct Installing<'i> {
    pub(super) install: &'i Install<'i>,
    pub(super) upserted: Upserted,
    pub(super) moves_in: bool,
    pub(super) needs_manifest: bool,
    pub(super) needs_remote: bool,
    /// The directory that the content is staged in; goes back to the install for the next
    /// attempt.
    pub(super) work: Option<WorkDir>,
    pub(super) swap: Option<Swap>,
    /// The manifest of the content that is replaced, if it is known.
    pub(super) old_manifest: Option<Manifest>,
    /// The files that deployments left in the old directory, in the new one too.
    pub(super) carried: Option<Carried>,
    pub(super) kept_manifest: bool,
    pub(super) cleanup: Cleanup<'i>,
}

/// The registered entry, and what is to be deleted when the registry is free again.
pub(super) struct Installed {
    pub(super) upserted: Upserted,
    pub(super) replaced: Option<WorkDir>,
    /// The files of deployments that were carried over. Their locks are held until what was
    /// replaced is deleted.
    pub(super) carried: Option<Carried>,
    /// A deployment changed the old directory meanwhile, so that it is kept.
    pub(super) kept_aside: Option<Error>,
    pub(super) leftovers: Leftovers,
}

impl Guard for Installing<'_> {
    type Value = Installed;

    fn acts_alone(&self) -> bool {
        self.moves_in || self.needs_manifest || self.needs_remote
    }

    fn prepare(&mut self, locked: &Locked<'_>) -> Result<()> {
        let Install {
            cache,
            staged,
            key,
            remote,
            ..
        } = self.install;
        self.cleanup.recover(&staged.root)?;
        self.cleanup.sweep_manifests()?;
        if self.needs_manifest {
            self.kept_manifest = true;
            cache.manifests.keep(&staged.manifest, locked)?;
        }
        if let Some(remote) = remote.as_ref().filter(|_| self.needs_remote) {
            // Without the entry it is true all the same, and goes with the manifest.
            let remotes = cache.registry().remotes();
            remotes.keep(staged.manifest.digest().as_str(), remote, locked)?;
        }
        if self.moves_in
            && let Some(work) = &mut self.work
        {
            let wait = cache.registry().lock_wait();
            let manifest = self.old_manifest.as_ref();
            self.swap = loop {
                self.carried = Carried::over(&staged.root, key, manifest, &staged.content)?;
                let old = Old {
                    holds_state: self.carried.as_ref().is_some_and(Carried::has_state),
                    seen: self.carried.as_ref().map(|carried| carried as &dyn Seen),
                };
                match staged.root.swap_in(work, key, &wait, old) {
                    // A directory appeared, and what deployments left in it is to be carried.
                    Err(Error::ContentChanged { .. }) if self.carried.is_none() => {}
                    swapped => break Some(swapped?),
                }
                locked.check_interrupt()?;
            };
            staged.root.sync()?;
        }
        Ok(())
    }

    fn committed(mut self, durable: bool) -> Installed {
        self.kept_manifest = false;
        let (swap, work) = (self.swap.take(), self.work.take());
        let holds_old = matches!(swap, Some(Swap::Exchanged | Swap::InTwoSteps(..)));
        let mut replaced = match swap {
            Some(Swap::InTwoSteps(aside, _)) => Some(aside),
            // Where content was exchanged, what was replaced has the staged one's name.
            _ => work,
        };
        // Should the power fail now, the old entry may be back; `prune` finds
        // its content if it is not.
        if !durable
            && holds_old
            && let Some(replaced) = &mut replaced
        {
            replaced.keep();
        }
        let mut kept_aside = None;
        if holds_old
            && let (Some(carried), Some(old)) = (&self.carried, &mut replaced)
            && carried.has_changed()
        {
            let Install { staged, key, .. } = self.install;
            kept_aside = Some(old.keep_aside(&staged.root.dir_of(key)));
        }
        let mut carried = self.carried.take();
        carried.as_mut().into_iter().for_each(Carried::keep);
        Installed {
            upserted: std::mem::take(&mut self.upserted),
            carried,
            kept_aside,
            replaced,
            leftovers: self.cleanup.committed(durable),
        }
    }
}

impl Drop for Installing<'_> {
    fn drop(&mut self) {
        let Install { cache, staged, .. } = self.install;
        if let (Some(swap), Some(work)) = (self.swap.take(), &mut self.work) {
            if matches!(swap, Swap::Deleted) {
                self.install.is_moved_in.set(true);
            }
            staged.root.swap_back(work, &self.install.key, swap);
            if self.install.is_in_place() {
                // What it replaced may be gone, or is deleted next.
                self.carried.take().map(Carried::into_paths);
            } else {
                self.carried = None;
                if self.install.was_deployed() {
                    let kept = work.set_aside();
                    self.install.kept_aside.set(Some(kept));
                    self.work = None;
                }
            }
        }
        self.carried = None;
        if std::mem::take(&mut self.kept_manifest) {
            // A manifest too many does no harm.
            let _ = cache.manifests.remove(staged.manifest.digest().as_str());
        }
        self.install.work.set(self.work.take());
    }
}
