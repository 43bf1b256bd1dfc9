//! The request of a shell for candidates.

use std::borrow::Cow;
use std::env;

use clap::ValueEnum;

use super::bash::{self, Line};
use super::quote::Quote;
use super::shell::Shell;
use super::{fish, powershell};

/// The environment variable that makes a run of the program a completion.
pub(super) const VARIABLE: &str = "CLDCTL_REGISTRY_COMPLETE";

/// The environment variable that PowerShell passes the words in, one a line.
const WORDS_VARIABLE: &str = "CLDCTL_REGISTRY_WORDS";

/// A request for candidates.
pub(super) struct Request {
    pub(super) shell: Shell,
    /// The words up to the cursor; the last is the one to complete.
    pub(super) words: Vec<String>,
    /// The quote that is open at its end, where the program has to know.
    quote: Quote,
    /// The number of its bytes that the shell keeps as they are.
    kept: usize,
}

impl Request {
    /// Returns the request that this process was started with, if there is one.
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
            Shell::Bash => request.read_line_of_bash()?,
            // Words with their quotes.
            Shell::Zsh => request.words.iter_mut().for_each(unquote),
            // The last word with its quotes.
            Shell::Fish => {
                if let Some(last) = request.words.last_mut() {
                    (*last, request.quote) = fish::parse(last);
                }
            }
            Shell::Powershell => {
                if let Some(words) = env::var_os(WORDS_VARIABLE) {
                    let words = words.to_string_lossy();
                    request.words = words.split('\n').map(str::to_owned).collect();
                }
            }
            Shell::Elvish | Shell::Nushell => {}
        }
        (request.words.len() > 1).then_some(request)
    }

    /// Takes apart the line, and the part of it that bash will replace. Returns
    /// `None` where bash would expand what it keeps: its text is not known then.
    fn read_line_of_bash(&mut self) -> Option<()> {
        let [line, replaced] = self.words.as_slice() else {
            return None;
        };
        let mut before = Line::parse(line.strip_suffix(replaced.as_str())?);
        let Line { words, quote, .. } = Line::parse(line);
        self.kept = before.words.pop()?.len();
        (self.words, self.quote) = (words, quote);
        before.is_literal.then_some(())
    }

    /// The word to complete, without quotes.
    pub(super) fn typed(&self) -> &str {
        self.words.last().map_or("", String::as_str)
    }

    /// Returns true if the word to complete is an operand even if it begins with `-`.
    pub(super) fn is_after_escape(&self) -> bool {
        let before = self
            .words
            .split_last()
            .map_or(&[][..], |(_, before)| before);
        before.iter().any(|word| word == "--")
    }

    /// Returns what the shell has to know so that the line holds this word in
    /// the end, as text alone. Returns `None` where that is not to be had.
    pub(super) fn quoted<'a>(&self, word: &'a str) -> Option<Cow<'a, str>> {
        match self.shell {
            Shell::Bash => bash::quoted(self.quote, word.get(self.kept..)?).map(Cow::Owned),
            Shell::Powershell => powershell::quoted(word),
            Shell::Fish => fish::keeps(self.typed(), self.quote, word).then_some(word.into()),
            // These quote what they insert.
            Shell::Zsh | Shell::Elvish | Shell::Nushell => Some(word.into()),
        }
    }
}

fn unquote(word: &mut String) {
    *word = Line::parse(word).words.concat();
}
