//! `load`: archives that were made to do harm, or that other tools made in their own ways.

use crate::layouts::{CLD, Item, LAYER, Layout, are_refused, file, gzip, load_items, tar_of};
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
