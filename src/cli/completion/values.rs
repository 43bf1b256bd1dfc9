//! The candidates for values: those that depend on the registry, and those that
//! clap cannot know.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};

use super::request::Request;
use crate::Registry;
use crate::cli::args::Args;
use crate::cli::home;
use crate::reference::ReferenceParts;
use crate::select::{CACHE_STATES, KEYS};

/// Completes the references in the registry.
pub(in crate::cli) fn references() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| match current.to_str() {
        Some(current) => offer("", registered(current, |reference| reference)),
        None => Vec::new(),
    })
}

/// Completes the repositories of the references in the registry.
#[cfg(feature = "remote")]
pub(in crate::cli) fn repositories() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| match current.to_str() {
        Some(current) => offer("", repositories_with(current)),
        None => Vec::new(),
    })
}

/// Completes the names of commands.
pub(in crate::cli) fn commands() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let program = Args::command();
        let commands = program.get_subcommands();
        commands
            .map(|command| {
                CompletionCandidate::new(command.get_name()).help(command.get_about().cloned())
            })
            .collect()
    })
}

/// Completes the keys of filters, and the values where they can be listed.
pub(in crate::cli) fn filters() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| current.to_str().map(filter).unwrap_or_default())
}

/// Completes the names of formats; the templates beside them are free.
pub(in crate::cli) fn formats(names: &'static [&'static str]) -> ArgValueCandidates {
    ArgValueCandidates::new(|| names.iter().map(CompletionCandidate::new).collect())
}

fn filter(current: &str) -> Vec<CompletionCandidate> {
    let Some(at) = current.find('=') else {
        let keys = KEYS.iter().filter(|key| key.starts_with(current));
        return keys
            .map(|key| CompletionCandidate::new(format!("{key}=")))
            .collect();
    };
    let (prefix, value) = current.split_at(at + 1);
    let listed = |values: &[&str]| {
        let values = values.iter().filter(|known| known.starts_with(value));
        values.map(|&known| known.to_owned()).collect()
    };
    let values: BTreeSet<String> = match prefix.trim_end_matches(['!', '=']) {
        "type" => listed(&["component", "datacenter"]),
        "dangling" | "deployed" => listed(&["false", "true"]),
        "cache" => listed(CACHE_STATES),
        "reference" | "before" | "since" => registered(value, |reference| reference),
        "repository" => repositories_with(value),
        "tag" => registered(value, |reference| {
            ReferenceParts::of(reference).tag_or_latest()
        }),
        _ => BTreeSet::new(),
    };
    offer(prefix, values)
}

fn offer(prefix: &str, values: BTreeSet<String>) -> Vec<CompletionCandidate> {
    let values = values.into_iter();
    values
        .map(|value| CompletionCandidate::new(format!("{prefix}{value}")))
        .collect()
}

fn repositories_with(start: &str) -> BTreeSet<String> {
    registered(start, |reference| ReferenceParts::of(reference).repository)
}

/// A part of each reference in the registry, where it begins with `start`.
fn registered(start: &str, part: fn(&str) -> &str) -> BTreeSet<String> {
    let read = || {
        let home = home::find(home_on_the_line()).ok()?;
        let registry = Registry::open(home.registry_path()).ok()?;
        registry.complete(start, part).ok()
    };
    read().unwrap_or_default()
}

/// Returns the value of `--home` on the line that is being completed.
fn home_on_the_line() -> Option<PathBuf> {
    let request = Request::of_process()?;
    let (_, words) = request.words.split_last()?;
    let mut words = words.iter();
    let mut home = None;
    while let Some(word) = words.next() {
        match word.strip_prefix("--home") {
            Some("") => home = words.next().map(String::as_str),
            Some(rest) => home = rest.strip_prefix('=').or(home),
            None if word == "--" => break,
            None => {}
        }
    }
    home.map(PathBuf::from)
}
