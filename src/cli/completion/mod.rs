//! Completion, as a shell asks for it at a press of the tab key.
//!
//! The script that `completions` prints runs the program with
//! `CLDCTL_REGISTRY_COMPLETE` set to the name of the shell and what is typed
//! after `--`; the program prints one candidate a line. Whatever goes wrong,
//! nothing is offered and nothing is said: the user is in the middle of a line.

mod line;
mod request;
mod script;
pub(super) mod shell;
pub(super) mod values;

use std::env;
use std::ffi::OsString;
use std::io::{Write, stdout};

use clap::CommandFactory;
use clap_complete::CompletionCandidate;

pub(super) use script::script;

use super::args::Args;
use crate::escape::is_unsafe;
use request::{Request, VARIABLE};
use shell::Shell;

/// Answers a shell that asks for candidates; returns whether one did.
pub(super) fn answer() -> bool {
    // Looked at first: all other runs pay for this one look alone.
    if env::var_os(VARIABLE).is_none_or(|value| value.is_empty()) {
        return false;
    }
    if let Some(request) = Request::of_process() {
        let candidates = candidates(&request);
        // A shell that left needs no answer.
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
    let found = clap_complete::engine::complete(&mut Args::command(), words, at, here.as_deref());
    let typed = request.words[at].as_str();
    found
        .unwrap_or_default()
        .into_iter()
        // Where something has to be named, flags only stand in the way.
        .filter(|candidate| !(typed.is_empty() && is_flag(candidate)))
        .map(|candidate| named(candidate, typed))
        .collect()
}

fn is_flag(candidate: &CompletionCandidate) -> bool {
    candidate.get_value().as_encoded_bytes().starts_with(b"-")
}

/// A command by its name, where only that of its aliases was found which comes
/// first in the alphabet.
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
/// candidate, with a tab and a description where the shell shows one.
fn text(request: &Request, candidates: &[CompletionCandidate]) -> String {
    let mut out = String::new();
    for candidate in candidates {
        let Some(value) = candidate.get_value().to_str() else {
            continue;
        };
        if value.contains(is_unsafe) {
            continue;
        }
        match request.shell {
            Shell::Bash => match value.get(request.kept..) {
                Some(rest) if request.quote.can_hold(rest) => request.quote.push(&mut out, rest),
                _ => continue,
            },
            _ => out.push_str(value),
        }
        if let (Shell::Zsh | Shell::Fish | Shell::Powershell, Some(help)) =
            (request.shell, candidate.get_help())
        {
            out.push('\t');
            out.push_str(help.to_string().lines().next().unwrap_or_default());
        }
        out.push('\n');
    }
    out
}
