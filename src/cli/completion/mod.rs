//! Completion, as a shell asks for it at a press of the tab key.
//!
//! The script that `completions` prints runs the program with
//! `CLDCTL_REGISTRY_COMPLETE` set to the name of the shell and what is typed
//! after `--`; the program prints one candidate a line. If anything fails, it offers
//! nothing and prints no error, because the user is in the middle of a line.
//!
//! A registry may contain references that others chose, such as `$(x)` or `-y`. A
//! candidate is inserted as text alone, quoted by the shell or for it, or it is left
//! out, so that it is never run, expanded or taken for an option.

mod bash;
mod fish;
mod powershell;
mod quote;
mod request;
mod script;
pub(super) mod shell;
pub(super) mod values;

use std::env;
use std::ffi::OsString;
use std::io::{Write, stdout};

use clap::{Command, CommandFactory};
use clap_complete::CompletionCandidate;

pub(super) use script::script;

use super::args::Args;
use crate::escape::is_unsafe;
use request::{Request, VARIABLE};
use shell::Shell;

/// Answers a shell that asks for candidates. Returns false if none did.
pub(super) fn answer() -> bool {
    // Checked first, so that all other runs pay only for this check.
    if env::var_os(VARIABLE).is_none_or(|value| value.is_empty()) {
        return false;
    }
    if let Some(request) = Request::of_process() {
        let candidates = candidates(&request);
        // A failure is ignored because the shell has left.
        let _ = stdout()
            .lock()
            .write_all(text(&request, &candidates).as_bytes());
    }
    true
}

fn candidates(request: &Request) -> Vec<CompletionCandidate> {
    let words = request.words.iter().map(OsString::from).collect();
    let at = request.words.len() - 1;
    let here = env::current_dir().ok();
    let mut program = program(request);
    let found = clap_complete::engine::complete(&mut program, words, at, here.as_deref());
    found
        .unwrap_or_default()
        .into_iter()
        .filter(|candidate| is_offered(request, candidate))
        .map(|candidate| named(candidate, request.typed()))
        .collect()
}

/// Returns the program as far as it matters: with the commands alone that are on the line,
/// if there are any, because all of them are built to complete one.
fn program(request: &Request) -> Command {
    let program = Args::command();
    let is_named = |command: &&Command| {
        let mut names = command.get_name_and_visible_aliases().into_iter();
        names.any(|name| request.words.iter().any(|word| word == name))
    };
    let named: Vec<Command> = program
        .get_subcommands()
        .filter(is_named)
        .cloned()
        .collect();
    match named.is_empty() {
        true => program,
        false => Command::new("cldctl-registry")
            .version(env!("CARGO_PKG_VERSION"))
            .disable_version_flag(true)
            .disable_help_subcommand(true)
            .args(program.get_arguments().cloned())
            .subcommands(named),
    }
}

/// Returns true if a candidate is valid and wanted at this place.
fn is_offered(request: &Request, candidate: &CompletionCandidate) -> bool {
    let has_dash = candidate.get_value().as_encoded_bytes().starts_with(b"-");
    if !has_dash {
        return true;
    }
    // An operand is tagged with its name, such as `<REF>...`.
    let tag = candidate.get_tag().map(ToString::to_string);
    if tag.is_some_and(|tag| tag.starts_with(['<', '['])) {
        // `-` is standard input, whatever precedes it.
        return request.is_after_escape() && candidate.get_value() != "-";
    }
    // Options are left out where an operand is expected.
    !request.typed().is_empty()
}

/// Returns a command by its name, because only the first of its aliases in the alphabet
/// was found.
fn named(candidate: CompletionCandidate, typed: &str) -> CompletionCandidate {
    let id = candidate.get_id();
    match id.and_then(|id| id.strip_prefix("command::")) {
        Some(name) if name.starts_with(typed) => {
            CompletionCandidate::new(name).help(candidate.get_help().cloned())
        }
        _ => candidate,
    }
}

/// The answer in the form that the script of the shell reads: a line for each
/// candidate, with a description after a tab where the shell shows one.
fn text(request: &Request, candidates: &[CompletionCandidate]) -> String {
    let mut out = String::new();
    for candidate in candidates {
        let value = candidate.get_value().to_str();
        let Some(value) = value.filter(|value| !value.contains(is_unsafe)) else {
            continue;
        };
        let Some(quoted) = request.quoted(value) else {
            continue;
        };
        out.push_str(&quoted);
        let help = candidate.get_help().map(ToString::to_string);
        let help = help.as_deref().and_then(|help| help.lines().next());
        match (request.shell, help) {
            // It needs all three.
            (Shell::Powershell, help) => push_fields(&mut out, &[value, help.unwrap_or(value)]),
            (Shell::Zsh | Shell::Fish, Some(help)) => push_fields(&mut out, &[help]),
            _ => {}
        }
        out.push('\n');
    }
    out
}

fn push_fields(out: &mut String, fields: &[&str]) {
    for field in fields {
        out.push('\t');
        out.push_str(field);
    }
}
