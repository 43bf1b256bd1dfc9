//! A file that is written beside its place, in a directory of the user, and renamed into it
//! once it is complete.
//!
//! As with the working directories of the cache, a process holds a lock on each file that it
//! writes, so that what a killed one left can be told apart. The next one removes it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use super::lock::try_lock;
use super::{Attributes, Dir, Kind, attributes_of, if_exists, is_unsupported, set_mode};
use crate::error::{AtPath, Result};

const PREFIX: &str = ".cldctl-registry-";
const SUFFIX: &str = ".tmp";

/// The number of random characters in a name.
const RANDOM: usize = 12;

/// The files that are created until one is locked. A lock that is refused more often does
/// not work here, and neither does it for who would take the file for a leftover.
const ATTEMPTS: usize = 10;

/// A new file. It is removed when this is dropped before it is persisted.
pub(crate) struct NewFile<'d> {
    dir: &'d Dir,
    name: OsString,
    file: File,
    like: Option<Attributes>,
    is_persisted: bool,
}

impl<'d> NewFile<'d> {
    /// Creates a file in a directory, with the mode and, where that is permitted, the owner
    /// of the file that it is to replace.
    pub(crate) fn create(dir: &'d Dir, like: Option<Attributes>) -> Result<Self> {
        let action = "create a temporary file in";
        // A file that replaces a private one is private from its start.
        let mode = if like.is_some() { 0o600 } else { 0o666 };
        let mut attempts = 0;
        loop {
            attempts += 1;
            let name = random_name().at(action, dir.path())?;
            let file = match dir.create_file(&name, mode) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                created => created.at(action, dir.path())?,
            };
            let new = NewFile {
                dir,
                name,
                file,
                like,
                is_persisted: false,
            };
            // Between being created and locked, it can be taken for a leftover.
            let is_locked = new.lock().at(action, dir.path())?;
            if is_locked || attempts >= ATTEMPTS && new.is_there().at(action, dir.path())? {
                return Ok(new);
            }
        }
    }

    /// Locks the file; returns false if another process has removed it, or is about to.
    fn lock(&self) -> io::Result<bool> {
        match try_lock(&self.file) {
            // Where no file can be locked, none is removed either.
            Err(error) if is_no_lock(&error) => Ok(true),
            locked => Ok(locked? && self.is_there()?),
        }
    }

    fn is_there(&self) -> io::Result<bool> {
        is_named(self.dir, &self.name, &self.file)
    }

    /// Returns the open file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Returns its path, for messages.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path_of(&self.name)
    }

    /// Syncs the file and renames it, over a file of that name if there is one. The caller
    /// [syncs](sync_dir) the directory.
    pub(crate) fn persist(mut self, name: &OsStr) -> Result<()> {
        let path = self.path();
        if let Some(like) = self.like {
            like.owner.give(&self.file).at("set the owner of", &path)?;
            set_mode(&self.file, like.mode & 0o777).at("set the mode of", &path)?;
        }
        super::sync(&self.file).at("sync", &path)?;
        let renamed = self.dir.rename(&self.name, self.dir, name);
        renamed.at("replace", &self.dir.path_of(name))?;
        self.is_persisted = true;
        Ok(())
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if !self.is_persisted {
            // What stays is found by its name.
            let _ = self.dir.remove_file(&self.name);
        }
    }
}

/// Makes the names in a directory survive a power loss.
pub(crate) fn sync_dir(dir: &Dir) -> Result<()> {
    let synced = dir
        .try_clone()
        .and_then(|dir| super::sync(&dir.into_file()));
    match synced {
        Err(error) if is_unsupported(&error) => Ok(()),
        synced => synced.at("sync", dir.path()),
    }
}

/// Removes what killed processes of this user left in a directory. What cannot be removed
/// does no harm.
pub(crate) fn sweep_new_files(dir: &Dir) {
    for (name, kind) in dir.names().unwrap_or_default() {
        if is_new_file(&name) && kind.is_none_or(|kind| kind == Kind::File) {
            let _ = remove_if_stale(dir, &name);
        }
    }
}

fn remove_if_stale(dir: &Dir, name: &OsStr) -> io::Result<()> {
    let file = dir.open_writable(name)?;
    let found = attributes_of(&file)?;
    let is_ours = found.owner.uid == rustix::process::geteuid().as_raw();
    if found.kind == Kind::File && is_ours && try_lock(&file)? && is_named(dir, name, &file)? {
        dir.remove_file(name)?;
    }
    Ok(())
}

/// Returns whether a name still refers to an open file.
fn is_named(dir: &Dir, name: &OsStr, file: &impl AsFd) -> io::Result<bool> {
    let here = if_exists(dir.attributes_of(name))?;
    Ok(here.map(|here| here.id) == Some(attributes_of(file)?.id))
}

fn is_no_lock(error: &io::Error) -> bool {
    is_unsupported(error) || super::is(error, rustix::io::Errno::NOLCK)
}

fn random_name() -> io::Result<OsString> {
    // Only the name is made here: nothing is created by a path.
    let made = tempfile::Builder::new()
        .prefix(PREFIX)
        .suffix(SUFFIX)
        .rand_bytes(RANDOM)
        .disable_cleanup(true)
        .make_in("", |_| Ok(()));
    let (_, path) = made?.into_parts();
    Ok(path.file_name().unwrap_or_default().to_owned())
}

/// Returns whether a file in a directory of the user is one that is being written, or that a
/// killed process left.
pub(crate) fn is_new_file(name: &OsStr) -> bool {
    let random = name
        .to_str()
        .and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
    random
        .is_some_and(|it| it.len() == RANDOM && it.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    fn names(dir: &Dir) -> Vec<OsString> {
        dir.names()
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_is_written_stays() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = Dir::open(temporary.path()).unwrap();
        let kept = [
            ".cldctl-registry-abcdefghijk.tmp",
            ".cldctl-registry-abcdefghijkl",
            "x",
        ];
        let stale = ".cldctl-registry-abcdefghijkl.tmp";
        for name in kept.iter().chain(&[stale]) {
            fs::write(temporary.path().join(name), "").unwrap();
        }
        let link = ".cldctl-registry-abcdefghijkm.tmp";
        std::os::unix::fs::symlink("x", temporary.path().join(link)).unwrap();
        let new = NewFile::create(&dir, None).unwrap();
        sweep_new_files(&dir);
        assert!(!temporary.path().join(stale).exists());
        assert_eq!(names(&dir).len(), kept.len() + 2);
        new.file().write_all(b"text").unwrap();
        new.persist(OsStr::new("y")).unwrap();
        assert_eq!(fs::read(temporary.path().join("y")).unwrap(), b"text");
        assert_eq!(names(&dir).len(), kept.len() + 2);
    }

    #[test]
    fn what_is_dropped_is_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = Dir::open(temporary.path()).unwrap();
        drop(NewFile::create(&dir, None).unwrap());
        assert!(names(&dir).is_empty());
    }
}
