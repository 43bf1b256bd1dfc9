//! `push` and `pull` against a registry of the tests' own, which behaves or does not.

mod credential_files;
mod credentials;
mod downloads;
mod helpers;
mod interrupts;
mod lies;
mod operands;
mod proxy;
mod redirects;
mod registry;
mod retries;
mod server;
mod uploads;

use std::fs;
use std::sync::OnceLock;

use registry::{Registry, digest_of};
use server::Server;

use crate::support::{Run, Sandbox, tree, write_tree};

/// One try more than the first, so that what fails for ever fails soon. The time is long
/// enough for a machine that is busy.
const QUICK: [&str; 4] = ["--timeout", "20s", "--retries", "1"];

/// An artifact that was pushed to a registry.
struct Image {
    registry: Registry,
    manifest: String,
    config: String,
    layer: String,
    /// The bytes of the layer.
    bytes: Vec<u8>,
}

/// Returns bytes that cannot be compressed.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let bytes = (0..len).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    });
    bytes.collect()
}

fn sandbox() -> Sandbox {
    #[cfg(target_os = "linux")]
    return Sandbox::in_memory();
    #[cfg(not(target_os = "linux"))]
    return Sandbox::new();
}

/// Registers an artifact with so many bytes that cannot be compressed.
fn add(sandbox: &Sandbox, reference: &str, len: usize) {
    let dir = sandbox.path("source");
    write_tree(
        &dir,
        &[("cld.yml", "name: app\n"), ("src/main.ts", "run()\n")],
    );
    fs::write(dir.join("noise"), noise(len)).unwrap();
    sandbox.ok(&["add", reference, dir.to_str().unwrap()]);
}

/// Returns the artifact that most tests pull, as this program pushes it.
fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| image_of(150_000))
}

fn image_of(len: usize) -> Image {
    let registry = Registry::default();
    let server = registry.serve();
    let sandbox = sandbox();
    let reference = format!("{}/acme/app:v1", server.host());
    add(&sandbox, &reference, len);
    sandbox.ok(&["push", &reference]);
    let held = registry.held();
    let manifest = digest_of(&held.manifests["v1"]);
    let parsed: serde_json::Value = serde_json::from_slice(&held.manifests["v1"]).unwrap();
    let digest = |it: &serde_json::Value| it["digest"].as_str().unwrap().to_owned();
    let layer = digest(&parsed["layers"][0]);
    Image {
        bytes: held.blobs[&layer].clone(),
        config: digest(&parsed["config"]),
        registry,
        manifest,
        layer,
    }
}

impl Image {
    /// Returns a registry that has it, and that a test may change.
    fn registry(&self) -> Registry {
        self.registry.copy()
    }
}

/// A home that has an artifact already, under the name of one in a registry.
struct There {
    sandbox: Sandbox,
    reference: String,
    before: (Vec<String>, String),
}

impl There {
    fn new(server: &Server) -> Self {
        There::at(&server.host())
    }

    fn at(host: &str) -> Self {
        let sandbox = sandbox();
        let reference = format!("{host}/acme/app:v1");
        let old = sandbox.component("old");
        sandbox.ok(&["add", &reference, old.to_str().unwrap()]);
        let before = state(&sandbox);
        There {
            sandbox,
            reference,
            before,
        }
    }

    /// Pulls what has the name of the artifact.
    fn pull(&self, args: &[&str]) -> Run {
        self.sandbox.run(&self.args(args))
    }

    fn args<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        [&["pull", &*self.reference], &QUICK[..], args].concat()
    }

    /// Expects that a pull failed with one error that says this, and changed nothing.
    #[track_caller]
    fn refuses(&self, run: &Run, code: i32, fact: &str) {
        run.fails(code, fact);
        self.is_unchanged();
    }

    #[track_caller]
    fn is_unchanged(&self) {
        assert_eq!(state(&self.sandbox), self.before);
        let verified = self.sandbox.run(&["verify"]);
        assert_eq!(verified.code, 0, "{verified:?}");
    }

    /// Expects that a pull succeeded: what was pushed is there in place of what was.
    #[track_caller]
    fn has_pulled(&self, run: &Run) {
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(
            run.stdout,
            format!("updated {}\n", self.reference),
            "{run:?}"
        );
        self.has_image();
    }

    #[track_caller]
    fn has_image(&self) {
        let staged = self.sandbox.staged();
        assert_eq!(staged.len(), 0, "{staged:?}");
        let verified = self.sandbox.run(&["verify"]);
        assert_eq!(verified.code, 0, "{verified:?}");
        let files = tree(&self.sandbox.cache());
        assert!(
            files.iter().any(|file| file.ends_with("/noise")),
            "{files:?}"
        );
    }
}

/// Returns all paths in the home, and the text of the registry.
fn state(sandbox: &Sandbox) -> (Vec<String>, String) {
    (tree(&sandbox.home()), sandbox.registry_text())
}

/// A home with an artifact that is to be pushed.
struct Pusher {
    sandbox: Sandbox,
    reference: String,
}

impl Pusher {
    fn new(host: &str, len: usize) -> Self {
        let sandbox = sandbox();
        let reference = format!("{host}/acme/app:v1");
        add(&sandbox, &reference, len);
        Pusher { sandbox, reference }
    }

    fn push(&self, args: &[&str]) -> Run {
        self.sandbox.run(&self.args(args))
    }

    fn args<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        [&["push", &*self.reference], &QUICK[..], args].concat()
    }

    #[track_caller]
    fn pushes(&self, args: &[&str]) {
        let run = self.push(args);
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(
            run.stdout,
            format!("pushed {}\n", self.reference),
            "{run:?}"
        );
        assert_eq!(run.stderr, "");
        self.leaves_nothing();
    }

    #[track_caller]
    fn is_refused(&self, args: &[&str], code: i32, fact: &str) {
        let run = self.push(args);
        run.fails(code, fact);
        self.leaves_nothing();
    }

    #[track_caller]
    fn leaves_nothing(&self) {
        let staged = self.sandbox.staged();
        assert_eq!(staged.len(), 0, "{staged:?}");
        let verified = self.sandbox.run(&["verify"]);
        assert_eq!(verified.code, 0, "{verified:?}");
    }
}
