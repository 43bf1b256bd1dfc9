//! Deleting what lies in the cache, without ever touching what is mounted there.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use rustix::io::Errno;

use super::deployed::Seen;
use super::residue::{Residue, residue_of};
use crate::error::{AtPath, Result};
use crate::store::{Dir, Kind, MountId, Step, Walk, if_exists, is, is_mounted_below};

/// Deletes a name in a directory: a file, a link itself, or a directory with all
/// that it contains. What is missing already is no error, and what cannot be deleted
/// does not stop the deletion of the rest, but for the state of deployments: that goes last,
/// and stays if anything else does.
///
/// # Errors
///
/// That another file system is mounted in it, before anything is deleted; otherwise
/// the first thing that could not be deleted. A directory on which something is
/// mounted meanwhile is never entered.
pub(super) fn delete(parent: &Dir, name: &OsStr) -> Result<()> {
    delete_with(parent, name, None).map(|_| ())
}

/// Deletes a directory as [`delete`] does, but stops at the first thing of deployments that
/// was not seen, and returns false: it came since, and nothing else may have it. `top` is the
/// path from `parent` of the directory that was looked at: the name itself, or one below it.
pub(super) fn delete_seen(parent: &Dir, name: &OsStr, top: &Path, seen: &dyn Seen) -> Result<bool> {
    delete_with(parent, name, Some((top, seen)))
}

/// What a pass of a deletion came to.
#[derive(PartialEq, Eq)]
enum Passed {
    All,
    /// State is left, with the directories above it.
    ButState,
    /// Something was not seen, and all of it stays that was not deleted before.
    Unseen,
}

/// Deletes state last: without all else being gone, its directory stays, and a deployment
/// that waits for its lock would get that on a file without a name, and lose what it writes.
fn delete_with(parent: &Dir, name: &OsStr, seen: Option<(&Path, &dyn Seen)>) -> Result<bool> {
    refuse_mounts(parent, name)?;
    let passed = match pass(parent, name, seen, true)? {
        Passed::ButState => pass(parent, name, seen, false)?,
        passed => passed,
    };
    Ok(passed == Passed::All)
}

fn pass(
    parent: &Dir,
    name: &OsStr,
    seen: Option<(&Path, &dyn Seen)>,
    spares_state: bool,
) -> Result<Passed> {
    let at = parent.path_of(name);
    let mount = parent.mount().at("delete", &at)?;
    let mut walk = Walk::of(parent.try_clone().at("open", parent.path())?, name);
    let mut failure = None;
    let mut is_spared = false;
    while let Some(step) = walk.next().at("delete", &at)? {
        let deleted = match &step {
            Step::Left(name) => match walk.dir().remove_dir(name) {
                Err(error) if is_spared && is(&error, Errno::NOTEMPTY) => Ok(()),
                removed => removed,
            },
            Step::Name(name, listed) => match walk.dir().kind_of(name, *listed) {
                Ok(kind @ Kind::Dir) if spares_state && is_state(&walk, name, kind) => {
                    is_spared = true;
                    Ok(())
                }
                Ok(Kind::Dir) => {
                    let entered = enter(&mut walk, name, mount);
                    // An empty directory need not be looked into.
                    match entered {
                        Err(_) if walk.dir().remove_dir(name).is_ok() => Ok(()),
                        entered => entered,
                    }
                }
                Ok(kind) => match seen.map(|seen| may_go(&walk, name, kind, seen)) {
                    None | Some(Ok(true)) if spares_state && is_state(&walk, name, kind) => {
                        is_spared = true;
                        Ok(())
                    }
                    None | Some(Ok(true)) => walk.dir().remove_file(name),
                    Some(Ok(false)) => return Ok(Passed::Unseen),
                    Some(Err(error)) => Err(error),
                },
                Err(error) => Err(error),
            },
        };
        let (Step::Left(name) | Step::Name(name, _)) = &step;
        if let Err(error) = if_exists(deleted).at("delete", &walk.dir().path_of(name)) {
            if !spares_state {
                return Err(error);
            }
            failure.get_or_insert(error);
        }
    }
    match failure {
        Some(error) => Err(error),
        None if is_spared => Ok(Passed::ButState),
        None => Ok(Passed::All),
    }
}

/// Returns whether a name in the current directory of a walk is that of state.
fn is_state(walk: &Walk, name: &OsStr, kind: Kind) -> bool {
    residue_of(&walk.path().join(name), kind) == Some(Residue::State)
}

/// Returns whether a name in the current directory of a walk is nothing of deployments, or
/// was seen in the directory at `top`.
fn may_go(
    walk: &Walk,
    name: &OsStr,
    kind: Kind,
    (top, seen): (&Path, &dyn Seen),
) -> io::Result<bool> {
    let path = walk.path().join(name);
    let path = path.strip_prefix(top).unwrap_or(&path);
    match residue_of(path, kind) {
        Some(Residue::State | Residue::Inputs) => {}
        Some(Residue::Generated) | None => return Ok(true),
    }
    let Some(now) = if_exists(walk.dir().attributes_of(name))? else {
        return Ok(true);
    };
    Ok(match now.kind {
        Kind::File => seen.knows_file(path, now.identity),
        Kind::Link => seen.knows_link(path),
        _ => true,
    })
}

/// Refuses a directory that could not be deleted whole because one of its directories is
/// another user's and may not be written.
///
/// # Errors
///
/// The first such directory, and I/O errors.
pub(super) fn require_deletable(parent: &Dir, name: &OsStr) -> Result<()> {
    let at = parent.path_of(name);
    let mut walk = Walk::of(parent.try_clone().at("open", parent.path())?, name);
    while let Some(step) = walk.next().at("delete", &at)? {
        let Step::Name(name, listed) = step else {
            continue;
        };
        let path = walk.dir().path_of(&name);
        let kind = if_exists(walk.dir().kind_of(&name, listed)).at("read", &path)?;
        if kind == Some(Kind::Dir) {
            let entered = walk.enter(name, Dir::require_writable);
            if_exists(entered).at("delete", &path)?;
        }
    }
    Ok(())
}

/// Goes into a directory to empty it. It gets the permissions for that, unless it is a
/// mount point.
fn enter(walk: &mut Walk, name: &OsStr, mount: MountId) -> io::Result<()> {
    let accept = |dir: &Dir| match dir.mount()? == mount {
        true => Ok(()),
        false => Err(mounted()),
    };
    // What cannot be granted shows when something is to be deleted.
    let _ = walk.dir().grant_owner(name);
    walk.enter(name.to_owned(), accept)
}

fn mounted() -> io::Error {
    io::Error::other("another file system is mounted in it")
}

/// Refuses a directory on which, or below which, another file system is mounted:
/// deleting the directory would delete what lies there. [`delete`] looks again at
/// each directory that it enters.
///
/// # Errors
///
/// That something is mounted there, or that the system does not say.
pub(super) fn refuse_mounts(parent: &Dir, name: &OsStr) -> Result<()> {
    let refused = match is_mounted_below(parent, name) {
        Ok(false) => return Ok(()),
        Ok(true) => mounted(),
        Err(error) => error,
    };
    Err(refused).at("remove", &parent.path_of(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    fn delete_at(dir: &std::path::Path, name: &str) -> Result<()> {
        delete(&Dir::open(dir).unwrap(), OsStr::new(name))
    }

    #[test]
    fn a_tree_goes_with_closed_and_deep_directories_and_what_links_lead_to_stays() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("top");
        let deep: PathBuf = std::iter::repeat_n("d", 500).collect();
        fs::create_dir_all(top.join(&deep)).unwrap();
        for closed in ["closed/below", "empty"] {
            fs::create_dir_all(top.join(closed)).unwrap();
        }
        for name in ["closed/below/file", "file"] {
            fs::write(top.join(name), "").unwrap();
        }
        let victim = dir.path().join("victim");
        fs::create_dir(&victim).unwrap();
        fs::write(victim.join("file"), "").unwrap();
        symlink(&victim, top.join("link")).unwrap();
        symlink(&victim, top.join("closed/link")).unwrap();
        let mode = |path: PathBuf, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(victim.clone(), 0o500);
        for closed in ["closed/below", "closed", "empty"] {
            mode(top.join(closed), 0);
        }
        delete_at(dir.path(), "top").unwrap();
        delete_at(dir.path(), "top").unwrap();
        assert!(!top.exists() && victim.join("file").exists());
        let kept = fs::metadata(&victim).unwrap().permissions().mode() & 0o777;
        assert_eq!(kept, 0o500);
    }

    #[test]
    fn what_is_mounted_somewhere_is_never_entered() {
        let root = Dir::open(std::path::Path::new("/")).unwrap();
        assert!(refuse_mounts(&root, OsStr::new("proc")).is_err());
        let mut walk = Walk::of(root, OsStr::new("proc"));
        let mount = walk.dir().mount().unwrap();
        assert!(walk.next().unwrap().is_some());
        let error = enter(&mut walk, OsStr::new("proc"), mount).unwrap_err();
        assert!(error.to_string().contains("mounted"), "{error}");
    }
}
