//! Links to a disk that is not mounted.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::support::{ADD, Sandbox};

/// Creates a home with one artifact, and makes one part of it a dangling link.
fn home_with_link_at(part: &str) -> (Sandbox, PathBuf, PathBuf) {
    let sandbox = Sandbox::new();
    sandbox.component("app");
    sandbox.ok(&["add", "app:1", "app"]);
    let link = match part {
        "" => sandbox.home(),
        part => sandbox.home().join(part),
    };
    let (disk, away) = (sandbox.path("disk"), sandbox.path("away"));
    fs::rename(&link, away).unwrap();
    symlink(&disk, &link).unwrap();
    (sandbox, link, disk)
}

const COMMANDS: [&[&str]; 8] = [
    &["images"],
    &["images", "-q", "--filter", "tag=1"],
    &["exists", "app:1"],
    &["inspect", "app:1"],
    &["cache-path", "app:1"],
    &["df"],
    &["rm", "-f", "missing:1"],
    &["prune", "-n"],
];

/// Row 81: of the home, the registry and the cache.
#[test]
fn every_command_reports_a_dangling_link() {
    for part in ["", "registry", "cache", "cache/artifacts"] {
        let (sandbox, link, disk) = home_with_link_at(part);
        let hidden = match part {
            "" | "registry" => "the artifacts behind it cannot be found",
            _ => "the content behind it is neither found nor removed",
        };
        let warning = format!(
            "warning: `{}` is a symbolic link to `{}`, which does not exist: {hidden}\n",
            link.display(),
            disk.display()
        );
        for args in COMMANDS {
            let run = sandbox.run(args);
            assert!(run.stderr.starts_with(&warning), "{args:?}: {run:?}");
            assert_eq!(
                run.stderr.matches("warning: ").count(),
                1,
                "{args:?}: {run:?}"
            );
        }
        let list = sandbox.run(&["images", "--format", "json"]);
        assert_eq!(list.code, 0);
        assert_eq!(list.stdout == "[]\n", part.is_empty() || part == "registry");
    }
}

/// Row 81: nothing is created behind the link.
#[test]
fn a_change_through_a_dangling_link_is_refused() {
    for part in ["", "registry", "cache", "cache/artifacts"] {
        let (sandbox, link, disk) = home_with_link_at(part);
        let args = match part {
            "" | "registry" => ADD,
            _ => &["add", "new:1", "app"],
        };
        let run = sandbox.run(args);
        let target = format!(
            "a symbolic link to `{}`, which does not exist",
            disk.display()
        );
        run.fails(1, &target);
        assert!(run.stderr.contains("hint: mount the disk"), "{run:?}");
        assert_eq!(fs::read_link(link).unwrap(), disk);
        assert!(!disk.exists());
    }
}

/// Row 81: the entry goes, with a warning.
#[test]
fn a_removal_reports_that_content_behind_a_dangling_link_is_kept() {
    let (sandbox, ..) = home_with_link_at("cache");
    let run = sandbox.run(&["rm", "app:1"]);
    assert_eq!(run.stdout, "removed app:1\n");
    assert!(
        run.stderr
            .contains("the content behind it is neither found nor removed"),
        "{run:?}"
    );
    assert!(sandbox.path("away/artifacts/app_1/cld.yml").exists());
}

#[test]
fn a_link_to_an_existing_directory_causes_no_warning() {
    let (sandbox, _, disk) = home_with_link_at("cache");
    fs::rename(sandbox.path("away"), disk).unwrap();
    for args in COMMANDS {
        let run = sandbox.run(args);
        assert!(!run.stderr.contains("warning: "), "{args:?}: {run:?}");
    }
    sandbox.ok(&["verify"]);
    assert_eq!(sandbox.run(&["rm", "app:1"]).stderr, "");
}
