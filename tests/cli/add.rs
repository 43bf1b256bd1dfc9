//! `add`

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use snapbox::{assert_data_eq, str};

use crate::support::{Sandbox, names, tree, write_tree};

/// Returns the manifest of a directory and its digest, by the command in the README.
fn digest_by_coreutils(dir: &Path) -> String {
    let script = "find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum | sha256sum";
    let output = Command::new("sh")
        .args(["-c", script])
        .current_dir(dir)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    format!("sha256:{}", text.split(' ').next().unwrap())
}

#[test]
fn a_component_is_imported_as_cldctl_caches_it() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    let run = sandbox.run(&["add", "ghcr.io/acme/app:v1", source.to_str().unwrap()]);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "added ghcr.io/acme/app:v1\n")
    );
    assert_data_eq!(
        run.stderr,
        str![[r#"
note: left out 3 hidden or generated items; `--all-files` includes them

"#]]
    );

    let content = sandbox.cache().join("ghcr.io_acme_app_v1");
    assert_eq!(
        tree(&content),
        [
            "cld.yml",
            "src",
            "src/lib",
            "src/lib/util.ts",
            "src/main.ts"
        ]
    );
    let entry = &sandbox.json(&["images", "--format", "json"])[0];
    assert_eq!(entry["type"], "component");
    assert_eq!(entry["size"], 10 + 21 + 10);
    assert_eq!(entry["digest"], digest_by_coreutils(&content));
    assert_eq!(entry["cachePath"], content.to_str().unwrap());
    assert_eq!(names(&sandbox.cache()), ["ghcr.io_acme_app_v1"]);
}

#[test]
fn a_datacenter_and_a_component_are_distinguished() {
    let sandbox = Sandbox::new();
    let source = sandbox.datacenter("dc");
    sandbox.ok(&["add", "dc:v1", source.to_str().unwrap()]);
    let entry = &sandbox.json(&["images", "--type", "datacenter", "--format", "json"])[0];
    assert_eq!(entry["reference"], "dc:v1");
    assert_eq!(
        tree(&sandbox.cache().join("dc_v1")),
        [
            "datacenter.dc",
            "modules",
            "modules/network",
            "modules/network/main.tf"
        ]
    );
}

#[test]
fn the_path_of_a_configuration_file_means_its_directory() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    sandbox.ok(&["add", "app:v1", source.join("cld.yml").to_str().unwrap()]);
    assert!(sandbox.cache().join("app_v1/src/main.ts").is_file());
    sandbox
        .run(&[
            "add",
            "app:v2",
            source.join("src/main.ts").to_str().unwrap(),
        ])
        .fails(4, "neither a directory nor a `cld.yml`");
}

/// Rows 50 and 56: a digest can be checked without this program.
#[test]
fn odd_names_have_the_digest_that_coreutils_gives_them() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    let odd: [&[u8]; 8] = [
        b"with space",
        b"-dash",
        b"--",
        b"line\nbreak",
        b"back\\slash",
        b"carriage\rreturn",
        b"not utf8 \xff",
        b"src/lib.ts",
    ];
    for name in odd {
        fs::write(source.join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    fs::create_dir(source.join("empty")).unwrap();
    sandbox.ok(&["add", "app:v1", source.to_str().unwrap()]);

    let content = sandbox.cache().join("app_v1");
    let entry = &sandbox.json(&["images", "--format", "json"])[0];
    assert_eq!(entry["digest"], digest_by_coreutils(&content));
    assert!(content.join("empty").is_dir());

    // The manifest can be checked without this program.
    let hex = entry["digest"]
        .as_str()
        .unwrap()
        .strip_prefix("sha256:")
        .unwrap();
    let manifest = sandbox
        .home()
        .join(format!("registry/manifests/{hex}.sha256"));
    let check = || {
        let mut check = Command::new("sha256sum");
        check
            .args(["--check", "--quiet", "--strict"])
            .arg(&manifest);
        check
            .current_dir(&content)
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(check());
    fs::write(content.join("-dash"), "changed").unwrap();
    assert!(!check());
}

#[test]
fn modes_are_kept_except_for_set_id_bits() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    let set = |name: &str, mode| {
        fs::set_permissions(source.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    set("src/main.ts", 0o6755);
    set("cld.yml", 0o440);
    set("src/lib", 0o050);
    sandbox.ok(&["add", "app:v1", source.to_str().unwrap()]);
    let mode = |name: &str| {
        let path = sandbox.cache().join("app_v1").join(name);
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    };
    assert_eq!(
        (mode("src/main.ts"), mode("cld.yml"), mode("src/lib")),
        (0o755, 0o440, 0o750)
    );
}

#[test]
fn a_link_to_a_file_of_the_tree_becomes_that_file() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    symlink("src/main.ts", source.join("entry.ts")).unwrap();
    sandbox.ok(&["add", "app:v1", source.to_str().unwrap()]);
    let copy = sandbox.cache().join("app_v1/entry.ts");
    assert!(fs::symlink_metadata(&copy).unwrap().is_file());
    assert_eq!(fs::read_to_string(copy).unwrap(), "console.log('hello')\n");
}

#[test]
fn all_files_includes_files_that_are_excluded_by_default() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    let run = sandbox.run(&["add", "app:v1", source.to_str().unwrap(), "--all-files"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(tree(&sandbox.cache().join("app_v1")), tree(&source));
}

#[test]
fn adding_the_same_again_changes_nothing() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    let add = ["add", "app:v1", source.to_str().unwrap()];
    sandbox.ok(&add);
    let before = sandbox.registry_text();
    assert_eq!(sandbox.ok(&add), "unchanged app:v1\n");
    assert_eq!(sandbox.registry_text(), before);
    assert_eq!(names(&sandbox.cache()), ["app_v1"]);
}

#[test]
fn changed_content_replaces_the_old_content() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    let add = ["add", "app:v1", source.to_str().unwrap()];
    sandbox.ok(&add);
    let manifests = sandbox.home().join("registry/manifests");
    let first = names(&manifests);

    fs::remove_file(source.join("src/main.ts")).unwrap();
    fs::write(source.join("new.ts"), "new").unwrap();
    assert_eq!(sandbox.ok(&add), "updated app:v1\n");
    assert_eq!(
        tree(&sandbox.cache().join("app_v1")),
        ["cld.yml", "new.ts", "src", "src/lib", "src/lib/util.ts"]
    );
    assert_eq!(names(&sandbox.cache()), ["app_v1"]);
    let second = names(&manifests);
    assert_eq!(second.len(), 1);
    assert_ne!(first, second, "the manifest of the old content is removed");
}

#[test]
fn adding_damaged_content_again_repairs_it() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    let add = ["add", "app:v1", source.to_str().unwrap()];
    sandbox.ok(&add);
    let copy = sandbox.cache().join("app_v1/cld.yml");
    for damage in [0, 1, 2] {
        match damage {
            // The text has the same length, so only its hash differs.
            0 => fs::write(&copy, "name: bad\n").unwrap(),
            1 => fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap(),
            _ => symlink("cld.yml", copy.with_file_name("link")).unwrap(),
        }
        assert_eq!(sandbox.ok(&add), "updated app:v1\n", "{damage}");
        assert_eq!(fs::read_to_string(&copy).unwrap(), "name: app\n");
        assert!(!copy.with_file_name("link").exists());
    }
}

#[test]
fn without_a_path_the_content_in_the_cache_is_registered() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&["add", "ghcr.io/acme/app:v1"])
        .fails(3, "no content for `ghcr.io/acme/app:v1`");

    let content = sandbox.cache().join("ghcr.io_acme_app_v1");
    write_tree(&content, &[("cld.yml", "name: app\n")]);
    let digest = digest_by_coreutils(&content);
    // Importing would leave this out.
    write_tree(&content, &[(".git/HEAD", "x"), ("terraform.tfstate", "")]);
    assert_eq!(
        sandbox.ok(&["add", "ghcr.io/acme/app:v1"]),
        "added ghcr.io/acme/app:v1\n"
    );
    assert_eq!(
        sandbox.ok(&["add", "ghcr.io/acme/app:v1"]),
        "unchanged ghcr.io/acme/app:v1\n"
    );
    let entry = || sandbox.json(&["images", "--format", "json"])[0].clone();
    let first = entry();
    assert_eq!(first["digest"], digest);
    assert_eq!(first["size"], 10);

    // It is still the same artifact, made at the same time.
    write_tree(&content, &[("new", "x")]);
    assert_eq!(
        sandbox.ok(&["add", "ghcr.io/acme/app:v1"]),
        "updated ghcr.io/acme/app:v1\n"
    );
    assert_eq!(entry()["createdAt"], first["createdAt"]);
    assert_ne!(entry()["digest"], first["digest"]);
}

#[test]
fn untagged_content_is_registered_under_its_digest() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    let report = sandbox.json(&[
        "add",
        "--untagged",
        source.to_str().unwrap(),
        "--format",
        "json",
    ]);
    let entry = &report["entry"];
    assert_eq!(report["result"], "added");
    assert_eq!(entry["reference"], entry["digest"]);
    assert_eq!(
        (&entry["repository"], &entry["tag"]),
        (&"<none>".into(), &"<none>".into())
    );
    let hex = entry["digest"]
        .as_str()
        .unwrap()
        .strip_prefix("sha256:")
        .unwrap();
    assert_eq!(names(&sandbox.cache()), [format!("sha256_{hex}")]);
    assert_eq!(
        sandbox.json(&[
            "add",
            "--untagged",
            source.to_str().unwrap(),
            "--format",
            "json"
        ])["result"],
        "unchanged"
    );
}

#[test]
fn metadata_alone_is_recorded_as_given() {
    let sandbox = Sandbox::new();
    sandbox.ok(&[
        "add",
        "a:1",
        "--metadata-only",
        "--type",
        "dc",
        "--size",
        "1.5MB",
        "--digest",
        "sha256:x",
        "--created-at",
        "2026-02-14T13:03:11.500+00:00",
        "--cache-path",
        "/somewhere/else",
    ]);
    let expected = r#"{
  "version": "v2",
  "artifacts": [
    {
      "reference": "a:1",
      "repository": "a",
      "tag": "1",
      "type": "datacenter",
      "digest": "sha256:x",
      "size": 1500000,
      "createdAt": "2026-02-14T13:03:11.5Z",
      "cachePath": "/somewhere/else"
    }
  ]
}"#;
    assert_eq!(sandbox.registry_text(), expected);
}

#[test]
fn replacing_an_entry_resets_omitted_fields() {
    let sandbox = Sandbox::new();
    let record = ["add", "a:1", "--metadata-only", "--type", "component"];
    sandbox.ok(&[
        &record[..],
        &["--size", "5", "--digest", "sha256:x", "--cache-path", "/x"],
    ]
    .concat());
    assert_eq!(sandbox.ok(&record), "updated a:1\n");
    assert_eq!(sandbox.ok(&record), "unchanged a:1\n");
    let entry = &sandbox.json(&["images", "--format", "json"])[0];
    assert_eq!(entry["size"], 0);
    assert!(entry.get("digest").is_none());
    // An empty path makes cldctl pull the content when it needs it.
    assert_eq!(entry["cachePath"], "");
    fs::create_dir_all(sandbox.cache().join("a_1")).unwrap();
    assert_eq!(sandbox.ok(&record), "updated a:1\n");
    let entry = &sandbox.json(&["images", "--format", "json"])[0];
    assert_eq!(
        entry["cachePath"],
        sandbox.cache().join("a_1").to_str().unwrap()
    );
}

#[test]
fn another_time_is_a_change_only_if_it_is_given() {
    let sandbox = Sandbox::new();
    let record = ["add", "a:1", "--metadata-only", "--type", "component"];
    let at = |time| [&record[..], &["--created-at", time]].concat();
    sandbox.ok(&at("2026-01-01T00:00:00Z"));
    assert_eq!(sandbox.ok(&record), "unchanged a:1\n");
    assert_eq!(
        sandbox.ok(&at("2026-01-01T00:00:00+00:00")),
        "unchanged a:1\n"
    );
    assert_eq!(
        sandbox.ok(&at("2026-01-01T01:00:00+01:00")),
        "updated a:1\n"
    );
}

#[test]
fn no_clobber_keeps_an_existing_entry() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    sandbox.ok(&["add", "app:v1", source.to_str().unwrap(), "--no-clobber"]);
    let before = sandbox.registry_text();
    let again: [&[&str]; 3] = [
        &["add", "app:v1", source.to_str().unwrap(), "--no-clobber"],
        &["add", "app:v1", "--no-clobber"],
        &[
            "add",
            "app:v1",
            "--metadata-only",
            "--type",
            "dc",
            "--no-clobber",
        ],
    ];
    for args in again {
        sandbox
            .run(args)
            .fails(4, "artifact `app:v1` already exists");
    }
    assert_eq!(sandbox.registry_text(), before);
}

#[test]
fn an_unrecognized_type_must_be_given() {
    let sandbox = Sandbox::new();
    let plain = sandbox.path("plain");
    write_tree(&plain, &[("README", "x")]);
    let both = sandbox.path("both");
    write_tree(&both, &[("cld.yaml", "x"), ("datacenter.hcl", "x")]);
    for (dir, reason) in [(&plain, "neither"), (&both, "both")] {
        let run = sandbox.run(&["add", "x:1", dir.to_str().unwrap()]);
        run.fails(2, reason);
        assert!(
            run.stderr.contains("hint: set it with `--type component`"),
            "{run:?}"
        );
        assert!(!sandbox.home().exists());
        sandbox.ok(&["add", "x:1", dir.to_str().unwrap(), "--type", "comp"]);
        fs::remove_dir_all(sandbox.home()).unwrap();
    }
}

#[test]
fn wrong_usage_is_reported_at_once() {
    let sandbox = Sandbox::new();
    let metadata = ["add", "a:1", "--metadata-only", "--type", "component"];
    let with = |more: &[&'static str]| [&metadata[..], more].concat();
    let cases: [(Vec<&str>, &str); 9] = [
        (vec!["add"], "required"),
        (vec!["add", "a:1", "--metadata-only"], "--type"),
        (vec!["add", "a:1", "--size", "5"], "--metadata-only"),
        (with(&["--size", "-1"]), "negative"),
        (with(&["--size", "lots"]), "number of bytes"),
        (with(&["--created-at", "yesterday"]), "2026-02-14T13:03:11Z"),
        (
            with(&["--created-at", "2026-02-30T00:00:00Z"]),
            "2026-02-14T13:03:11Z",
        ),
        (
            vec!["add", "..", "--metadata-only", "--type", "dc"],
            "would be `.` or `..`",
        ),
        (
            vec!["add", "a:1", "x", "--untagged", "y"],
            "cannot be used with",
        ),
    ];
    for (args, message) in cases {
        let run = sandbox.run(&args);
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (2, ""),
            "{args:?}: {run:?}"
        );
        assert!(run.stderr.contains(message), "{args:?}: {run:?}");
    }
    assert!(!sandbox.home().exists());
}

#[test]
fn repaired_content_is_an_update_even_at_the_same_time() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    let add = [
        "add",
        "app:v1",
        source.to_str().unwrap(),
        "--created-at",
        "2026-01-01T00:00:00Z",
    ];
    sandbox.ok(&add);
    let before = sandbox.registry_text();
    fs::write(sandbox.cache().join("app_v1/cld.yml"), "name: bad\n").unwrap();
    assert_eq!(sandbox.ok(&add), "updated app:v1\n");
    assert_eq!(sandbox.ok(&add), "unchanged app:v1\n");
    assert_eq!(sandbox.registry_text(), before);
}

#[test]
fn a_file_at_the_path_of_the_directory_is_replaced() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("app");
    fs::create_dir_all(sandbox.cache()).unwrap();
    fs::write(sandbox.cache().join("app_v1"), "").unwrap();
    sandbox.ok(&["add", "app:v1", source.to_str().unwrap()]);
    assert_eq!(names(&sandbox.cache()), ["app_v1"]);
}
