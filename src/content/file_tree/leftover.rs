//! Listing what deployments left in a directory that a killed process left.

use std::io;

use super::{Left, Node};
use crate::content::residue::{PLUGINS, Residue, residue_of};
use crate::store::{Dir, Kind, Step, Walk, if_exists};

impl Left {
    /// Lists the state and inputs in a directory that a killed process left, without the
    /// directories that contain them. `is_swap` says that it is the old directory of a key, of
    /// which nothing may be overlooked.
    ///
    /// # Errors
    ///
    /// I/O errors.
    pub(crate) fn in_leftover(top: &Dir, is_swap: bool) -> io::Result<Self> {
        let mut left = Left::default();
        let mut walk = Walk::through(top.try_clone()?)?;
        while let Some(step) = walk.next()? {
            let Step::Name(name, listed) = step else {
                continue;
            };
            let path = walk.path().join(&name);
            match if_exists(walk.dir().kind_of(&name, listed))? {
                Some(Kind::Dir) if name == PLUGINS => {}
                Some(Kind::Dir) => match if_exists(walk.enter(name, |_| io::Result::Ok(()))) {
                    // OpenTofu could not have written there either.
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !is_swap => {}
                    entered => drop(entered?),
                },
                Some(kind @ (Kind::File | Kind::Link))
                    if matches!(
                        residue_of(&path, kind),
                        Some(Residue::State | Residue::Inputs)
                    ) =>
                {
                    let Some(found) = if_exists(walk.dir().attributes_of(&name))? else {
                        continue;
                    };
                    match found.kind {
                        Kind::File => left.files.push(Node {
                            path,
                            real: None,
                            mode: found.mode,
                            len: found.len,
                            is_sparse: false,
                            identity: found.identity,
                        }),
                        Kind::Link => {
                            let target = if_exists(walk.dir().read_link(&name))?;
                            left.links.extend(target.map(|target| (path, target)));
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        Ok(left)
    }
}
