//! References that a shell would run, expand or take for an option, completed in
//! real shells: what is typed, the tab key and the enter key.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::json;

use crate::completion_shells::{BASH, ELVISH, FISH, Shell, Typing, ZSH, in_nushell, is_installed};
use crate::support::{PROGRAM, Run, Sandbox, names};

/// A command that creates `~/canary` if any shell runs it.
const HOSTILE: [&str; 38] = [
    "$(touch canary)",
    "(touch canary)",
    "`touch canary`",
    "a$(touch canary)",
    "a`touch canary`",
    "a;touch canary",
    "a;touch canary;#",
    "a&touch canary",
    "a|touch canary",
    "a\"|touch canary;\"",
    "a';touch canary;'",
    "a\";touch canary;'",
    "<(touch canary)",
    "=(touch canary)",
    "a>canary",
    ">canary",
    "a>>canary",
    "{touch,canary}",
    "$HOME",
    "${HOME}",
    "$E:HOME",
    "a$'x'",
    "a'x",
    "a\"x",
    "'",
    "\"",
    "a x  y ",
    " a",
    "a*?[a]{b,c}",
    "*",
    "a!x",
    "!!",
    "a\\x#~^",
    "a\\",
    "#a",
    "~",
    "~/a",
    "=a",
];

/// Writes a registry with these references alone.
fn write_only<const N: usize>(sandbox: &Sandbox, references: [&str; N]) {
    let artifacts = references.map(|reference| json!({"reference": reference}));
    sandbox.write_registry(json!({"artifacts": &artifacts[..]}).to_string());
}

/// A program that answers the shell as the real one does, and otherwise writes down
/// its arguments. Returns its directory.
fn stub(sandbox: &Sandbox) -> PathBuf {
    let dir = sandbox.path("programs");
    fs::create_dir_all(&dir).unwrap();
    let path = dir.join("cldctl-registry");
    let text = format!(
        "#!/bin/sh\n\
         [ -z \"$CLDCTL_REGISTRY_COMPLETE\" ] || exec '{PROGRAM}' \"$@\"\n\
         printf '%s\\0' \"$@\" >>\"$HOME/args\"\n"
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// Types this and enter. Returns the arguments that the program then gets.
#[track_caller]
fn passed(typing: &mut Typing, sandbox: &Sandbox, line: &str) -> Vec<String> {
    let args = sandbox.user().join("args");
    let _ = fs::remove_file(&args);
    typing.send(&format!("cldctl-registry {line}\r"));
    // Closes the quote that is still open where nothing was inserted, otherwise it
    // is a comment.
    if let Some(quote) = line.chars().find(|c| "'\"".contains(*c)) {
        typing.send(&format!("#{quote}\r"));
    }
    let screen = typing.run("");
    assert!(args.exists(), "nothing ran behind {line:?}: {screen:?}");
    let args = fs::read_to_string(&args).unwrap();
    args.split_terminator('\0').map(str::to_owned).collect()
}

/// Completes each reference behind no quote and behind each quote. What is inserted
/// is the reference, all of it and nothing else; the references that are left out
/// are these.
fn passes_references_on_unchanged(shell: &Shell, setup: &str, left_out: &[(&str, &str)]) {
    let sandbox = Sandbox::new();
    let Some(mut typing) = shell.start_with(&sandbox, &stub(&sandbox)) else {
        return;
    };
    typing.run(setup);
    let mut found = Vec::new();
    for (quote, as_typed) in [
        ("", &["rm"][..]),
        ("'", &["rm", "\n#"]),
        ("\"", &["rm", "\n#"]),
    ] {
        for reference in HOSTILE {
            write_only(&sandbox, [reference]);
            let args = passed(&mut typing, &sandbox, &format!("rm {quote}\t"));
            if args == as_typed {
                found.push((quote, reference));
            } else {
                assert_eq!(args, ["rm", reference], "{}: {quote}", shell.name);
            }
            assert_nothing_ran(&sandbox, reference);
        }
    }
    assert_eq!(found, left_out, "{}", shell.name);
    for reference in HOSTILE {
        // What both have in common is inserted first.
        let [first, second] = [1, 2].map(|n| format!("{reference}/{n}"));
        write_only(&sandbox, [&first, &second]);
        let args = passed(&mut typing, &sandbox, "rm \t1\t");
        if !found.contains(&("", reference)) {
            assert_eq!(args, ["rm", &first], "{}", shell.name);
        }
        assert_nothing_ran(&sandbox, reference);
    }
    passes_values_on_unchanged(shell, &mut typing, &sandbox);
    // What looks like an option is offered behind `--` alone.
    for reference in ["-y", "-yx", "--yx", "--force", "--forcx"] {
        write_only(&sandbox, [reference]);
        for (line, expected) in [
            ("rm \t", &["rm"][..]),
            ("rm --forc\t", &["rm", "--force"]),
            ("rm -- \t", &["rm", "--", reference]),
        ] {
            let args = passed(&mut typing, &sandbox, line);
            assert_eq!(args, expected, "{}: {line}", shell.name);
        }
    }
}

/// Completes the values of filters, and the names of files.
#[track_caller]
fn passes_values_on_unchanged(shell: &Shell, typing: &mut Typing, sandbox: &Sandbox) {
    let dir = sandbox.user().join("files");
    fs::create_dir(&dir).unwrap();
    typing.run("cd files");
    for text in [
        "$(touch canary)",
        "`touch canary`",
        "a;touch canary;#",
        "a';touch canary;'",
        "a>canary",
        "{touch,canary}",
        "a x  y ",
        "a\\x#~^",
        "*",
        "=a",
        "!!",
    ] {
        write_only(sandbox, [text]);
        let args = passed(typing, sandbox, "images --filter reference=\t");
        let filter = format!("reference={text}");
        assert_eq!(args, ["images", "--filter", &filter], "{}", shell.name);

        fs::write(dir.join(text), "").unwrap();
        let args = passed(typing, sandbox, "add x:1 ./\t");
        assert_eq!(args, ["add", "x:1", &format!("./{text}")], "{}", shell.name);
        assert_eq!(names(&dir), [text]);
        fs::remove_file(dir.join(text)).unwrap();
        assert_nothing_ran(sandbox, text);
    }
    fs::write(dir.join("-L"), "").unwrap();
    let args = passed(typing, sandbox, "add x:1 \t");
    assert!(
        args.iter().all(|arg| arg != "-L"),
        "{}: {args:?}",
        shell.name
    );
}

#[track_caller]
fn assert_nothing_ran(sandbox: &Sandbox, reference: &str) {
    assert!(!sandbox.user().join("canary").exists(), "{reference}");
}

/// Row 87: in this shell, with typed keys.
#[test]
fn bash_passes_hostile_references_on_unchanged_or_not_at_all() {
    passes_references_on_unchanged(
        &BASH,
        "",
        &[
            ("'", "a';touch canary;'"),
            ("'", "a\";touch canary;'"),
            ("'", "a$'x'"),
            ("'", "a'x"),
            ("'", "'"),
            ("'", "a!x"),
            ("'", "!!"),
            ("\"", "a\"|touch canary;\""),
            ("\"", "\""),
            ("\"", "a!x"),
            ("\"", "!!"),
        ],
    );
}

/// Row 87: in this shell, with typed keys.
#[test]
fn zsh_passes_hostile_references_on_unchanged_or_not_at_all() {
    passes_references_on_unchanged(&ZSH, "setopt interactive_comments", &[]);
}

/// Row 87: in this shell, with typed keys.
#[test]
fn fish_passes_hostile_references_on_unchanged_or_not_at_all() {
    passes_references_on_unchanged(&FISH, "", &[("", "~"), ("", "~/a")]);
}

/// Row 87: in this shell, with typed keys.
#[test]
fn elvish_passes_hostile_references_on_unchanged_or_not_at_all() {
    passes_references_on_unchanged(&ELVISH, "", &[]);
}

/// Row 87: where PowerShell cannot be installed, what it gets is read by the rules of
/// its language.
#[test]
fn powershell_gets_hostile_references_as_literal_strings() {
    let sandbox = Sandbox::new();
    for reference in HOSTILE
        .into_iter()
        .chain(["a’;touch canary;‘", "1kb", "@a"])
    {
        write_only(&sandbox, [reference]);
        let mut command = sandbox.command::<&str>(&[]);
        command
            .env("CLDCTL_REGISTRY_COMPLETE", "powershell")
            .env("CLDCTL_REGISTRY_WORDS", "cldctl-registry\nrm\n");
        let run = Run::from(command.output().unwrap());
        let literal: String = reference
            .chars()
            .map(|c| match c {
                '\'' | '‘' | '’' => format!("{c}{c}"),
                c => c.to_string(),
            })
            .collect();
        // What is inserted, shown, and described.
        let expected = format!("'{literal}'\t{reference}\t{reference}\n");
        assert_eq!(run.stdout, expected, "{run:?}");
    }
}

/// Row 87: nor does the script itself.
#[test]
fn the_script_of_powershell_evaluates_no_text() {
    let run = Sandbox::new().run(&["completions", "powershell"]);
    let script = run
        .stdout
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let script = script.collect::<Vec<_>>().join("\n").to_lowercase();
    assert!(script.contains("register-argumentcompleter"), "{script}");
    for evaluates in [
        "\"",
        "`",
        "invoke-",
        "iex",
        "expandstring",
        "::create(",
        "newscriptblock",
        "safegetvalue",
    ] {
        assert!(!script.contains(evaluates), "{evaluates}");
    }
}

/// Row 87: its candidates come from the script alone, and from the names of files.
#[test]
fn nushell_offers_nothing_of_the_registry() {
    if !is_installed("nu") {
        return;
    }
    let sandbox = Sandbox::new();
    let dir = sandbox.path("empty");
    fs::create_dir(&dir).unwrap();
    write_only(&sandbox, HOSTILE);
    for typed in ["", "a", "'", "\"", "`", "-- "] {
        let line = format!("rm {typed}");
        let offered = in_nushell(&sandbox, &stub(&sandbox), &dir, &line);
        assert_eq!(offered, [""; 0], "{line}");
    }
    assert!(!sandbox.user().join("args").exists(), "the program ran");
    assert_eq!(names(&dir), [""; 0]);
}
