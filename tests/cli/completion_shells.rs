//! Completion in real shells, each in a terminal of its own, with the keys
//! typed that a person would type.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use expectrl::session::OsSession;
use expectrl::{Expect, Session};
use serde_json::Value;

use crate::completion::{FILTER_KEYS, SORT_KEYS, stocked};
use crate::support::{PROGRAM, Run, Sandbox};
use crate::tools::runs;

/// The time in which a shell must answer, long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// The directory of the scripts.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/completions");

/// A shell that waits for keys.
pub(crate) struct Typing {
    session: OsSession,
}

/// How a shell is started without what the user has configured, and made to
/// complete from the checked-in script.
pub(crate) struct Shell {
    pub(crate) name: &'static str,
    args: &'static [&'static str],
    setup: &'static str,
}

pub(crate) const BASH: Shell = Shell {
    name: "bash",
    args: &["--norc", "--noprofile", "-i"],
    // One tab lists what several would, without asking and paging.
    setup: "PS1='> '; bind 'set show-all-if-ambiguous on'; bind 'set completion-query-items 0'; \
            bind 'set page-completions off'; bind 'set bell-style none'; \
            source $SCRIPTS/cldctl-registry.bash",
};

pub(crate) const ZSH: Shell = Shell {
    name: "zsh",
    args: &["-f", "-i"],
    // As a package installs it: loaded from fpath at the first tab.
    setup: "PS1='> '; bindkey -e; LISTMAX=1000; unsetopt list_beep list_ambiguous; fpath=($SCRIPTS $fpath); \
            autoload -Uz compinit; compinit -D -u",
};

pub(crate) const FISH: Shell = Shell {
    name: "fish",
    args: &["--no-config", "--private", "-i"],
    setup: "function fish_prompt; echo -n '> '; end; set fish_greeting; \
            source $SCRIPTS/cldctl-registry.fish",
};

/// Its history is a file below the directories that the sandbox sets.
pub(crate) const ELVISH: Shell = Shell {
    name: "elvish",
    args: &["-norc"],
    setup: "set edit:prompt = { put '> ' }; set edit:rprompt = { }; \
            eval (slurp < $E:SCRIPTS/cldctl-registry.elv)",
};

/// Whether a program is there; says so if it is not, and fails where all programs
/// that the tests need are installed first.
#[track_caller]
pub(crate) fn is_installed(program: &str) -> bool {
    match runs(&[program, "--version"]) {
        Ok(()) => true,
        Err(lack) => {
            assert!(lack.is_accepted(), "{lack:?}");
            false
        }
    }
}

/// Lets a shell find the program in this directory, and nothing of the user's.
fn isolated<'c>(command: &'c mut Command, sandbox: &Sandbox, programs: &Path) -> &'c mut Command {
    let mut path = vec![programs.to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    command
        .env_clear()
        .env("HOME", sandbox.user())
        .env("XDG_CONFIG_HOME", sandbox.path("config"))
        .env("XDG_DATA_HOME", sandbox.path("data"))
        .env("XDG_CACHE_HOME", sandbox.path("xdg-cache"))
        .env("XDG_STATE_HOME", sandbox.path("state"))
        .env("XDG_RUNTIME_DIR", sandbox.path("runtime"))
        .env("TERM", "xterm")
        .env("LC_ALL", "C.UTF-8")
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("SCRIPTS", SCRIPTS)
        .current_dir(sandbox.user())
}

impl Shell {
    fn start(&self, sandbox: &Sandbox) -> Option<Typing> {
        self.start_with(sandbox, Path::new(PROGRAM).parent().unwrap())
    }

    /// Starts the shell so that it finds the program in this directory. Returns
    /// `None` where the shell is not installed.
    pub(crate) fn start_with(&self, sandbox: &Sandbox, programs: &Path) -> Option<Typing> {
        if !is_installed(self.name) {
            return None;
        }
        let mut command = Command::new(self.name);
        isolated(&mut command, sandbox, programs).args(self.args);
        let mut session = Session::spawn(command).unwrap();
        session.get_process_mut().set_window_size(160, 60).unwrap();
        session.set_expect_timeout(Some(PATIENCE));
        let mut typing = Typing { session };
        typing.run(self.setup);
        Some(typing)
    }
}

impl Typing {
    pub(crate) fn send(&mut self, keys: &str) {
        self.session.send(keys).unwrap();
    }

    /// Waits for a text, and returns what came before it.
    #[track_caller]
    #[expect(clippy::panic, reason = "the screen tells more than the error")]
    fn until(&mut self, text: &str) -> String {
        match self.session.expect(text) {
            Ok(found) => String::from_utf8_lossy(found.before()).into_owned(),
            Err(error) => {
                let mut rest = vec![0; 10_000];
                let read = self.session.try_read(&mut rest).unwrap_or(0);
                let rest = String::from_utf8_lossy(&rest[..read]).into_owned();
                panic!("{error}, waiting for {text:?}; there is {rest:?}")
            }
        }
    }

    /// Runs a command and returns all that came on the screen until its end.
    /// The end is not what was typed, so its echo is not taken for it.
    #[track_caller]
    pub(crate) fn run(&mut self, command: &str) -> String {
        self.send(&format!("{command}\r"));
        self.send("printf 'EN%s\\n' D42\r");
        self.until("END42")
    }

    /// Types this and a tab. Returns the words that came on the screen, once the
    /// last of those that must come is there.
    #[track_caller]
    pub(crate) fn offered(&mut self, line: &str, last: &str) -> Vec<String> {
        self.send(&format!("cldctl-registry {line}\t"));
        let mut screen = self.until(last);
        screen.push_str(last);
        // Whatever else is offered comes before the next command is done.
        self.send("\x15");
        screen.push_str(&self.run(""));
        let screen = without_escapes(&screen);
        let words = screen.split_whitespace();
        words
            .map(|word| word.trim_start_matches('…').to_owned())
            .collect()
    }

    /// Types this and a tab, and has the shell print the last argument that
    /// is then on the line.
    #[track_caller]
    fn completed(&mut self, line: &str) -> String {
        self.send(&format!("cldctl-registry {line}\t"));
        // To the begin of the line, to turn it into one that prints itself.
        self.send("\x01printf '(%s)' \x05\r");
        let screen = without_escapes(&self.run(""));
        let (before, _) = screen.rsplit_once(')').unwrap();
        before.rsplit_once('(').unwrap().1.to_owned()
    }
}

/// Returns what nushell offers at the end of a line, as its editor asks for it.
#[track_caller]
pub(crate) fn in_nushell(
    sandbox: &Sandbox,
    programs: &Path,
    dir: &Path,
    line: &str,
) -> Vec<String> {
    let text = format!("use {SCRIPTS}/cldctl-registry.nu *\ncldctl-registry {line}");
    let file = sandbox.path("line.nu");
    fs::write(&file, &text).unwrap();
    let mut command = Command::new("nu");
    command
        .args(["--no-config-file", "--ide-complete"])
        .arg(text.len().to_string())
        .arg(&file);
    let output = isolated(&mut command, sandbox, programs)
        .current_dir(dir)
        .output()
        .unwrap();
    let run = Run::from(output);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    let answer: Value = serde_json::from_str(&run.stdout).unwrap();
    let offered = answer["completions"].as_array().unwrap().iter();
    offered
        .map(|candidate| candidate.as_str().unwrap().to_owned())
        .collect()
}

/// The text without what moves the cursor and sets colours.
fn without_escapes(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('[') => while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
            Some(']') => while chars.next().is_some_and(|c| c != '\u{7}') {},
            Some('(') => drop(chars.next()),
            _ => {}
        }
    }
    out
}

/// Types in a shell what people type, and checks what it offers.
fn offers_exactly_the_right_candidates(shell: &Shell) {
    let sandbox = stocked();
    let Some(mut typing) = shell.start(&sandbox) else {
        return;
    };
    let apps = ["ghcr.io/acme/app:v1", "ghcr.io/acme/app:v2"];
    let hosted = [apps[0], apps[1], "ghcr.io/acme/web:w1"];
    let types = ["type=component", "type=datacenter"];
    let cases: &[(&str, &[&str])] = &[
        ("rm gh", &hosted),
        ("inspect ghcr.io/acme/app:", &apps),
        ("rm \"gh", &hosted),
        ("rm 'ghcr.io/acme/app:", &apps),
        ("images --filter ", FILTER_KEYS),
        ("images --filter type=", &types),
        ("images --sort ", SORT_KEYS),
    ];
    let all = [
        &hosted[..],
        &["other:o1", "ghost-file"],
        &types,
        FILTER_KEYS,
        SORT_KEYS,
    ]
    .concat();
    for (line, expected) in cases {
        let words = typing.offered(line, &tail(expected.last().unwrap()));
        // A shell may leave out the begin of a long candidate.
        let is_shown = |candidate: &str| {
            words
                .iter()
                .any(|word| word.len() > 1 && candidate.ends_with(word.as_str()))
        };
        // What was typed is on the screen too.
        for candidate in all.iter().copied().filter(|part| !line.ends_with(part)) {
            assert_eq!(
                is_shown(candidate),
                expected.contains(&candidate),
                "{}: {candidate} behind {line:?}: {words:?}",
                shell.name
            );
        }
    }
    for (line, expected) in [
        ("rm ot", "other:o1"),
        ("rm other:", "other:o1"),
        ("rm \"ot", "other:o1"),
        ("rm ghcr.io/acme/w", "ghcr.io/acme/web:w1"),
        ("inspect 'ghcr.io/acme/web:", "ghcr.io/acme/web:w1"),
        ("images --filter type=d", "type=datacenter"),
        ("images --filter=cache=p", "--filter=cache=present"),
        ("images --filter da", "dangling="),
        ("images --sort cr", "created"),
    ] {
        assert_eq!(typing.completed(line), expected, "{}: {line}", shell.name);
    }
}

/// The part of a candidate that every shell shows.
fn tail(candidate: &str) -> String {
    let start = candidate.rfind([':', '/']).map_or(0, |at| at + 1);
    candidate[start..].trim_start_matches("type=").to_owned()
}

#[test]
fn bash_offers_exactly_the_right_candidates() {
    offers_exactly_the_right_candidates(&BASH);
}

#[test]
fn zsh_offers_exactly_the_right_candidates() {
    offers_exactly_the_right_candidates(&ZSH);
}

#[test]
fn fish_offers_exactly_the_right_candidates() {
    offers_exactly_the_right_candidates(&FISH);
}

#[test]
fn nushell_offers_commands_flags_and_fixed_values() {
    if !is_installed("nu") {
        return;
    }
    let sandbox = stocked();
    let programs = Path::new(PROGRAM).parent().unwrap();
    for (line, expected) in [
        ("im", &["cldctl-registry images"][..]),
        ("images --so", &["--sort"]),
        ("images --sort ", SORT_KEYS),
        ("add x:1 --type d", &["datacenter"]),
        ("completions z", &["zsh"]),
        ("rm gh", &["ghost-file"]),
    ] {
        let mut offered = in_nushell(&sandbox, programs, &sandbox.user(), line);
        let mut expected = expected.to_vec();
        offered.sort();
        expected.sort_unstable();
        assert_eq!(offered, expected, "{line}");
    }
}

/// nushell reads the arguments itself, by what the script declares.
#[test]
fn nushell_passes_on_what_the_script_declares() {
    if !is_installed("nu") {
        return;
    }
    let sandbox = stocked();
    for (line, expected) in [
        (
            "images -aq -f tag=v1 --filter=tag=o1",
            "other:o1\nghcr.io/acme/app:v1\n",
        ),
        ("images -q --type dc --type comp --limit=1", "other:o1\n"),
        ("inspect other:o1 -f '{{.Tag}}'", "o1\n"),
        ("rm -nf other:o1 | lines | length", "1\n"),
        ("exists -- other:o1", ""),
        ("ls -q --limit 1", "other:o1\n"),
    ] {
        let mut command = Command::new("nu");
        let text = format!("use {SCRIPTS}/cldctl-registry.nu *; cldctl-registry {line}");
        command.args(["--no-config-file", "--commands", &text]);
        let programs = Path::new(PROGRAM).parent().unwrap();
        let output = isolated(&mut command, &sandbox, programs).output().unwrap();
        let run = Run::from(output);
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (0, expected),
            "{line}: {run:?}"
        );
    }
}
