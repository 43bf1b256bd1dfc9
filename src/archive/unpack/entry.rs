//! An entry of a layer: what is refused, what is left out, and what is written.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::super::tar::{self, Entry, Kind};
use super::write_behind::LONGEST;
use super::{BUFFER, Created, MAX_ENTRIES, Output, Unpacking};
use crate::content::file_tree::Opener;
use crate::content::hash::Chunk;
use crate::content::manifest::FileHash;
use crate::content::residue::{Residue, residue_of};
use crate::content::rules::unfit_path;
use crate::error::{AtPath, Error, Result};
use crate::escape::brief;
use crate::store;

/// The longest name of a file or directory, in bytes: that of most file systems.
const MAX_NAME: usize = 255;

/// The longest name that an error shows, in characters.
const MAX_SHOWN: usize = 200;

/// Returns a path as an error shows it. What would act on a terminal is escaped later.
fn shown(path: &Path) -> String {
    brief(&path.to_string_lossy(), MAX_SHOWN).into_owned()
}

/// Returns why no name in an archive can be that of a path, although content may have it.
pub(in crate::archive) fn unfit_name(path: &Path) -> Option<&'static str> {
    let is_whiteout = |part: &OsStr| part.as_bytes().starts_with(b".wh.");
    let found = path.iter().any(is_whiteout);
    found.then_some("in an image, its name removes a file of another layer")
}

impl Unpacking<'_> {
    pub(super) fn entry(
        &mut self,
        entry: &Entry,
        tar: &mut impl Read,
        out: &mut Output<'_, '_, '_>,
    ) -> Result<()> {
        let path = self.checked(&entry.path)?;
        let shown = || shown(&path);
        if self.created.len() + self.left_out.len() > MAX_ENTRIES {
            return Err(self.refused(format!(
                "it has more than {MAX_ENTRIES} files and directories"
            )));
        }
        if self.left_out.get(&path) == Some(&self.layer) {
            return Err(self.twice(&path));
        }
        match entry.kind {
            Kind::Dir if path.as_os_str().is_empty() => return Ok(()),
            Kind::Link => return self.leave_out(path),
            Kind::HardLink => return Err(self.refused(format!("`{}` is a hard link", shown()))),
            Kind::Other => {
                return Err(
                    self.refused(format!("`{}` is neither a file nor a directory", shown()))
                );
            }
            Kind::Dir | Kind::File => {}
        }
        let kind = match entry.kind {
            Kind::Dir => store::Kind::Dir,
            _ => store::Kind::File,
        };
        // What is left out counts as well, because all of it is read.
        self.bytes = self.bytes.saturating_add(entry.bytes);
        if self.bytes > self.max_bytes {
            return Err(self.too_large());
        }
        let residue = residue_of(&path, kind);
        if residue == Some(Residue::State) && !self.leaves_deployment && kind == store::Kind::File {
            let path = shown();
            return Err(self.refused(format!("`{path}` is the state of a deployment")));
        }
        if self.leaves_deployment && matches!(residue, Some(Residue::State | Residue::Inputs)) {
            let bytes = entry.bytes + tar::padding(entry.bytes) as u64;
            tar::skip(tar, bytes).map_err(|error| self.failed(error))?;
            return match kind {
                store::Kind::File => self.leave_out(path),
                _ => Ok(()),
            };
        }
        self.parents_of(&path, &mut out.opener)?;
        match entry.kind {
            Kind::Dir => self.dir(path, entry.mode, &mut out.opener),
            _ => self.file(path, entry, tar, out),
        }
    }

    /// Notes that a file or link is left out.
    fn leave_out(&mut self, path: PathBuf) -> Result<()> {
        match self.created.get(&path) {
            Some((layer, Created::File { .. })) if *layer == self.layer => Err(self.twice(&path)),
            _ => {
                self.left_out.insert(path, self.layer);
                Ok(())
            }
        }
    }

    /// Returns the path of an entry, if content may have it.
    fn checked(&self, name: &[u8]) -> Result<PathBuf> {
        let refused = |reason: &str| {
            let name = Path::new(OsStr::from_bytes(name));
            self.refused(format!("`{}`: {reason}", shown(name)))
        };
        if name.is_empty() || name.contains(&0) {
            return Err(refused("the name is empty or has a NUL byte"));
        }
        if name.starts_with(b"/") {
            return Err(refused("the name is absolute"));
        }
        let mut path = PathBuf::new();
        for part in name.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => return Err(refused("the name has `..` in it")),
                _ if part.len() > MAX_NAME => {
                    return Err(refused("a part of the name is longer than 255 bytes"));
                }
                _ => path.push(OsStr::from_bytes(part)),
            }
        }
        match unfit_path(&path).or_else(|| unfit_name(&path)) {
            Some(reason) => Err(refused(reason)),
            None => Ok(path),
        }
    }

    /// Creates the directories that a path needs.
    fn parents_of(&mut self, path: &Path, opener: &mut Opener) -> Result<()> {
        let mut missing = Vec::new();
        for dir in path.ancestors().skip(1) {
            match self.created.get(dir) {
                Some((_, Created::Dir { .. })) => break,
                Some((_, Created::File { .. })) => {
                    let (path, dir) = (shown(path), shown(dir));
                    return Err(self.refused(format!("`{path}` lies in `{dir}`, which is a file")));
                }
                None => missing.push(dir.to_owned()),
            }
        }
        for dir in missing.into_iter().rev() {
            self.staging.create_dir(&dir, opener)?;
            // A later entry of its own may still follow.
            self.created.insert(dir, (0, Created::Dir { mode: 0o755 }));
        }
        Ok(())
    }

    fn dir(&mut self, path: PathBuf, mode: u32, opener: &mut Opener) -> Result<()> {
        let mode = mode & 0o777 | 0o700;
        match self.created.get_mut(&path) {
            None => {
                self.staging.create_dir(&path, opener)?;
                self.created
                    .insert(path, (self.layer, Created::Dir { mode }));
            }
            Some((layer, Created::Dir { .. })) if *layer == self.layer => {
                return Err(self.twice(&path));
            }
            Some((layer, created @ Created::Dir { .. })) => {
                *layer = self.layer;
                *created = Created::Dir { mode };
            }
            Some((_, Created::File { .. })) => {
                let path = shown(&path);
                return Err(self.refused(format!("`{path}` is a file and a directory")));
            }
        }
        Ok(())
    }

    fn twice(&self, path: &Path) -> Error {
        self.refused(format!("`{}` is in a layer twice", shown(path)))
    }

    fn file(
        &mut self,
        path: PathBuf,
        entry: &Entry,
        tar: &mut impl Read,
        out: &mut Output<'_, '_, '_>,
    ) -> Result<()> {
        match self.created.get(&path) {
            None => {}
            Some((layer, Created::File { .. })) if *layer == self.layer => {
                return Err(self.twice(&path));
            }
            Some((_, Created::File { .. })) => {
                self.staging.remove_file(&path, &mut out.opener)?;
            }
            Some((_, Created::Dir { .. })) => {
                let path = shown(&path);
                return Err(self.refused(format!("`{path}` is a file and a directory")));
            }
        }
        if self.bytes > self.free_bytes {
            let full = io::Error::from(io::ErrorKind::StorageFull);
            return Err(full).at("write", &self.staging.dir().path_of(&path));
        }
        let mode = entry.mode & 0o777 | 0o400;
        let hash = match entry.bytes > LONGEST {
            true => Some(self.long_file(&path, mode, entry.bytes, tar, out)?),
            false => None,
        };
        self.left_out.remove(&path);
        self.created
            .insert(path.clone(), (self.layer, Created::File { hash }));
        if hash.is_none() {
            let mut content = Vec::with_capacity(entry.bytes as usize);
            let read = tar.by_ref().take(entry.bytes).read_to_end(&mut content);
            let read = read.map_err(|error| self.failed(error))?;
            if read as u64 != entry.bytes {
                return Err(self.cut_off());
            }
            let written = out.behind.put(path, mode, content)?;
            self.note_written(written);
        }
        let padding = tar::padding(entry.bytes) as u64;
        tar::skip(tar, padding).map_err(|error| self.failed(error))
    }

    fn cut_off(&self) -> Error {
        self.refused("a layer ends within a file")
    }

    /// Writes a file piece by piece, and returns its hash.
    fn long_file(
        &self,
        path: &Path,
        mode: u32,
        mut left: u64,
        tar: &mut impl Read,
        out: &mut Output<'_, '_, '_>,
    ) -> Result<FileHash> {
        let mut file = self.staging.create_file(path, &mut out.opener)?;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
            let buffer = &mut out.buffer[..most];
            let read = tar.read(buffer).map_err(|error| self.failed(error))?;
            if read == 0 {
                return Err(self.cut_off());
            }
            file.append(Chunk::Data(&buffer[..read]))?;
            left -= read as u64;
        }
        file.finish(mode)
    }
}
