//! A walk through a directory tree that keeps few descriptors open at any depth.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::vec;

use rustix::io::Errno;

use super::dir::{Dir, FileId, Kind};

/// The number of directories on the path that stay open. Those further up are opened
/// again on the way back.
const OPEN: usize = 16;

/// A walk that enters the directories that its caller [chooses](Walk::enter).
pub(crate) struct Walk {
    /// The innermost directories of the path, the current one last.
    open: VecDeque<Dir>,
    /// All directories of the path.
    way: Vec<Level>,
    path: PathBuf,
}

struct Level {
    /// Empty for the top.
    name: OsString,
    /// The parent directory, from which it was entered.
    parent: Option<FileId>,
    /// The names in it that are not visited yet.
    names: vec::IntoIter<(OsString, Option<Kind>)>,
}

/// A step of a walk.
pub(crate) enum Step {
    /// A name in the current directory, with its kind if the listing has it.
    Name(OsString, Option<Kind>),
    /// All names of a directory are visited; the walk is in its parent again.
    Left(OsString),
}

impl Walk {
    /// Begins with all names in a directory.
    pub(crate) fn through(top: Dir) -> io::Result<Self> {
        let names = top.names()?;
        Ok(Self::begin(top, names))
    }

    /// Begins with a single name in a directory.
    pub(crate) fn of(parent: Dir, name: &OsStr) -> Self {
        Self::begin(parent, vec![(name.to_owned(), None)])
    }

    fn begin(top: Dir, names: Vec<(OsString, Option<Kind>)>) -> Self {
        Walk {
            open: VecDeque::from([top]),
            way: vec![Level {
                name: OsString::new(),
                parent: None,
                names: names.into_iter(),
            }],
            path: PathBuf::new(),
        }
    }

    /// Returns the current directory.
    pub(crate) fn dir(&self) -> &Dir {
        self.open
            .back()
            .expect("the innermost directory stays open")
    }

    /// Returns the path of the current directory from the top.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of directories between the top and the current one.
    pub(crate) fn depth(&self) -> usize {
        self.way.len() - 1
    }

    /// Enters a directory, which must not be a link, to visit its names next. They are
    /// not listed before `accept` has looked at the directory; if it refuses, the walk
    /// stays in the current directory.
    pub(crate) fn enter<E: From<io::Error>>(
        &mut self,
        name: OsString,
        accept: impl FnOnce(&Dir) -> Result<(), E>,
    ) -> Result<(), E> {
        let parent = self.dir().attributes()?.id;
        let dir = self.dir().open_dir(&name)?;
        accept(&dir)?;
        let names = dir.names()?.into_iter();
        self.path.push(&name);
        self.open.push_back(dir);
        if self.open.len() > OPEN {
            self.open.pop_front();
        }
        self.way.push(Level {
            name,
            parent: Some(parent),
            names,
        });
        Ok(())
    }

    /// Returns the next step; `None` at the end.
    ///
    /// # Errors
    ///
    /// ESTALE if the directory was moved out of its parent, because then there is no
    /// way back.
    pub(crate) fn next(&mut self) -> io::Result<Option<Step>> {
        let Some(level) = self.way.last_mut() else {
            return Ok(None);
        };
        if let Some((name, kind)) = level.names.next() {
            return Ok(Some(Step::Name(name, kind)));
        }
        let Some(parent) = level.parent else {
            return Ok(None);
        };
        let name = std::mem::take(&mut level.name);
        self.way.pop();
        self.path.pop();
        let left = self.open.pop_back();
        if let (Some(left), true) = (left, self.open.is_empty()) {
            let above = left.open_parent()?;
            if above.attributes()?.id != parent {
                return Err(Errno::STALE.into());
            }
            self.open.push_back(above);
        }
        Ok(Some(Step::Left(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const DEEP: usize = 3 * OPEN;

    /// Returns a walk that is at the bottom of a deep directory.
    fn down() -> (tempfile::TempDir, Walk) {
        let top = tempfile::tempdir().unwrap();
        let path: PathBuf = std::iter::repeat_n("d", DEEP).collect();
        fs::create_dir_all(top.path().join(path)).unwrap();
        let mut walk = Walk::through(Dir::open(top.path()).unwrap()).unwrap();
        while let Some(Step::Name(name, _)) = walk.next().unwrap() {
            walk.enter(name, |_| io::Result::Ok(())).unwrap();
            if walk.depth() == DEEP {
                break;
            }
        }
        (top, walk)
    }

    /// Row 76: some are closed and opened again.
    #[test]
    fn a_deep_walk_goes_down_and_back_with_few_descriptors() {
        let (top, mut walk) = down();
        assert_eq!(walk.open.len(), OPEN);
        assert_eq!(walk.path().components().count(), DEEP);
        let mut left = 0;
        while let Some(step) = walk.next().unwrap() {
            assert!(matches!(step, Step::Left(name) if name == "d"));
            left += 1;
        }
        assert_eq!(left, DEEP);
        let id = |dir: &Dir| dir.attributes().unwrap().id;
        assert_eq!(id(walk.dir()), id(&Dir::open(top.path()).unwrap()));
        assert_eq!(walk.path(), Path::new(""));
    }

    #[test]
    fn a_walk_ends_when_its_directory_was_moved() {
        let (top, mut walk) = down();
        fs::rename(top.path().join("d/d"), top.path().join("moved")).unwrap();
        let error = loop {
            match walk.next() {
                Ok(step) => assert!(step.is_some(), "the walk came back"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.raw_os_error(), Some(Errno::STALE.raw_os_error()));
    }

    #[test]
    fn a_refused_directory_is_not_entered() {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir_all(top.path().join("a/b")).unwrap();
        let mut walk = Walk::of(Dir::open(top.path()).unwrap(), OsStr::new("a"));
        let Some(Step::Name(name, None)) = walk.next().unwrap() else {
            panic!("the name comes first");
        };
        let refused = |_: &Dir| Err(io::Error::other("refused"));
        walk.enter(name, refused).unwrap_err();
        assert!(walk.next().unwrap().is_none());
    }
}
