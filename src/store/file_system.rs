//! The kinds of file systems.

use std::fs::File;
use std::io;
use std::path::Path;

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
use rustix::fs::statfs;

/// Returns whether the file system of a file keeps modes and owners, judging by the
/// error of changing them.
#[cfg(target_os = "linux")]
pub(crate) fn has_modes(file: &File, _: &io::Error) -> bool {
    match rustix::fs::fstatfs(file) {
        Ok(found) => kind_of(found.f_type).is_none_or(|kind| kind.has_modes),
        Err(_) => true,
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn has_modes(_: &File, error: &io::Error) -> bool {
    !super::fs::is_unsupported(error)
}

/// Returns the name of the kind of file system at a path, such as `nfs4` or
/// `fuse.sshfs`; `None` if the system does not report it.
#[cfg(target_os = "linux")]
pub(crate) fn name_of(path: &Path) -> Option<String> {
    by_mount(path).or_else(|| {
        let kind = kind_of(statfs(path).ok()?.f_type)?;
        Some(kind.name.to_owned())
    })
}

/// Returns the name as [`name_of`] does, from the table of mounts. The table contains
/// more than a magic number: which kind of FUSE it is, and kinds that are not listed
/// here. Linux reports the mount of a path since 5.8.
#[cfg(target_os = "linux")]
fn by_mount(path: &Path) -> Option<String> {
    use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
    let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MNT_ID).ok()?;
    if found.stx_mask & StatxFlags::MNT_ID.bits() == 0 {
        return None;
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    kind_of_mount(&mounts, found.stx_mnt_id).map(str::to_owned)
}

/// Returns the kind of a mount in the text of `mountinfo`: the id is the first field of
/// its line, the kind follows a field that is only a dash.
#[cfg(target_os = "linux")]
fn kind_of_mount(mounts: &str, id: u64) -> Option<&str> {
    let id = id.to_string();
    let mut lines = mounts.lines();
    let line = lines.find(|line| line.split(' ').next() == Some(&*id))?;
    line.split(' ').skip_while(|word| *word != "-").nth(1)
}

#[cfg(target_vendor = "apple")]
pub(crate) fn name_of(path: &Path) -> Option<String> {
    let found = statfs(path).ok()?;
    let bytes = found.f_fstypename.iter().map(|byte| byte.cast_unsigned());
    let name: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
    String::from_utf8(name).ok().filter(|name| !name.is_empty())
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
pub(crate) fn name_of(_: &Path) -> Option<String> {
    None
}

/// A kind of file system that Linux identifies by a number.
#[cfg(target_os = "linux")]
struct FileSystemKind {
    magic: u32,
    name: &'static str,
    /// True if it keeps modes and owners, false if it makes them up.
    has_modes: bool,
}

/// The kinds whose locks, modes or syncs differ from other file systems.
#[cfg(target_os = "linux")]
const KINDS: &[FileSystemKind] = &[
    kind(0x4d44, "vfat", false),
    kind(0x2011_bab0, "exfat", false),
    kind(0x5346_544e, "ntfs", false),
    kind(0x7366_746e, "ntfs3", false),
    kind(0x517b, "smb", false),
    kind(0xff53_4d42, "cifs", false),
    kind(0xfe53_4d42, "smb2", false),
    kind(0x0102_1997, "9p", false),
    kind(0x6573_5546, "fuse", false),
    kind(0x6969, "nfs", true),
    kind(0x00c3_6400, "ceph", true),
    kind(0x0bd0_0bd0, "lustre", true),
    kind(0x794c_7630, "overlay", true),
];

#[cfg(target_os = "linux")]
const fn kind(magic: u32, name: &'static str, has_modes: bool) -> FileSystemKind {
    FileSystemKind {
        magic,
        name,
        has_modes,
    }
}

/// Finds a kind by the number that `statfs` reports, whose type differs by machine; the
/// number itself has 32 bits.
#[cfg(target_os = "linux")]
fn kind_of(magic: impl TryInto<i128>) -> Option<&'static FileSystemKind> {
    let magic = magic.try_into().ok()? & 0xffff_ffff;
    KINDS.iter().find(|kind| i128::from(kind.magic) == magic)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_mount_is_found_by_its_number() {
        let mounts = "\
            36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n\
            361 35 0:9 / /home/a\\040-\\040b rw shared:7 master:2 - fuse.sshfs host:/ rw\n\
            7 35 0:5 / /proc rw - proc proc rw\n";
        assert_eq!(kind_of_mount(mounts, 36), Some("ext3"));
        assert_eq!(kind_of_mount(mounts, 361), Some("fuse.sshfs"));
        assert_eq!(kind_of_mount(mounts, 7), Some("proc"));
        assert_eq!(kind_of_mount(mounts, 3), None);
    }

    #[test]
    fn a_number_identifies_the_kind_with_either_sign() {
        let name = |magic: i64| kind_of(magic).map(|kind| kind.name);
        assert_eq!(name(0xff53_4d42), Some("cifs"));
        assert_eq!(name(i64::from(0xff53_4d42_u32.cast_signed())), Some("cifs"));
        assert_eq!(name(0xef53), None);
        assert!(kind_of(0x4d44).is_some_and(|kind| !kind.has_modes));
    }

    #[test]
    fn a_path_has_the_kind_of_its_mount() {
        assert_eq!(name_of(Path::new("/proc/self")).as_deref(), Some("proc"));
        assert_eq!(name_of(Path::new("/nowhere/at all")), None);
    }
}
