//! Bringing files from a directory that is replaced into the new one.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::{Carried, How};
use crate::content::file_tree::{Divided, FileTree, Node, Opener};
use crate::content::residue::{Residue, residue_of};
use crate::error::{AtPath, Error, Result};
use crate::store::{Kind, attributes_of, set_mode};

/// The length of the part of a file that is copied at once, in bytes.
const BUFFER: usize = 256 * 1024;

/// Brings files from the old directory into the new one.
pub(super) struct Bringing<'c> {
    carried: &'c mut Carried,
    divided: &'c Divided,
    /// The paths of the new content, with their kinds.
    new: HashMap<&'c Path, Kind>,
    /// The directories of the old directory by their paths.
    old_dirs: HashMap<&'c Path, &'c Node>,
    /// The directories that were created in the new directory.
    made: HashSet<PathBuf>,
    from: Opener,
    to: Opener,
}

impl<'c> Bringing<'c> {
    pub(super) fn new(carried: &'c mut Carried, divided: &'c Divided, tree: &'c FileTree) -> Self {
        let old = [&divided.content.dirs, &divided.deployment.dirs];
        let old = old.into_iter().chain([&divided.generated.dirs]).flatten();
        let dirs = tree.dirs.iter().map(|dir| (&*dir.path, Kind::Dir));
        let files = tree.files.iter().map(|file| (&*file.path, Kind::File));
        Bringing {
            carried,
            divided,
            new: dirs.chain(files).collect(),
            old_dirs: old.map(|dir| (&*dir.path, dir)).collect(),
            made: HashSet::new(),
            from: Opener::default(),
            to: Opener::default(),
        }
    }

    /// Brings all files and links.
    ///
    /// # Errors
    ///
    /// [`Error::StateInTheWay`], and I/O errors.
    pub(super) fn all(mut self) -> Result<()> {
        for file in &self.divided.deployment.files {
            let how = match self.is_free(&file.path, Kind::File)? {
                true => self.file(file)?,
                false => How::LeftBehind(file.identity),
            };
            self.carried.files.insert(file.path.clone(), how);
        }
        for (path, target) in &self.divided.deployment.links {
            if self.is_free(path, Kind::Link)? {
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

    /// Returns whether the new content leaves the path of a file or link free.
    ///
    /// # Errors
    ///
    /// [`Error::StateInTheWay`] if it does not, and the path is that of state.
    fn is_free(&self, path: &Path, kind: Kind) -> Result<bool> {
        let own = self.new.get_key_value(path).map(|(path, _)| *path);
        let above = path.ancestors().skip(1);
        let mut files = above.filter(|dir| self.new.get(dir) == Some(&Kind::File));
        let Some(taken) = own.or_else(|| files.next()) else {
            return Ok(true);
        };
        match residue_of(path, kind) {
            Some(Residue::State) => Err(Error::StateInTheWay {
                path: self.carried.old.path_of(path),
                content: taken.to_owned(),
            }),
            _ => Ok(false),
        }
    }

    /// Creates the directories that a path needs and that the new content lacks.
    fn parents_of(&mut self, path: &Path) -> Result<()> {
        let is_missing = |dir: &&Path| {
            !dir.as_os_str().is_empty() && !self.new.contains_key(dir) && !self.made.contains(*dir)
        };
        let missing: Vec<&Path> = path.ancestors().skip(1).take_while(is_missing).collect();
        for dir in missing.into_iter().rev() {
            let at = self.carried.new.path_of(dir);
            let created = self
                .to
                .parent_of(&self.carried.new, dir)
                .and_then(|(parent, name)| parent.create_dir(name, 0o700));
            created.at("create the directory", &at)?;
            self.carried.created.push((dir.to_owned(), Kind::Dir));
            self.made.insert(dir.to_owned());
            let old = self.old_dirs.get(dir).copied();
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
        let from = match self.carried.locks.file(&file.path) {
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
        let made = attributes_of(&to).at("read", &to_path)?.identity;
        self.carried.copies.insert(file.path.clone(), made);
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
