//! The homes before a change.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::OnceLock;

use walkdir::WalkDir;

use crate::home::{Home, age};
use crate::registry;

const CACHE: &str = "user/.cldctl/cache/artifacts";
const REGISTRY: &str = "user/.cldctl/registry";

/// Adds the artifacts that must not change.
pub(crate) fn others(home: &Home) {
    put(home, "stays:1", "other", "other");
    home.record("also:1");
}

pub(crate) fn with_content(home: &Home) {
    others(home);
    put(home, "it:1", "old", "old");
    // A last entry follows, so that the removed entry is not the last one.
    home.record("last:1");
}

/// Registers a component with this text.
fn put(home: &Home, reference: &str, name: &str, text: &str) {
    let source = home.source(name, text);
    home.ok(&["add".as_ref(), reference.as_ref(), source.as_os_str()]);
}

/// Another entry has the same directory through a link in the cache. That is the only
/// sign that different names may be one directory.
pub(crate) fn with_shared_content(home: &Home) {
    for name in ["stays", "it"] {
        put(home, &format!("{name}:1"), name, name);
    }
    share(home, &home.cache().join("twin_1"));
}

/// Another entry has the same directory through a link from elsewhere.
pub(crate) fn with_content_shared_from_elsewhere(home: &Home) {
    with_content(home);
    share(home, &home.path("elsewhere"));
}

fn share(home: &Home, path: &Path) {
    // The link is relative, so that in a copy it leads to the copied directory.
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

pub(crate) fn with_source(home: &Home) {
    others(home);
    only_source(home);
}

pub(crate) fn only_source(home: &Home) {
    home.source("source", "new");
}

pub(crate) fn with_other_content(home: &Home) {
    with_content(home);
    only_source(home);
}

/// The old content is deployed: its directory has live state, inputs and plugins.
pub(crate) fn with_deployed_content(home: &Home) {
    with_other_content(home);
    let module = home.cache().join("it_1/former");
    fs::create_dir_all(module.join("node_modules")).unwrap();
    let state = r#"{"version":4,"resources":[{"mode":"managed","instances":[{}]}]}"#;
    for (name, text) in [
        ("terraform.tfstate", state),
        ("terraform.tfvars.json", "{}"),
        ("node_modules/plugin", "plugin"),
    ] {
        fs::write(module.join(name), text).unwrap();
    }
}

/// An archive has other content of the artifact.
pub(crate) fn with_archive(home: &Home) {
    let source = home.source("source", "new");
    home.ok(&["add".as_ref(), "it:1".as_ref(), source.as_os_str()]);
    let archive = home.path("archive").join("it.tar");
    fs::create_dir(home.path("archive")).unwrap();
    home.ok(&[
        "save".as_ref(),
        "it:1".as_ref(),
        "-o".as_ref(),
        archive.as_os_str(),
    ]);
    home.ok(&["rm", "it:1"]);
    with_content(home);
}

/// Pushes other content of the artifact to the registry of images, once. Returns its
/// reference there.
pub(crate) fn published() -> String {
    static PUBLISHED: OnceLock<String> = OnceLock::new();
    let publish = || {
        let home = Home::new();
        let source = home.source("source", "new");
        home.ok(&["add".as_ref(), "it:1".as_ref(), source.as_os_str()]);
        let to = registry::get().reference("published", "1");
        home.ok(&["push", "it:1", "--as", &to]);
        to
    };
    PUBLISHED.get_or_init(publish).clone()
}

/// What is to be pulled was pulled already.
pub(crate) fn with_pulled_content(home: &Home) {
    with_content(home);
    home.ok(&super::pull());
}

/// The change was made already.
pub(crate) fn with_same_content(home: &Home) {
    with_other_content(home);
    home.ok(&super::add(home));
}

/// Content that already exists at the path of a reference.
pub(crate) fn with_content_in_place(home: &Home) {
    others(home);
    home.source(&format!("{CACHE}/it_1"), "laid");
    fs::remove_file(home.cache().join("it_1/link")).unwrap();
}

/// The reference that is to be replaced, and its replacement.
pub(crate) fn with_two_contents(home: &Home) {
    with_content(home);
    put(home, "over:1", "over", "over");
    home.record("end:1");
}

/// All modes are for the owner alone, as files are created.
pub(crate) fn with_private_content(home: &Home) {
    with_other_content(home);
    for name in ["user", "source"] {
        for entry in WalkDir::new(home.path(name)) {
            let entry = entry.unwrap();
            let mode = match entry.file_type() {
                kind if kind.is_dir() => 0o700,
                kind if kind.is_file() => 0o600,
                _ => continue,
            };
            fs::set_permissions(entry.path(), Permissions::from_mode(mode)).unwrap();
        }
    }
}

/// The registry is a link that leads to another directory.
pub(crate) fn behind_a_link(home: &Home) {
    others(home);
    let disk = home.path("user/disk");
    fs::create_dir(&disk).unwrap();
    fs::rename(home.registry(), disk.join("real.json")).unwrap();
    symlink("../../disk/real.json", home.registry()).unwrap();
    home.write("user/disk/.real.json.abcdefghijkl.tmp", "{");
}

/// Leftovers of killed processes, in each directory.
pub(crate) fn with_leftovers(home: &Home) {
    others(home);
    leave(home);
}

/// Also those of a replacement of content.
pub(crate) fn with_all_leftovers(home: &Home) {
    with_other_content(home);
    leave(home);
}

/// The names of staging, of trash, and of directories that are being replaced: current
/// ones, and those of earlier versions.
const SCRATCH: [&str; 6] = [
    ".staging-",
    ".trash-",
    ".swap-",
    ".staging:",
    ".trash:",
    ".trash:swap-",
];
const RANDOM: &str = "abcdefghijkl";

pub(crate) fn leave(home: &Home) {
    for file in [
        format!("{REGISTRY}/.artifacts.json.{RANDOM}.tmp"),
        format!("{REGISTRY}/manifests/.{:064}.sha256.{RANDOM}.tmp", 0),
    ] {
        home.write(&file, "{");
        age_up_to(&home.path(&file), &home.path("user"));
    }
    for prefix in SCRATCH {
        // Its replacement is in place.
        let file = match prefix.contains("swap") {
            true => format!("{CACHE}/{prefix}{RANDOM}/stays_1/cld.yml"),
            false => format!("{CACHE}/{prefix}{RANDOM}/lib/cld.yml"),
        };
        home.write(&file, "name: leftover\n");
        age_up_to(&home.path(&file), &home.path("user"));
    }
}

/// A process was killed between the two renames by which a directory replaces another
/// one.
pub(crate) fn with_half_a_swap(home: &Home) {
    with_other_content(home);
    let aside = home.cache().join(format!(".swap-{RANDOM}"));
    fs::create_dir(&aside).unwrap();
    fs::rename(home.cache().join("it_1"), aside.join("it_1")).unwrap();
}

/// An entry with content, one whose content is missing, an orphan, and leftovers of
/// killed processes.
pub(crate) fn with_all_to_prune(home: &Home) {
    with_content(home);
    put(home, "it:2", "it2", "it2");
    fs::remove_dir_all(home.cache().join("it_2")).unwrap();
    let alone = "user/.cldctl/cache/artifacts/alone_1/lib/cld.yml";
    home.write(alone, "name: alone\n");
    age_up_to(&home.path(alone), &home.path("user"));
    leave(home);
}

/// An entry whose content is missing, beside some with content.
pub(crate) fn with_missing(home: &Home) {
    with_content(home);
    put(home, "lost:1", "lost", "lost");
    fs::remove_dir_all(home.cache().join("lost_1")).unwrap();
}

fn age_up_to(path: &Path, end: &Path) {
    let ancestors = path.ancestors();
    ancestors.take_while(|dir| *dir != end).for_each(age);
}

/// The registry of cldctl's first version, under its old name.
pub(crate) fn legacy(home: &Home) {
    first_form(home);
    let registry = home.registry();
    fs::rename(&registry, registry.with_file_name("components.json")).unwrap();
}

/// The same under the new name, with content.
pub(crate) fn first_form(home: &Home) {
    others(home);
    let text = fs::read_to_string(home.registry()).unwrap();
    let text = text.replace("\"v2\"", "\"v1\"");
    let text = text.replace("\"artifacts\":", "\"components\":");
    let text = text.replace("      \"type\": \"component\",\n", "");
    fs::write(home.registry(), text).unwrap();
}
