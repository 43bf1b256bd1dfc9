//! The disturbances of runs.

use std::collections::HashMap;
use std::fmt;

use crate::operations::System;
use crate::strace::Call;

/// One disturbance of one run.
#[derive(Clone, Debug)]
pub(crate) enum Disturbance {
    /// A call fails, and is not made.
    Error { call: Call, error: &'static str },
    /// A call and all later ones of its name fail.
    Errors { call: Call, error: &'static str },
    /// The process is killed in place of a call.
    Kill { call: Call },
    /// A shell sets a limit before it becomes the program.
    Limit { script: String },
}

impl Disturbance {
    /// Returns the call that fails, if one does, and its error.
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

/// Errors that do not say whether something exists.
const UNDECIDED: [&str; 5] = ["EACCES", "ESTALE", "ELOOP", "ENOMEM", "EIO"];

/// Errors by which a file system reports that it does not support a sync of this kind.
pub(crate) const UNSUPPORTED: [&str; 2] = ["EINVAL", "EOPNOTSUPP"];

/// The errors that a call fails with: all of the first, and one of the second, in turn,
/// so that over all commands each kind of call gets each of them.
type Errors = (&'static [&'static str], &'static [&'static str]);

/// Returns the errors of a call.
///
/// `close` has none: the injected call is not made, so the lock would stay held, which
/// no system does; and Rust's library panics when a directory cannot be closed. `brk`
/// has none because it reports failure in another way.
fn errors(call: &Call) -> Errors {
    match &*call.name {
        "openat" | "openat2" if call.text.contains("O_CREAT") => {
            (&["EINTR", "ENOSPC", "EMFILE", "EROFS"], &[])
        }
        // Here ELOOP would mean that the file is a link.
        "openat" | "openat2" if is_of_no_link(call) => (&["EACCES"], &["EINTR", "EMFILE", "EIO"]),
        "openat" => (
            &["EACCES"],
            &["EINTR", "EMFILE", "ESTALE", "ELOOP", "ENOMEM", "EIO"],
        ),
        // EAGAIN means that a concurrent rename requires another call.
        "openat2" => (
            &["EACCES", "EAGAIN", "ENOSYS"],
            &["EINTR", "EMFILE", "ESTALE", "ENOMEM", "EIO"],
        ),
        "read" | "pread64" => (&["EINTR", "EIO"], &[]),
        "write" | "pwrite64" => (&["EINTR", "ENOSPC", "EIO"], &["EDQUOT"]),
        "fsync" | "fdatasync" if is_of_directory(call) => (
            &["EIO", UNSUPPORTED[0], UNSUPPORTED[1]],
            &["EINTR", "ENOSPC"],
        ),
        "fsync" | "fdatasync" | "syncfs" => (&["EINTR", "EIO", "ENOSPC"], &[]),
        "rename" | "renameat" | "renameat2" => (&["EINTR", "EIO", "EXDEV"], &["EACCES", "ENOSPC"]),
        "mkdir" | "mkdirat" | "link" | "linkat" | "symlinkat" => (&["ENOSPC", "EACCES"], &[]),
        "unlink" | "unlinkat" | "rmdir" => (&[], &["EIO", "EACCES"]),
        "flock" => (&["EINTR"], &["ENOLCK", "EOPNOTSUPP", "ENOSYS"]),
        "fchmod" | "chmod" | "fchmodat" | "fchown" | "fchownat" => {
            (&["EPERM"], &["EOPNOTSUPP", "EIO"])
        }
        "copy_file_range" => (&["EINTR", "ENOSPC", "EXDEV", "EOPNOTSUPP"], &[]),
        "ftruncate" | "fallocate" | "sendfile" => (&["EINTR", "ENOSPC"], &[]),
        // Here ELOOP would mean that links form a circle, which is an answer.
        "readlink" | "readlinkat" => (&["EACCES"], &["ESTALE", "ENOMEM", "EIO"]),
        "statx" | "newfstatat" | "stat" | "access" | "faccessat" | "faccessat2" => {
            match call.text.contains("AT_SYMLINK_NOFOLLOW") {
                true => (&["EACCES"], &["ESTALE", "ELOOP", "ENOMEM", "EIO"]),
                false => (&["EACCES"], &["ESTALE", "ENOMEM", "EIO"]),
            }
        }
        "lstat" => (&["EACCES"], &["ESTALE", "ELOOP", "ENOMEM", "EIO"]),
        "fstat" | "statfs" | "fstatfs" | "getdents64" => {
            (&[], &["EACCES", "ESTALE", "ENOMEM", "EIO"])
        }
        "lseek" | "getcwd" => (&["EIO"], &[]),
        "mmap" | "mremap" | "mprotect" | "madvise" => (&["ENOMEM"], &[]),
        "getrandom" => (&["EINTR", "ENOSYS"], &[]),
        "socket" => (&["EMFILE"], &["ENOBUFS", "ENOMEM", "EACCES"]),
        "connect" => (&["ECONNREFUSED"], &["ETIMEDOUT", "ENETUNREACH", "EACCES"]),
        "sendto" => (&["EINTR", "EPIPE"], &["ECONNRESET", "ENOBUFS"]),
        "recvfrom" => (&["EINTR", "ECONNRESET"], &["ETIMEDOUT", "ENOMEM"]),
        "poll" | "ppoll" => (&["EINTR"], &[]),
        _ => (&[], &[]),
    }
}

/// Returns whether a call opens a file without following a link. A directory fails with
/// another error then.
fn is_of_no_link(call: &Call) -> bool {
    call.text.contains("O_NOFOLLOW") && !call.text.contains("O_DIRECTORY")
}

/// Returns whether a call syncs a directory, judging by its name: files here have an
/// extension, or are one of these.
pub(crate) fn is_of_directory(call: &Call) -> bool {
    let path = call.text.split_once('<').and_then(|(_, rest)| {
        let (path, _) = rest.split_once('>')?;
        path.rsplit('/').next()
    });
    path.is_some_and(|name| {
        !["empty", "link"].contains(&name) && !name.trim_start_matches('.').contains('.')
    })
}

/// Returns whether a failure leaves unknown what exists.
pub(crate) fn tells_nothing(call: &Call, error: &str) -> bool {
    let is_look = is_a_look(call) || call.name.contains("open") || call.name == "getdents64";
    is_look && (UNDECIDED.contains(&error) || error == "EMFILE")
}

/// Returns whether a kill just before this call is a new case: the previous call
/// changed something, or this is the end.
fn leaves_traces(call: &Call) -> bool {
    match &*call.name {
        "openat" | "openat2" => call.text.contains("O_CREAT"),
        "flock" | "chmod" | "write" | "sendto" | "exit_group" => true,
        name => [
            "rename", "unlink", "rmdir", "mkdir", "fchmod", "sync", "link",
        ]
        .iter()
        .any(|part| name.contains(part)),
    }
}

/// Returns whether a call only looks at a name, or at the system's data about the
/// process.
fn is_a_look(call: &Call) -> bool {
    call.text.contains("</proc>")
        || ["stat", "access", "readlink", "lseek", "mmap", "mprotect"]
            .iter()
            .any(|part| call.name.contains(part))
}

/// The largest number of disturbed looks at the same name.
const SAME: usize = 2;

/// Returns all failures of calls of a recorded run. Of repeated looks only the first
/// ones are disturbed. `turn` is the index of the first error that is used in turn.
pub(crate) fn failures(calls: &[Call], system: System, turn: usize) -> Vec<Disturbance> {
    let refused = system.refused_calls();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut turns: HashMap<&str, usize> = HashMap::new();
    let mut all = Vec::new();
    for call in calls {
        if refused.contains(&&*call.name) {
            continue;
        }
        let count = seen.entry(&call.text).or_default();
        *count += 1;
        let is_repeated = *count > 1 && (is_a_look(call) || call.name.contains("open"));
        if is_repeated && *count > SAME {
            continue;
        }
        let (mut always, mut in_turn) = errors(call);
        let turn_of_name = turns.entry(&call.name).or_insert(turn);
        if !in_turn.is_empty() {
            let at = *turn_of_name % in_turn.len();
            in_turn = &in_turn[at..=at];
            *turn_of_name += 1;
            if is_repeated {
                always = &[];
            }
        }
        let errors = always.iter().chain(in_turn);
        all.extend(errors.map(|error| Disturbance::Error {
            call: call.clone(),
            error,
        }));
        let for_ever = match &*call.name {
            "flock" => Some("EAGAIN"),
            "connect" => Some("ECONNREFUSED"),
            "recvfrom" => Some("ECONNRESET"),
            _ => None,
        };
        if let Some(error) = for_ever {
            let call = call.clone();
            all.push(Disturbance::Errors { call, error });
        }
    }
    all
}

/// Returns the number of first calls of a run that are the same as on a complete
/// system.
pub(crate) fn shared(calls: &[Call], complete: &[Call], system: System) -> usize {
    let refused = system.refused_calls();
    // Sizes and times differ between file systems.
    let what = |call: &Call| {
        let text = call.text.split('{').next().unwrap_or_default();
        (call.name.clone(), text.to_owned())
    };
    let pairs = calls.iter().zip(complete);
    let same = pairs
        .take_while(|(call, other)| what(call) == what(other) && !refused.contains(&&*call.name));
    same.count()
}

/// Returns all kills of a recorded run.
pub(crate) fn kills(calls: &[Call]) -> impl Iterator<Item = Disturbance> {
    let calls = calls.iter().filter(|call| leaves_traces(call));
    calls.map(|call| Disturbance::Kill { call: call.clone() })
}

/// Limits of the size of files, with and without the signal that the limit sends, and
/// of the number of descriptors.
pub(crate) fn limits() -> impl Iterator<Item = Disturbance> {
    let sizes = (0..5)
        .flat_map(|blocks| ["", "trap '' XFSZ; "].map(|trap| format!("{trap}ulimit -f {blocks}")));
    let descriptors = (3..=16).map(|count| format!("ulimit -n {count}"));
    sizes
        .chain(descriptors)
        .map(|script| Disturbance::Limit { script })
}

/// Limits of memory, from some at which the program does not start to one at which it has
/// enough.
pub(crate) fn memory_limits() -> impl Iterator<Item = Disturbance> {
    let limits = crate::home::least_memory();
    let limits = MORE_MEMORY.map(|more| limits + more).into_iter();
    limits.map(|limit| Disturbance::Limit {
        script: format!("ulimit -v {limit}"),
    })
}

/// Limits of memory in KiB, above the one at which the program starts.
const MORE_MEMORY: [u64; 14] = [
    0, 700, 3_000, 9_000, 12_000, 15_000, 18_000, 21_000, 25_000, 60_000, 130_000, 200_000,
    300_000, 500_000,
];
