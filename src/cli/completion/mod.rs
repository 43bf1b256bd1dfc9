//! Completion, as a shell asks for it at a press of the tab key.
//!
//! The script that `completions` prints runs the program with
//! `CLDCTL_REGISTRY_COMPLETE` set to the name of the shell and what is typed
//! after `--`; the program prints one candidate a line. Whatever goes wrong,
//! nothing is offered and nothing is said: the user is in the middle of a line.

mod line;
mod script;
mod values;

use std::env;
use std::ffi::OsString;
use std::io::{Write, stdout};

use clap::{CommandFactory, ValueEnum};
use clap_complete::CompletionCandidate;

pub(super) use script::{Shell, script};
pub(super) use values::{filters, formats, references};

use super::args::Args;
use crate::escape::is_unsafe;
use line::{Line, Quote};

/// The environment variable that makes a run of the program a completion.
const VARIABLE: &str = "CLDCTL_REGISTRY_COMPLETE";

/// What is asked for.
struct Request {
    shell: Shell,
    /// The words up to the cursor; the last is the one to complete.
    words: Vec<String>,
    /// How that word is quoted.
    quote: Quote,
    /// How many bytes of it the shell keeps as they are.
    kept: usize,
}

impl Request {
    /// The request that this process was started with, if it was.
    fn of_process() -> Option<Self> {
        let shell = env::var_os(VARIABLE)?;
        let shell = Shell::from_str(shell.to_str()?, false).ok()?;
        let args: Vec<String> = env::args_os()
            .skip_while(|arg| arg != "--")
            .skip(1)
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect();
        let mut request = Request {
            shell,
            words: args,
            quote: Quote::None,
            kept: 0,
        };
        match shell {
            // The line, and the part of it that bash will replace.
            Shell::Bash => {
                let [line, replaced] = request.words.as_slice() else {
                    return None;
                };
                let before = line.strip_suffix(replaced.as_str()).unwrap_or(line);
                let kept = Line::parse(before).words.pop().unwrap_or_default().len();
                let Line { words, quote } = Line::parse(line);
                request = Request {
                    words,
                    quote,
                    kept,
                    ..request
                };
            }
            // Words with their quotes.
            Shell::Zsh => request.words.iter_mut().for_each(unquote),
            // The last word with its quotes.
            Shell::Fish => request.words.last_mut().into_iter().for_each(unquote),
            _ => {}
        }
        (request.words.len() > 1).then_some(request)
    }
}

fn unquote(word: &mut String) {
    *word = Line::parse(word).words.concat();
}

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
