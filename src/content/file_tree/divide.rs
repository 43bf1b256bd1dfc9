//! Dividing what lies in an artifact's directory by what it is for.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{FileTree, Node};
use crate::content::residue::{Residue, residue_of};
use crate::store::Kind;

/// The contents of an artifact's directory, divided: each file, link and directory is in
/// one of the three.
#[derive(Debug)]
pub(crate) struct Divided {
    /// The content, with whatever else is neither of the others.
    pub(crate) content: FileTree,
    /// The files that deployments wrote and nothing can make again, or that contain
    /// secrets.
    pub(crate) deployment: Left,
    /// The files that can be made again.
    pub(crate) generated: Left,
}

/// The files that deployments left in a directory.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// The directories, each before those that it contains.
    pub(crate) dirs: Vec<Node>,
    pub(crate) files: Vec<Node>,
    /// The links, each with its target.
    pub(crate) links: Vec<(PathBuf, PathBuf)>,
}

impl Left {
    /// Returns whether there is nothing but directories.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.links.is_empty()
    }

    /// Returns the sum of the files' lengths, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let lengths = self.files.iter().map(|file| file.len);
        lengths.fold(0, u64::saturating_add)
    }

    /// Returns the paths of the files and links.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let files = self.files.iter().map(|file| &*file.path);
        files.chain(self.links.iter().map(|(path, _)| &**path))
    }
}

/// The purpose of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Content,
    Deployment,
    Generated,
}

/// The uses of what lies below a directory.
#[derive(Clone, Copy, Debug, Default)]
struct Below {
    content: bool,
    deployment: bool,
    generated: bool,
}

impl Below {
    fn add(&mut self, of: Use) {
        match of {
            Use::Content => self.content = true,
            Use::Deployment => self.deployment = true,
            Use::Generated => self.generated = true,
        }
    }
}

impl FileTree {
    /// Keeps only the files that are wanted, and the directories that are empty or contain
    /// some of them.
    pub(crate) fn keep_files(&mut self, is_wanted: impl Fn(&Path) -> bool) {
        let others = self.others.iter().map(PathBuf::as_path);
        let links = self.links.iter().map(|(path, _)| &**path);
        let paths = self.files.iter().map(|file| &*file.path);
        // For each directory with something in it, whether some of that is wanted.
        let mut inside: HashMap<PathBuf, bool> = HashMap::new();
        for path in paths.chain(links).chain(others) {
            let wanted = is_wanted(path);
            for dir in path.ancestors().skip(1) {
                match inside.get_mut(dir) {
                    Some(known) if *known || !wanted => break,
                    Some(known) => *known = true,
                    None => {
                        inside.insert(dir.to_owned(), wanted);
                    }
                }
            }
        }
        self.files.retain(|file| is_wanted(&file.path));
        self.links.clear();
        self.others.clear();
        let is_top = |dir: &Node| dir.path.as_os_str().is_empty();
        self.dirs
            .retain(|dir| is_top(dir) || inside.get(&dir.path).is_none_or(|wanted| *wanted));
    }

    /// Divides a stored tree. `is_content` tells what is content whatever its name is:
    /// what the manifest has, say.
    ///
    /// A directory is content if anything in it is, or if it is empty and its name is none
    /// that deployments or tools use; one that contains only what they left is theirs.
    pub(crate) fn divide(mut self, is_content: impl Fn(&Path, Kind) -> bool) -> Divided {
        let use_of = |path: &Path, kind: Kind| match residue_of(path, kind) {
            None => Use::Content,
            Some(_) if is_content(path, kind) => Use::Content,
            Some(Residue::Generated) => Use::Generated,
            Some(Residue::State | Residue::Inputs) => Use::Deployment,
        };
        let (mut deployment, mut generated) = (Left::default(), Left::default());
        let mut below: HashMap<PathBuf, Below> = HashMap::new();
        let mut note = |path: &Path, found: Use| {
            // Only a directory in which something else lies than content needs a look.
            if let Some(parent) = path.parent() {
                match below.get_mut(parent) {
                    Some(known) => known.add(found),
                    None => {
                        let known = below.entry(parent.to_owned()).or_default();
                        known.add(found);
                    }
                }
            }
        };

        let mut files = Vec::with_capacity(self.files.len());
        for file in std::mem::take(&mut self.files) {
            let found = use_of(&file.path, Kind::File);
            note(&file.path, found);
            match found {
                Use::Content => files.push(file),
                Use::Deployment => deployment.files.push(file),
                Use::Generated => generated.files.push(file),
            }
        }
        let mut links = Vec::with_capacity(self.links.len());
        for (path, target) in std::mem::take(&mut self.links) {
            let found = use_of(&path, Kind::Link);
            note(&path, found);
            match found {
                Use::Content => links.push((path, target)),
                Use::Deployment => deployment.links.push((path, target)),
                Use::Generated => generated.links.push((path, target)),
            }
        }
        for path in &self.others {
            note(path, Use::Content);
        }

        let mut dirs = Vec::with_capacity(self.dirs.len());
        // What a directory contains is known before the directory itself.
        for dir in std::mem::take(&mut self.dirs).into_iter().rev() {
            let inside = below.get(&dir.path).copied().unwrap_or_default();
            let is_known = dir.path.as_os_str().is_empty() || is_content(&dir.path, Kind::Dir);
            let found = match use_of(&dir.path, Kind::Dir) {
                _ if is_known || inside.content => Use::Content,
                _ if inside.deployment => Use::Deployment,
                Use::Content if inside.generated => Use::Generated,
                own => own,
            };
            if let Some(parent) = dir.path.parent() {
                below.entry(parent.to_owned()).or_default().add(found);
            }
            match found {
                Use::Content => dirs.push(dir),
                Use::Deployment => deployment.dirs.push(dir),
                Use::Generated => generated.dirs.push(dir),
            }
        }
        for dirs in [&mut dirs, &mut deployment.dirs, &mut generated.dirs] {
            dirs.reverse();
        }
        Divided {
            content: FileTree {
                files,
                links,
                dirs,
                ..self
            },
            deployment,
            generated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Dir;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::fs;

    /// Names of all kinds of files and directories.
    const NAMES: [&str; 14] = [
        "a",
        "main.tf",
        "modules",
        ".terraform",
        ".pulumi",
        "stacks",
        "node_modules",
        ".env",
        ".dockerignore",
        "terraform.tfstate",
        "terraform.tfstate.d",
        "terraform.tfvars.json",
        ".terraform.lock.hcl",
        "crash.log",
    ];

    /// Creates files and empty directories at paths, as far as they go together.
    fn create(top: &Path, paths: &[(Vec<usize>, bool)]) {
        for (path, is_dir) in paths {
            let path: PathBuf = path.iter().map(|&at| NAMES[at]).collect();
            let path = top.join(path);
            let parent = path.parent().unwrap();
            if fs::create_dir_all(parent).is_ok() {
                let _ = match is_dir {
                    true => fs::create_dir_all(&path),
                    false if path.exists() => Ok(()),
                    false => fs::write(&path, "x"),
                };
            }
        }
    }

    fn stored(top: &Path) -> FileTree {
        FileTree::stored(&Dir::open(top).unwrap()).unwrap()
    }

    fn all_of<'n>(dirs: &'n [Node], files: &'n [Node]) -> impl Iterator<Item = PathBuf> {
        dirs.iter().chain(files).map(|node| node.path.clone())
    }

    proptest! {
        #[test]
        fn each_path_is_in_one_part_and_no_state_is_content(
            paths in proptest::collection::vec(
                (proptest::collection::vec(0..NAMES.len(), 1..5), any::<bool>()),
                0..30,
            ),
            known in proptest::collection::btree_set(0..30_usize, 0..4),
        ) {
            let dir = tempfile::tempdir().unwrap();
            create(dir.path(), &paths);
            let whole = stored(dir.path());
            let known: BTreeSet<PathBuf> = known
                .iter()
                .filter_map(|&at| whole.files.get(at))
                .map(|file| file.path.clone())
                .collect();
            let before: Vec<_> = all_of(&whole.dirs, &whole.files).collect();
            let Divided { content, deployment, generated } =
                whole.divide(|path, _| known.contains(path));

            let parts = [
                all_of(&content.dirs, &content.files).collect::<Vec<_>>(),
                all_of(&deployment.dirs, &deployment.files).collect(),
                all_of(&generated.dirs, &generated.files).collect(),
            ];
            let mut after = parts.concat();
            let sorted = |mut paths: Vec<PathBuf>| {
                paths.sort();
                paths
            };
            after.sort();
            prop_assert_eq!(sorted(before), after);
            for file in &content.files {
                let is_known = known.contains(&file.path);
                prop_assert!(is_known || residue_of(&file.path, Kind::File).is_none());
            }
            for file in &deployment.files {
                let residue = residue_of(&file.path, Kind::File);
                prop_assert!(matches!(residue, Some(Residue::State | Residue::Inputs)));
            }
            // What content is in lies in directories that are content.
            let dirs: BTreeSet<_> = content.dirs.iter().map(|dir| &*dir.path).collect();
            for node in content.files.iter().chain(&content.dirs) {
                let parent = node.path.parent();
                prop_assert!(parent.is_none_or(|parent| dirs.contains(parent)));
            }
        }
    }

    #[test]
    fn a_directory_that_contains_only_what_was_left_is_not_content() {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            "gone/terraform.tfstate",
            "m/main.tf",
            "m/.terraform/x",
            "g/.env",
        ];
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        fs::create_dir(dir.path().join("empty")).unwrap();
        let divided = stored(dir.path()).divide(|_, _| false);
        let names = |dirs: &[Node]| {
            let mut names: Vec<_> = dirs.iter().map(|dir| dir.path.clone()).collect();
            names.sort();
            names
        };
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(names(&divided.content.dirs), paths(&["", "empty", "m"]));
        assert_eq!(names(&divided.deployment.dirs), paths(&["gone"]));
        assert_eq!(
            names(&divided.generated.dirs),
            paths(&["g", "m/.terraform"])
        );
        // A directory of the new content counts whatever lies in it.
        let divided = stored(dir.path()).divide(|path, _| path == Path::new("gone"));
        assert_eq!(
            names(&divided.content.dirs),
            paths(&["", "empty", "gone", "m"])
        );
    }
}
