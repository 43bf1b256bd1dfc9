//! The calls of a process on the files below a directory, in order, as `strace` reports
//! them.
//!
//! No call is skipped: an unknown call that names something below the directory stops
//! the test, so that the record explains the whole disk.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// A call that succeeded. Paths are absolute; those of open files are as they were when
/// the call was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Creates a file if it does not exist.
    Create(PathBuf, u32),
    /// Truncates a file, or lengthens it.
    Truncate(PathBuf, usize),
    /// Appends; no call here writes anywhere else.
    Write(PathBuf, Vec<u8>),
    /// Writes at an offset, which must be the end.
    WriteAt(PathBuf, usize, Vec<u8>),
    Mode(PathBuf, u32),
    MakeDir(PathBuf, u32),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
    Exchange(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    Symlink(OsString, PathBuf),
    /// Syncs a file or a directory.
    Sync(PathBuf),
    /// Syncs the whole file system.
    SyncAll(PathBuf),
    /// Writes a report to standard output.
    Report,
}

/// Calls that change nothing that the model has; it has no owners and times.
const HARMLESS: &[&str] = &[
    "access",
    "chdir",
    "chown",
    "close",
    "dup",
    "dup2",
    "dup3",
    "execve",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fchown",
    "fchownat",
    "fcntl",
    "flock",
    "fstat",
    "fstatfs",
    "getcwd",
    "getdents64",
    "ioctl",
    "lchown",
    "lstat",
    "newfstatat",
    "poll",
    "ppoll",
    "pread64",
    "read",
    "readlink",
    "readlinkat",
    "readv",
    "stat",
    "statfs",
    "statx",
    "utimensat",
];

/// Returns the command line of `strace`, before that of the program. `refused` are the
/// calls that the system always refuses.
pub(super) fn wrapper(to: &Path, refused: &[&str]) -> Vec<String> {
    let fixed = "strace -f -y -qq -xx -s 1048576 -e trace=%file,%desc,?openat2 -e signal=STOP -o";
    let mut wrapper: Vec<String> = fixed.split(' ').map(str::to_owned).collect();
    wrapper.push(to.to_str().unwrap().to_owned());
    for refused in refused {
        wrapper.extend(["-e".to_owned(), format!("inject={refused}")]);
    }
    wrapper
}

/// Runs a command that is wrapped in this way, and returns its calls below `root`; or
/// its output if it failed.
///
/// # Panics
///
/// If it makes an unknown call.
pub(super) fn record(mut command: Command, to: &Path, root: &Path) -> Result<Vec<Call>, Output> {
    let cwd = command.get_current_dir().unwrap().to_owned();
    let output = command.output().unwrap();
    ended(output, &cwd, to, root)
}

/// Records as [`record`] does, but an injected SIGSTOP stops the command, which goes on
/// after `meanwhile` has returned. Returns also the number of calls before the stop.
///
/// # Panics
///
/// If it is not stopped.
pub(super) fn record_stopped(
    mut command: Command,
    to: &Path,
    root: &Path,
    meanwhile: impl FnOnce(),
) -> Result<(Vec<Call>, usize), Output> {
    let cwd = command.get_current_dir().unwrap().to_owned();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (process, before) = loop {
        let text = fs::read_to_string(to).unwrap_or_default();
        if let Some((before, _)) = text.split_once(" --- stopped by SIGSTOP ---") {
            let (before, process) = before.rsplit_once('\n').unwrap();
            break (process.trim().parse().unwrap(), before.to_owned());
        }
        assert!(child.try_wait().unwrap().is_none(), "not stopped: {text}");
        sleep(Duration::from_millis(1));
    };
    let before = parse(&before, &cwd, root).len();
    meanwhile();
    kill_process(Pid::from_raw(process).unwrap(), Signal::CONT).unwrap();
    let output = child.wait_with_output().unwrap();
    ended(output, &cwd, to, root).map(|calls| (calls, before))
}

/// Returns the calls of a command that has ended. If it did not report success, its
/// exit code did.
fn ended(output: Output, cwd: &Path, to: &Path, root: &Path) -> Result<Vec<Call>, Output> {
    if !output.status.success() {
        return Err(output);
    }
    let mut calls = parse(&fs::read_to_string(to).unwrap(), cwd, root);
    if !calls.contains(&Call::Report) {
        calls.push(Call::Report);
    }
    Ok(calls)
}

/// Parses the text of a record.
fn parse(text: &str, cwd: &Path, root: &Path) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut unfinished: HashMap<&str, (String, usize)> = HashMap::new();
    for line in text.lines() {
        let (thread, line) = line.trim().split_once(' ').unwrap();
        let line = line.trim_start();
        if let Some(begun) = line.strip_suffix(" <unfinished ...>") {
            unfinished.insert(thread, (begun.to_owned(), calls.len()));
            continue;
        }
        let (whole, since) = match line.split_once(" resumed>") {
            Some((_, rest)) => {
                let (begun, since) = unfinished.remove(thread).unwrap();
                (begun + rest, since)
            }
            None => (line.to_owned(), calls.len()),
        };
        let Some(call) = Line::of(&whole).and_then(|line| line.call(cwd, root)) else {
            continue;
        };
        // Beside a concurrent call, the effect of a sync would be a guess.
        let syncs = matches!(call, Call::Sync(_) | Call::SyncAll(_));
        assert!(!syncs || since == calls.len(), "not alone: {whole}");
        calls.push(call);
    }
    calls
}

/// A line of a record.
struct Line<'l> {
    name: &'l str,
    args: Vec<&'l str>,
    result: usize,
    text: &'l str,
}

impl<'l> Line<'l> {
    /// Parses a line; `None` if the call failed, or did not end.
    fn of(text: &'l str) -> Option<Self> {
        let (name, rest) = text.split_once('(')?;
        let (args, result) = rest.rsplit_once(" = ").filter(|_| !rest.ends_with("= ?"))?;
        let args = args.trim_end().strip_suffix(')')?;
        let end = result.find(|c: char| !c.is_ascii_digit());
        let digits = &result[..end.unwrap_or(result.len())];
        Some(Line {
            name,
            args: split(args),
            // An address does not matter, and begins with a digit too.
            result: digits.parse().ok()?,
            text,
        })
    }

    /// Returns the call if it is about something below the root.
    fn call(&self, cwd: &Path, root: &Path) -> Option<Call> {
        let args = &self.args;
        let path = |at: usize| absolute(cwd, &string(args[at]));
        let path_at = |at: usize| absolute(&file(args[at]), &string(args[at + 1]));
        let last = |less: usize| octal(args[args.len() - 1 - less]);
        let call = match self.name {
            "write" if args[0].starts_with("1<") => return Some(Call::Report),
            "open" => opened(path(0), args[1], args.get(2))?,
            "openat" => opened(path_at(0), args[2], args.get(3))?,
            "openat2" => {
                let how = args[2].trim_start_matches('{');
                let part = |name: &str| {
                    let part = how.split(", ").find_map(|it| it.strip_prefix(name));
                    part.map(|part| part.trim_end_matches('}'))
                };
                let mode = part("mode=");
                opened(path_at(0), part("flags=").unwrap(), mode.as_ref())?
            }
            "creat" => opened(path(0), "O_CREAT|O_TRUNC", args.get(1))?,
            "write" => {
                let mut data = bytes(args[1]);
                data.truncate(self.result);
                Call::Write(file(args[0]), data)
            }
            // The model checks that the write is at the end.
            "pwrite64" => {
                let mut data = bytes(args[1]);
                data.truncate(self.result);
                Call::WriteAt(file(args[0]), args[3].parse().unwrap(), data)
            }
            "ftruncate" => Call::Truncate(file(args[0]), args[1].parse().unwrap()),
            "chmod" => Call::Mode(path(0), last(0)),
            "fchmod" => Call::Mode(file(args[0]), last(0)),
            "fchmodat" => Call::Mode(path_at(0), octal(args[2])),
            "mkdir" => Call::MakeDir(path(0), last(0)),
            "mkdirat" => Call::MakeDir(path_at(0), last(0)),
            "unlink" | "rmdir" => Call::Remove(path(0)),
            "unlinkat" => Call::Remove(path_at(0)),
            "rename" => Call::Rename(path(0), path(1)),
            "renameat2" if args[4].contains("RENAME_EXCHANGE") => {
                Call::Exchange(path_at(0), path_at(2))
            }
            "renameat" | "renameat2" => Call::Rename(path_at(0), path_at(2)),
            "link" => Call::Link(path(0), path(1)),
            "linkat" => Call::Link(path_at(0), path_at(2)),
            "symlink" => Call::Symlink(OsString::from_vec(bytes(args[0])), path(1)),
            "symlinkat" => Call::Symlink(OsString::from_vec(bytes(args[0])), path_at(1)),
            "fsync" | "fdatasync" => Call::Sync(file(args[0])),
            "syncfs" => Call::SyncAll(file(args[0])),
            "lseek" if args[1..] == ["0", "SEEK_CUR"] => return None,
            // What is read from its start is not written.
            "lseek" if args[1..] == ["0", "SEEK_SET"] => return None,
            "mmap" if !(args[2].contains("WRITE") && args[3].contains("SHARED")) => return None,
            name if HARMLESS.contains(&name) => return None,
            _ => {
                let known = !self.text.contains(&hex(root)) && !self.args[0].starts_with("1<");
                assert!(known, "unknown call: {}", self.text);
                return None;
            }
        };
        call.is_below(root).then_some(call)
    }
}

impl Call {
    fn is_below(&self, root: &Path) -> bool {
        match self {
            Call::Rename(a, b) | Call::Exchange(a, b) | Call::Link(a, b) => {
                let (a, b) = (a.starts_with(root), b.starts_with(root));
                assert_eq!(a, b, "one path of the call is elsewhere: {self:?}");
                a
            }
            Call::Create(path, _)
            | Call::Truncate(path, _)
            | Call::Write(path, _)
            | Call::WriteAt(path, ..)
            | Call::Mode(path, _)
            | Call::MakeDir(path, _)
            | Call::Remove(path)
            | Call::Symlink(_, path)
            | Call::Sync(path)
            | Call::SyncAll(path) => path.starts_with(root),
            Call::Report => true,
        }
    }
}

/// Returns the change that opening a file makes.
fn opened(path: PathBuf, flags: &str, mode: Option<&&str>) -> Option<Call> {
    let has = |flag| flags.split('|').any(|it| it == flag);
    // Every program here removes a file that it will write from the start.
    assert!(!has("O_TRUNC") || !path.exists(), "truncated: {path:?}");
    has("O_CREAT").then(|| Call::Create(path, octal(mode.unwrap())))
}

/// Splits arguments at the commas outside brackets. Strings contain none, because they
/// are all in hex.
fn split(args: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in args.char_indices() {
        match c {
            '[' | '{' | '(' => depth += 1,
            ']' | '}' | ')' => depth -= 1,
            ',' if depth == 0 => {
                found.push(args[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(args[start..].trim());
    found
}

/// Decodes `"\x61\x62"`.
fn bytes(arg: &str) -> Vec<u8> {
    assert!(arg.ends_with('"'), "truncated: {arg}");
    unhex(arg.trim_matches('"'))
}

fn string(arg: &str) -> PathBuf {
    OsString::from_vec(bytes(arg)).into()
}

/// Decodes the path in `5<\x2f\x61>`.
fn file(arg: &str) -> PathBuf {
    let path = arg
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    absolute(
        Path::new("/"),
        Path::new(&OsString::from_vec(unhex(path.unwrap().0))),
    )
}

fn unhex(text: &str) -> Vec<u8> {
    let bytes = text.split("\\x").skip(1);
    bytes
        .map(|hex| u8::from_str_radix(hex, 16).unwrap())
        .collect()
}

fn hex(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    bytes.map(|byte| format!("\\x{byte:02x}")).collect()
}

fn octal(arg: &str) -> u32 {
    u32::from_str_radix(arg, 8).unwrap()
}

/// Returns a path without `..`; no link precedes one here.
fn absolute(dir: &Path, path: &Path) -> PathBuf {
    let mut absolute = PathBuf::new();
    for part in dir.join(path).components() {
        match part {
            Component::ParentDir => assert!(absolute.pop()),
            part => absolute.push(part),
        }
    }
    absolute
}
