//! What a run is disturbed by.

use std::collections::HashMap;
use std::fmt;

use crate::operations::System;
use crate::strace::Call;

/// One disturbance of one run.
#[derive(Clone, Debug)]
pub(crate) enum Disturbance {
    /// A call fails, and is not made.
    Error { call: Call, error: &'static str },
    /// A call fails, and so do all later ones of its name.
    Errors { call: Call, error: &'static str },
    /// The process is killed in place of a call.
    Kill { call: Call },
    /// A limit, as a shell sets it before it becomes the program.
    Limit { script: String },
}

impl Disturbance {
    /// The call that fails, if one does, and its error.
    pub(crate) fn failure(&self) -> Option<(&Call, &'static str)> {
        match self {
            Disturbance::Error { call, error } | Disturbance::Errors { call, error } => {
                Some((call, error))
            }
            Disturbance::Kill { .. } | Disturbance::Limit { .. } => None,
        }
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Disturbance::Error { call, error } => {
                write!(
                    f,
                    "{error} from {} {}: {}",
                    call.name, call.number, call.text
                )
            }
            Disturbance::Errors { call, error } => {
                write!(
                    f,
                    "{error} from {} {} on: {}",
                    call.name, call.number, call.text
                )
            }
            Disturbance::Kill { call } => {
                write!(f, "killed at {} {}: {}", call.name, call.number, call.text)
            }
            Disturbance::Limit { script } => write!(f, "{script}"),
        }
    }
}

/// What the system answers instead of telling whether something exists. A look
/// fails with the first of them, and with one of the others in turn.
const UNTOLD: [&str; 5] = ["EACCES", "ESTALE", "ELOOP", "ENOMEM", "EIO"];

/// Says that a file system does not support a sync of this kind.
pub(crate) const UNSUPPORTED: [&str; 2] = ["EINVAL", "EOPNOTSUPP"];

/// The errors that a call is made to fail with; `turn` is a number that is
/// another one for each call.
///
/// `close` has none: injected, the call is not made, and the lock would stay held,
/// which no system does; and Rust's library panics when a directory cannot be
/// closed. Nor has `brk`, which reports failure in another way.
fn errors(call: &Call, turn: usize) -> Vec<&'static str> {
    let untold = || match UNTOLD[1 + turn % (UNTOLD.len() - 1)] {
        // It would say that a link leads in a circle, which does tell something.
        "ELOOP" if call.name != "openat" && !call.text.contains("AT_SYMLINK_NOFOLLOW") => {
            [UNTOLD[0], "EIO"]
        }
        other => [UNTOLD[0], other],
    };
    let with = |others: &[&'static str]| [others, &untold()].concat();
    match &*call.name {
        "openat" | "openat2" if call.text.contains("O_CREAT") => {
            vec!["EINTR", "ENOSPC", "EMFILE", "EROFS"]
        }
        // It would say that the file is a link.
        "openat" | "openat2" if is_of_no_link(call) => vec!["EINTR", "EMFILE", "EACCES", "EIO"],
        "openat" => with(&["EINTR", "EMFILE"]),
        // What is exchanged meanwhile makes the system say that it is to be called again.
        "openat2" => with(&["EINTR", "EMFILE", "EAGAIN", "ENOSYS"]),
        "read" | "pread64" => vec!["EINTR", "EIO"],
        "write" | "pwrite64" => vec!["EINTR", "ENOSPC", "EDQUOT", "EIO"],
        "fsync" | "fdatasync" if is_of_directory(call) => {
            [&["EINTR", "EIO", "ENOSPC"], &UNSUPPORTED[..]].concat()
        }
        "fsync" | "fdatasync" | "syncfs" => vec!["EINTR", "EIO", "ENOSPC"],
        "rename" | "renameat" | "renameat2" => vec!["EINTR", "EIO", "EXDEV", "EACCES", "ENOSPC"],
        "mkdir" | "mkdirat" | "link" | "linkat" | "symlinkat" => vec!["ENOSPC", "EACCES"],
        "unlink" | "unlinkat" | "rmdir" => vec!["EIO", "EACCES"],
        "flock" => vec!["EINTR", "ENOLCK", "EOPNOTSUPP", "ENOSYS"],
        "fchmod" | "chmod" | "fchmodat" | "fchown" | "fchownat" => {
            vec!["EPERM", "EOPNOTSUPP", "EIO"]
        }
        "copy_file_range" => vec!["EINTR", "ENOSPC", "EXDEV", "EOPNOTSUPP"],
        "ftruncate" | "fallocate" | "sendfile" => vec!["EINTR", "ENOSPC"],
        "statx" | "fstat" | "newfstatat" | "lstat" | "stat" | "statfs" | "fstatfs" | "access"
        | "faccessat" | "faccessat2" | "getdents64" | "readlink" | "readlinkat" => with(&[]),
        "lseek" | "getcwd" => vec!["EIO"],
        "mmap" | "mremap" | "mprotect" | "madvise" => vec!["ENOMEM"],
        "getrandom" => vec!["EINTR", "ENOSYS"],
        _ => Vec::new(),
    }
}

/// Whether a call opens a file that must be no link: a directory has another
/// error for that.
fn is_of_no_link(call: &Call) -> bool {
    call.text.contains("O_NOFOLLOW") && !call.text.contains("O_DIRECTORY")
}

/// Whether a call syncs a directory, by its name: those of files have an
/// extension here, or are these.
pub(crate) fn is_of_directory(call: &Call) -> bool {
    let path = call.text.split_once('<').and_then(|(_, rest)| {
        let (path, _) = rest.split_once('>')?;
        path.rsplit('/').next()
    });
    path.is_some_and(|name| {
        !["empty", "link"].contains(&name) && !name.trim_start_matches('.').contains('.')
    })
}

/// Whether it is a failure that says nothing of what exists.
pub(crate) fn tells_nothing(call: &Call, error: &str) -> bool {
    let is_look = is_a_look(call) || call.name.contains("open") || call.name == "getdents64";
    is_look && (UNTOLD.contains(&error) || error == "EMFILE")
}

/// Whether a kill just before this call meets another state than one before the
/// call ahead of it: it changes something, or is the end.
fn leaves_traces(call: &Call) -> bool {
    match &*call.name {
        "openat" | "openat2" => call.text.contains("O_CREAT"),
        "flock" | "chmod" | "write" | "exit_group" => true,
        name => [
            "rename", "unlink", "rmdir", "mkdir", "fchmod", "sync", "link",
        ]
        .iter()
        .any(|part| name.contains(part)),
    }
}

/// Whether a call only looks at a name.
fn is_a_look(call: &Call) -> bool {
    ["stat", "access", "readlink", "lseek", "mmap", "mprotect"]
        .iter()
        .any(|part| call.name.contains(part))
}

/// How often a look at the same name is disturbed at most.
const SAME: usize = 2;

/// All failures of calls of a recorded run. Of looks that are taken over and over,
/// the first ones are disturbed.
pub(crate) fn failures(calls: &[Call], system: System) -> Vec<Disturbance> {
    let refused: Vec<&str> = system
        .refuses()
        .iter()
        .filter_map(|it| it.split_once(':'))
        .flat_map(|(names, _)| names.split(','))
        .collect();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut all = Vec::new();
    for (turn, call) in calls.iter().enumerate() {
        if refused.contains(&&*call.name) {
            continue;
        }
        let count = seen.entry(&call.text).or_default();
        *count += 1;
        if *count > SAME && is_a_look(call) {
            continue;
        }
        let errors = errors(call, turn).into_iter();
        all.extend(errors.map(|error| Disturbance::Error {
            call: call.clone(),
            error,
        }));
        if call.name == "flock" {
            let (call, error) = (call.clone(), "EAGAIN");
            all.push(Disturbance::Errors { call, error });
        }
    }
    all
}

/// All kills of a recorded run.
pub(crate) fn kills(calls: &[Call]) -> impl Iterator<Item = Disturbance> {
    let calls = calls.iter().filter(|call| leaves_traces(call));
    calls.map(|call| Disturbance::Kill { call: call.clone() })
}

/// On the size of files, with the signal that it sends and without, and on the
/// number of descriptors.
pub(crate) fn limits() -> impl Iterator<Item = Disturbance> {
    let sizes = (0..5)
        .flat_map(|blocks| ["", "trap '' XFSZ; "].map(|trap| format!("{trap}ulimit -f {blocks}")));
    let descriptors = (3..=16).map(|count| format!("ulimit -n {count}"));
    sizes
        .chain(descriptors)
        .map(|script| Disturbance::Limit { script })
}
