//! Reading content in a given order, on all cores.

use std::collections::VecDeque;

use crate::content::file_tree::Node;
use crate::content::hash::{Chunk, FileHasher, Reader};
use crate::content::inventory::Inventory;
use crate::content::manifest::FileHash;
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::parallel::{self, Pending, Scope};

/// The files that another thread reads and hashes together: at most this many, until they
/// have this many bytes. A longer one is read piece by piece instead.
const FILES: usize = 64;
const BYTES: u64 = 1 << 20;

/// The groups of files that are read meanwhile, for each core.
const AT_ONCE: usize = 2;

/// A piece of what is read.
pub(super) enum Piece<'p> {
    Dir,
    /// A file begins.
    Begin,
    /// The next part of a file.
    Content(Chunk<'p>),
    /// A file ends, and has this hash.
    End(FileHash),
}

/// A file that was read.
type Whole = (Vec<u8>, FileHash);

/// Some nodes that follow each other, and what of them was read.
struct Group<'n, 't> {
    nodes: &'n [(&'t Node, bool)],
    read: Pending<Vec<Result<Whole>>>,
}

/// Reads directories, which are true, and files, and gives them to `each` in their order.
///
/// # Errors
///
/// Those of `each` and of [`Reader::read`].
pub(super) fn each<'t>(
    nodes: &[(&'t Node, bool)],
    content: &Inventory,
    interrupt: &Interrupt,
    mut each: impl FnMut(&'t Node, Piece<'_>) -> Result<()>,
) -> Result<()> {
    let mut left = groups(nodes);
    let is_enough = nodes.len() > FILES || content.tree().bytes() > BYTES;
    parallel::scope(is_enough, |scope| {
        let mut ahead = VecDeque::new();
        let mut reader = Reader::new();
        loop {
            while ahead.len() <= AT_ONCE * parallel::width()
                && let Some(nodes) = left.next()
            {
                let read = start(scope, nodes, content, interrupt);
                ahead.push_back(Group { nodes, read });
            }
            let Some(group) = ahead.pop_front() else {
                return Ok(());
            };
            let mut read = group.read.wait().into_iter();
            for (node, is_dir) in group.nodes {
                if *is_dir {
                    each(node, Piece::Dir)?;
                    continue;
                }
                each(node, Piece::Begin)?;
                let hash = match read.next() {
                    Some(whole) => {
                        let (bytes, hash) = whole?;
                        each(node, Piece::Content(Chunk::Data(&bytes)))?;
                        hash
                    }
                    None => {
                        let mut hasher = FileHasher::new(interrupt);
                        reader.read(content.tree(), node, content.dir(), |chunk| {
                            hasher.add(chunk)?;
                            each(node, Piece::Content(chunk))
                        })?;
                        hasher.finish()
                    }
                };
                each(node, Piece::End(hash))?;
            }
        }
    })
}

/// Divides nodes into groups. A file that is not read as a whole is one of its own.
fn groups<'n, 't>(
    mut nodes: &'n [(&'t Node, bool)],
) -> impl Iterator<Item = &'n [(&'t Node, bool)]> {
    std::iter::from_fn(move || {
        let (mut end, mut bytes) = (0, 0);
        for (node, is_dir) in nodes {
            if end >= FILES || bytes >= BYTES || !is_dir && !is_read_whole(node) {
                end = end.max(1);
                break;
            }
            bytes += if *is_dir { 0 } else { node.len };
            end += 1;
        }
        let (group, rest) = nodes.split_at(end);
        nodes = rest;
        (!group.is_empty()).then_some(group)
    })
}

fn is_read_whole(file: &Node) -> bool {
    file.len <= BYTES && !file.is_sparse
}

/// Starts to read the files of a group that are read as a whole.
fn start<'s, 't: 's>(
    scope: &Scope<'_, 's>,
    nodes: &'s [(&'t Node, bool)],
    content: &'s Inventory,
    interrupt: &'s Interrupt,
) -> Pending<Vec<Result<Whole>>> {
    let files = nodes.iter().filter(|(_, is_dir)| !is_dir);
    let files = files.map(|(node, _)| *node).filter(|it| is_read_whole(it));
    let mut files = files.peekable();
    if files.peek().is_none() {
        return Pending::Done(Vec::new());
    }
    scope.start(move || {
        let mut reader = Reader::new();
        let mut read = Vec::new();
        for file in files {
            let whole = read_whole(&mut reader, file, content, interrupt);
            let is_failure = whole.is_err();
            read.push(whole);
            if is_failure {
                break;
            }
        }
        read
    })
}

fn read_whole(
    reader: &mut Reader,
    file: &Node,
    content: &Inventory,
    interrupt: &Interrupt,
) -> Result<Whole> {
    let mut bytes = Vec::with_capacity(file.len as usize);
    let mut hasher = FileHasher::new(interrupt);
    reader.read(content.tree(), file, content.dir(), |chunk| {
        hasher.add(chunk)?;
        if let Chunk::Data(data) = chunk {
            bytes.extend_from_slice(data);
        }
        Ok(())
    })?;
    Ok((bytes, hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::file_tree::FileTree;
    use crate::store::Dir;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn all_files_are_read_in_their_order() {
        let temporary = tempfile::tempdir().unwrap();
        // Many short ones, some that fill a group, and one that is read in pieces.
        for (at, len) in (0..300)
            .map(|at| (at, at % 7))
            .chain((300..306).map(|at| (at, 700_000)))
            .chain([(306, 3_000_000)])
        {
            let dir = temporary.path().join(format!("{:02}", at / 40));
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join(format!("{at:03}")), vec![at as u8; len]).unwrap();
        }
        let dir = Dir::open(temporary.path()).unwrap();
        let tree = FileTree::stored(&dir).unwrap();
        let content = Inventory::new(dir, tree.into());
        let tree = content.tree();
        let mut nodes: Vec<_> = tree.dirs.iter().map(|dir| (dir, true)).collect();
        nodes.extend(tree.files.iter().map(|file| (file, false)));
        nodes.sort_by(|(a, _), (b, _)| a.path.as_os_str().cmp(b.path.as_os_str()));

        let (mut read, mut hashes) = (Vec::new(), Vec::new());
        each(&nodes, &content, &Interrupt::default(), |node, piece| {
            match piece {
                Piece::Dir | Piece::Begin => read.push((node.path.clone(), Vec::new())),
                Piece::Content(Chunk::Data(bytes)) => {
                    read.last_mut().unwrap().1.extend_from_slice(bytes);
                }
                Piece::Content(Chunk::Hole(len)) => {
                    let file = &mut read.last_mut().unwrap().1;
                    file.resize(file.len() + len as usize, 0);
                }
                Piece::End(hash) => hashes.push((node.path.as_os_str().as_bytes().to_vec(), hash)),
            }
            Ok(())
        })
        .unwrap();
        let paths: Vec<_> = nodes.iter().map(|(node, _)| node.path.clone()).collect();
        let found: Vec<_> = read.iter().map(|(path, _)| path.clone()).collect();
        assert_eq!(found, paths);
        for ((path, bytes), (node, is_dir)) in read.iter().zip(&nodes) {
            let expected = match is_dir {
                true => Vec::new(),
                false => fs::read(temporary.path().join(&node.path)).unwrap(),
            };
            assert!(*bytes == expected, "{path:?}");
        }
        assert_eq!(hashes.len(), 307);
    }
}
