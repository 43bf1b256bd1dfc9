//! What a run is disturbed by.

use std::collections::HashMap;
use std::fmt;

use crate::strace::Call;

/// One disturbance of one run.
#[derive(Clone, Debug)]
pub(crate) enum Disturbance {
    /// A call fails, and is not made.
    Error { call: Call, error: &'static str },
    /// The process is killed in place of a call.
    Kill { call: Call },
    /// A limit, as a shell sets it before it becomes the program.
    Limit { script: String },
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
            Disturbance::Kill { call } => {
                write!(f, "killed at {} {}: {}", call.name, call.number, call.text)
            }
            Disturbance::Limit { script } => write!(f, "{script}"),
        }
    }
}

/// The errors that a call is made to fail with.
///
/// `close` has none: injected, the call is not made, and the lock would stay held,
/// which no system does; and Rust's library panics when a directory cannot be
/// closed. Nor has `brk`, which reports failure in another way.
fn errors(call: &Call) -> &'static [&'static str] {
    match &*call.name {
        "openat" if call.text.contains("O_CREAT") => &["EINTR", "ENOSPC", "EMFILE", "EROFS"],
        "openat" => &["EINTR", "EMFILE", "EIO"],
        "read" | "pread64" => &["EINTR", "EIO"],
        "write" | "pwrite64" => &["EINTR", "ENOSPC", "EDQUOT", "EIO"],
        "fsync" | "fdatasync" | "syncfs" => &["EINTR", "EIO", "ENOSPC"],
        "rename" | "renameat" | "renameat2" => &["EINTR", "EIO", "EXDEV", "EACCES", "ENOSPC"],
        "mkdir" | "mkdirat" | "link" | "linkat" | "symlinkat" => &["ENOSPC", "EACCES"],
        "unlink" | "unlinkat" | "rmdir" => &["EIO", "EACCES"],
        "flock" => &["EINTR", "ENOLCK"],
        "fchmod" | "chmod" | "fchmodat" | "fchown" => &["EPERM", "EIO"],
        "ftruncate" | "fallocate" | "copy_file_range" | "sendfile" => &["EINTR", "ENOSPC"],
        "statx" | "fstat" | "newfstatat" | "lstat" | "stat" => &["EIO"],
        "getdents64" => &["EIO", "ENOMEM"],
        "readlink" | "readlinkat" | "lseek" | "getcwd" => &["EIO"],
        "mmap" | "mremap" | "mprotect" | "madvise" => &["ENOMEM"],
        "getrandom" => &["EINTR", "ENOSYS"],
        _ => &[],
    }
}

/// Whether a kill just before this call meets another state than one before the
/// call ahead of it: it changes something, or is the end.
fn leaves_traces(call: &Call) -> bool {
    match &*call.name {
        "openat" => call.text.contains("O_CREAT"),
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
    ["stat", "readlink", "lseek", "mmap", "mprotect"]
        .iter()
        .any(|part| call.name.contains(part))
}

/// How often a look at the same name is disturbed at most.
const SAME: usize = 2;

/// All disturbances of a recorded run. Of looks that are taken over and over, the
/// first ones are disturbed.
pub(crate) fn all(calls: &[Call], always: &[&str]) -> Vec<Disturbance> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut all = Vec::new();
    for call in calls {
        if always
            .iter()
            .any(|it| it.starts_with(&format!("{}:", call.name)))
        {
            continue;
        }
        if leaves_traces(call) {
            all.push(Disturbance::Kill { call: call.clone() });
        }
        let count = seen.entry(&call.text).or_default();
        *count += 1;
        if *count > SAME && is_a_look(call) {
            continue;
        }
        all.extend(errors(call).iter().map(|error| Disturbance::Error {
            call: call.clone(),
            error,
        }));
    }
    all.extend(limits());
    all
}

/// On the size of files, with the signal that it sends and without, and on the
/// number of descriptors.
fn limits() -> impl Iterator<Item = Disturbance> {
    let sizes = (0..5)
        .flat_map(|blocks| ["", "trap '' XFSZ; "].map(|trap| format!("{trap}ulimit -f {blocks}")));
    let descriptors = (3..=16).map(|count| format!("ulimit -n {count}"));
    sizes
        .chain(descriptors)
        .map(|script| Disturbance::Limit { script })
}
