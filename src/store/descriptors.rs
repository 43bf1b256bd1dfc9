//! The number of files and directories that this process may have open.

use rustix::process::{Resource, getrlimit};
#[cfg(feature = "cli")]
use rustix::process::{Rlimit, setrlimit};

/// The number that macOS takes where it allows any number in name only.
#[cfg(feature = "cli")]
const OPEN_MAX: u64 = 10_240;

/// Raises the limit as far as this process may. A removal holds a descriptor of each
/// directory and of each state file in it, until they are deleted.
///
/// Systems keep the soft limit low, mostly at 1024, for the sake of programs that call
/// `select`, which cannot take higher descriptors; this one does not. What is refused leaves
/// the limit as it was.
#[cfg(feature = "cli")]
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none() || limit.current == limit.maximum {
        return;
    }
    let raise = |current| {
        let maximum = limit.maximum;
        setrlimit(Resource::Nofile, Rlimit { current, maximum })
    };
    if raise(limit.maximum).is_err() && limit.current < Some(OPEN_MAX) {
        let _ = raise(Some(OPEN_MAX));
    }
}

/// Returns how many descriptors this process may have.
pub(crate) fn limit() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    })
}
