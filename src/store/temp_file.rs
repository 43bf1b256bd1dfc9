//! Replacing a file as a whole: temporary file, fsync, rename, fsync.

use std::ffi::OsStr;
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tempfile::NamedTempFile;

use super::disk::id;
use super::fs::sync;
use super::part::{self, Failed, Part};
use super::{Disk, Owner, if_exists, is_unsupported, lstat, read_dir, set_mode, uninterrupted};
use crate::error::{AtPath, Result};

/// The number of random characters in the name of a temporary file.
const RANDOM: usize = 12;
const SUFFIX: &str = ".tmp";

/// The age of a temporary file that no change can still be writing.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// The new text of a file, complete and synced under another name. It is removed when
/// this is dropped before it is persisted.
pub(super) struct TempFile<'d> {
    temporary: NamedTempFile,
    disk: &'d Disk,
}

/// The outcome of persisting.
pub(super) enum Persisted {
    /// The file is replaced, and the directory is synced.
    Done,
    /// The file is replaced, but the directory could not be synced.
    NotDurable(io::Error),
    /// There was to be no file, but now there is one.
    Exists,
}

impl<'d> TempFile<'d> {
    /// Writes and syncs a text, given in parts, beside `target`, with the mode and, where that
    /// is permitted, the owner of the file it is to replace. A new file gets
    /// 0666 less the umask, and the owner that the disk gives it.
    pub(super) fn write<'t>(
        disk: &'d Disk,
        target: &Path,
        text: impl IntoIterator<Item = impl Into<Part<'t>>>,
        like: Option<&Metadata>,
    ) -> Result<Self> {
        let (dir, name) = split(target);
        // A file that replaces a private one is private from its start.
        let mode = if like.is_some() { 0o600 } else { 0o666 };
        let temporary = tempfile::Builder::new()
            .prefix(&prefix(name))
            .suffix(SUFFIX)
            .rand_bytes(RANDOM)
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(dir)
            .at("create a temporary file in", dir)?;
        let path = temporary.path().to_owned();
        let owner = match like {
            Some(like) => Some(Owner::from(like)),
            None => disk.owner()?,
        };
        if let Some(owner) = owner {
            let given = owner.give(temporary.as_file());
            given.at("set the owner of", &path)?;
        }
        if let Some(like) = like {
            set_mode(temporary.as_file(), like.mode()).at("set the mode of", &path)?;
        }
        let parts = text.into_iter().map(Into::into);
        match part::write(temporary.as_file(), parts) {
            Ok(()) => {}
            // All parts are of the file that is to be replaced.
            Err(Failed::Read(error)) => return Err(error).at("read", target),
            Err(Failed::Write(error)) => return Err(error).at("write", &path),
        }
        sync(temporary.as_file()).at("sync", &path)?;
        Ok(TempFile { temporary, disk })
    }

    /// Renames the file over the target, or to it if it must not exist yet.
    pub(super) fn persist(mut self, target: &Path, replace: bool) -> Result<Persisted> {
        let from = self.temporary.path().to_owned();
        let synced = self.temporary.as_file().metadata().at("read", &from)?;
        let renamed = if replace {
            uninterrupted(|| fs::rename(&from, target)).map(|()| true)
        } else {
            rename_without_replacing(&from, target)
        };
        if !renamed.at("replace", target)? {
            return Ok(Persisted::Exists);
        }
        // The name of the temporary file is gone, or it is another link to a
        // file that is now in place; in both cases nothing is to be undone.
        self.temporary.disable_cleanup(true);
        Ok(match self.disk.sync_name(target, Some(id(&synced))) {
            Ok(()) => Persisted::Done,
            Err(error) => Persisted::NotDurable(error),
        })
    }
}

/// Removes the temporary files that killed processes left beside a file. Only
/// the holder of the lock may do so: there can be no other living one.
pub(super) fn sweep(target: &Path) -> Result<()> {
    let (dir, name) = split(target);
    sweep_dir(dir, &prefix(name))
}

/// Removes the temporary files of all files in a directory that is ours alone.
pub(crate) fn sweep_all(dir: &Path) -> Result<()> {
    sweep_dir(dir, ".")
}

fn sweep_dir(dir: &Path, prefix: &str) -> Result<()> {
    for temporary in temporaries(dir, prefix)? {
        // A leftover that cannot be removed does no harm.
        let _ = fs::remove_file(temporary);
    }
    Ok(())
}

/// Returns the temporary files beside a file that no process can still be writing, because
/// nothing was done to them for an hour. A caller does not need the lock.
pub(crate) fn leftovers(target: &Path, now: SystemTime) -> Result<Vec<PathBuf>> {
    let (dir, name) = split(target);
    let mut leftovers = Vec::new();
    for path in temporaries(dir, &prefix(name))? {
        let Some(metadata) = lstat(&path).at("read", &path)? else {
            continue;
        };
        let modified = metadata.modified().at("read", &path)?;
        if now
            .duration_since(modified)
            .is_ok_and(|age| age >= ABANDONED)
        {
            leftovers.push(path);
        }
    }
    leftovers.sort();
    Ok(leftovers)
}

/// Returns the files in a directory that have the name of a temporary one; none if there
/// is no such directory.
fn temporaries(dir: &Path, prefix: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = if_exists(read_dir(dir)).at("read the directory", dir)?;
    for entry in entries.into_iter().flatten() {
        let entry = entry.at("read the directory", dir)?;
        if !is_temporary(&entry.file_name(), prefix) {
            continue;
        }
        let path = entry.path();
        let kind = if_exists(entry.file_type()).at("read", &path)?;
        if kind.is_some_and(|kind| kind.is_file()) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Renames a file; returns false if the target exists.
fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<bool> {
    let renamed = uninterrupted(|| {
        renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(io::Error::from)
    });
    let result = match renamed {
        // Not every file system can; a link does not replace either.
        Err(error) if is_unsupported(&error) => {
            uninterrupted(|| fs::hard_link(from, to)).map(|()| {
                // The other name is in place; this one is swept at the latest
                // by the next change.
                let _ = fs::remove_file(from);
            })
        }
        result => result,
    };
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn split(target: &Path) -> (&Path, &OsStr) {
    let dir = match target.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    (dir, target.file_name().unwrap_or_default())
}

fn prefix(name: &OsStr) -> String {
    format!(".{}.", name.to_string_lossy())
}

fn is_temporary(name: &OsStr, prefix: &str) -> bool {
    name.to_str()
        .and_then(|name| name.strip_prefix(prefix)?.strip_suffix(SUFFIX))
        // With the name of one file as prefix, only the random part is left.
        .and_then(|name| {
            if prefix == "." {
                name.rsplit('.').next()
            } else {
                Some(name)
            }
        })
        .is_some_and(|random| {
            random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Opened;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_and_without_leftovers() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, target) = (Disk::default(), dir.path().join("a.json"));
        fs::write(&target, "old").unwrap();
        for mode in [0o600, 0o644, 0o664] {
            fs::set_permissions(&target, Permissions::from_mode(mode)).unwrap();
            let like = fs::metadata(&target).unwrap();
            let prepared = TempFile::write(&disk, &target, [&b"new"[..]], Some(&like)).unwrap();
            assert!(matches!(
                prepared.persist(&target, true).unwrap(),
                Persisted::Done
            ));
            assert_eq!(fs::metadata(&target).unwrap().mode() & 0o7777, mode);
        }
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(names(dir.path()), ["a.json"]);
    }

    #[test]
    fn a_new_file_never_replaces_one_that_came_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, target) = (Disk::default(), dir.path().join("a.json"));
        let prepared = TempFile::write(&disk, &target, [&b"ours"[..]], None).unwrap();
        fs::write(&target, "theirs").unwrap();
        assert!(matches!(
            prepared.persist(&target, false).unwrap(),
            Persisted::Exists
        ));
        assert_eq!(fs::read(&target).unwrap(), b"theirs");
        assert_eq!(names(dir.path()), ["a.json"]);
    }

    #[test]
    fn an_error_names_the_old_file_if_that_cannot_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, target) = (Disk::default(), dir.path().join("a.json"));
        fs::write(&target, "old").unwrap();
        let old = Opened::at(&target).unwrap().unwrap();
        for len in [4, 1 << 20] {
            let written = TempFile::write(&disk, &target, [Part::Span(&old, 0..len)], None);
            let error = written.err().unwrap().to_string();
            let expected = format!("could not read `{}`: ", target.display());
            assert!(error.starts_with(&expected), "{error}");
        }
        assert_eq!(names(dir.path()), ["a.json"]);
    }

    #[test]
    fn a_temporary_file_that_is_not_persisted_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, target) = (Disk::default(), dir.path().join("a.json"));
        drop(TempFile::write(&disk, &target, [&b"new"[..]], None).unwrap());
        assert_eq!(names(dir.path()), Vec::<String>::new());
    }

    #[test]
    fn only_our_own_leftovers_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.json");
        let kept = [
            ".a.json.tmp",
            ".a.json.abc.tmp",
            ".b.json.abcdefghijkl.tmp",
            "a.json.tmp",
        ];
        for name in kept.iter().chain(&[".a.json.abcdefghijkl.tmp"]) {
            fs::write(dir.path().join(name), "").unwrap();
        }
        fs::create_dir(dir.path().join(".a.json.abcdefghijkm.tmp")).unwrap();
        sweep(&target).unwrap();
        assert_eq!(names(dir.path()).len(), kept.len() + 1);
        assert!(!dir.path().join(".a.json.abcdefghijkl.tmp").exists());
    }
}
