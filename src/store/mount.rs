//! The mount that contains a directory, and the mounts below it.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use super::dir::{Dir, Kind, attributes_of};
use super::walk::{Step, Walk};
use super::{if_exists, is};

/// The identity of a mount: its number if the system reports it, otherwise its device.
/// Linux reports the number since 5.8; two mounts of one file system have the same
/// device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MountId {
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "only Linux numbers its mounts")
    )]
    Number(u64),
    Device(u64),
}

#[cfg(target_os = "linux")]
pub(super) fn mount_of(file: &impl AsFd) -> io::Result<MountId> {
    use super::uninterrupted;
    use rustix::fs::{AtFlags, StatxFlags, statx};
    use rustix::io::Errno;
    let flags = StatxFlags::MNT_ID;
    match uninterrupted(|| Ok(statx(file, "", AtFlags::EMPTY_PATH, flags)?)) {
        Ok(found) if found.stx_mask & flags.bits() != 0 => Ok(MountId::Number(found.stx_mnt_id)),
        // Linux before 4.11 lacks the call, and filters of system calls refuse it.
        Err(error) if !is(&error, Errno::NOSYS) && !is(&error, Errno::PERM) => Err(error),
        _ => Ok(MountId::Device(attributes_of(file)?.id.0)),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn mount_of(file: &impl AsFd) -> io::Result<MountId> {
    Ok(MountId::Device(attributes_of(file)?.id.0))
}

/// Returns whether another file system, or a part of one, is mounted on a name in a
/// directory or anywhere below it; also on a file, if the system lists mounts.
pub(crate) fn is_mounted_below(parent: &Dir, name: &OsStr) -> io::Result<bool> {
    let Some(mounts) = mounts() else {
        return is_mounted_below_by_walk(parent, name);
    };
    let path = join(&real_path(parent)?, name.as_bytes());
    let own = match parent.mount()? {
        MountId::Number(id) => mounts.iter().find(|mount| mount.id == id),
        MountId::Device(_) => None,
    };
    let place = own.and_then(|own| Some((&own.device, own.place_of(&path)?)));
    let by_id: HashMap<u64, &Mount> = mounts.iter().map(|mount| (mount.id, mount)).collect();
    Ok(mounts.iter().any(|mount| {
        // A mount is listed with one path only, and its directory may have others.
        let is_on_place = || {
            let (device, place) = place.as_ref()?;
            let on = by_id.get(&mount.parent)?;
            let point = on.place_of(&mount.point)?;
            Some(on.device == **device && is_at_or_below(&point, place))
        };
        is_at_or_below(&mount.point, &path) || is_on_place().unwrap_or(false)
    }))
}

/// A line of the system's list of mounts.
struct Mount {
    id: u64,
    /// The number of the parent mount.
    parent: u64,
    /// The device of the file system, as listed.
    device: Vec<u8>,
    /// The directory of the file system that is mounted.
    root: Vec<u8>,
    /// The path of the mount point.
    point: Vec<u8>,
}

impl Mount {
    /// Returns the path of something in the file system that is mounted here.
    fn place_of(&self, path: &[u8]) -> Option<Vec<u8>> {
        let point = self.point.strip_suffix(b"/").unwrap_or(&self.point);
        let rest = path.strip_prefix(point)?;
        let rest = rest.strip_prefix(b"/").unwrap_or(rest);
        Some(join(&self.root, rest))
    }
}

fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = dir.strip_suffix(b"/").unwrap_or(dir).to_vec();
    path.push(b'/');
    path.extend_from_slice(name);
    path
}

fn is_at_or_below(path: &[u8], dir: &[u8]) -> bool {
    path.strip_prefix(dir)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Returns the path by which the system knows an open directory.
#[cfg(target_os = "linux")]
fn real_path(dir: &Dir) -> io::Result<Vec<u8>> {
    use std::os::fd::AsRawFd;
    use std::os::unix::ffi::OsStringExt;
    let path = format!("/proc/self/fd/{}", dir.as_fd().as_raw_fd());
    Ok(std::fs::read_link(path)?.into_os_string().into_vec())
}

#[cfg(not(target_os = "linux"))]
fn real_path(dir: &Dir) -> io::Result<Vec<u8>> {
    Ok(dir.path().as_os_str().as_bytes().to_vec())
}

/// Returns the list of mounts; `None` if the system has none.
#[cfg(target_os = "linux")]
fn mounts() -> Option<Vec<Mount>> {
    // proc(5): the fields are the mount's number, its parent's, the device, the root
    // and the mount point. Blanks, tabs, line breaks and backslashes are written as `\`
    // and three octal digits.
    let list = std::fs::read("/proc/self/mountinfo").ok()?;
    let mut lines = list
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let mount = |line: &[u8]| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let number = |at: usize| std::str::from_utf8(fields.get(at)?).ok()?.parse().ok();
        Some(Mount {
            id: number(0)?,
            parent: number(1)?,
            device: fields.get(2)?.to_vec(),
            root: unescape(fields.get(3)?),
            point: unescape(fields.get(4)?),
        })
    };
    lines.by_ref().map(mount).collect()
}

#[cfg(not(target_os = "linux"))]
fn mounts() -> Option<Vec<Mount>> {
    None
}

#[cfg(target_os = "linux")]
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let octal = tail
            .get(..3)
            .filter(|_| *first == b'\\')
            .and_then(|digits| {
                let digits = std::str::from_utf8(digits).ok()?;
                u8::from_str_radix(digits, 8).ok()
            });
        match octal {
            Some(byte) => {
                path.push(byte);
                rest = &tail[3..];
            }
            None => {
                path.push(*first);
                rest = tail;
            }
        }
    }
    path
}

/// Looks for a mount in each directory. It skips a directory that may not be entered,
/// because the removal checks it again.
fn is_mounted_below_by_walk(parent: &Dir, name: &OsStr) -> io::Result<bool> {
    let mount = parent.mount()?;
    let mut is_mounted = false;
    let mut walk = Walk::of(parent.try_clone()?, name);
    while let Some(step) = walk.next()? {
        let Step::Name(name, listed) = step else {
            continue;
        };
        if if_exists(walk.dir().kind_of(&name, listed))? != Some(Kind::Dir) {
            continue;
        }
        let entered = walk.enter(name, |dir| {
            is_mounted |= dir.mount()? != mount;
            match is_mounted {
                true => Err(io::ErrorKind::Other.into()),
                false => io::Result::Ok(()),
            }
        });
        match if_exists(entered) {
            _ if is_mounted => return Ok(true),
            Err(error) if is(&error, rustix::io::Errno::ACCESS) => {}
            entered => {
                entered?;
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_mount_below_a_directory_is_found_both_ways() {
        let root = Dir::open(Path::new("/")).unwrap();
        let mounted = match cfg!(target_os = "linux") {
            true => "proc",
            false => "dev",
        };
        let mounted = OsStr::new(mounted);
        assert!(is_mounted_below(&root, mounted).unwrap());
        assert!(is_mounted_below_by_walk(&root, mounted).unwrap());
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        let dir = Dir::open(dir.path()).unwrap();
        assert!(!is_mounted_below(&dir, OsStr::new("a")).unwrap());
        assert!(!is_mounted_below_by_walk(&dir, OsStr::new("a")).unwrap());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn mount_points_with_blanks_are_decoded() {
        assert_eq!(unescape(br"/a\040b\134c\1"), br"/a b\c\1");
    }
}
