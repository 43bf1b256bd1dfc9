//! Carrying what deployments left from a directory that is replaced into the new one.
//!
//! A file gets a second name in the new directory where the file system can do that: so
//! nothing is copied, and what a process still writes through an open descriptor is not
//! lost, because both names are of the same file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::cache_root::CacheRoot;
use super::copy;
use super::deployed::{Seen, StateLocks};
use super::file_tree::{Divided, FileTree, Node, Opener};
use super::inventory::Inventory;
use super::manifest::Manifest;
use super::residue::{Residue, residue_of};
use crate::error::{AtPath, Error, Result};
use crate::reference::CacheKey;
use crate::store::{Dir, FileId, Identity, Kind, attributes_of, set_mode};

/// The length of the part of a file that is copied at once, in bytes.
const BUFFER: usize = 256 * 1024;

/// The files that deployments left in the directory of a key, carried into a new
/// directory. They are removed from that again when this is dropped, unless they are
/// [kept](Self::into_paths).
#[derive(Debug)]
pub(super) struct Carried {
    old: Dir,
    /// The paths that are content of the old directory, whatever their names are.
    content: HashSet<Vec<u8>>,
    new: Dir,
    files: BTreeMap<PathBuf, How>,
    /// The paths that were created in the new directory, directories before what they
    /// contain.
    created: Vec<(PathBuf, Kind)>,
    is_done: bool,
    _locks: StateLocks,
}

/// The way a file of the old directory was carried.
#[derive(Debug, PartialEq)]
enum How {
    /// The new directory has the same file.
    Linked(FileId),
    /// The new directory has a copy of the file as it was.
    Copied(Identity),
    /// The new directory has a link with the same target.
    Recreated(PathBuf),
    /// The new content has something else there.
    LeftBehind(Identity),
}

impl Carried {
    /// Carries what deployments left in the directory of a key into a new one, which has
    /// its content; `None` if there is no old directory. `manifest` is that of the old
    /// content. Only the holder of the registry's lock may do so.
    ///
    /// # Errors
    ///
    /// [`Error::AtWork`], [`Error::StateInTheWay`], and I/O errors. Then the new directory
    /// is as it was.
    pub(super) fn over(
        root: &CacheRoot,
        key: &CacheKey,
        manifest: Option<&Manifest>,
        new: &Inventory,
    ) -> Result<Option<Self>> {
        let (new, tree) = (new.dir(), new.tree());
        let name = OsStr::new(key.as_str());
        match root.look(name)? {
            Some(found) if found.kind == Kind::Dir => {}
            Some(_) | None => return Ok(None),
        }
        let old = root.open_dir(name)?;
        let content = manifest.map(Manifest::paths).unwrap_or_default();
        let divided = divide(&old, &content)?;
        let mut carried = Carried {
            new: new.try_clone().at("open", new.path())?,
            content,
            files: BTreeMap::new(),
            created: Vec::new(),
            is_done: false,
            _locks: StateLocks::default(),
            old,
        };
        if divided.deployment.is_empty() {
            return Ok(Some(carried));
        }
        let locks = StateLocks::acquire(&carried.old, &divided.deployment)?;
        Bringing::new(&mut carried, &divided, &locks, tree).all()?;
        if !carried.created.is_empty() {
            copy::sync_with_locks(&carried.new, root.dir(), &locks)?;
        }
        carried._locks = locks;
        Ok(Some(carried))
    }

    /// Keeps what was carried in the new directory.
    pub(super) fn keep(&mut self) {
        self.is_done = true;
    }

    /// Keeps what was carried, releases the locks, and returns the paths of the files.
    pub(super) fn into_paths(mut self) -> Vec<PathBuf> {
        self.keep();
        let created = std::mem::take(&mut self.created).into_iter();
        let files = created.filter(|(_, kind)| *kind != Kind::Dir);
        files.map(|(path, _)| path).collect()
    }

    /// Returns whether the new directory has the state of a deployment.
    pub(super) fn has_state(&self) -> bool {
        let is_state = |path: &Path| residue_of(path, Kind::File) == Some(Residue::State);
        self.created.iter().any(|(path, _)| is_state(path))
    }

    /// Returns whether the old directory has state or inputs now that were not carried,
    /// because a deployment wrote them meanwhile, or may have: what cannot be read may have
    /// changed if there was something.
    pub(super) fn has_changed(&self) -> bool {
        let Ok(divided) = divide(&self.old, &self.content) else {
            return !self.files.is_empty();
        };
        let left = divided.deployment;
        let is_carried = |path: &Path, identity: Identity| match self.files.get(path) {
            Some(How::Linked(file)) => *file == identity.file(),
            Some(How::Copied(seen) | How::LeftBehind(seen)) => *seen == identity,
            Some(How::Recreated(_)) | None => false,
        };
        let files = left.files.iter();
        let has_links = |(path, target): &(PathBuf, PathBuf)| match self.files.get(path) {
            Some(How::Recreated(seen)) => seen == target,
            Some(How::LeftBehind(_)) => true,
            _ => false,
        };
        !files
            .into_iter()
            .all(|file| is_carried(&file.path, file.identity))
            || !left.links.iter().all(has_links)
    }
}

impl Seen for Carried {
    fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    fn knows_file(&self, path: &Path, now: Identity) -> bool {
        match self.files.get(path) {
            Some(How::Linked(file)) => *file == now.file(),
            Some(How::Copied(seen) | How::LeftBehind(seen)) => seen.has_same_content(now),
            Some(How::Recreated(_)) => false,
            None => is_content(&self.content, path, Kind::File),
        }
    }

    fn knows_link(&self, path: &Path) -> bool {
        self.files.contains_key(path) || is_content(&self.content, path, Kind::Link)
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let mut opener = Opener::default();
        for (path, kind) in self.created.drain(..).rev() {
            // What stays is deleted with the new directory, or carried again.
            let _ = opener
                .parent_of(&self.new, &path)
                .and_then(|(dir, name)| match kind {
                    Kind::Dir => dir.remove_dir(name),
                    _ => dir.remove_file(name),
                });
        }
    }
}

/// Lists a directory and divides it.
fn divide(old: &Dir, content: &HashSet<Vec<u8>>) -> Result<Divided> {
    Ok(FileTree::stored(old)?.divide(|path, kind| is_content(content, path, kind)))
}

/// Returns whether a path is content. State is never content here: a file of that name may
/// have come with the artifact, and be in use since.
fn is_content(content: &HashSet<Vec<u8>>, path: &Path, kind: Kind) -> bool {
    residue_of(path, kind) != Some(Residue::State) && content.contains(path.as_os_str().as_bytes())
}

/// Brings files from the old directory into the new one.
struct Bringing<'c> {
    carried: &'c mut Carried,
    divided: &'c Divided,
    locks: &'c StateLocks,
    /// The paths of the new content, with their kinds.
    new: HashMap<&'c Path, Kind>,
    from: Opener,
    to: Opener,
}

impl<'c> Bringing<'c> {
    fn new(
        carried: &'c mut Carried,
        divided: &'c Divided,
        locks: &'c StateLocks,
        tree: &'c FileTree,
    ) -> Self {
        let dirs = tree.dirs.iter().map(|dir| (&*dir.path, Kind::Dir));
        let files = tree.files.iter().map(|file| (&*file.path, Kind::File));
        Bringing {
            carried,
            divided,
            locks,
            new: dirs.chain(files).collect(),
            from: Opener::default(),
            to: Opener::default(),
        }
    }

    fn all(mut self) -> Result<()> {
        for file in &self.divided.deployment.files {
            let how = match self.is_free(&file.path)? {
                true => self.file(file)?,
                false => How::LeftBehind(file.identity),
            };
            self.carried.files.insert(file.path.clone(), how);
        }
        for (path, target) in &self.divided.deployment.links {
            if self.is_free(path)? {
                self.parents_of(path)?;
                let (dir, name) = self
                    .to
                    .parent_of(&self.carried.new, path)
                    .at("open", &self.carried.new.path_of(path))?;
                let created = dir.create_link(target, name);
                created.at("create the link", &dir.path_of(name))?;
                self.carried.created.push((path.clone(), Kind::Link));
            }
            let how = How::Recreated(target.clone());
            self.carried.files.insert(path.clone(), how);
        }
        Ok(())
    }

    /// Returns whether the new content leaves a path free.
    ///
    /// # Errors
    ///
    /// [`Error::StateInTheWay`] if it does not, and the path is that of state.
    fn is_free(&self, path: &Path) -> Result<bool> {
        let own = self.new.get_key_value(path).map(|(path, _)| *path);
        let above = path.ancestors().skip(1);
        let mut files = above.filter(|dir| self.new.get(dir) == Some(&Kind::File));
        let Some(taken) = own.or_else(|| files.next()) else {
            return Ok(true);
        };
        match residue_of(path, Kind::File) {
            Some(Residue::State) => Err(Error::StateInTheWay {
                path: self.carried.old.path_of(path),
                content: taken.to_owned(),
            }),
            _ => Ok(false),
        }
    }

    /// Creates the directories that a path needs and that the new content lacks.
    fn parents_of(&mut self, path: &Path) -> Result<()> {
        let mut missing: Vec<&Path> = path
            .ancestors()
            .skip(1)
            .filter(|dir| !dir.as_os_str().is_empty() && !self.new.contains_key(dir))
            .collect();
        missing.retain(|dir| !self.carried.created.iter().any(|(path, _)| path == dir));
        for dir in missing.into_iter().rev() {
            let at = self.carried.new.path_of(dir);
            let created = self
                .to
                .parent_of(&self.carried.new, dir)
                .and_then(|(parent, name)| parent.create_dir(name, 0o700));
            created.at("create the directory", &at)?;
            self.carried.created.push((dir.to_owned(), Kind::Dir));
            let old = (self.divided.content.dirs.iter())
                .chain(&self.divided.deployment.dirs)
                .chain(&self.divided.generated.dirs)
                .find(|old| old.path == dir);
            let opened = self
                .carried
                .new
                .open_beneath(dir)
                .at("open", &at)?
                .into_file();
            self.give_owner(old.map_or(Path::new(""), |old| &old.path), &opened);
            set_mode(&opened, old.map_or(0o755, |old| old.mode)).at("set the mode of", &at)?;
        }
        Ok(())
    }

    /// Gives what was created the owner that a path of the old directory has, as far as
    /// that is permitted.
    fn give_owner(&mut self, path: &Path, created: &std::fs::File) {
        if let Ok(found) = self.from.attributes_of(&self.carried.old, path) {
            let _ = found.owner.give(created);
        }
    }

    fn file(&mut self, file: &Node) -> Result<How> {
        self.parents_of(&file.path)?;
        let at = self.carried.new.path_of(&file.path);
        let from = self.from.parent_of(&self.carried.old, &file.path);
        let (from, name) = from.at("open", &self.carried.old.path_of(&file.path))?;
        let to = self.to.parent_of(&self.carried.new, &file.path);
        let (to, _) = to.at("open", &at)?;
        match from.link(name, to, name) {
            Ok(()) => {
                self.carried.created.push((file.path.clone(), Kind::File));
                let found = to.attributes_of(name).at("read", &at)?;
                match found.id == file.identity.file() {
                    true => Ok(How::Linked(found.id)),
                    false => Err(Error::ContentChanged {
                        path: self.carried.old.path_of(&file.path),
                    }),
                }
            }
            Err(error) if cannot_be_linked(&error) => self.copy(file),
            Err(error) => Err(error).at("link", &at),
        }
    }

    /// Copies a file, where the file system cannot give it a second name.
    fn copy(&mut self, file: &Node) -> Result<How> {
        let (old, new) = (&self.carried.old, &self.carried.new);
        let (from_path, to_path) = (old.path_of(&file.path), new.path_of(&file.path));
        // A locked file must not be opened again.
        let opened;
        let from = match self.locks.file(&file.path) {
            Some(locked) => locked,
            None => {
                let file = self.from.open_file(old, &file.path);
                opened = file.at("open", &from_path)?;
                &opened
            }
        };
        let created = self
            .to
            .parent_of(new, &file.path)
            .and_then(|(dir, name)| dir.create_file(name, 0o600));
        let to = created.at("create", &to_path)?;
        self.carried.created.push((file.path.clone(), Kind::File));
        let mut buffer = vec![0; BUFFER];
        let mut offset = 0;
        loop {
            let read = crate::store::uninterrupted(|| from.read_at(&mut buffer, offset));
            let read = read.at("read", &from_path)?;
            if read == 0 {
                break;
            }
            to.write_all_at(&buffer[..read], offset)
                .at("write", &to_path)?;
            offset += read as u64;
        }
        let found = attributes_of(from).at("read", &from_path)?;
        let _ = found.owner.give(&to);
        set_mode(&to, file.mode).at("set the mode of", &to_path)?;
        match found.identity == file.identity {
            true => Ok(How::Copied(found.identity)),
            false => Err(Error::ContentChanged { path: from_path }),
        }
    }
}

/// Returns whether the system or the file system refuses a second name as such.
fn cannot_be_linked(error: &io::Error) -> bool {
    let refusals = [Errno::PERM, Errno::ACCESS, Errno::MLINK, Errno::XDEV];
    crate::store::is_unsupported(error)
        || Errno::from_io_error(error).is_some_and(|errno| refusals.contains(&errno))
}
