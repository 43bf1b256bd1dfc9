//! The one order in which a file is changed: lock, sweep, read, decide, write, look
//! again, put in place, sync.
//!
//! [`transact`] locks, and attempts the rest until it comes to its end; an attempt
//! reads and decides, and ends with [`Locked::unchanged`] or [`Locked::commit`].

use std::fs::Metadata;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::part::Part;
use super::temp_file::{Persisted, TempFile, split, sweep};
use super::{Disk, Identity, Lock, LockWait};
use crate::error::{AtPath, Error, Result};
use crate::interrupt::Interrupt;

/// A guard of what has to be in place before the new text of a file is.
///
/// Dropped before it is [committed](Self::committed), it rolls back what it prepared,
/// also where it got no further than half way. All of it happens under the lock.
pub(crate) trait Guard {
    /// The value that a transaction returns.
    type Value;

    /// Returns whether there is something to prepare although the text stays as it is.
    fn acts_alone(&self) -> bool {
        false
    }

    /// Puts in place what has to be there first. Not called where nothing changes.
    ///
    /// # Errors
    ///
    /// Any error stops the transaction.
    fn prepare(&mut self, _locked: &Locked<'_>) -> Result<()> {
        Ok(())
    }

    /// Does what may only be done once the file has its new text, and returns the value
    /// of the transaction. `durable` is false if the new text may not survive a power
    /// loss; the transaction fails then.
    fn committed(self, durable: bool) -> Self::Value;
}

/// The new text of a file.
pub(crate) struct NewText<'t, P> {
    /// Its parts, to be written one behind the other.
    pub(crate) parts: P,
    /// The file whose mode and owner the new one gets.
    pub(crate) like: Option<&'t Metadata>,
}

/// Changes a file under its lock: sweeps up what killed processes left beside it, and
/// calls `attempt` until it breaks with a value.
///
/// # Errors
///
/// Those of the attempt; [`Error::LockTimeout`] and [`Error::Contended`] once the time
/// to wait is over, and [`Error::Interrupted`].
pub(crate) fn transact<T>(
    path: &Path,
    disk: &Disk,
    wait: &LockWait<'_>,
    mut attempt: impl FnMut(&Locked<'_>) -> Result<ControlFlow<T>>,
) -> Result<T> {
    let lock_path = lock_path(path);
    loop {
        let locked = Locked {
            lock: Lock::acquire(&lock_path, wait)?,
            path,
            disk,
            interrupt: wait.interrupt,
        };
        sweep(path)?;
        while locked.lock.is_current()? {
            if let ControlFlow::Break(value) = attempt(&locked)? {
                return Ok(value);
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

/// Waits until no process holds the lock of a file, or the time to wait is over. A
/// transaction that begins later is none of those that were seen.
///
/// # Errors
///
/// [`Error::Interrupted`].
pub(crate) fn wait_until_free(path: &Path, wait: &LockWait<'_>) -> Result<()> {
    let lock_path = lock_path(path);
    let mut pauses = wait.pauses();
    while Lock::is_held(&lock_path) {
        match pauses.pause(&lock_path) {
            Err(Error::LockTimeout { .. }) => break,
            paused => paused?,
        }
    }
    Ok(())
}

/// A file whose lock is held. Dropping it releases the lock.
pub(crate) struct Locked<'a> {
    lock: Lock,
    path: &'a Path,
    disk: &'a Disk,
    interrupt: &'a Interrupt,
}

impl<'a> Locked<'a> {
    /// Acquires the lock of a file unless another process holds it.
    ///
    /// # Errors
    ///
    /// As [`Lock::try_acquire`].
    pub(crate) fn try_acquire(
        path: &'a Path,
        disk: &'a Disk,
        interrupt: &'a Interrupt,
    ) -> Result<Option<Self>> {
        let lock = Lock::try_acquire(&lock_path(path))?;
        Ok(lock.map(|lock| Locked {
            lock,
            path,
            disk,
            interrupt,
        }))
    }

    /// Returns the path of the file.
    pub(crate) fn path(&self) -> &Path {
        self.path
    }

    /// Returns the disk that the file lies on.
    pub(crate) fn disk(&self) -> &Disk {
        self.disk
    }

    /// Stops an operation that was asked to stop.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`].
    pub(crate) fn check_interrupt(&self) -> Result<()> {
        self.interrupt.check()
    }

    /// Makes the file survive a power loss as it is.
    ///
    /// # Errors
    ///
    /// It cannot be synced.
    pub(crate) fn sync(&self) -> Result<()> {
        self.disk.sync_file(self.path).at("sync", self.path)
    }

    /// Ends a transaction that leaves the file as it was read. Continues if another
    /// process replaced it meanwhile.
    ///
    /// # Errors
    ///
    /// The file cannot be synced or looked at.
    pub(crate) fn unchanged<T>(
        &self,
        read: Option<Identity>,
        value: impl FnOnce() -> T,
    ) -> Result<ControlFlow<T>> {
        self.sync_read(read)?;
        Ok(match Identity::of(self.path)? == read {
            true => ControlFlow::Break(value()),
            false => ControlFlow::Continue(()),
        })
    }

    /// Replaces the text of the file that was read, or leaves it where there is no new
    /// one, with what has to be in place before. Continues if another process replaced
    /// the file or the lock meanwhile, and nothing was done.
    ///
    /// # Errors
    ///
    /// I/O errors, [`Error::Interrupted`], and those of the guard. Then nothing was done,
    /// but for [`Error::NotDurable`].
    pub(crate) fn commit<'t, G: Guard>(
        &self,
        read: Option<Identity>,
        text: Option<NewText<'t, impl IntoIterator<Item = impl Into<Part<'t>>>>>,
        mut guard: G,
    ) -> Result<ControlFlow<G::Value>> {
        let temporary = match text {
            None if !guard.acts_alone() => return self.unchanged(read, || guard.committed(true)),
            None => {
                self.sync_read(read)?;
                None
            }
            Some(NewText { parts, like }) => {
                Some(TempFile::write(self.disk, self.path, parts, like)?)
            }
        };
        self.check_interrupt()?;
        if read.is_none() {
            self.disk.sync_parents(self.path)?;
        }
        if Identity::of(self.path)? != read || !self.lock.is_current()? {
            return Ok(ControlFlow::Continue(()));
        }
        guard.prepare(self)?;
        // To prepare takes its time, so look once more; at the file last, so that little
        // can happen to it until the rename.
        if !self.lock.is_current()? || Identity::of(self.path)? != read {
            return Ok(ControlFlow::Continue(()));
        }
        let persisted = match temporary {
            Some(temporary) => temporary.persist(self.path, read.is_some())?,
            None => Persisted::Done,
        };
        match persisted {
            Persisted::Done => Ok(ControlFlow::Break(guard.committed(true))),
            Persisted::Exists => Ok(ControlFlow::Continue(())),
            Persisted::NotDurable(cause) => {
                guard.committed(false);
                Err(Error::NotDurable {
                    path: self.path.to_owned(),
                    cause,
                })
            }
        }
    }

    /// Puts a durable file at another path, in place of what lies there.
    ///
    /// # Errors
    ///
    /// I/O errors. If it cannot be made durable, it is in place all the same.
    pub(crate) fn put(&self, path: &Path, text: &[u8]) -> Result<()> {
        match TempFile::write(self.disk, path, [text], None)?.persist(path, true)? {
            Persisted::Done | Persisted::Exists => Ok(()),
            Persisted::NotDurable(cause) => Err(cause).at("sync", split(path).0),
        }
    }

    /// Creates a durable file beside this one, with the mode and owner of another.
    /// Returns false if something has its name already.
    ///
    /// # Errors
    ///
    /// I/O errors. Then no file was created.
    pub(crate) fn create(&self, path: &Path, text: &[u8], like: &Metadata) -> Result<bool> {
        // Its temporary file has the name of one of this file, so that it is swept up.
        let temporary = TempFile::write(self.disk, self.path, [text], Some(like))?;
        match temporary.persist(path, false)? {
            Persisted::Done => Ok(true),
            Persisted::Exists => Ok(false),
            Persisted::NotDurable(cause) => {
                // What it was to keep is still there.
                let _ = std::fs::remove_file(path);
                Err(cause).at("sync", path)
            }
        }
    }

    /// Syncs a file that was read: what is in it is reported as done, or acted upon, and
    /// the process that put it there may have been killed before it synced, or sync
    /// nothing at all.
    ///
    /// Where there is no file, nothing is synced, because that could only make durable
    /// that one is gone.
    fn sync_read(&self, read: Option<Identity>) -> Result<()> {
        match read {
            Some(_) => self.sync(),
            None => Ok(()),
        }
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::{Duration, Instant};

    /// Prepares by a step, and notes what happens to it.
    struct Noted<'n, F> {
        prepare: F,
        notes: &'n std::cell::RefCell<Vec<&'static str>>,
        is_prepared: bool,
    }

    impl<F: FnMut(&Path)> Guard for Noted<'_, F> {
        type Value = ();

        fn acts_alone(&self) -> bool {
            true
        }

        fn prepare(&mut self, locked: &Locked<'_>) -> Result<()> {
            self.is_prepared = true;
            self.notes.borrow_mut().push("prepared");
            (self.prepare)(locked.path());
            locked.check_interrupt()
        }

        fn committed(mut self, durable: bool) {
            self.is_prepared = false;
            assert!(durable);
            self.notes.borrow_mut().push("committed");
        }
    }

    impl<F> Drop for Noted<'_, F> {
        fn drop(&mut self) {
            if self.is_prepared {
                self.notes.borrow_mut().push("rolled back");
            }
        }
    }

    /// Writes `new` over a file that contains `old`, and calls `prepare` with its path and
    /// the number of each attempt before the rename. Returns what happened to the guards,
    /// and what the file contains then.
    fn replaced(
        text: Option<&[u8]>,
        interrupt: &Interrupt,
        prepare: impl Fn(&Path, usize),
    ) -> (Result<()>, Vec<&'static str>, Option<String>) {
        let dir = tempfile::tempdir().unwrap();
        let (disk, path) = (Disk::default(), dir.path().join("file"));
        fs::write(&path, "old").unwrap();
        let wait = LockWait {
            limit: Duration::from_secs(60),
            since: Instant::now(),
            notice: &|_| (),
            interrupt,
        };
        let notes = std::cell::RefCell::default();
        let mut attempts = 0;
        let result = transact(&path, &disk, &wait, |locked| {
            let read = Identity::of(&path)?;
            attempts += 1;
            let guard = Noted {
                prepare: |path: &Path| prepare(path, attempts),
                notes: &notes,
                is_prepared: false,
            };
            let text = text.map(|text| NewText {
                parts: [text],
                like: None,
            });
            locked.commit(read, text, guard)
        });
        assert!(temporaries(dir.path()).is_empty());
        (result, notes.into_inner(), fs::read_to_string(&path).ok())
    }

    /// Returns the temporary files in a directory; none if there is no such directory.
    fn temporaries(dir: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(dir).into_iter().flatten();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.extension().is_some_and(|it| it == "tmp"))
            .collect()
    }

    #[test]
    fn what_was_prepared_stays_with_the_commit_and_goes_without_it() {
        let interrupt = Interrupt::default();
        let new = Some(&b"new"[..]);
        let (result, notes, text) = replaced(new, &interrupt, |_, _| ());
        assert!(result.is_ok());
        assert_eq!(notes, ["prepared", "committed"]);
        assert_eq!(text.as_deref(), Some("new"));

        // Without its temporary file, the rename must fail.
        let (result, notes, text) = replaced(new, &interrupt, |path, _| {
            for temporary in temporaries(path.parent().unwrap()) {
                fs::remove_file(temporary).unwrap();
            }
        });
        let error = result.unwrap_err().to_string();
        assert!(error.starts_with("could not replace `"), "{error}");
        assert_eq!(notes, ["prepared", "rolled back"]);
        assert_eq!(text.as_deref(), Some("old"));

        let (result, notes, _) = replaced(new, &interrupt, |path, _| {
            let dir = path.parent().unwrap();
            fs::remove_dir_all(dir).unwrap();
            fs::write(dir, "").unwrap();
        });
        assert!(result.is_err());
        assert_eq!(notes, ["prepared", "rolled back"]);
    }

    #[test]
    fn a_guard_that_fails_is_rolled_back_however_far_it_got() {
        let interrupt = Interrupt::default();
        let new = Some(&b"new"[..]);
        let (result, notes, text) = replaced(new, &interrupt, |_, _| interrupt.raise(2));
        assert!(matches!(result, Err(Error::Interrupted { signal: 2 })));
        assert_eq!(notes, ["prepared", "rolled back"]);
        assert_eq!(text.as_deref(), Some("old"));
    }

    #[test]
    fn a_file_that_is_replaced_while_a_guard_prepares_is_read_again() {
        let interrupt = Interrupt::default();
        for (text, expected) in [(Some(&b"new"[..]), "new"), (None, "theirs")] {
            let (result, notes, text) = replaced(text, &interrupt, |path, attempt| {
                if attempt == 1 {
                    fs::write(path, "theirs").unwrap();
                }
            });
            assert!(result.is_ok());
            assert_eq!(notes, ["prepared", "rolled back", "prepared", "committed"]);
            assert_eq!(text.as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_lock_file_that_is_removed_while_a_guard_prepares_is_created_again() {
        let interrupt = Interrupt::default();
        let (result, notes, text) = replaced(Some(b"new"), &interrupt, |path, attempt| {
            if attempt == 1 {
                fs::remove_file(lock_path(path)).unwrap();
            }
        });
        assert!(result.is_ok());
        assert_eq!(notes, ["prepared", "rolled back", "prepared", "committed"]);
        assert_eq!(text.as_deref(), Some("new"));
    }
}
