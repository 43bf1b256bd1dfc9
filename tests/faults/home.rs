//! A home directory of its own, with what stands in it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_cldctl-registry");

/// Older than this, nobody is taken to be at work on something any more.
const LONG_AGO: Duration = Duration::from_secs(3 * 3600);

/// A home that is gone when it is dropped. All homes have paths of the same
/// length, so a copy makes the same system calls as the one it was made from.
pub(crate) struct Home {
    dir: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        // Thousands of them are made; in memory that takes no time.
        let memory = Path::new("/dev/shm");
        let make = tempfile::Builder::new();
        let dir = match make.tempdir_in(memory) {
            Ok(dir) => dir,
            Err(_) => make.tempdir().unwrap(),
        };
        fs::create_dir(dir.path().join("user")).unwrap();
        Home { dir }
    }

    /// Another home, with all that is in this one. Paths in the registry are
    /// those of the copy.
    pub(crate) fn copy(&self) -> Self {
        let copy = Home::new();
        copy_tree(self.dir.path(), copy.dir.path());
        for name in ["artifacts.json", "components.json"] {
            let path = copy.registry().with_file_name(name);
            if let Ok(text) = fs::read_to_string(&path) {
                let text = text.replace(&self.root(), &copy.root());
                fs::write(&path, text).unwrap();
            }
        }
        copy
    }

    /// The directory that this home and all that goes with it lie in, as text.
    pub(crate) fn root(&self) -> String {
        self.dir.path().to_str().unwrap().to_owned()
    }

    /// A path beside the home, for sources and the like.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `~/.cldctl/registry/artifacts.json`
    pub(crate) fn registry(&self) -> PathBuf {
        self.path("user/.cldctl/registry/artifacts.json")
    }

    /// `~/.cldctl/cache/artifacts`
    pub(crate) fn cache(&self) -> PathBuf {
        self.path("user/.cldctl/cache/artifacts")
    }

    /// The program with these arguments.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(args);
        self.isolated(command)
    }

    /// A program as another one runs it, such as `strace`.
    pub(crate) fn wrapped<S: AsRef<OsStr>>(
        &self,
        wrapper: &[String],
        program: &Path,
        args: &[S],
    ) -> Command {
        let mut command = Command::new(&wrapper[0]);
        command.args(&wrapper[1..]).arg(program).args(args);
        self.isolated(command)
    }

    /// In this home, and in no other way dependent on who runs the tests.
    fn isolated(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env("HOME", self.path("user"))
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            // What names the home does so by a path of its own.
            .current_dir("/")
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs the program, which must succeed.
    #[track_caller]
    pub(crate) fn ok<S: AsRef<OsStr>>(&self, args: &[S]) {
        let output = self.run(args);
        assert!(output.status.success(), "{output:?}");
    }

    /// Records metadata of content that lies elsewhere.
    pub(crate) fn record(&self, reference: &str) {
        let args = ["add", reference, "--metadata-only", "--type", "component"];
        self.ok(&[&args[..], &["--cache-path", "/elsewhere"]].concat());
    }

    /// A component's directory with this text in it: a subdirectory, a link and
    /// an empty file.
    pub(crate) fn source(&self, name: &str, text: &str) -> PathBuf {
        let dir = self.path(name);
        self.write(&format!("{name}/cld.yml"), &format!("name: {text}\n"));
        self.write(&format!("{name}/lib/deep.txt"), &text.repeat(100));
        self.write(&format!("{name}/empty"), "");
        symlink("lib/deep.txt", dir.join("link")).unwrap();
        dir
    }

    /// Writes a file beside the home, with its directories.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Makes something look as if nobody had touched it for hours.
pub(crate) fn age(path: &Path) {
    let time = SystemTime::now() - LONG_AGO;
    File::open(path).unwrap().set_modified(time).unwrap();
}

/// Copies what is in a directory into another one, with links, permissions and
/// times.
fn copy_tree(from: &Path, to: &Path) {
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
