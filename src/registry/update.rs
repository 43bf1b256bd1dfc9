//! The one operation that changes the registry: lock, read, edit, commit.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Registry;
use super::load::{Loaded, load};
use crate::document::{Document, Edit};
use crate::error::{AtPath, Error, Result};
use crate::store::{self, Identity, Lock, LockWait, Persisted, TempFile};

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
    fn before_commit(&mut self, _document: &Document, _edit: &Edit) -> Result<()> {
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
            && let Ok(Some(lock)) = Lock::try_acquire(&lock_path(&path))
        {
            // Whatever keeps us from it, the reader has what it came for.
            let _ = self.attempt(&path, &lock, &mut Conversion);
        }
        Ok(loaded.document)
    }

    /// Reads the registry as it is at this moment: a torn file is not read
    /// again, a legacy one not converted. For completion, which has no time.
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
        self.locked(&path, |lock| {
            Ok(match self.attempt(&path, lock, change)? {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            })
        })
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

    /// Takes the lock of a registry file, sweeps up what killed processes left
    /// beside it, and attempts something until that comes to its end.
    pub(super) fn locked<T>(
        &self,
        path: &Path,
        mut attempt: impl FnMut(&Lock) -> Result<ControlFlow<T>>,
    ) -> Result<T> {
        let lock_path = lock_path(path);
        let wait = self.lock_wait();
        loop {
            let lock = Lock::acquire(&lock_path, &wait)?;
            store::sweep(path)?;
            while lock.is_current()? {
                if let ControlFlow::Break(result) = attempt(&lock)? {
                    return Ok(result);
                }
                wait.check(|waited| Error::Contended {
                    path: path.to_owned(),
                    waited,
                })?;
            }
            wait.check(|waited| Error::LockTimeout {
                path: lock_path.clone(),
                waited,
            })?;
        }
    }

    /// One attempt at a change under the lock. False if another process
    /// replaced the file or the lock meanwhile, and nothing was done.
    fn attempt(&self, path: &Path, lock: &Lock, change: &mut dyn Change) -> Result<bool> {
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
        } else {
            self.sync_read(path, &loaded)?;
            if !change.touches_content() {
                return Ok(Identity::of(path)? == loaded.file);
            }
        }
        let prepared = pieces
            .map(|pieces| {
                let pieces = pieces.iter().map(|piece| piece.as_bytes());
                TempFile::write(self.disk(), path, pieces, loaded.like.as_ref())
            })
            .transpose()?;

        self.interrupt.check()?;
        let read = loaded.file;
        if loaded.is_legacy {
            // It lies beside what is synced next, and is kept.
            let legacy = store::resolve(&self.legacy_path())?;
            store::sync_contents(&legacy).at("sync", &legacy)?;
        }
        if read.is_none() {
            self.disk().sync_parents(path)?;
        }
        if Identity::of(path)? != read || !lock.is_current()? {
            return Ok(false);
        }
        let published = change
            .before_commit(&loaded.document, &edit)
            .and_then(|()| {
                // Putting content in place takes its time, so look once more; at
                // the registry last, so that little can happen to it until the rename.
                if !lock.is_current()? || Identity::of(path)? != read {
                    return Ok(None);
                }
                match prepared {
                    None => Ok(Some(Persisted::Done)),
                    Some(prepared) => prepared.persist(path, read.is_some()).map(Some),
                }
            });
        match published {
            Ok(Some(Persisted::Done)) => {
                change.after_commit(true);
                Ok(true)
            }
            Ok(Some(Persisted::NotDurable(cause))) => {
                change.after_commit(false);
                Err(Error::NotDurable {
                    path: path.to_owned(),
                    cause,
                })
            }
            Ok(Some(Persisted::Exists) | None) => {
                change.roll_back();
                Ok(false)
            }
            Err(error) => {
                change.roll_back();
                Err(error)
            }
        }
    }

    /// Syncs the registry that was read and stays as it is: what is in it is reported as
    /// done, or acted upon, and the process that put it there may have been killed before
    /// it synced, or sync nothing at all.
    ///
    /// Where there is no registry, nothing is synced: that could only make durable that
    /// one is gone.
    pub(super) fn sync_read(&self, path: &Path, loaded: &Loaded) -> Result<()> {
        match loaded.file {
            Some(_) => self.disk().sync_file(path).at("sync", path),
            None => Ok(()),
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

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    path.with_file_name(name)
}
