//! REF operands: what each names, or why it names nothing.

use std::cell::OnceCell;
use std::io;

use crate::cli::exit::{Exit, Failure};
use crate::cli::output::messages;
use crate::document::{Document, EntryRef};
use crate::error::os_message;
use crate::escape::{escape_display, is_unsafe};
use crate::lookup::{DigestPrefix, Found, Resolver};
use crate::quote;
use crate::reference::ReferenceParts;
use crate::registry::{ReadMode, Registry};

/// Beyond this many entries, looking for a similar name would take longer than
/// the command.
const MAX_COMPARED: usize = 10_000;

/// Names longer than this, in bytes, are not compared.
const MAX_LENGTH: usize = 255;

/// How similar a name has to be to be suggested, of 1.
const MIN_SIMILARITY: f64 = 0.6;

/// The operands, or where `-` stands for them, those on standard input, one a
/// line.
pub(super) fn from_stdin(operands: &[String]) -> Result<Vec<String>, Failure> {
    if !operands.iter().any(|operand| operand == "-") {
        return Ok(operands.to_vec());
    }
    if operands.len() > 1 {
        return Err(Failure::usage(
            "`-` reads references from standard input and cannot be combined with others",
        ));
    }
    let text = io::read_to_string(io::stdin()).map_err(|error| Failure {
        exit: match error.kind() {
            io::ErrorKind::InvalidData => Exit::Usage,
            _ => Exit::Failure,
        },
        message: format!(
            "could not read references from standard input: {}",
            os_message(&error)
        ),
        hint: None,
    })?;
    // A blank at the end of a reference is a part of it.
    let lines = text.lines().filter(|line| !line.is_empty());
    Ok(lines.map(str::to_owned).collect())
}

/// Why an operand names no one artifact.
#[derive(Debug)]
pub(super) enum Unresolved {
    Missing(String),
    Ambiguous(String, Vec<String>),
}

impl Unresolved {
    /// The failure to report. Looking for a name that may have been meant takes
    /// its time, so it is not done under the lock.
    pub(super) fn into_failure(self, names: &Names<'_>) -> Failure {
        match self {
            Unresolved::Missing(operand) => Failure {
                exit: Exit::NotFound,
                message: format!("artifact `{}` not found", escape_display(&operand)),
                hint: names
                    .similar(&operand)
                    .and_then(quote::operand)
                    .map(|reference| format!("did you mean `{reference}`?")),
            },
            Unresolved::Ambiguous(operand, references) => {
                let typed = |name: &str| quote::operand(name).map(Into::into);
                let list: Vec<String> = references
                    .iter()
                    .map(|name| format!("`{}`", typed(name).unwrap_or(escape_display(name))))
                    .collect();
                Failure {
                    exit: Exit::Refused,
                    message: format!(
                        "`{}` is ambiguous: it matches {} artifacts: {}",
                        escape_display(&operand),
                        list.len(),
                        list.join(", ")
                    ),
                    hint: Some("use one of these references".to_owned()),
                }
            }
        }
    }
}

/// The entries that an operand names: the places of all that have the one
/// reference.
pub(super) fn resolve(
    finder: &Resolver<'_>,
    operand: &str,
    start: DigestPrefix,
) -> Result<Vec<usize>, Unresolved> {
    match finder.find(operand, start) {
        Found::Entries(indices) => Ok(indices),
        Found::Nothing => Err(Unresolved::Missing(operand.to_owned())),
        Found::Ambiguous(references) => Err(Unresolved::Ambiguous(operand.to_owned(), references)),
    }
}

/// The entries that operands name, the first of each reference. Those that name
/// none are told, and the exit code is theirs.
pub(super) fn resolve_to_look<'d>(
    document: &'d Document,
    names: &Names<'_>,
    operands: &[String],
) -> (Vec<EntryRef<'d>>, Exit) {
    let finder = Resolver::new(document);
    let (mut found, mut exit) = (Vec::new(), Exit::Success);
    for operand in operands {
        match resolve(&finder, operand, DigestPrefix::ToLook) {
            Ok(indices) => found.extend(indices.first().and_then(|&index| document.entry(index))),
            Err(reason) => {
                let failure = reason.into_failure(names);
                exit = exit.worst(failure.exit);
                messages::error(&failure.into());
            }
        }
    }
    (found, exit)
}

/// The references in the registry, for a name that may have been meant. They are
/// read when they are asked for first: as a rule, all operands are found.
pub(super) struct Names<'r> {
    registry: &'r Registry,
    references: OnceCell<Vec<String>>,
}

impl<'r> Names<'r> {
    pub(super) fn of(registry: &'r Registry) -> Self {
        Names {
            registry,
            references: OnceCell::new(),
        }
    }

    /// The reference that an operand is most like.
    fn similar(&self, operand: &str) -> Option<&str> {
        if operand.len() > MAX_LENGTH {
            return None;
        }
        let references = self.references.get_or_init(|| self.read());
        // It may have been added since it was not found, and what is shown escaped
        // cannot be typed.
        let others = references
            .iter()
            .filter(|reference| *reference != operand && !reference.contains(is_unsafe));
        others
            .filter(|reference| reference.len() <= MAX_LENGTH)
            .map(|reference| (similarity(reference, operand), reference.as_str()))
            .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .map(|(_, reference)| reference)
    }

    /// All references, or none if there are too many to be compared.
    fn read(&self) -> Vec<String> {
        let scanned = self
            .registry
            .scan(ReadMode::Patient, |references: &mut Vec<_>, entry| {
                if references.len() <= MAX_COMPARED {
                    references.push(entry.reference().into_owned());
                }
            });
        // Without them there is no hint; what is wrong was told before.
        let parts = scanned.map(|scanned| scanned.parts).unwrap_or_default();
        let references: Vec<_> = parts.into_iter().flatten().collect();
        match references.len() > MAX_COMPARED {
            true => Vec::new(),
            false => references,
        }
    }
}

/// How much an operand is like a reference, or like its end: people leave out
/// the host and the organisation.
fn similarity(reference: &str, operand: &str) -> f64 {
    let parts = ReferenceParts::of(reference);
    let tagged = reference.rsplit('/').next().unwrap_or_default();
    let name = parts.repository.rsplit('/').next().unwrap_or_default();
    [reference, tagged, name]
        .map(|candidate| strsim::normalized_damerau_levenshtein(candidate, operand))
        .into_iter()
        .fold(0.0, f64::max)
}
