//! The one operation that changes the registry: lock, read, decide, commit.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Registry;
use super::load::{Loaded, open};
use crate::document::{Document, Edit, OpenDocument, Piece};
use crate::error::{AtPath, Error, Result};
use crate::store::{self, Guard, LockWait, Locked, NewText};

/// A change to the registry, decided on a document.
pub(crate) struct Update<G> {
    edit: Edit,
    guard: G,
}

impl<T> Update<Unguarded<T>> {
    /// Returns an edit that is all there is to do, and the value of it.
    pub(crate) fn new(edit: Edit, value: T) -> Self {
        Update::guarded(edit, Unguarded(value))
    }
}

impl<G: Guard> Update<G> {
    /// Returns an edit with what has to be in place before it is committed.
    pub(crate) fn guarded(edit: Edit, guard: G) -> Self {
        Update { edit, guard }
    }

    /// Returns whether there is nothing to do.
    fn changes_nothing(&self, document: &OpenDocument) -> Result<bool> {
        Ok(document.pieces(&self.edit)?.is_none() && !self.guard.acts_alone())
    }
}

/// The value of an edit that is all there is to do.
pub(crate) struct Unguarded<T>(T);

impl<T> Guard for Unguarded<T> {
    type Value = T;

    fn committed(self, _durable: bool) -> T {
        self.0
    }
}

impl Registry {
    /// Converts a legacy registry, if that is possible without waiting; if not, its
    /// entries are just shown.
    pub(super) fn convert_legacy(&self, path: &Path) {
        if let Ok(Some(locked)) = Locked::try_acquire(path, self.disk(), &self.interrupt) {
            // Whatever keeps us from it, the reader has what it came for.
            let _ = self.attempt(&locked, |_| Ok(Update::new(Edit::default(), ())));
        }
    }

    /// The registry of cldctl's first version, which lies beside this one, or
    /// beside the link to it.
    pub(super) fn legacy_path(&self) -> PathBuf {
        self.path.with_file_name("components.json")
    }

    /// Changes the registry: locks, reads, decides, commits. Every change goes through
    /// here. Returns the value of the attempt that was committed.
    ///
    /// `decide` is called again with a new document if another process replaced the file
    /// meanwhile. It may look at the disk, and change nothing there: what has to be
    /// changed is for the guard to do.
    pub(crate) fn update<G: Guard>(
        &self,
        mut decide: impl FnMut(&OpenDocument) -> Result<Update<G>>,
    ) -> Result<G::Value> {
        let path = store::resolve(&self.path)?;
        let dir = path.parent().unwrap_or(Path::new("/"));
        if store::stat(dir).at("read", dir)?.is_none() {
            let nothing = OpenDocument::from(Document::empty());
            let update = decide(&nothing)?;
            if update.changes_nothing(&nothing)? {
                return Ok(update.guard.committed(true));
            }
        }
        // It leads to a disk that is not mounted, say, and the registry lies there.
        if let Some((link, target)) = store::link_to_missing_dir(&self.path)? {
            return Err(Error::DanglingLink { link, target });
        }
        self.disk().create_dir(dir)?;
        self.transact(&path, |locked| self.attempt(locked, &mut decide))
    }

    /// Returns how a change waits for a lock from now on: on the registry, or on
    /// something that goes with it.
    pub(crate) fn lock_wait(&self) -> LockWait<'_> {
        LockWait {
            limit: self.lock_timeout,
            since: Instant::now(),
            notice: &*self.lock_notice,
            interrupt: &self.interrupt,
        }
    }

    /// Waits until no change is under way, up to the limit of `wait`. A change that
    /// begins later is none of those that were seen.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`], and that the path of the registry cannot be resolved.
    pub(crate) fn wait_for_change(&self, wait: &LockWait<'_>) -> Result<()> {
        store::wait_until_free(&store::resolve(&self.path)?, wait)
    }

    /// Changes the registry file under its lock, as [`transact`](store::transact) does.
    pub(super) fn transact<T>(
        &self,
        path: &Path,
        attempt: impl FnMut(&Locked<'_>) -> Result<ControlFlow<T>>,
    ) -> Result<T> {
        store::transact(path, self.disk(), &self.lock_wait(), attempt)
    }

    /// Attempts a change under the lock. Continues if another process replaced the file
    /// or the lock meanwhile, and nothing was done.
    fn attempt<G: Guard>(
        &self,
        locked: &Locked<'_>,
        mut decide: impl FnMut(&OpenDocument) -> Result<Update<G>>,
    ) -> Result<ControlFlow<G::Value>> {
        let path = locked.path();
        let loaded = open(path, &self.legacy_path())?;
        loaded.require_writable(path)?;

        let attempted = decide(&loaded.document).and_then(|Update { edit, guard }| {
            let pieces = loaded.pieces(&edit)?;
            // Entries of two texts could have been looked at.
            if !loaded.is_unchanged() {
                return Ok(ControlFlow::Continue(()));
            }
            self.commit(locked, &loaded, pieces.as_deref(), guard)
        });
        match attempted {
            // What kept it from its end may be what another process wrote in place.
            Err(error) if !matches!(error, Error::NotDurable { .. }) && !loaded.is_unchanged() => {
                Ok(ControlFlow::Continue(()))
            }
            attempted => attempted,
        }
    }

    /// Commits the new text of a registry, given in pieces; `None` leaves it as it is.
    fn commit<G: Guard>(
        &self,
        locked: &Locked<'_>,
        loaded: &Loaded,
        pieces: Option<&[Piece]>,
        guard: G,
    ) -> Result<ControlFlow<G::Value>> {
        if let Some(pieces) = pieces {
            let source = match loaded.is_legacy {
                true => &self.legacy_path(),
                false => locked.path(),
            };
            loaded.require_readable(source, pieces)?;
        }
        if loaded.is_legacy {
            // It is kept, and its name is synced with that of the new file.
            let legacy = store::resolve(&self.legacy_path())?;
            store::sync_contents(&legacy).at("sync", &legacy)?;
        }
        let parts = pieces.map(|pieces| loaded.parts(pieces)).transpose()?;
        let text = parts.map(|parts| NewText {
            parts,
            like: loaded.like.as_ref(),
        });
        locked.commit(loaded.file, text, guard)
    }
}
