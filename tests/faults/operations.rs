//! The changes that are disturbed, each with the home that it is made in.
//!
//! In each home there are an artifact with content and one without that the
//! change is not about: they must stay as they are.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::home::{Home, age};

/// A change.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// Makes a fresh home what it is before the change.
    pub(crate) prepare: fn(&Home),
    /// The program's arguments.
    pub(crate) args: fn(&Home) -> Vec<OsString>,
    /// What the system refuses all along, as `strace` is told.
    pub(crate) always: &'static [&'static str],
}

/// An operation to which the system refuses nothing.
const fn plain(
    name: &'static str,
    prepare: fn(&Home),
    args: fn(&Home) -> Vec<OsString>,
) -> Operation {
    let always = &[];
    Operation {
        name,
        prepare,
        args,
        always,
    }
}

/// All changes.
pub(crate) fn all() -> Vec<Operation> {
    vec![
        plain("record new", others, |_| record("it:1")),
        plain("record over", with_content, |_| record("it:1")),
        plain("record after a kill", with_leftovers, |_| record("it:1")),
        plain("add new", with_source, add),
        plain("add over", with_other_content, add),
        Operation {
            name: "add over by two renames",
            prepare: with_other_content,
            args: add,
            // As on a file system that cannot exchange two directories.
            always: &["renameat2:error=EINVAL"],
        },
        plain("add in an empty home", only_source, add),
        plain("record in an empty home", |_| {}, |_| record("it:1")),
        plain("rm", with_content, |_| words(&["rm", "it:1"])),
        plain("tag", with_content, |_| words(&["tag", "it:1", "new:1"])),
        plain("prune", with_all_to_prune, |_| {
            words(&["prune", "-a", "--filter", "reference=it*", "-y"])
        }),
        plain("migrate by images", legacy, |_| words(&["images", "-q"])),
        plain("migrate by record", first_form, |_| record("it:1")),
    ]
}

fn words(args: &[&str]) -> Vec<OsString> {
    args.iter().map(OsString::from).collect()
}

fn record(reference: &str) -> Vec<OsString> {
    let args = ["add", reference, "--metadata-only", "--type", "datacenter"];
    words(&[&args[..], &["--cache-path", "/there"]].concat())
}

fn add(home: &Home) -> Vec<OsString> {
    let mut args = words(&["add", "it:1"]);
    args.push(home.path("source").into());
    args
}

/// The artifacts that must stay.
fn others(home: &Home) {
    let source = home.source("other", "other");
    home.ok(&["add".as_ref(), "stays:1".as_ref(), source.as_os_str()]);
    home.record("also:1");
}

fn with_content(home: &Home) {
    others(home);
    let source = home.source("old", "old");
    home.ok(&["add".as_ref(), "it:1".as_ref(), source.as_os_str()]);
    // So that what is removed is not the last one.
    home.record("last:1");
}

fn with_source(home: &Home) {
    others(home);
    only_source(home);
}

fn only_source(home: &Home) {
    home.source("source", "new");
}

fn with_other_content(home: &Home) {
    with_content(home);
    only_source(home);
}

/// What killed processes may have left, in each place.
fn with_leftovers(home: &Home) {
    others(home);
    leave(home);
}

fn leave(home: &Home) {
    let registry = "user/.cldctl/registry";
    let cache = "user/.cldctl/cache/artifacts";
    for file in [
        format!("{registry}/.artifacts.json.abcdefghijkl.tmp"),
        format!("{registry}/manifests/.{:064}.sha256.abcdefghijkl.tmp", 0),
        format!("{cache}/.staging:abcdefghijkl/cld.yml"),
        format!("{cache}/.trash:abcdefghijkl/gone_1/cld.yml"),
    ] {
        home.write(&file, "{");
        age_up_to(&home.path(&file), &home.path("user"));
    }
}

/// An entry with content, an entry whose content is gone, a directory that no
/// entry names, and what killed processes left.
fn with_all_to_prune(home: &Home) {
    with_content(home);
    let args = ["add", "it:2", "--metadata-only", "--type", "component"];
    home.ok(&args);
    let orphan = "user/.cldctl/cache/artifacts/orphan_1/lib/cld.yml";
    home.write(orphan, "name: orphan\n");
    age_up_to(&home.path(orphan), &home.path("user"));
    leave(home);
}

fn age_up_to(path: &Path, end: &Path) {
    let ancestors = path.ancestors();
    ancestors
        .take_while(|dir| *dir != end)
        .for_each(|dir| age(dir));
}

/// The registry of cldctl's first version, under its old name.
fn legacy(home: &Home) {
    first_form(home);
    let registry = home.registry();
    fs::rename(&registry, registry.with_file_name("components.json")).unwrap();
}

/// The same under the new name, with content.
fn first_form(home: &Home) {
    others(home);
    let text = fs::read_to_string(home.registry()).unwrap();
    let text = text.replace("\"v2\"", "\"v1\"");
    let text = text.replace("\"artifacts\":", "\"components\":");
    let text = text.replace("      \"type\": \"component\",\n", "");
    fs::write(home.registry(), text).unwrap();
}
