//! Listing the tree that importing a directory brings into the cache.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::opener::open_real;
use super::{FileTree, Node, Opener, gone_is_changed};
use crate::content::refusal::{LINK_OUT, LINK_TO_DIR, refused};
use crate::content::residue::{Residue, residue_of};
use crate::content::rules::{Rules, Verdict, unfit_kind, unfit_path};
use crate::error::{AtPath, Error, Result};
use crate::store::{Dir, FileId, Kind, Step, Walk, if_exists, is, uninterrupted};

impl FileTree {
    /// Reads the tree that importing a directory brings into the cache. `top` was
    /// opened by its real path. The directory `cache` must not lie in it.
    ///
    /// # Errors
    ///
    /// I/O errors, [`Error::ContentChanged`], and [`Error::UnsafeContent`] for
    /// what cannot be stored: a link that does not lead to a file of the tree, a
    /// socket, pipe or device, what is nested too deeply.
    pub(crate) fn to_import(top: &Dir, rules: &Rules, cache: Option<FileId>) -> Result<Self> {
        let mut tree = FileTree::new(top)?;
        let walk = top.try_clone().and_then(Walk::through);
        let walk = walk.at("read", top.path())?;
        let importer = Importer { top, rules, cache };
        importer.all_of(&mut tree, walk, &Origin::default())?;
        Ok(tree)
    }
}

/// A walk that collects what of a directory is imported.
struct Importer<'r> {
    top: &'r Dir,
    rules: &'r Rules,
    cache: Option<FileId>,
}

/// Where a walk through a part of the tree began.
#[derive(Default)]
struct Origin {
    /// The place of that part in the tree.
    path: PathBuf,
    /// Where it really lies, if that is not there.
    real: Option<PathBuf>,
    /// The directories of the links that led to it, by their full real paths.
    links: Vec<PathBuf>,
}

impl Importer<'_> {
    fn all_of(&self, tree: &mut FileTree, mut walk: Walk, origin: &Origin) -> Result<()> {
        // Directories on the way that are looked through for what is included
        // below them, and not taken by themselves.
        let mut searched: Vec<Node> = Vec::new();
        // For each directory on the way, whether it is only looked through.
        let mut in_search = vec![false];
        while let Some(step) = walk.next().at("read", self.top.path())? {
            let Step::Name(name, listed) = step else {
                if in_search.pop() == Some(true) {
                    searched.pop();
                }
                continue;
            };
            tree.require_memory()?;
            let path = origin.path.join(walk.path()).join(&name);
            let real = origin.real.as_ref();
            let real = real.map(|real| real.join(walk.path()).join(&name));
            let at = self.top.path_of(real.as_deref().unwrap_or(&path));
            let kind = gone_is_changed(walk.dir().kind_of(&name, listed), &at)?;
            let is_searched = in_search.last() == Some(&true);
            let verdict = self.rules.verdict(&path, kind, is_searched);
            match verdict {
                Verdict::Exclude => continue,
                Verdict::LeaveDeployment => {
                    tree.left_out.deployment.push(path);
                    continue;
                }
                // What lies in a searched directory was counted with it.
                Verdict::LeaveOut | Verdict::Search => {
                    tree.left_out.names += usize::from(!is_searched);
                    if verdict == Verdict::LeaveOut {
                        continue;
                    }
                }
                Verdict::Take => tree.dirs.append(&mut searched),
            }
            if let Some(reason) = unfit_path(&path) {
                return Err(refused(&at, reason));
            }
            match kind {
                Kind::Dir => {
                    let node = self.enter(&mut walk, name, &path, real, &at)?;
                    in_search.push(verdict == Verdict::Search);
                    match verdict {
                        Verdict::Search => searched.push(node),
                        _ => tree.dirs.push(node),
                    }
                }
                Kind::Link => self.follow(tree, &walk, name, path, &at, origin)?,
                _ => {
                    let found = gone_is_changed(walk.dir().attributes_of(&name), &at)?;
                    if let Some(reason) = unfit_kind(found.kind) {
                        return Err(refused(&at, reason));
                    }
                    if found.kind != Kind::File {
                        return Err(Error::ContentChanged { path: at });
                    }
                    tree.files.push(Node::new(path, real, &found));
                }
            }
        }
        Ok(())
    }

    /// Goes into a directory, which must not be the cache.
    fn enter(
        &self,
        walk: &mut Walk,
        name: OsString,
        path: &Path,
        real: Option<PathBuf>,
        at: &Path,
    ) -> Result<Node> {
        let mut node = None;
        let mut is_cache = false;
        let entered = walk.enter(name, |dir| {
            let found = dir.attributes()?;
            is_cache = Some(found.id) == self.cache;
            node = Some(Node::new(path.to_owned(), real, &found));
            match is_cache {
                true => Err(io::ErrorKind::InvalidInput.into()),
                false => io::Result::Ok(()),
            }
        });
        if is_cache {
            return Err(refused(at, "it is the cache itself"));
        }
        gone_is_changed(entered, at)?;
        node.ok_or_else(|| Error::ContentChanged {
            path: at.to_owned(),
        })
    }

    /// Takes what a link leads to, under the link's name.
    fn follow(
        &self,
        tree: &mut FileTree,
        walk: &Walk,
        name: OsString,
        path: PathBuf,
        at: &Path,
        origin: &Origin,
    ) -> Result<()> {
        // The path that comes out only says where to look: from the top, or from
        // the root, everything is opened without following a link again.
        let target = match uninterrupted(|| std::fs::canonicalize(at)) {
            Ok(target) => target,
            Err(error) if is(&error, Errno::LOOP) => {
                return Err(refused(at, "it is a link to itself"));
            }
            Err(error) => {
                return match if_exists::<()>(Err(error)).at("follow the link", at)? {
                    None if walk.dir().attributes_of(&name).is_ok() => {
                        Err(refused(at, "it is a link to something that does not exist"))
                    }
                    _ => Err(Error::ContentChanged {
                        path: at.to_owned(),
                    }),
                };
            }
        };
        let inside = target.strip_prefix(self.top.path()).ok();
        if inside.is_none() && !self.rules.dereference {
            return Err(refused(at, LINK_OUT));
        }
        let real = inside.unwrap_or(&target).to_owned();
        let residue = residue_of(&real, Kind::File);
        if matches!(residue, Some(Residue::State | Residue::Inputs)) {
            // The name of a link does not make a secret content.
            tree.left_out.deployment.push(path);
            return Ok(());
        }
        let found = gone_is_changed(Opener::default().attributes_of(self.top, &real), at)?;
        match found.kind {
            Kind::File => {
                tree.files.push(Node::new(path, Some(real), &found));
                Ok(())
            }
            Kind::Dir if self.rules.dereference => {
                self.follow_to_dir(tree, path, at, &target, real, origin)
            }
            Kind::Dir => Err(refused(at, LINK_TO_DIR)),
            Kind::Link => Err(Error::ContentChanged {
                path: at.to_owned(),
            }),
            _ => Err(refused(at, "it is a link to something that is not a file")),
        }
    }

    /// Takes all that lies in a directory that a link leads to.
    fn follow_to_dir(
        &self,
        tree: &mut FileTree,
        path: PathBuf,
        at: &Path,
        target: &Path,
        real: PathBuf,
        origin: &Origin,
    ) -> Result<()> {
        let mut links = origin.links.clone();
        links.push(at.parent().unwrap_or(at).to_owned());
        if links.iter().any(|dir| dir.starts_with(target)) {
            return Err(refused(at, "it is a link to a directory that contains it"));
        }
        let opened = open_real(self.top, &real);
        let dir = gone_is_changed(opened, at)?;
        let found = gone_is_changed(dir.attributes(), at)?;
        if Some(found.id) == self.cache {
            return Err(refused(at, "it is a link to the cache"));
        }
        tree.push_dir(path.clone(), Some(real.clone()), &found);
        let walk = gone_is_changed(Walk::through(dir), at)?;
        let origin = Origin {
            path,
            real: Some(real),
            links,
        };
        self.all_of(tree, walk, &origin)
    }
}
