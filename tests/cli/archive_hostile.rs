//! `load`: archives that were made to do harm, or that other tools made in their own ways.

use std::io::Read;

use serde_json::{Value, json};

use crate::layouts::{
    CLD, Item, LAYER, Layout, MANIFEST, are_refused, file, gzip, load, load_items, saved, tar_of,
};
use crate::support::Sandbox;

/// The length of what an error may say, in bytes: names are shortened.
const MAX_ERROR: usize = 2000;

#[test]
fn an_error_shows_names_of_others_briefly_and_escaped() {
    let deep = "d/".repeat(100_000) + "f";
    let escape = "esc\u{1b}]0;title\u{7}\u{9b}31m\r\n\u{202e}";
    let in_file = format!("{escape}/g");
    let long_part = escape.repeat(20);
    let cases: [&[Item<'_>]; 9] = [
        &[CLD, file(&deep, b"")],
        &[CLD, (escape.as_bytes(), b'1', b"cld.yml", 0)],
        &[CLD, (escape.as_bytes(), b'6', b"", 0)],
        &[CLD, file(&long_part, b"")],
        &[CLD, file(escape, b""), file(escape, b"")],
        &[CLD, file(escape, b""), file(&in_file, b"")],
        &[CLD, file(&in_file, b""), file(escape, b"")],
        &[
            CLD,
            file(escape, b""),
            (escape.as_bytes(), b'5', b"", 0o755),
        ],
        // Left out, which is a note.
        &[CLD, (escape.as_bytes(), b'2', b"cld.yml", 0)],
    ];
    let harmless =
        |text: &str| !text.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}'));
    for items in cases {
        let (sandbox, run) = load_items(items);
        assert!(
            run.stderr.len() < MAX_ERROR && harmless(&run.stderr),
            "{run:?}"
        );
        let layout = Layout::of_layer(&sandbox, "again", LAYER, &gzip(&tar_of(items)));
        let run = layout.load(&sandbox, &["--format", "json"]);
        assert!(
            run.stdout.len() < MAX_ERROR && harmless(&run.stdout),
            "{run:?}"
        );
    }
}

#[test]
fn an_error_shows_values_of_others_briefly_and_escaped() {
    let sandbox = Sandbox::new();
    let layout = Layout::of_layer(&sandbox, "layout", LAYER, &gzip(&tar_of(&[CLD])));
    let index = std::fs::read_to_string(layout.dir.join("index.json")).unwrap();
    let long = "\\u001b[31m".repeat(100_000);
    for (from, to) in [
        ("acme/app:v1", format!("acme/app:{long}")),
        (
            "\"schemaVersion\":2",
            format!("\"schemaVersion\":\"{long}\""),
        ),
        ("sha256:", format!("sha256:{long}")),
    ] {
        let changed = index.replace(from, &to);
        assert_ne!(changed, index);
        std::fs::write(layout.dir.join("index.json"), changed).unwrap();
        let run = layout.load(&sandbox, &[]);
        assert_eq!(run.code, 4, "{run:?}");
        assert!(
            run.stderr.len() < 5 * MAX_ERROR && !run.stderr.contains('\u{1b}'),
            "{run:?}"
        );
    }
    // What it is called there does not matter if it gets another name.
    let changed = index.replace("acme/app:v1", "a b:c");
    std::fs::write(layout.dir.join("index.json"), changed).unwrap();
    layout
        .load(&sandbox, &[])
        .fails(4, "invalid reference `a b:c`");
    assert_eq!(layout.load(&sandbox, &["--as", "app:v1"]).code, 0);
}

#[test]
fn what_is_left_out_counts_against_the_limits() {
    let link = (b"link".as_slice(), b'2', b"cld.yml".as_slice(), 0o777);
    for (second, reason) in [
        (link, "`link` is in a layer twice"),
        (file("link", b"x"), "`link` is in a layer twice"),
    ] {
        are_refused(&[CLD, link, second], reason);
        are_refused(&[CLD, second, link], reason);
    }
    // What a deployment wrote is not stored, but its length counts.
    let state = vec![0; 3_000_000];
    let items = [CLD, file("terraform.tfstate", &state)];
    let sandbox = Sandbox::new();
    let layout = Layout::of_layer(&sandbox, "layout", LAYER, &gzip(&tar_of(&items)));
    layout
        .load(&sandbox, &["--max-size", "1MB"])
        .fails(4, "it has more than 1000000 bytes");
    assert_eq!(layout.load(&sandbox, &[]).code, 0);
}

#[test]
fn sizes_that_no_file_has_are_refused() {
    // One less than what a u64 holds, so that adding a block would overflow.
    let records = b"29 size=18446744073709551615\n";
    let items = [
        CLD,
        (&b"PaxHeaders/f"[..], b'x', &records[..], 0o644),
        file("terraform.tfstate", b"x"),
    ];
    are_refused(&items, "a file of an impossible size");
}

/// Writes an index of images, each with a name.
fn index_of(layout: &Layout, images: &[(Value, &str)]) {
    let name = "dev.cldctl-registry.reference";
    let named = images.iter().map(|(image, reference)| {
        let mut image = image.clone();
        image["annotations"] = json!({name: reference});
        image
    });
    let manifests: Vec<Value> = named.collect();
    let index = json!({"schemaVersion": 2, "manifests": manifests});
    std::fs::write(layout.dir.join("index.json"), index.to_string()).unwrap();
}

#[test]
fn two_artifacts_of_one_name_are_refused_and_one_that_is_named_twice_is_loaded() {
    let sandbox = Sandbox::new();
    let layout = Layout::new(&sandbox, "layout");
    let image = |text: &[u8]| {
        let layer = gzip(&tar_of(&[file("cld.yml", text)]));
        layout.image(&[layout.blob(LAYER, &layer)])
    };
    let (one, other) = (image(b"one"), image(b"other"));
    index_of(
        &layout,
        &[(one.clone(), "app:v1"), (other.clone(), "app:v1")],
    );
    layout
        .load(&sandbox, &[])
        .fails(4, "it has two artifacts `app:v1`");
    assert!(!sandbox.registry().exists());
    index_of(&layout, &[(one.clone(), "app:v1"), (one.clone(), "app:v1")]);
    assert_eq!(layout.load(&sandbox, &[]).stdout, "added app:v1\n");
    // Two names with the same directory.
    index_of(&layout, &[(one, "a/b:v1"), (other, "a_b:v1")]);
    let run = layout.load(&sandbox, &[]);
    assert_eq!((run.code, &*run.stdout), (4, "added a/b:v1\n"), "{run:?}");
}

/// Content that two manifests have is unpacked once, but each is held to what it says.
#[test]
fn each_manifest_of_the_same_layers_is_checked() {
    let sandbox = Sandbox::new();
    let layout = Layout::new(&sandbox, "layout");
    let layer = layout.blob(LAYER, &gzip(&tar_of(&[CLD])));
    let empty = layout.blob("application/vnd.oci.empty.v1+json", b"{}");
    let image = |more: Value| {
        let mut manifest = json!({"schemaVersion": 2, "config": empty, "layers": [layer]});
        manifest
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        layout.blob(MANIFEST, manifest.to_string().as_bytes())
    };
    let plain = image(json!({}));
    let digest = format!("sha256:{}", "0".repeat(64));
    let cases = [
        (
            image(json!({"artifactType": "application/vnd.architect.datacenter.config.v1+json"})),
            "b:v1",
            "says that it is a datacenter",
        ),
        (
            image(json!({"annotations": {"dev.cldctl-registry.content.digest": digest}})),
            "b:v1",
            "its content has the digest",
        ),
        (
            plain.clone(),
            &*digest,
            "its reference is not the digest of its content",
        ),
    ];
    for (image, name, reason) in cases {
        index_of(&layout, &[(plain.clone(), "a:v1"), (image, name)]);
        let run = layout.load(&sandbox, &[]);
        assert_eq!((run.code, &*run.stdout), (4, "added a:v1\n"), "{run:?}");
        assert!(run.stderr.contains(reason), "{run:?}");
        sandbox.ok(&["rm", "a:v1"]);
    }
}

/// An archive of ours that was unpacked and packed again has its parts in another order.
#[test]
fn an_archive_in_another_order_is_loaded_from_a_pipe() {
    let here = Sandbox::new();
    for (name, bytes) in [("one", 10), ("two", 4_500_000)] {
        let source = here.component(name);
        // It does not compress, and is larger than what is kept in memory.
        let mut state = 7_u32;
        let random = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        std::fs::write(source.join(name), random.take(bytes).collect::<Vec<_>>()).unwrap();
        here.ok(&["add", &format!("{name}:v1"), source.to_str().unwrap()]);
    }
    let archive = saved(&here, &["one:v1", "two:v1"]);
    let mut entries: Vec<(String, Vec<u8>)> = Vec::new();
    for entry in tar::Archive::new(&*archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let (name, mut text) = (entry.path().unwrap().display().to_string(), Vec::new());
        entry.read_to_end(&mut text).unwrap();
        if !name.ends_with('/') {
            entries.push((name, text));
        }
    }
    let packed = |entries: &[(String, Vec<u8>)]| {
        let items: Vec<Item<'_>> = entries
            .iter()
            .map(|(name, text)| file(name, text))
            .collect();
        tar_of(&items)
    };
    // The marker and the index stay in front.
    let last = entries.len() - 1;
    let mut orders = [entries.clone(), entries.clone()];
    orders[0][2..].reverse();
    orders[1].swap(last, last - 1);
    let cases: [(_, &[&str], _); 3] = [(0, &[], 2), (1, &[], 2), (1, &["one:v1"], 1)];
    for (order, chosen, count) in cases {
        let there = Sandbox::new();
        let run = load(&there, &packed(&orders[order]), chosen);
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(there.references().len(), count);
    }
}

/// Row 91: an image that has a digest of its content may leave nothing out, and state is
/// never content.
#[test]
fn state_in_an_image_with_a_digest_of_its_content_is_refused() {
    let sandbox = Sandbox::new();
    let layout = Layout::new(&sandbox, "layout");
    let items = [CLD, file("terraform.tfstate", b"{}")];
    let layer = layout.blob(LAYER, &gzip(&tar_of(&items)));
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "layers": [layer],
        "config": layout.blob("application/vnd.oci.empty.v1+json", b"{}"),
        "annotations": {"dev.cldctl-registry.content.digest": "sha256:0"}
    });
    layout.index(layout.blob(MANIFEST, manifest.to_string().as_bytes()));
    layout
        .load_or_pull(&sandbox, &[])
        .fails(4, "`terraform.tfstate` is the state of a deployment");
}

#[test]
fn what_is_no_layout_is_called_by_its_name() {
    let sandbox = Sandbox::new();
    let tar = tar_of(&[CLD]);
    let cases: [(&[u8], &str); 7] = [
        (b"", "it is empty"),
        (b"text\n", "it is no tar archive"),
        (
            &gzip(&tar),
            "it is compressed with gzip: decompress it first",
        ),
        (
            &[0x28, 0xb5, 0x2f, 0xfd, 0, 0],
            "it is compressed with zstd",
        ),
        (b"\xfd7zXZ\0....", "it is compressed with xz"),
        (b"BZh91AY", "it is compressed with bzip2"),
        (&tar, "it is no OCI image layout"),
    ];
    let path = sandbox.path("file");
    for (bytes, reason) in cases {
        load(&sandbox, bytes, &[]).fails(4, reason);
        std::fs::write(&path, bytes).unwrap();
        sandbox
            .run(&["load", "-i", path.to_str().unwrap()])
            .fails(4, reason);
    }
    let dir = sandbox.component("dir");
    for marker in [false, true] {
        if marker {
            std::fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        }
        sandbox
            .run(&["load", "-i", dir.to_str().unwrap()])
            .fails(4, "it is no OCI image layout");
    }
}

/// A signal while the program waits for a process that writes nothing.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_ends_a_load_that_waits_for_its_input_and_leaves_nothing() {
    use std::io::Write;

    use crate::running::{Running, wait_until};

    let here = Sandbox::new();
    let source = here.component("app");
    here.ok(&["add", "app:v1", source.to_str().unwrap()]);
    let archive = saved(&here, &["app:v1"]);
    let sandbox = Sandbox::new();
    // It ends before the marker, and within the layer.
    for len in [0, archive.len() - 1100] {
        let mut command = sandbox.command(&["load"]);
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(&archive[..len]).unwrap();
        let running = Running::start({
            command.stdin(reader);
            command
        });
        // The signal is one that it heeds already.
        wait_until("signals are deferred", || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", running.id()));
            let caught = status.unwrap_or_default();
            let caught = caught.lines().find_map(|it| it.strip_prefix("SigCgt:"));
            let caught = caught.and_then(|it| u64::from_str_radix(it.trim(), 16).ok());
            caught.is_some_and(|it| it >> 14 & 1 == 1)
        });
        running.signal("TERM");
        let run = running.end();
        assert_eq!((run.code, &*run.stdout), (143, ""), "{run:?}");
        assert!(sandbox.staged().is_empty() && !sandbox.registry().exists());
        drop(writer);
    }
}
