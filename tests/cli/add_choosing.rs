//! The files that `add` imports, by its options.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::{Sandbox, mkfifo, tree};

/// Adds the source with these options. Returns the stored paths.
#[track_caller]
fn stored(sandbox: &Sandbox, source: &Path, options: &[&str]) -> Vec<String> {
    let source = source.to_str().unwrap();
    sandbox.ok(&[&["add", "app:1", source], options].concat());
    let content = sandbox.cache().join("app_1");
    let paths = tree(&content).into_iter();
    paths.filter(|path| !content.join(path).is_dir()).collect()
}

#[test]
fn globs_exclude_and_include_paths() {
    let sandbox = Sandbox::new();
    let source = sandbox.component("source");
    let stored = |options: &[&str]| stored(&sandbox, &source, options);
    assert_eq!(stored(&["--exclude", "*.ts"]), ["cld.yml"]);
    let no_library = ["cld.yml", "src/main.ts"];
    assert_eq!(stored(&["--exclude", "lib"]), no_library);
    assert_eq!(stored(&["--exclude=src/l*"]), no_library);
    assert_eq!(
        stored(&["--exclude", "util*", "--exclude", "main*"]),
        ["cld.yml"]
    );
    assert_eq!(
        stored(&["--include", ".env", "--exclude", "src"]),
        [".env", "cld.yml"]
    );
    assert_eq!(
        stored(&["--include", "node_modules/*", "--exclude", "src/"]),
        ["cld.yml", "node_modules/left-pad/index.js"]
    );
    // An excluded path stays out even if another option includes it.
    assert_eq!(
        stored(&[
            "--exclude=.env",
            "--include=.env",
            "--all-files",
            "--exclude=src"
        ]),
        [".git/HEAD", "cld.yml", "node_modules/left-pad/index.js"]
    );
}

#[test]
fn links_are_refused_with_hints_that_work() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("shared.json"), "{}").unwrap();
    for (target, content) in [
        ("../shared.json", &["link"][..]),
        ("src", &["link/lib/util.ts", "link/main.ts"]),
    ] {
        let source = sandbox.component("source");
        let _ = fs::remove_file(source.join("link"));
        symlink(target, source.join("link")).unwrap();
        let run = sandbox.run(&["add", "app:1", source.to_str().unwrap()]);
        run.fails(4, "source/link`");
        let hint = "hint: `--dereference` stores the target of the link, \
                    `--exclude GLOB` skips it\n";
        assert!(run.stderr.ends_with(hint), "{run:?}");

        let own = ["cld.yml", "src/lib/util.ts", "src/main.ts"];
        assert_eq!(stored(&sandbox, &source, &["--exclude", "link"]), own);
        let mut all = [&["cld.yml"], content, &own[1..]].concat();
        all.sort_unstable();
        for option in ["--dereference", "-L"] {
            assert_eq!(stored(&sandbox, &source, &[option]), all);
        }
        let stored = sandbox.cache().join("app_1/link");
        assert!(!stored.is_symlink());
    }
}

#[test]
fn a_refused_file_gets_a_hint_to_exclude_it() {
    let plant: [fn(&Path); 2] = [mkfifo, |path| symlink("nowhere", path).unwrap()];
    for plant in plant {
        let sandbox = Sandbox::new();
        let source = sandbox.component("source");
        plant(&source.join("odd"));
        for options in [&[][..], &["--dereference"]] {
            let add = ["add", "app:1", source.to_str().unwrap()];
            let run = sandbox.run(&[&add, options].concat());
            run.fails(4, "source/odd`");
            let hint = "\nhint: `--exclude GLOB` skips it\n";
            assert!(run.stderr.ends_with(hint), "{run:?}");
        }
        assert_eq!(stored(&sandbox, &source, &["--exclude", "odd"]).len(), 3);
    }
    // An unsuitable source gets no hint about excluding files.
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("file"), "").unwrap();
    let run = sandbox.run(&["add", "app:1", sandbox.path("file").to_str().unwrap()]);
    run.fails(4, "/file`");
    assert!(!run.stderr.contains("hint"), "{run:?}");
}

#[test]
fn options_about_files_need_files_to_import() {
    let sandbox = Sandbox::new();
    let metadata = ["--metadata-only", "--type", "component"];
    for option in [&["-L"][..], &["--exclude", "x"], &["--include", "x"]] {
        for others in [&[][..], &metadata] {
            let args = [&["add", "app:1"], others, option].concat();
            sandbox.refuses(&args, 2, "required arguments");
        }
        let source = sandbox.component("source");
        let args = ["add", "--untagged", source.to_str().unwrap()];
        sandbox.ok(&[&args[..], option].concat());
    }
}
