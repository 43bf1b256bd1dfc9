//! Where a layout is written: to a writer, to a file or into a directory.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::archive_writer::ArchiveWriter;
use super::image::{Descriptor, Index, REFERENCE};
use super::layout::{INDEX, Layout, MARKER, MARKER_TEXT};
use super::pack::Packed;
use super::readers::Part;
use super::save::described;
use crate::digest::Digest;
use crate::error::{AtPath, Error, Result};
use crate::interrupt::Interrupt;
use crate::registry::Registry;
use crate::store::{self, Dir, DirLock, LockWait, NewFile, if_exists};

/// Writes on until an interrupt.
struct Interruptible<'i, W> {
    out: W,
    interrupt: &'i Interrupt,
}

impl<W: Write> Write for Interruptible<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.interrupt.check().map_err(io::Error::other)?;
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Returns why writing failed, which an interrupt explains if there was one.
fn written(result: io::Result<()>, path: &Path, interrupt: &Interrupt) -> Result<()> {
    match result {
        Ok(()) => Ok(()),
        failed => interrupt.check().and(failed.at("write", path)),
    }
}

fn json(index: &Index) -> io::Result<Vec<u8>> {
    serde_json::to_vec(index).map_err(io::Error::from)
}

/// Writes an archive. `path` is for messages.
pub(super) fn write_archive(
    packed: &[Packed],
    out: impl Write,
    path: &Path,
    interrupt: &Interrupt,
) -> Result<()> {
    let out = Interruptible { out, interrupt };
    written(write_entries(packed, out), path, interrupt)
}

fn write_entries(packed: &[Packed], out: impl Write) -> io::Result<()> {
    let index = Index::new(packed.iter().map(described).collect());
    let out = BufWriter::with_capacity(1 << 20, out);
    let mut archive = ArchiveWriter::begin(out, &json(&index)?)?;
    let mut written = HashSet::new();
    // What is small comes first, so that it is known what layers are needed for.
    for blob in packed
        .iter()
        .flat_map(|it| [&it.image.manifest, &it.image.config])
    {
        if written.insert(Digest::of(blob)) {
            archive.small(blob)?;
        }
    }
    for Packed { layer, file, .. } in packed {
        if written.insert(layer.digest.clone()) {
            archive.blob(layer.digest.hex(), layer.bytes, file)?;
        }
    }
    archive.finish()?;
    Ok(())
}

/// Writes an archive to a file, which is whole or not there. Of a link, what it leads to is
/// replaced; a device or a pipe is written to.
pub(super) fn write_file(packed: &[Packed], path: &Path, interrupt: &Interrupt) -> Result<()> {
    let there = if_exists(fs::metadata(path)).at("read", path)?;
    if there.is_some_and(|there| !there.is_file()) {
        let file = OpenOptions::new().write(true).open(path).at("open", path)?;
        return write_archive(packed, file, path, interrupt);
    }
    let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    let place = match is_link {
        true => fs::canonicalize(path).at("open", path)?,
        false => path.to_owned(),
    };
    let parent = place.parent().filter(|dir| !dir.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let dir = Dir::open(parent).at("open", parent)?;
    let Some(name) = place.file_name() else {
        return Err(io::Error::from(io::ErrorKind::IsADirectory)).at("write", path);
    };
    store::sweep_new_files(&dir);
    let like = if_exists(dir.attributes_of(name)).at("read", path)?;
    let file = NewFile::create(&dir, like)?;
    write_archive(packed, file.file(), &file.path(), interrupt)?;
    file.persist(name)?;
    store::sync_dir(&dir)
}

/// Returns what the index of a directory names; nothing if it is new or empty, or if a save
/// to it is under way or was killed.
pub(super) fn existing_index(path: &Path) -> Result<Vec<Descriptor>> {
    let Some(dir) = if_exists(Dir::open(path)).at("open", path)? else {
        return Ok(Vec::new());
    };
    let names = dir.names().at("read the directory", path)?;
    let is_there = |wanted: &str| names.iter().any(|(name, _)| name == wanted);
    if names.iter().all(|(name, _)| store::is_new_file(name)) {
        return Ok(Vec::new());
    }
    match Layout::in_dir(path) {
        Ok(layout) => Ok(layout.manifests().to_vec()),
        Err(_) if !is_there(INDEX) && has_our_marker(&dir) => Ok(Vec::new()),
        Err(_) => Err(Error::NoLayout {
            path: path.to_owned(),
        }),
    }
}

/// Returns whether a directory has the file that a save writes first.
fn has_our_marker(dir: &Dir) -> bool {
    let mut text = Vec::new();
    let file = dir.open_file(OsStr::new(MARKER));
    let read = file.and_then(|file| {
        file.take(MARKER_TEXT.len() as u64 + 1)
            .read_to_end(&mut text)
    });
    read.is_ok() && text == MARKER_TEXT
}

/// Adds artifacts to a layout in a directory: the blobs first, and the index by a rename.
pub(super) fn write_dir(packed: &[Packed], path: &Path, registry: &Registry) -> Result<()> {
    let (mut writing, existing) = Writing::begin(path, registry)?;
    for packed in packed {
        for blob in [&packed.image.manifest, &packed.image.config] {
            writing.blob(Digest::of(blob).hex(), |out| out.write_all(blob))?;
        }
        let layer = &packed.layer;
        writing.blob(layer.digest.hex(), |mut out| {
            io::copy(&mut Part::of(&packed.file, 0, layer.bytes), &mut out).map(|_| ())
        })?;
    }
    store::sync_dir(&writing.blobs)?;
    let added: Vec<Descriptor> = packed.iter().map(described).collect();
    let is_replaced = |old: &Descriptor| {
        let name = old.annotations.get(REFERENCE);
        name.is_some()
            && added
                .iter()
                .any(|new| new.annotations.get(REFERENCE) == name)
    };
    let kept = existing.into_iter().filter(|old| !is_replaced(old));
    let index = Index::new(kept.chain(added.iter().cloned()).collect());
    let index = json(&index).at("write", path)?;
    writing.finish(&index)
}

/// A layout in a directory that is being written. What is new in it is removed if this is
/// dropped before it is finished.
struct Writing<'i> {
    dir: Dir,
    _lock: Option<DirLock>,
    blobs: Dir,
    interrupt: &'i Interrupt,
    /// The directories that were created, each after the one that contains it.
    new_dirs: Vec<PathBuf>,
    new_blobs: Vec<OsString>,
    has_marker: bool,
}

impl<'i> Writing<'i> {
    /// Prepares a directory, and returns also what its index names.
    fn begin(path: &Path, registry: &'i Registry) -> Result<(Self, Vec<Descriptor>)> {
        let mut new_dirs = Vec::new();
        let missing = path.ancestors().take_while(|it| !it.as_os_str().is_empty());
        let missing: Vec<&Path> = missing.take_while(|it| !it.exists()).collect();
        for dir in missing.into_iter().rev() {
            match fs::create_dir(dir) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => {
                    created.at("create the directory", dir)?;
                    new_dirs.push(dir.to_owned());
                }
            }
        }
        let dir = Dir::open(path).at("open", path)?;
        let lock = lock(&dir, &registry.lock_wait())?;
        store::sweep_new_files(&dir);
        // A concurrent save may have added to it until it was locked.
        let existing = existing_index(path)?;
        let mut writing = Writing {
            has_marker: dir.attributes_of(OsStr::new(MARKER)).is_ok(),
            blobs: dir.try_clone().at("open", path)?,
            dir,
            _lock: lock,
            interrupt: registry.interrupt(),
            new_dirs,
            new_blobs: Vec::new(),
        };
        // It comes first, so that what a killed save leaves can be told from other things.
        if !writing.has_marker {
            let name = OsStr::new(MARKER);
            put(&writing.dir, name, writing.interrupt, |out| {
                out.write_all(MARKER_TEXT)
            })?;
        }
        for name in ["blobs", "sha256"] {
            let at = writing.blobs.path_of(name);
            match writing.blobs.create_dir(OsStr::new(name), 0o777) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => {
                    created.at("create the directory", &at)?;
                    writing.new_dirs.push(at.clone());
                }
            }
            writing.blobs = writing.blobs.open_dir(OsStr::new(name)).at("open", &at)?;
        }
        store::sweep_new_files(&writing.blobs);
        Ok((writing, existing))
    }

    /// Writes a blob.
    fn blob(
        &mut self,
        hex: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<()> {
        let name = OsStr::new(hex);
        let there = if_exists(self.blobs.attributes_of(name));
        let there = there.at("read", &self.blobs.path_of(name))?;
        put(&self.blobs, name, self.interrupt, write)?;
        if there.is_none() {
            self.new_blobs.push(name.to_owned());
        }
        Ok(())
    }

    /// Writes the index, which names the blobs.
    fn finish(mut self, index: &[u8]) -> Result<()> {
        put(&self.dir, OsStr::new(INDEX), self.interrupt, |out| {
            out.write_all(index)
        })?;
        self.new_dirs.clear();
        self.new_blobs.clear();
        self.has_marker = true;
        store::sync_dir(&self.dir)
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        // What stays is named by no index.
        for name in &self.new_blobs {
            let _ = self.blobs.remove_file(name);
        }
        if !self.has_marker {
            let _ = self.dir.remove_file(OsStr::new(MARKER));
        }
        for dir in self.new_dirs.iter().rev() {
            let _ = fs::remove_dir(dir);
        }
    }
}

/// Locks a directory against concurrent saves to it; `None` where the file system cannot.
fn lock(dir: &Dir, wait: &LockWait<'_>) -> Result<Option<DirLock>> {
    let mut pauses = wait.pauses();
    loop {
        match DirLock::exclusive(dir) {
            Ok(None) => pauses.pause(dir.path())?,
            Ok(lock) => return Ok(lock),
            Err(_) => return Ok(None),
        }
    }
}

/// Writes a file of a layout, by a temporary one and a rename.
fn put(
    dir: &Dir,
    name: &OsStr,
    interrupt: &Interrupt,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let new = NewFile::create(dir, None)?;
    let mut out = Interruptible {
        out: new.file(),
        interrupt,
    };
    written(write(&mut out), &new.path(), interrupt)?;
    new.persist(name)
}
