//! A fresh home, and the program run in it.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_cldctl-registry");

/// A change that works on every registry that can be changed at all.
pub(crate) const ADD: &[&str] = &["add", "new:1", "--metadata-only", "--type", "component"];

/// An empty home directory for one test.
pub(crate) struct Sandbox {
    dir: TempDir,
}

/// The result of a run of the program.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Sandbox::in_dir(tempfile::tempdir().unwrap())
    }

    /// Creates a sandbox in memory if possible, for tests that would mostly wait for
    /// the disk.
    #[cfg(target_os = "linux")]
    pub(crate) fn in_memory() -> Self {
        match tempfile::tempdir_in("/dev/shm") {
            Ok(dir) => Sandbox::in_dir(dir),
            Err(_) => Sandbox::new(),
        }
    }

    fn in_dir(dir: TempDir) -> Self {
        fs::create_dir(dir.path().join("user")).unwrap();
        Sandbox { dir }
    }

    /// Creates a sandbox whose registry has this text.
    pub(crate) fn with_registry(text: impl AsRef<[u8]>) -> Self {
        let sandbox = Sandbox::new();
        sandbox.write_registry(text);
        sandbox
    }

    /// Returns a path beside the home, for sources and the like.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns `~`.
    pub(crate) fn user(&self) -> PathBuf {
        self.path("user")
    }

    /// Returns `~/.cldctl`.
    pub(crate) fn home(&self) -> PathBuf {
        self.user().join(".cldctl")
    }

    /// Returns `~/.cldctl/registry/artifacts.json`.
    pub(crate) fn registry(&self) -> PathBuf {
        self.home().join("registry/artifacts.json")
    }

    /// Returns `~/.cldctl/cache/artifacts`.
    pub(crate) fn cache(&self) -> PathBuf {
        self.home().join("cache/artifacts")
    }

    /// Returns `~/.cldctl/registry/artifacts.json.lock`.
    pub(crate) fn lock(&self) -> PathBuf {
        self.home().join("registry/artifacts.json.lock")
    }

    /// Holds the lock until the file is dropped.
    pub(crate) fn hold_lock(&self) -> fs::File {
        fs::create_dir_all(self.home().join("registry")).unwrap();
        let mut options = fs::File::options();
        let file = options.create(true).append(true).open(self.lock()).unwrap();
        file.lock().unwrap();
        file
    }

    /// Returns our temporary files beside the registry.
    pub(crate) fn temporaries(&self) -> Vec<PathBuf> {
        let dir = self.home().join("registry");
        let names = names(&dir).into_iter();
        names
            .filter(|name| name.starts_with('.') && name.ends_with(".tmp"))
            .map(|name| dir.join(name))
            .collect()
    }

    /// Returns the staging directories in the cache.
    pub(crate) fn staged(&self) -> Vec<PathBuf> {
        let names = names(&self.cache()).into_iter();
        names
            .filter(|name| name.starts_with(".staging-"))
            .map(|name| self.cache().join(name))
            .collect()
    }

    /// Returns the text of the registry.
    pub(crate) fn registry_text(&self) -> String {
        fs::read_to_string(self.registry()).unwrap()
    }

    pub(crate) fn write_registry(&self, text: impl AsRef<[u8]>) {
        fs::create_dir_all(self.home().join("registry")).unwrap();
        fs::write(self.registry(), text).unwrap();
    }

    /// Returns the program with these arguments, in this home and independent of the
    /// user who runs the tests.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(args);
        self.isolated(command)
    }

    /// Returns the program under strace, which injects `inject` into its calls of
    /// fsync. The first one of a change in a home where all directories exist is that
    /// of the temporary file, the next one comes after the commit.
    pub(crate) fn traced<S: AsRef<OsStr>>(&self, inject: &str, args: &[S]) -> Command {
        self.traced_at("fsync", inject, args)
    }

    /// Returns the program as [`traced`](Self::traced) does, with calls of another
    /// name.
    pub(crate) fn traced_at<S: AsRef<OsStr>>(
        &self,
        call: &str,
        inject: &str,
        args: &[S],
    ) -> Command {
        let (trace, inject) = (format!("trace={call}"), format!("inject={call}:{inject}"));
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e"];
        self.wrapped(&[&strace[..], &[&inject]].concat(), args)
    }

    /// Returns a command that runs the program by another one, such as `strace`.
    pub(crate) fn wrapped<S: AsRef<OsStr>>(&self, wrapper: &[&str], args: &[S]) -> Command {
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg(PROGRAM).args(args);
        self.isolated(command)
    }

    fn isolated(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env("HOME", self.user())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Run {
        Run::from(self.command(args).output().unwrap())
    }

    /// Runs the program and expects it to succeed; returns its output.
    #[track_caller]
    pub(crate) fn ok<S: AsRef<OsStr>>(&self, args: &[S]) -> String {
        let run = self.run(args);
        assert_eq!(run.code, 0, "{run:?}");
        run.stdout
    }

    /// Runs the program and expects it to print JSON.
    #[track_caller]
    pub(crate) fn json<S: AsRef<OsStr>>(&self, args: &[S]) -> Value {
        serde_json::from_str(&self.ok(args)).unwrap()
    }

    /// Runs the program with this text on its standard input.
    pub(crate) fn run_with_input<S: AsRef<OsStr>>(&self, args: &[S], input: &str) -> Run {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The program may end without reading its input.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Run::from(child.wait_with_output().unwrap())
    }

    /// Runs the program and expects it to fail as [`Run::fails`] says, to keep the
    /// registry unchanged, and to leave no temporary file beside it.
    #[track_caller]
    pub(crate) fn refuses<S: AsRef<std::ffi::OsStr>>(&self, args: &[S], code: i32, message: &str) {
        let before = fs::read(self.registry()).ok();
        self.run(args).fails(code, message);
        assert!(
            fs::read(self.registry()).ok() == before,
            "the registry was changed"
        );
        let names = names(&self.home().join("registry"));
        assert!(!names.iter().any(|n| n.ends_with(".tmp")), "{names:?}");
    }

    /// Expects that each kind of change is refused.
    #[track_caller]
    pub(crate) fn refuses_changes(&self, code: i32, message: &str) {
        self.refuses(ADD, code, message);
        self.refuses(&["rm", "x:1"], code, message);
        self.refuses(&["rm", "--all", "-y"], code, message);
    }

    /// Expects that a registry can be neither read nor changed.
    #[track_caller]
    pub(crate) fn refuses_everything(&self, message: &str) {
        self.refuses(&["images"], 1, message);
        self.refuses(&["images", "--format", "json"], 1, message);
        self.refuses(&["inspect", "x:1"], 1, message);
        self.refuses_changes(1, message);
    }

    /// Returns the references in the registry, sorted.
    pub(crate) fn references(&self) -> Vec<String> {
        let mut references: Vec<_> = self
            .ok(&["images", "-q"])
            .lines()
            .map(str::to_owned)
            .collect();
        references.sort();
        references
    }

    /// Registers an artifact whose content is missing.
    #[track_caller]
    pub(crate) fn record_gone(&self, reference: &str) {
        let path = self.cache().join(reference.replace(['/', ':'], "_"));
        let args = ["add", reference, "--metadata-only", "--type", "component"];
        self.ok(&[&args[..], &["--cache-path", path.to_str().unwrap()]].concat());
    }

    /// Adds metadata alone.
    #[track_caller]
    pub(crate) fn record(&self, reference: &str) {
        self.ok(&["add", reference, "--metadata-only", "--type", "component"]);
    }

    /// Adds metadata alone to the end of the registry, as cldctl would: also for a
    /// reference that `add` refuses.
    pub(crate) fn record_as_cldctl(&self, reference: &str) {
        let mut registry: Value = serde_json::from_str(&self.registry_text()).unwrap();
        let entries = registry["artifacts"].as_array_mut().unwrap();
        entries.push(serde_json::json!({"reference": reference}));
        self.write_registry(registry.to_string());
    }

    /// Creates a component's directory. Three files of it, 41 bytes, are imported: `.git`,
    /// `.env` and `node_modules` are left out.
    pub(crate) fn component(&self, name: &str) -> PathBuf {
        let dir = self.path(name);
        write_tree(
            &dir,
            &[
                ("cld.yml", "name: app\n"),
                ("src/main.ts", "console.log('hello')\n"),
                ("src/lib/util.ts", "export {}\n"),
                (".git/HEAD", "ref: refs/heads/main\n"),
                (".env", "SECRET=1\n"),
                ("node_modules/left-pad/index.js", "module.exports = 1\n"),
            ],
        );
        dir
    }

    /// Creates a datacenter's directory: `datacenter.dc` and modules.
    pub(crate) fn datacenter(&self, name: &str) -> PathBuf {
        let dir = self.path(name);
        write_tree(
            &dir,
            &[
                ("datacenter.dc", "environment {}\n"),
                ("modules/network/main.tf", "# network\n"),
                ("modules/network/.terraform/lock", "cached\n"),
            ],
        );
        dir
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    /// Expects the run to have failed with this code, one line of error that contains
    /// `message`, and no standard output.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, message: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        let errors: Vec<_> = self
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect();
        assert_eq!(errors.len(), 1, "{self:?}");
        assert!(errors[0].contains(message), "{self:?}");
    }
}

/// Runs a test for all cases concurrently, because a file that looks torn is read again
/// for a while.
pub(crate) fn at_once<T: Send>(cases: impl IntoIterator<Item = T>, test: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| test(case));
        }
    });
}

/// Writes files and creates their directories.
pub(crate) fn write_tree(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Returns the names in a directory, sorted; none if it does not exist.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Returns all paths below a directory, sorted.
pub(crate) fn tree(dir: &Path) -> Vec<String> {
    let mut paths: Vec<_> = walkdir::WalkDir::new(dir)
        .min_depth(1)
        .into_iter()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .strip_prefix(dir)
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    paths.sort();
    paths
}

/// Returns a file that cldctl's own package wrote.
pub(crate) fn fixture(name: &str) -> String {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/cldctl");
    fs::read_to_string(Path::new(dir).join(name)).unwrap()
}

/// Returns the attributes that a file loses when it is written or replaced.
pub(crate) fn identity(path: &Path) -> [i64; 5] {
    let metadata = fs::symlink_metadata(path).unwrap();
    [
        metadata.ino() as i64,
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    ]
}

/// Returns the cells of each row of the table.
pub(crate) fn rows(sandbox: &Sandbox) -> Vec<Vec<String>> {
    let table = sandbox.ok(&["images", "--no-headers"]);
    let rows = table.lines().map(|line| line.split("  "));
    rows.map(|row| {
        row.filter(|cell| !cell.is_empty())
            .map(|cell| cell.trim().to_owned())
    })
    .map(Iterator::collect)
    .collect()
}

/// Expects a list with one warning that contains these parts.
#[track_caller]
pub(crate) fn warns(run: &Run, parts: &[&str]) {
    assert_eq!(run.code, 0, "{run:?}");
    let warnings: Vec<_> = run.stderr.lines().collect();
    assert_eq!(warnings.len(), 1, "{run:?}");
    assert!(warnings[0].starts_with("warning: "), "{run:?}");
    assert!(
        parts.iter().all(|part| warnings[0].contains(part)),
        "{run:?}"
    );
}

/// Creates a named pipe.
pub(crate) fn mkfifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}
