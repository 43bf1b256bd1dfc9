//! The one operation that changes the registry: lock, read, edit, commit.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Registry;
use super::load::load;
use crate::document::{Document, Edit};
use crate::error::{AtPath, Error, Result};
use crate::store::{self, Guard, LockWait, Locked, NewText};

/// A change to the registry, and to what goes with it.
pub(crate) trait Change {
    /// Decides what is to change. Called again with a new document if another
    /// process replaced the file meanwhile.
    fn edit(&mut self, document: &Document) -> Result<Edit>;

    /// Whether there is something to do besides the edit.
    fn touches_content(&self) -> bool {
        false
    }

    /// Does what must be in place before the new registry is. An error stops
    /// the change.
    fn before_commit(
        &mut self,
        _locked: &Locked<'_>,
        _document: &Document,
        _edit: &Edit,
    ) -> Result<()> {
        Ok(())
    }

    /// Undoes what [`before_commit`](Self::before_commit) did, also where it
    /// got no further than half way.
    fn roll_back(&mut self) {}

    /// Does what may only be done after the commit, still under the lock.
    /// `durable` is false if the commit may not survive a power loss.
    fn after_commit(&mut self, _durable: bool) {}
}

impl Registry {
    /// Reads the registry. A legacy one is converted on the way if that is
    /// possible without waiting; if not, its entries are just shown.
    pub(crate) fn load(&self) -> Result<Document> {
        let path = store::resolve(&self.path)?;
        let loaded = load(&path, &self.legacy_path())?;
        if loaded.is_legacy
            && let Ok(Some(locked)) = Locked::try_acquire(&path, self.disk(), &self.interrupt)
        {
            // Whatever keeps us from it, the reader has what it came for.
            let _ = self.attempt(&locked, &mut Conversion);
        }
        Ok(loaded.document)
    }

    /// Reads the registry as it is at this moment: a torn file is not read
    /// again, a legacy one not converted. For completion, which has no time.
    #[cfg(feature = "cli")]
    pub(crate) fn peek(&self) -> Result<Document> {
        let path = store::resolve(&self.path)?;
        super::load::load_once(&path, &self.legacy_path()).map(|loaded| loaded.document)
    }

    /// The registry of cldctl's first version, which lies beside this one, or
    /// beside the link to it.
    pub(super) fn legacy_path(&self) -> PathBuf {
        self.path.with_file_name("components.json")
    }

    /// Changes the registry: lock, read, edit, commit. Every change goes
    /// through here.
    pub(crate) fn update(&self, change: &mut dyn Change) -> Result<()> {
        let path = store::resolve(&self.path)?;
        let dir = path.parent().unwrap_or(Path::new("/"));
        if store::stat(dir).at("read", dir)?.is_none() && changes_nothing(change)? {
            return Ok(());
        }
        // It leads to a disk that is not mounted, say, and the registry lies there.
        if let Some((link, target)) = store::link_to_missing_dir(&self.path)? {
            return Err(Error::DanglingLink { link, target });
        }
        self.disk().create_dir(dir)?;
        self.transact(&path, |locked| self.attempt(locked, change))
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
    fn attempt(&self, locked: &Locked<'_>, change: &mut dyn Change) -> Result<ControlFlow<()>> {
        let path = locked.path();
        let loaded = load(path, &self.legacy_path())?;
        loaded.require_writable(path)?;

        let edit = change.edit(&loaded.document)?;
        let pieces = match loaded.document.pieces(&edit) {
            None if loaded.is_legacy => Some(vec![loaded.document.text().into()]),
            pieces => pieces,
        };
        if let Some(pieces) = &pieces {
            let source = match loaded.is_legacy {
                true => &self.legacy_path(),
                false => path,
            };
            loaded.require_readable(source, pieces.iter().map(|piece| &**piece))?;
        }
        if loaded.is_legacy {
            // It is kept, and its name is synced with that of the new file.
            let legacy = store::resolve(&self.legacy_path())?;
            store::sync_contents(&legacy).at("sync", &legacy)?;
        }
        let text = pieces.as_ref().map(|pieces| NewText {
            pieces: pieces.iter().map(|piece| piece.as_bytes()),
            like: loaded.like.as_ref(),
        });
        let hooks = Hooks {
            change,
            document: &loaded.document,
            edit: &edit,
            is_prepared: false,
        };
        locked.commit(loaded.file, text, hooks)
    }
}

/// What a change does besides its edit.
struct Hooks<'h> {
    change: &'h mut dyn Change,
    document: &'h Document,
    edit: &'h Edit,
    /// Whether there may be something to roll back.
    is_prepared: bool,
}

impl Guard for Hooks<'_> {
    type Value = ();

    fn acts_alone(&self) -> bool {
        self.change.touches_content()
    }

    fn prepare(&mut self, locked: &Locked<'_>) -> Result<()> {
        self.is_prepared = true;
        self.change.before_commit(locked, self.document, self.edit)
    }

    fn committed(mut self, durable: bool) {
        if std::mem::take(&mut self.is_prepared) {
            self.change.after_commit(durable);
        }
    }
}

impl Drop for Hooks<'_> {
    fn drop(&mut self) {
        if self.is_prepared {
            self.change.roll_back();
        }
    }
}

/// Changes nothing; a legacy registry is written in the form of today.
struct Conversion;

impl Change for Conversion {
    fn edit(&mut self, _: &Document) -> Result<Edit> {
        Ok(Edit::default())
    }
}

/// Whether a change has nothing to do where there is no registry.
fn changes_nothing(change: &mut dyn Change) -> Result<bool> {
    let nothing = Document::empty();
    let edit = change.edit(&nothing)?;
    Ok(nothing.pieces(&edit).is_none() && !change.touches_content())
}
