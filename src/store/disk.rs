//! Creating and syncing on the disk of a registry and its content.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::OFlags;

use super::Owner;
use super::dir::FileId;
use super::fs::{dangling_link, if_exists, is_unsupported, lstat, stat, sync, uninterrupted};
use super::temp_file::split;
use crate::error::{AtPath, Error, Result};

/// The number of syncs of a name that points to another file each time.
const ROUNDS: usize = 8;

/// The disk under a registry and its content.
///
/// Not every file system can sync a directory: 9p, some FUSE and some network file
/// systems answer `EINVAL` or `ENOTSUP`. A change there is still made, as durable as it
/// can be, and reported to an observer, once for all clones.
///
/// When root works in a user's home, what it creates there is given to the user,
/// because the user could not change it otherwise.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    /// The file of the registry.
    registry: Option<PathBuf>,
    notice: Option<Arc<Notice>>,
    noticed: Arc<AtomicBool>,
}

type Notice = dyn Fn(&Path) + Send + Sync;

impl Disk {
    /// Creates the disk of a registry file that exists or will exist.
    pub(crate) fn of(registry: &Path) -> Self {
        Disk {
            registry: Some(registry.to_owned()),
            ..Disk::default()
        }
    }

    /// Calls `notice` with the first directory that cannot be synced.
    pub(crate) fn with_notice(self, notice: impl Fn(&Path) + Send + Sync + 'static) -> Self {
        Disk {
            notice: Some(Arc::new(notice)),
            ..self
        }
    }

    /// Makes what was created, renamed or removed in a directory survive a power loss,
    /// as far as the file system can. If it is the directory of the registry, the
    /// registry file is [synced first](Self::sync_file).
    pub(crate) fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        match &self.registry {
            Some(registry) if registry.parent() == Some(dir) => self.sync_file(registry),
            _ => self.sync_open_dir(&File::open(dir)?, dir),
        }
    }

    /// Makes a file and its name survive a power loss.
    ///
    /// The file is synced before its directory, because another program may have
    /// renamed it into place without a sync. If only the directory were synced, some
    /// file systems would keep the name and not the text, and the replaced file would
    /// be lost as well.
    pub(crate) fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.sync_name(path, None)
    }

    /// Syncs as [`sync_file`](Self::sync_file) does, when one file is already synced.
    pub(super) fn sync_name(&self, path: &Path, mut synced: Option<FileId>) -> io::Result<()> {
        let (dir, _) = split(path);
        let opened = File::open(dir)?;
        for _ in 0..ROUNDS {
            if id_of_file(path)? != synced {
                synced = sync_contents(path)?;
            }
            self.sync_open_dir(&opened, dir)?;
            // The name may point to another file by now, which may not be synced.
            if id_of_file(path)? == synced {
                break;
            }
        }
        Ok(())
    }

    /// Syncs as [`sync_dir`](Self::sync_dir) does, for a directory that is already
    /// open.
    pub(crate) fn sync_open_dir(&self, opened: &File, dir: &Path) -> io::Result<()> {
        match sync(opened) {
            Err(error) if is_unsupported(&error) => {
                self.notify(dir);
                Ok(())
            }
            result => result,
        }
    }

    /// Returns the owner that everything created has to be [given to](Owner::give);
    /// `None` if it belongs to its creator, as for every user but root.
    pub(crate) fn owner(&self) -> Result<Option<Owner>> {
        match self.registry.as_deref().and_then(Path::parent) {
            Some(dir) => Owner::for_root_in(dir).at("read", dir),
            None => Ok(None),
        }
    }

    fn notify(&self, dir: &Path) {
        if let Some(notice) = &self.notice
            && !self.noticed.swap(true, Ordering::Relaxed)
        {
            notice(dir);
        }
    }

    /// Creates a directory with all its parents, and syncs them.
    pub(crate) fn create_dir(&self, dir: &Path) -> Result<()> {
        let is_there = |dir| stat(dir).map(|found| found.is_some_and(|found| found.is_dir()));
        if is_there(dir).at("open", dir)? {
            return Ok(());
        }
        let parent = dir.parent().unwrap_or(Path::new("/"));
        self.create_dir(parent)?;
        let owner = self.owner()?;
        match uninterrupted(|| fs::create_dir(dir)) {
            // Another process created it concurrently.
            Err(error)
                if error.kind() == io::ErrorKind::AlreadyExists
                    && is_there(dir).at("open", dir)? => {}
            result => {
                if result.is_err()
                    && let Ok(Some((link, target))) = dangling_link(dir)
                {
                    return Err(Error::DanglingLink { link, target });
                }
                result.at("create the directory", dir)?;
                let given = owner.map_or(Ok(()), |owner| give_dir(dir, owner));
                given.at("set the owner of", dir)?;
            }
        }
        self.sync_dir(parent).at("sync", parent)
    }

    /// Syncs the directories on the path to a new file, up to one of another user or
    /// another file system. cldctl, which syncs nothing, may have just created them, or
    /// a process that was killed before it synced.
    pub(crate) fn sync_parents(&self, file: &Path) -> Result<()> {
        let mut own = None;
        for dir in file.ancestors().skip(1) {
            let found = stat(dir).at("read", dir)?;
            let whose = found.map(|found| (found.dev(), found.uid()));
            if own.is_none() {
                own = Some(whose);
                continue;
            }
            if own != Some(whose) {
                break;
            }
            match self.sync_dir(dir) {
                // A user may be allowed through a directory without being allowed to
                // read it.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                result => result.at("sync", dir)?,
            }
        }
        Ok(())
    }
}

/// Device and inode of a file.
pub(super) fn id(metadata: &Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
}

/// Returns the regular file at a path, without following a link.
fn id_of_file(path: &Path) -> io::Result<Option<FileId>> {
    let found = lstat(path)?.filter(Metadata::is_file);
    Ok(found.as_ref().map(id))
}

/// Writes the regular file at a path through to the disk, but not its name. Returns
/// which file it is. A link is not followed.
pub(crate) fn sync_contents(path: &Path) -> io::Result<Option<FileId>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    if id_of_file(path)?.is_none() {
        return Ok(None);
    }
    let opened = File::options().read(true).custom_flags(flags).open(path);
    let Some(file) = if_exists(opened)? else {
        return Ok(None);
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    sync(&file)?;
    Ok(Some(id(&metadata)))
}

/// Gives a directory that root has just created to its owner.
///
/// The parent may belong to the user, who can replace the directory with anything. So a
/// link is not followed, and a directory of another owner is not changed.
fn give_dir(dir: &Path, owner: Owner) -> io::Result<()> {
    let flags = (OFlags::NOFOLLOW | OFlags::DIRECTORY).bits() as i32;
    let opened = File::options().read(true).custom_flags(flags).open(dir)?;
    match opened.metadata()?.uid() {
        0 => owner.give(&opened),
        _ => Ok(()),
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_directory_that_cannot_be_synced_is_reported_once_for_all_clones() {
        let noticed = Arc::new(AtomicUsize::new(0));
        let disk = Disk::default().with_notice({
            let noticed = Arc::clone(&noticed);
            move |dir| {
                assert_eq!(dir, Path::new("/proc/self"));
                noticed.fetch_add(1, Ordering::Relaxed);
            }
        });
        let dir = tempfile::tempdir().unwrap();
        disk.sync_dir(dir.path()).unwrap();
        assert_eq!(noticed.load(Ordering::Relaxed), 0);
        // procfs cannot be synced.
        if cfg!(target_os = "linux") {
            disk.clone().sync_dir(Path::new("/proc/self")).unwrap();
            disk.sync_dir(Path::new("/proc/self")).unwrap();
            assert_eq!(noticed.load(Ordering::Relaxed), 1);
        }
        assert!(disk.sync_dir(&dir.path().join("absent")).is_err());
    }

    #[test]
    fn a_directory_is_created_with_its_parents_and_a_file_in_its_place_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        Disk::default().create_dir(&deep).unwrap();
        Disk::default().create_dir(&deep).unwrap();
        assert!(deep.is_dir());
        fs::write(deep.join("file"), "").unwrap();
        let error = Disk::default().create_dir(&deep.join("file")).unwrap_err();
        assert!(error.to_string().contains("file exists"), "{error}");
        std::os::unix::fs::symlink("/nowhere", deep.join("link")).unwrap();
        let below = deep.join("link/below");
        let error = Disk::default().create_dir(&below).unwrap_err();
        assert!(matches!(error, Error::DanglingLink { .. }), "{error}");
    }
}
