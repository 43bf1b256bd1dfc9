//! Reaching what lies in a tree.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::store::{Attributes, Dir};

/// Opens what lies in a tree, from the descriptor of its top downwards. Paths that
/// follow one another mostly have one parent, which it keeps open.
#[derive(Default)]
pub(crate) struct Opener {
    parent: Option<(PathBuf, Dir)>,
}

impl Opener {
    /// Opens a file for reading.
    pub(crate) fn open_file(&mut self, top: &Dir, path: &Path) -> io::Result<File> {
        let (dir, name) = self.parent_of(top, path)?;
        dir.open_file(name)
    }

    /// Opens a file for reading and writing.
    pub(crate) fn open_writable(&mut self, top: &Dir, path: &Path) -> io::Result<File> {
        let (dir, name) = self.parent_of(top, path)?;
        dir.open_writable(name)
    }

    /// Returns what the system says of a path of the tree; of the top, if the path is
    /// empty.
    pub(crate) fn attributes_of(&mut self, top: &Dir, path: &Path) -> io::Result<Attributes> {
        if path.as_os_str().is_empty() {
            return top.attributes();
        }
        let (dir, name) = self.parent_of(top, path)?;
        dir.attributes_of(name)
    }

    /// Returns the directory that contains a path of the tree, and its name
    /// there.
    pub(crate) fn parent_of<'o, 'p>(
        &'o mut self,
        top: &'o Dir,
        path: &'p Path,
    ) -> io::Result<(&'o Dir, &'p OsStr)> {
        let name = path.file_name().unwrap_or_default();
        let parent = path.parent().unwrap_or(Path::new(""));
        if parent.as_os_str().is_empty() {
            return Ok((top, name));
        }
        let is_open = self.parent.as_ref().is_some_and(|(path, _)| path == parent);
        if !is_open {
            self.parent = None;
            self.parent = Some((parent.to_owned(), open_real(top, parent)?));
        }
        let (_, dir) = self.parent.as_ref().expect("it was opened above");
        Ok((dir, name))
    }
}

/// Opens a directory of a tree where it really lies: below the top, or with an
/// absolute path outside of it.
pub(super) fn open_real(top: &Dir, real: &Path) -> io::Result<Dir> {
    match real.strip_prefix("/") {
        Ok(real) => Dir::open(Path::new("/"))?.open_beneath(real),
        Err(_) => top.open_beneath(real),
    }
}
