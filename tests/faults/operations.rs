//! The changes that are disturbed, each with the home that it is made in.
//!
//! In each home there are an artifact with content and one without that the
//! change is not about: they must stay as they are.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::home::{Home, age};

/// A change.
#[derive(Clone)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// Makes a fresh home what it is before the change.
    pub(crate) prepare: fn(&Home),
    /// The program's arguments.
    pub(crate) args: fn(&Home) -> Vec<OsString>,
    /// What the system refuses all along, as `strace` is told.
    pub(crate) always: &'static [&'static str],
    /// If it is made in steps that may each fail, what makes one of them alone.
    pub(crate) steps: &'static [fn(&Home) -> Vec<OsString>],
    /// Whether the change is a favour on the way: success does not promise it.
    pub(crate) is_optional: bool,
}

/// An operation to which the system refuses nothing.
pub(crate) const fn plain(
    name: &'static str,
    prepare: fn(&Home),
    args: fn(&Home) -> Vec<OsString>,
) -> Operation {
    Operation {
        name,
        prepare,
        args,
        always: &[],
        steps: &[],
        is_optional: false,
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
            // As on a file system that cannot exchange two directories.
            always: &["renameat2:error=EINVAL"],
            ..plain("add over by two renames", with_other_content, add)
        },
        plain("add in an empty home", only_source, add),
        plain("record in an empty home", |_| {}, |_| record("it:1")),
        plain("rm", with_content, |_| words(&["rm", "it:1"])),
        plain("rm of shared content", with_shared_content, |_| {
            words(&["rm", "it:1"])
        }),
        plain(
            "rm of content shared from elsewhere",
            with_content_shared_from_elsewhere,
            |_| words(&["rm", "it:1"]),
        ),
        plain("tag", with_content, |_| words(&["tag", "it:1", "new:1"])),
        Operation {
            // What is gone, and what is chosen.
            steps: &[
                |_| words(&["prune", "-y"]),
                |_| words(&["prune", "-a", "--filter", "reference=it:1", "-y"]),
            ],
            ..plain("prune", with_all_to_prune, |_| {
                words(&["prune", "-a", "--filter", "reference=it*", "-y"])
            })
        },
        Operation {
            is_optional: true,
            ..plain("migrate by images", legacy, |_| words(&["images", "-q"]))
        },
        plain("migrate by record", first_form, |_| record("it:1")),
    ]
}

fn words(args: &[&str]) -> Vec<OsString> {
    args.iter().map(OsString::from).collect()
}

/// The time of all that is added, so that the same change leaves the same bytes.
const TIME: &str = "--created-at=2026-01-02T03:04:05Z";

pub(crate) fn record(reference: &str) -> Vec<OsString> {
    let args = ["add", reference, "--metadata-only", "--type", "datacenter"];
    words(&[&args[..], &["--cache-path", "/there", TIME]].concat())
}

fn add(home: &Home) -> Vec<OsString> {
    let mut args = words(&["add", "it:1", TIME]);
    args.push(home.path("source").into());
    args
}

/// The artifacts that must stay.
pub(crate) fn others(home: &Home) {
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

/// Another entry has the same directory by a link in the cache, which is the
/// only sign that the names of directories do not tell them apart.
fn with_shared_content(home: &Home) {
    for name in ["stays", "it"] {
        let source = home.source(name, name);
        let reference = format!("{name}:1");
        home.ok(&["add".as_ref(), reference.as_ref(), source.as_os_str()]);
    }
    share(home, &home.cache().join("twin_1"));
}

/// Another entry has the same directory by a link from elsewhere.
fn with_content_shared_from_elsewhere(home: &Home) {
    with_content(home);
    share(home, &home.path("elsewhere"));
}

fn share(home: &Home, path: &Path) {
    // Relative, so that in a copy it leads to what is there.
    let cache = home.cache();
    let dir = match path.starts_with(&cache) {
        true => "it_1",
        false => "user/.cldctl/cache/artifacts/it_1",
    };
    symlink(dir, path).unwrap();
    let args = ["add", "twin:1", "--metadata-only", "--type", "component"];
    let place = ["--cache-path", path.to_str().unwrap()];
    home.ok(&[&args[..], &place].concat());
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
    ancestors.take_while(|dir| *dir != end).for_each(age);
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
