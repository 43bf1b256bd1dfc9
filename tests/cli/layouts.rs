//! OCI image layouts that tests put together byte by byte.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[cfg(feature = "remote")]
use crate::support::names;
use crate::support::{Run, Sandbox, tree, write_tree};

pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const COMPONENT: &str = "application/vnd.architect.component.layer.v1.tar+gzip";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

pub(crate) fn hex(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An entry of a tar: its name, its type, its content, its mode.
pub(crate) type Item<'i> = (&'i [u8], u8, &'i [u8], u32);

/// Builds a tar byte by byte, so that it may have any names.
pub(crate) fn tar_of(items: &[Item<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, kind, content, mode) in items {
        let mut header = tar::Header::new_gnu();
        let raw = header.as_mut_bytes();
        let short = &name[..name.len().min(100)];
        raw[..short.len()].copy_from_slice(short);
        header.set_mode(*mode);
        let has_content = matches!(kind, b'0' | b'x' | b'g');
        header.set_size(if has_content { content.len() as u64 } else { 0 });
        header.set_entry_type(tar::EntryType::new(*kind));
        if matches!(kind, b'1' | b'2') {
            header.as_mut_bytes()[157..157 + content.len()].copy_from_slice(content);
        }
        if name.len() > 100 {
            let mut long = tar::Header::new_gnu();
            long.set_path("././@LongLink").unwrap();
            long.set_entry_type(tar::EntryType::GNULongName);
            long.set_size(name.len() as u64 + 1);
            long.set_cksum();
            out.extend(long.as_bytes());
            out.extend(*name);
            out.push(0);
            out.resize(out.len().next_multiple_of(512), 0);
        }
        header.set_cksum();
        out.extend(header.as_bytes());
        if has_content {
            out.extend(*content);
            out.resize(out.len().next_multiple_of(512), 0);
        }
    }
    out.extend([0; 1024]);
    out
}

pub(crate) fn file<'i>(name: &'i str, content: &'i [u8]) -> Item<'i> {
    (name.as_bytes(), b'0', content, 0o644)
}

pub(crate) const CLD: Item<'static> = (b"cld.yml", b'0', b"name: app\n", 0o644);

/// A layout in a directory that tests put together.
pub(crate) struct Layout {
    pub(crate) dir: PathBuf,
}

impl Layout {
    pub(crate) fn new(sandbox: &Sandbox, name: &str) -> Self {
        let dir = sandbox.path(name);
        write_tree(&dir, &[("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)]);
        fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
        Layout { dir }
    }

    /// Adds a blob, and returns its descriptor.
    pub(crate) fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let hex = hex(bytes);
        fs::write(self.dir.join("blobs/sha256").join(&hex), bytes).unwrap();
        json!({"mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len()})
    }

    /// Adds an image of layers, and returns the descriptor of its manifest.
    pub(crate) fn image(&self, layers: &[Value]) -> Value {
        let config = self.blob("application/vnd.oci.empty.v1+json", b"{}");
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers
        });
        self.blob(MANIFEST, manifest.to_string().as_bytes())
    }

    /// Writes the index with one image.
    pub(crate) fn index(&self, mut descriptor: Value) {
        let name = "org.opencontainers.image.ref.name";
        descriptor["annotations"] = json!({name: "acme/app:v1"});
        let index = json!({"schemaVersion": 2, "manifests": [descriptor]});
        fs::write(self.dir.join("index.json"), index.to_string()).unwrap();
    }

    /// Writes an index with an image of one layer that has these bytes.
    pub(crate) fn of_layer(sandbox: &Sandbox, name: &str, media_type: &str, layer: &[u8]) -> Self {
        let layout = Layout::new(sandbox, name);
        let layer = layout.blob(media_type, layer);
        layout.index(layout.image(&[layer]));
        layout
    }

    pub(crate) fn load(&self, sandbox: &Sandbox, more: &[&str]) -> Run {
        sandbox.run(&[&["load", "-i", self.dir.to_str().unwrap()], more].concat())
    }

    /// Loads the layout. From a registry, `pull` has to bring in the same, or to refuse it
    /// too.
    #[track_caller]
    pub(crate) fn load_or_pull(&self, sandbox: &Sandbox, more: &[&str]) -> Run {
        let run = self.load(sandbox, more);
        #[cfg(feature = "remote")]
        if let Some(server) = crate::registry_server::Server::open() {
            let name = server.put(self, "acme/app", "v1");
            let there = Sandbox::new();
            let pull = ["pull", &name, "--as", "acme/app:v1"];
            let pulled = there.run(&[&pull, more].concat());
            assert_eq!(pulled.code, run.code, "{pulled:?}, {run:?}");
            match run.code {
                0 => {
                    let of = |sandbox: &Sandbox| tree(&sandbox.cache().join("acme_app_v1"));
                    assert_eq!(of(&there), of(sandbox));
                }
                _ => assert_eq!(names(&there.cache()), [""; 0]),
            }
        }
        run
    }
}

/// Loads a component with these entries; returns the run and the home.
pub(crate) fn load_items(items: &[Item<'_>]) -> (Sandbox, Run) {
    let sandbox = Sandbox::new();
    let layout = Layout::of_layer(&sandbox, "layout", LAYER, &gzip(&tar_of(items)));
    let run = layout.load_or_pull(&sandbox, &[]);
    (sandbox, run)
}

/// Expects that a layer is refused, by `load` and by `pull`, over an empty home and over an
/// artifact, and that nothing is changed or left.
#[track_caller]
pub(crate) fn is_refused(media_type: &str, layer: &[u8], reason: &str) {
    #[cfg(feature = "remote")]
    let server = crate::registry_server::Server::open();
    for existing in [false, true] {
        let sandbox = Sandbox::new();
        let layout = Layout::of_layer(&sandbox, "layout", media_type, layer);
        let put_old = |reference: &str| {
            if existing {
                let source = sandbox.component("old");
                sandbox.ok(&["add", reference, source.to_str().unwrap()]);
            } else {
                fs::create_dir_all(sandbox.cache()).unwrap();
            }
        };
        let state = || {
            let registry = fs::read_to_string(sandbox.registry()).unwrap_or_default();
            (registry, tree(&sandbox.cache()))
        };
        put_old("acme/app:v1");
        let before = state();
        layout.load(&sandbox, &[]).fails(4, reason);
        assert_eq!(state(), before);
        #[cfg(feature = "remote")]
        if let Some(server) = &server {
            let name = server.put(&layout, "acme/app", "v1");
            put_old(&name);
            let before = state();
            sandbox.run(&["pull", &name]).fails(4, reason);
            assert_eq!(state(), before);
        }
    }
}

/// Expects that entries are refused.
#[track_caller]
pub(crate) fn are_refused(items: &[Item<'_>], reason: &str) {
    is_refused(LAYER, &gzip(&tar_of(items)), reason);
}

pub(crate) fn saved(sandbox: &Sandbox, references: &[&str]) -> Vec<u8> {
    let mut command = sandbox.command(&[&["save"], references].concat());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    output.stdout
}

pub(crate) fn load(sandbox: &Sandbox, archive: &[u8], more: &[&str]) -> Run {
    let mut command = sandbox.command(&[&["load"], more].concat());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let _ = input.write_all(archive);
    drop(input);
    Run::from(child.wait_with_output().unwrap())
}

/// Runs skopeo, which accepts any image.
pub(crate) fn skopeo(sandbox: &Sandbox, args: &[&str]) -> Run {
    let mut command = std::process::Command::new("skopeo");
    command.arg("--insecure-policy").args(args);
    command
        .env("TMPDIR", sandbox.path(""))
        .env("HOME", sandbox.user());
    Run::from(command.output().unwrap())
}
