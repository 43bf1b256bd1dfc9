//! What a shell asks for.

use std::env;

use clap::ValueEnum;

use super::line::{Line, Quote};
use super::shell::Shell;

/// The environment variable that makes a run of the program a completion.
pub(super) const VARIABLE: &str = "CLDCTL_REGISTRY_COMPLETE";

/// What is asked for.
pub(super) struct Request {
    pub(super) shell: Shell,
    /// The words up to the cursor; the last is the one to complete.
    pub(super) words: Vec<String>,
    /// How that word is quoted.
    pub(super) quote: Quote,
    /// How many bytes of it the shell keeps as they are.
    pub(super) kept: usize,
}

impl Request {
    /// The request that this process was started with, if it was.
    pub(super) fn of_process() -> Option<Self> {
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
