//! A walk through a tree of directories that keeps few descriptors open, however
//! deep it leads.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::vec;

use rustix::io::Errno;

use super::dir::{Dir, FileId, Kind};

/// How many directories on the way stay open. Those further up are opened again
/// on the way back.
const OPEN: usize = 16;

/// A walk: it goes into the directories that its caller [enters](Walk::enter).
pub(crate) struct Walk {
    /// The innermost directories of the way, the last one where it is now.
    open: VecDeque<Dir>,
    /// All directories of the way.
    way: Vec<Level>,
    path: PathBuf,
}

struct Level {
    /// Empty for the top.
    name: OsString,
    /// The directory that it was entered from.
    parent: Option<FileId>,
    /// The names in it that are still to come.
    names: vec::IntoIter<(OsString, Option<Kind>)>,
}

/// What a walk comes upon.
pub(crate) enum Step {
    /// A name in the directory where the walk is, with its kind if the listing
    /// tells it.
    Name(OsString, Option<Kind>),
    /// All names of a directory have come; the walk is in its parent again.
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

    /// Returns the directory where the walk is.
    pub(crate) fn dir(&self) -> &Dir {
        self.open
            .back()
            .expect("the innermost directory stays open")
    }

    /// Returns the path of that directory from the top.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how many directories lie between the top and here.
    pub(crate) fn depth(&self) -> usize {
        self.way.len() - 1
    }

    /// Goes into a directory, which must not be a link, to come to its names
    /// next. They are not listed before `accept` has looked at the directory; if
    /// it refuses, the walk stays where it is.
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

    /// Returns what comes next; `None` at the end.
    ///
    /// # Errors
    ///
    /// ESTALE if the directory was moved out of the one that it was entered
    /// from: then there is no way back.
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

    /// A walk that is at the bottom of a deep directory.
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
    fn a_deep_way_leads_down_and_back_with_few_descriptors() {
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
    fn a_directory_that_was_moved_meanwhile_leads_nowhere_else() {
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
