//! `save` and `load`: artifacts cross to machines without a registry.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::layouts::{
    CLD, COMPONENT, Item, LAYER, Layout, are_refused, file, gzip, is_refused, load, load_items,
    saved, skopeo, tar_of,
};
use crate::running::has;
use crate::support::{Sandbox, names, tree, write_tree};

#[test]
fn what_was_saved_is_loaded_elsewhere_and_verifies() {
    let here = Sandbox::new();
    let source = here.component("app");
    fs::set_permissions(source.join("cld.yml"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(source.join("empty")).unwrap();
    here.ok(&["add", "ghcr.io/acme/app:v1", source.to_str().unwrap()]);
    here.ok(&["tag", "ghcr.io/acme/app:v1", "other:v1"]);
    let dc = here.path("dc");
    write_tree(&dc, &[("datacenter.dc", "x"), ("m/main.tf", "y")]);
    here.ok(&["add", "dc", dc.to_str().unwrap()]);
    let archive = saved(&here, &["ghcr.io/acme/app:v1", "dc", "other:v1"]);
    let file = here.path("saved.tar");
    fs::write(&file, &archive).unwrap();

    let digests = |sandbox: &Sandbox| -> Vec<Value> {
        let list = sandbox.json(&["images", "--format", "json", "--sort", "reference"]);
        let fields = |entry: &Value| {
            json!([
                entry["reference"],
                entry["digest"],
                entry["type"],
                entry["size"]
            ])
        };
        list.as_array().unwrap().iter().map(fields).collect()
    };
    for from_pipe in [true, false] {
        let there = Sandbox::new();
        let run = match from_pipe {
            true => load(&there, &archive, &[]),
            false => there.run(&["load", "-i", file.to_str().unwrap()]),
        };
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(
            run.stdout,
            "added ghcr.io/acme/app:v1\nadded dc\nadded other:v1\n"
        );
        assert_eq!(digests(&there), digests(&here));
        let run = there.run(&["verify"]);
        assert!(run.code == 0 && run.stdout.is_empty(), "{run:?}");
        let of = |sandbox: &Sandbox| tree(&sandbox.cache().join("ghcr.io_acme_app_v1"));
        assert_eq!(
            names(&there.cache().join("ghcr.io_acme_app_v1")),
            names(&here.cache().join("ghcr.io_acme_app_v1"))
        );
        assert_eq!(of(&there).len(), of(&here).len());
        let mode = fs::metadata(there.cache().join("ghcr.io_acme_app_v1/cld.yml")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o755);
        // The same again changes nothing, and what is saved there is the same.
        let run = load(&there, &archive, &[]);
        assert_eq!(
            run.stdout,
            "unchanged ghcr.io/acme/app:v1\nunchanged dc\nunchanged other:v1\n"
        );
        assert_eq!(
            saved(&there, &["ghcr.io/acme/app:v1", "dc", "other:v1"]),
            archive
        );
    }
    // The content of two references is in it once.
    let reader = tar::Archive::new(&*archive).entries().unwrap().count();
    assert_eq!(reader, 2 + 2 + 2 * 3);
}

#[test]
fn an_archive_does_not_depend_on_times_order_umask_or_threads() {
    let make = |order: &[&str], umask: &str, threads: &str| {
        let sandbox = Sandbox::new();
        let source = sandbox.path("app");
        let large = "line of text\n".repeat(300_000);
        for name in order {
            let text = if *name == "lib/large" {
                &*large
            } else {
                "name: app\n"
            };
            write_tree(&source, &[(name, text)]);
        }
        let script = format!("umask {umask} && exec \"$0\" add app:v1 \"$1\"");
        let mut add = sandbox.wrapped(&["sh", "-c", &script], &[source.to_str().unwrap()]);
        assert!(add.output().unwrap().status.success());
        let mut save = sandbox.command(&["save", "app:v1"]);
        save.env("RAYON_NUM_THREADS", threads)
            .output()
            .unwrap()
            .stdout
    };
    let one = make(&["cld.yml", "lib/large", "z"], "022", "1");
    let other = make(&["z", "lib/large", "cld.yml"], "077", "4");
    assert!(one == other && one.len() > 1000);
}

#[test]
fn a_directory_is_a_layout_that_is_added_to() {
    let sandbox = Sandbox::new();
    for name in ["one", "two"] {
        let source = sandbox.component(name);
        fs::write(source.join("name"), name).unwrap();
        sandbox.ok(&["add", &format!("{name}:v1"), source.to_str().unwrap()]);
    }
    let dir = sandbox.path("layout/");
    let dir = dir.to_str().unwrap();
    assert_eq!(sandbox.ok(&["save", "one:v1", "-o", dir]), "saved one:v1\n");
    let report = sandbox.json(&["save", "two:v1", "one:v1", "-o", dir, "--format", "json"]);
    assert_eq!(report[0]["result"], "saved");
    let there = Sandbox::new();
    let run = there.run(&["load", "-n", "-i", dir]);
    assert_eq!(run.stdout, "would load two:v1\nwould load one:v1\n");
    assert_eq!(there.ok(&["load", "-i", dir, "two:v1"]), "added two:v1\n");
    assert_eq!(there.references(), ["two:v1"]);
    assert_eq!(
        there.ok(&["load", "-i", dir, "one:v1", "--as", "renamed:v1"]),
        "added renamed:v1\n"
    );
    there
        .run(&["load", "-i", dir, "--as", "x:v1"])
        .fails(2, "contains 2 artifacts");
    there
        .run(&["load", "-i", dir, "three:v1"])
        .fails(3, "does not contain the artifact `three:v1`");
    let run = there.run(&["load", "-i", dir, "two:v1", "--no-clobber"]);
    run.fails(4, "artifact `two:v1` already exists");
    // Something else is not written into.
    let other = sandbox.path("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("file"), "").unwrap();
    sandbox
        .run(&["save", "one:v1", "-o", other.to_str().unwrap()])
        .fails(4, "neither empty nor");
    assert_eq!(names(&other), ["file"]);
}

#[test]
fn secrets_of_deployments_are_never_saved() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    sandbox.ok(&["add", "app:v1", source.to_str().unwrap()]);
    let clean = saved(&sandbox, &["app:v1"]);
    let dir = sandbox.cache().join("app_v1");
    write_tree(
        &dir,
        &[
            ("terraform.tfvars.json", "secret"),
            (".env", "secret"),
            ("extra", "secret"),
        ],
    );
    assert!(saved(&sandbox, &["app:v1"]) == clean);
    // A file that is no longer what was registered.
    fs::write(dir.join("cld.yml"), "secret").unwrap();
    sandbox
        .run(&["save", "app:v1"])
        .fails(4, "cld.yml` is no longer what was registered");
    // Without a manifest, it is not known what belongs to it.
    fs::remove_dir_all(sandbox.home().join("registry/manifests")).unwrap();
    sandbox
        .run(&["save", "app:v1"])
        .fails(4, "cannot tell the content of `app:v1`");
    assert_eq!(names(&sandbox.cache()), ["app_v1"]);
}

#[test]
fn what_cldctl_pushed_is_loaded() {
    let sandbox = Sandbox::new();
    for (name, reference, content) in [
        ("orders", "orders:v1", "component"),
        ("dc", "dc:v1", "datacenter"),
    ] {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/oci")
            .join(name);
        let layout = Layout::new(&sandbox, name);
        for blob in names(&fixture.join("blobs/sha256")) {
            let from = fixture.join("blobs/sha256").join(&blob);
            fs::copy(from, layout.dir.join("blobs/sha256").join(&blob)).unwrap();
        }
        let manifest = fs::read(fixture.join("manifest.json")).unwrap();
        let kind = "application/vnd.docker.distribution.manifest.v2+json";
        layout.index(layout.blob(kind, &manifest));
        let run = layout.load(&sandbox, &["--as", reference]);
        assert_eq!(
            (run.code, &*run.stdout),
            (0, &*format!("added {reference}\n")),
            "{run:?}"
        );
        let entry = &sandbox.json(&["inspect", reference])[0];
        assert_eq!(entry["type"], content);
    }
    assert!(sandbox.cache().join("orders_v1/.env.example").exists());
    let run = sandbox.run(&["verify"]);
    assert_eq!(run.code, 0, "{run:?}");
}

/// Row 93: what others made.
#[test]
fn entries_that_content_cannot_have_are_refused() {
    let long = "x".repeat(300);
    let deep = "d/".repeat(300) + "f";
    let cases: [(&[Item<'_>], &str); 16] = [
        (
            &[CLD, (b"link", b'1', b"cld.yml", 0)],
            "`link` is a hard link",
        ),
        (
            &[CLD, (b"fifo", b'6', b"", 0)],
            "`fifo` is neither a file nor a directory",
        ),
        (
            &[CLD, (b"dev", b'3', b"", 0)],
            "`dev` is neither a file nor a directory",
        ),
        (&[CLD, file("/abs", b"x")], "the name is absolute"),
        (&[CLD, file("../x", b"x")], "the name has `..` in it"),
        (&[CLD, file("a/../b", b"x")], "the name has `..` in it"),
        (&[CLD, CLD], "`cld.yml` is in a layer twice"),
        (
            &[CLD, (b"d/", b'5', b"", 0o755), (b"d/", b'5', b"", 0o755)],
            "`d` is in a layer twice",
        ),
        (
            &[CLD, file("f", b""), file("f/g", b"")],
            "`f/g` lies in `f`, which is a file",
        ),
        (
            &[CLD, file("f", b""), (b"f/", b'5', b"", 0o755)],
            "`f` is a file and a directory",
        ),
        (
            &[CLD, file("d/f", b""), file("d", b"")],
            "`d` is a file and a directory",
        ),
        (&[CLD, file(&long, b"")], "longer than 255 bytes"),
        (
            &[CLD, file(&deep, b"")],
            "nested more than 256 directories deep",
        ),
        (
            &[CLD, file("d/.wh.f", b"")],
            "its name removes a file of another layer",
        ),
        (
            &[file("other", b"")],
            "neither a `cld.yml` nor a `datacenter.dc`",
        ),
        (
            &[CLD, file("datacenter.dc", b"")],
            "both a `cld.yml` and a `datacenter.dc`",
        ),
    ];
    for (items, reason) in cases {
        are_refused(items, reason);
    }
    is_refused(
        COMPONENT,
        &gzip(&tar_of(&[file("datacenter.dc", b"")])),
        "says that it is a component, and its files that it is a datacenter",
    );
    let module = "application/vnd.architect.module.layer.v1.tar+gzip";
    is_refused(module, &gzip(&tar_of(&[CLD])), "it is a module");
}

/// Row 93: what others made.
#[test]
fn layers_that_are_damaged_or_lie_are_refused() {
    let tar = tar_of(&[CLD, file("large", &vec![7; 5000])]);
    let compressed = gzip(&tar);
    is_refused(
        LAYER,
        &compressed[..compressed.len() - 4],
        "unexpected end of file",
    );
    is_refused(LAYER, &gzip(&tar[..tar.len() - 3000]), "");
    is_refused(LAYER, &[&compressed[..], b"junk"].concat(), "");
    is_refused(
        LAYER,
        &gzip(&[&tar[..], b"junk"].concat()),
        "something follows the archive",
    );
    is_refused(
        LAYER,
        &[0x28, 0xb5, 0x2f, 0xfd, 0, 0],
        "compressed with zstd",
    );
    is_refused(LAYER, b"no archive at all", "");
    for (size, content) in [
        (1, None),
        (-1, None),
        (0, Some(b"other bytes of the same length")),
    ] {
        let sandbox = Sandbox::new();
        let layout = Layout::new(&sandbox, "layout");
        let mut layer = layout.blob(LAYER, &compressed);
        layer["size"] = json!(compressed.len() as i64 + size);
        if content.is_some() {
            let mut other = compressed.clone();
            let at = other.len() - 20;
            other[at] ^= 1;
            let digest = layer["digest"].as_str().unwrap().replace("sha256:", "");
            fs::write(layout.dir.join("blobs/sha256").join(digest), other).unwrap();
        }
        layout.index(layout.image(&[layer]));
        let run = layout.load_or_pull(&sandbox, &[]);
        assert_eq!((run.code, &*run.stdout), (4, ""), "{size}: {run:?}");
        assert_eq!(names(&sandbox.cache()), [""; 0]);
    }
}

/// Row 93: what others made.
#[test]
fn what_other_tools_write_is_loaded() {
    let utf8 = "long/".repeat(40) + "n\u{e4}me";
    let elsewhere = tempfile::tempdir().unwrap();
    let outside = elsewhere.path().to_str().unwrap();
    let items: [Item<'_>; 8] = [
        (b"./", b'5', b"", 0o755),
        (b"./cld.yml", b'0', b"name: app\n", 0o6755),
        (b"ro", b'0', b"x", 0o444),
        (b"none", b'0', b"x", 0),
        (b"latin-\xe4\nname\x1b", b'0', b"x", 0o644),
        (utf8.as_bytes(), b'0', b"x", 0o644),
        (b"out", b'2', outside.as_bytes(), 0o777),
        (b"out/f", b'0', b"inside", 0o644),
    ];
    let (sandbox, run) = load_items(&items);
    assert_eq!(
        (run.code, &*run.stdout),
        (0, "added acme/app:v1\n"),
        "{run:?}"
    );
    assert!(
        run.stderr
            .contains("left out 1 file that cannot be content: `out`"),
        "{run:?}"
    );
    let dir = sandbox.cache().join("acme_app_v1");
    let mode = |name: &str| fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(
        (mode("cld.yml"), mode("ro"), mode("none")),
        (0o755, 0o444, 0o400)
    );
    assert_eq!(fs::read(dir.join("out/f")).unwrap(), b"inside");
    assert!(dir.join(utf8).exists());
    assert_eq!(names(elsewhere.path()), [""; 0]);
    let run = sandbox.run(&["verify"]);
    assert_eq!(run.code, 0, "{run:?}");

    // Several layers, one twice, several members, and a plain tar without its end.
    let sandbox = Sandbox::new();
    let layout = Layout::new(&sandbox, "layers");
    let base = tar_of(&[CLD, file("a", b"old")]);
    let (start, end) = base.split_at(700);
    let members = [gzip(start), gzip(end)].concat();
    let first = layout.blob(LAYER, &members);
    let tar = tar_of(&[file("cld.yml", b"name: later\n")]);
    let second = layout.blob(
        "application/vnd.oci.image.layer.v1.tar",
        &tar[..tar.len() - 1024],
    );
    layout.index(layout.image(&[first.clone(), first, second]));
    assert_eq!(layout.load_or_pull(&sandbox, &[]).code, 0);
    let read =
        |name: &str| fs::read_to_string(sandbox.cache().join("acme_app_v1").join(name)).unwrap();
    assert_eq!((&*read("cld.yml"), &*read("a")), ("name: later\n", "old"));

    // An index in the index.
    let sandbox = Sandbox::new();
    let layout = Layout::new(&sandbox, "index");
    let image =
        |text: &[u8]| layout.image(&[layout.blob(LAYER, &gzip(&tar_of(&[file("cld.yml", text)])))]);
    let (mut other, mut common) = (image(b"arm"), image(b"amd"));
    other["platform"] = json!({"os": "linux", "architecture": "arm64"});
    common["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let kind = "application/vnd.oci.image.index.v1+json";
    let inner = json!({"schemaVersion": 2, "mediaType": kind, "manifests": [other, common]});
    layout.index(layout.blob(kind, inner.to_string().as_bytes()));
    assert_eq!(layout.load_or_pull(&sandbox, &[]).code, 0);
    assert_eq!(
        fs::read(sandbox.cache().join("acme_app_v1/cld.yml")).unwrap(),
        b"amd"
    );
}

/// Row 93: what others made.
#[test]
fn bombs_are_refused_by_their_limits() {
    // Zeros that are not there: the sizes that headers declare count.
    let zeros = vec![0; 3_000_000];
    let layer = gzip(&tar_of(&[CLD, file("zeros", &zeros)]));
    let sandbox = Sandbox::new();
    let layout = Layout::of_layer(&sandbox, "layout", LAYER, &layer);
    let run = layout.load_or_pull(&sandbox, &["--max-size", "1MB"]);
    run.fails(4, "it has more than 1000000 bytes");
    assert!(
        run.stderr.contains("hint: `--max-size SIZE` allows more"),
        "{run:?}"
    );
    assert_eq!(
        layout.load_or_pull(&sandbox, &["--max-size", "4MB"]).code,
        0
    );
    // An archive from a pipe that has to be stored.
    let sandbox = Sandbox::new();
    load(
        &sandbox,
        &tar_of(&[file("x", &zeros)]),
        &["--max-size", "1MB"],
    )
    .fails(4, "more than 1000000 bytes");
    assert_eq!(names(&sandbox.cache()), [""; 0]);
}

/// Row 93: what others made.
#[test]
fn a_missing_blob_is_not_found_and_no_archive_is_refused() {
    let sandbox = Sandbox::new();
    let layout = Layout::of_layer(&sandbox, "layout", LAYER, &gzip(&tar_of(&[CLD])));
    let blobs = layout.dir.join("blobs/sha256");
    for name in names(&blobs) {
        if fs::read(blobs.join(&name))
            .unwrap()
            .starts_with(&[0x1f, 0x8b])
        {
            fs::remove_file(blobs.join(&name)).unwrap();
        }
    }
    layout
        .load(&sandbox, &[])
        .fails(3, "does not contain the blob `sha256:");
    load(&sandbox, b"", &[]).fails(4, "cannot load `standard input`");
    load(&sandbox, &tar_of(&[CLD]), &[]).fails(4, "it is no OCI image layout");
    let archive = {
        let source = sandbox.component("app");
        sandbox.ok(&["add", "app:v1", source.to_str().unwrap()]);
        saved(&sandbox, &["app:v1"])
    };
    for len in [100, 600, 2000, archive.len() - 1500] {
        let there = Sandbox::new();
        let run = load(&there, &archive[..len], &[]);
        assert!(matches!(run.code, 3 | 4), "{len}: {run:?}");
        assert_eq!(run.stdout, "");
        let left = fs::read_dir(there.cache()).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{len}");
    }
}

#[test]
fn skopeo_reads_what_is_saved_and_what_it_rewrites_is_loaded() {
    if !has("skopeo", &["--version"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    sandbox.ok(&["add", "localhost/acme/app:v1", source.to_str().unwrap()]);
    let archive = sandbox.path("app.tar");
    let report = sandbox.json(&[
        "save",
        "localhost/acme/app:v1",
        "-o",
        archive.to_str().unwrap(),
        "--format",
        "json",
    ]);
    let from = format!("oci-archive:{}", archive.display());
    let run = skopeo(&sandbox, &["inspect", &from]);
    assert_eq!(run.code, 0, "{run:?}");
    let shown: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(shown["Digest"], report[0]["manifestDigest"]);

    let digest = sandbox.json(&["inspect", "localhost/acme/app:v1"])[0]["digest"].clone();
    let dir = sandbox.path("rewritten");
    let file = sandbox.path("rewritten.tar");
    for (kind, path) in [("oci", &dir), ("oci-archive", &file)] {
        let to = format!("{kind}:{}:localhost/acme/app:v2", path.display());
        let run = skopeo(&sandbox, &["copy", &from, &to]);
        assert_eq!(run.code, 0, "{run:?}");
        let there = Sandbox::new();
        let added = there.ok(&["load", "-i", path.to_str().unwrap()]);
        assert_eq!(added, "added localhost/acme/app:v2\n");
        let entry = &there.json(&["inspect", "localhost/acme/app:v2"])[0];
        assert_eq!(entry["digest"], digest);
        // From a pipe, it has to be stored, because its index comes last.
        if kind == "oci-archive" {
            let bytes = fs::read(path).unwrap();
            let run = load(&Sandbox::new(), &bytes, &[]);
            assert_eq!(
                (run.code, &*run.stdout),
                (0, "added localhost/acme/app:v2\n"),
                "{run:?}"
            );
        }
    }
}
