//! A home directory for one test, and its content.

use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;

use crate::clock;
use crate::tools::{Lack, runs};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_cldctl-registry");

/// The age at which nothing counts as being in use any more.
const LONG_AGO: Duration = Duration::from_secs(3 * 3600);

/// The directory beside the home from which the other process takes its data.
pub(crate) const PAYLOAD: &str = "payload";

/// A home that is removed when it is dropped. All homes have paths of the same length,
/// so a copy makes the same system calls as its original.
pub(crate) struct Home {
    /// The overlay that is mounted as the user's directory, if there is one.
    overlay: Option<Overlay>,
    dir: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        // Thousands of homes are created, which costs little time in memory.
        let memory = Path::new("/dev/shm");
        let mut make = tempfile::Builder::new();
        make.prefix("faults-");
        let dir = match make.tempdir_in(memory) {
            Ok(dir) => dir,
            Err(_) => make.tempdir().unwrap(),
        };
        fs::create_dir(dir.path().join("user")).unwrap();
        Home { overlay: None, dir }
    }

    /// Copies this home with all its content. Paths in the registry are changed to the
    /// copy.
    pub(crate) fn copy(&self) -> Self {
        let copy = Home::new();
        copy_tree(self.dir.path(), copy.dir.path());
        copy.renamed_from(self)
    }

    /// Copies as [`copy`](Self::copy) does, but the user's directory is an overlay that
    /// has the content in its lower layer, as in a container whose image contains it.
    pub(crate) fn layered(&self) -> Self {
        let mut copy = Home::new();
        for entry in fs::read_dir(self.dir.path()).unwrap() {
            let name = entry.unwrap().file_name();
            let from = self.dir.path().join(&name);
            if name != "user" && from.is_dir() {
                copy_tree(&from, &copy.dir.path().join(name));
            }
        }
        copy.overlay = Some(Overlay::mount(&self.path("user"), &copy).unwrap());
        copy.renamed_from(self)
    }

    fn renamed_from(self, original: &Home) -> Self {
        let legacy = self.registry().with_file_name("components.json");
        for path in [self.registry(), legacy, self.path(PAYLOAD)] {
            if let Ok(text) = fs::read_to_string(&path) {
                let text = text.replace(&original.root(), &self.root());
                fs::write(&path, text).unwrap();
            }
        }
        self
    }

    /// Returns the directory that contains this home and everything beside it, as text.
    pub(crate) fn root(&self) -> String {
        self.dir.path().to_str().unwrap().to_owned()
    }

    /// Returns the repository of this home in the registry of images, whose names have no
    /// capital letters.
    pub(crate) fn repository(&self) -> String {
        let name = self.dir.path().file_name().unwrap().to_str().unwrap();
        let random = name.rsplit('-').next().unwrap().bytes();
        random.map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns a path beside the home, for sources and the like.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns `~/.cldctl/registry/artifacts.json`.
    pub(crate) fn registry(&self) -> PathBuf {
        self.path("user/.cldctl/registry/artifacts.json")
    }

    /// Returns `~/.cldctl/cache/artifacts`.
    pub(crate) fn cache(&self) -> PathBuf {
        self.path("user/.cldctl/cache/artifacts")
    }

    /// Returns the program with these arguments.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(args);
        self.isolated(command, args)
    }

    /// Returns a command that runs the program by another one, such as `strace`.
    pub(crate) fn wrapped<S: AsRef<OsStr>>(
        &self,
        wrapper: &[String],
        program: &Path,
        args: &[S],
    ) -> Command {
        let mut command = Command::new(&wrapper[0]);
        command.args(&wrapper[1..]).arg(program).args(args);
        self.isolated(command, args)
    }

    /// Runs a command in this home, independent of the user who runs the tests.
    fn isolated<S: AsRef<OsStr>>(&self, mut command: Command, args: &[S]) -> Command {
        command
            .env_clear()
            .env("HOME", self.path("user"))
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            // Arguments that name the home use absolute paths.
            .current_dir("/")
            .stdin(Stdio::null());
        // `prune` removes only what has not changed for hours, so its clock is hours
        // ahead.
        if let Some(later) = later().filter(|_| args.iter().any(|arg| arg.as_ref() == "prune")) {
            command.env("LD_PRELOAD", later);
        }
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs the program and requires success.
    #[track_caller]
    pub(crate) fn ok<S: AsRef<OsStr>>(&self, args: &[S]) {
        let output = self.run(args);
        assert!(output.status.success(), "{output:?}");
    }

    /// Registers metadata of content outside the home.
    pub(crate) fn record(&self, reference: &str) {
        let args = ["add", reference, "--metadata-only", "--type", "component"];
        self.ok(&[&args[..], &["--cache-path", "/elsewhere"]].concat());
    }

    /// Creates a component's directory with this text, a subdirectory, a link and an
    /// empty file.
    pub(crate) fn source(&self, name: &str, text: &str) -> PathBuf {
        let dir = self.path(name);
        self.write(&format!("{name}/cld.yml"), &format!("name: {text}\n"));
        self.write(&format!("{name}/lib/deep.txt"), &text.repeat(100));
        self.write(&format!("{name}/empty"), "");
        symlink("lib/deep.txt", dir.join("link")).unwrap();
        dir
    }

    /// Writes a file beside the home, and creates its directories.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// A mounted overlay, until it is dropped.
struct Overlay(PathBuf);

impl Overlay {
    fn mount(lower: &Path, home: &Home) -> rustix::io::Result<Self> {
        let (upper, work, merged) = (home.path("upper"), home.path("work"), home.path("user"));
        for dir in [&upper, &work] {
            fs::create_dir(dir).unwrap();
        }
        let options = format!(
            "lowerdir={},upperdir={},workdir={},redirect_dir=off",
            lower.display(),
            upper.display(),
            work.display()
        );
        let options = CString::new(options).unwrap();
        let flags = MountFlags::empty();
        mount("overlay", &merged, "overlay", flags, Some(&*options))?;
        Ok(Overlay(merged))
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        unmount(&self.0, UnmountFlags::DETACH).unwrap();
    }
}

/// Returns whether a home can be an overlay here.
pub(crate) fn may_be_layered() -> bool {
    static MAY: OnceLock<bool> = OnceLock::new();
    *MAY.get_or_init(|| {
        let lower = Home::new();
        let mounted = Overlay::mount(&lower.path("user"), &Home::new());
        if let Err(error) = &mounted {
            println!("skipped: no overlay can be mounted here: {error}");
        }
        mounted.is_ok()
    })
}

/// Returns a library that sets the clock hours ahead, if it can be built.
fn later() -> Option<&'static Path> {
    static LATER: OnceLock<Option<(TempDir, PathBuf)>> = OnceLock::new();
    let later = LATER.get_or_init(|| {
        let lack = runs(&["cc", "--version"]).err();
        assert!(lack.as_ref().is_none_or(Lack::is_accepted), "{lack:?}");
        lack.is_none().then(|| {
            let dir = tempfile::tempdir().unwrap();
            let library = clock::library(dir.path(), "now + 7200");
            (dir, library)
        })
    });
    later.as_ref().map(|(_, library)| &**library)
}

/// Returns the least limit of memory, in KiB, at which the program can report that it has
/// too little. Below, the system or Rust's runtime fails before the program begins.
pub(crate) fn least_memory() -> u64 {
    static LEAST: OnceLock<u64> = OnceLock::new();
    *LEAST.get_or_init(|| {
        let home = Home::new();
        let starts = |limit: &u64| {
            let script = format!("ulimit -v {limit}; exec \"$@\"");
            let wrapper = ["sh", "-c", &script, "sh"].map(str::to_owned);
            let mut command = home.wrapped(&wrapper, Path::new(PROGRAM), &["images"]);
            let output = command.output().unwrap();
            output.status.code() == Some(1) && output.stderr == b"error: out of memory\n"
        };
        (4_000..200_000).step_by(250).find(starts).unwrap()
    })
}

/// Makes a file look untouched for hours.
pub(crate) fn age(path: &Path) {
    let time = SystemTime::now() - LONG_AGO;
    File::open(path).unwrap().set_modified(time).unwrap();
}

/// Copies the content of a directory into another one, with links, permissions and
/// times.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            symlink(fs::read_link(from).unwrap(), to).unwrap();
        } else if kind.is_dir() {
            copy_tree(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
            let time = entry.metadata().unwrap().modified().unwrap();
            File::open(to).unwrap().set_modified(time).unwrap();
        }
    }
    let metadata = fs::metadata(from).unwrap();
    fs::set_permissions(to, metadata.permissions()).unwrap();
    let time = metadata.modified().unwrap();
    File::open(to).unwrap().set_modified(time).unwrap();
}
