//! The changes that are disturbed, each with the home that it is made in, and the
//! looks that are.
//!
//! In each home there are an artifact with content and one without that the
//! change is not about: they must stay as they are.

pub(crate) mod homes;

use std::ffi::OsString;
use std::fmt;

use crate::home::{self, Home};

/// What a command is to do to the home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Change,
    /// A change that finds nothing to do.
    Unneeded,
    /// A favour on the way of a look: success does not promise it.
    Favour,
    /// Nothing is to change.
    Look,
}

/// What the system lacks all along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Complete,
    /// It cannot exchange two directories, nor rename without replacing.
    WithoutExchange,
    /// It changes no modes.
    WithoutModes,
    /// It opens nothing below a directory in one step.
    WithoutOpenat2,
    /// Whatever was there before lies in the lower layer of an overlay, whose
    /// directories cannot be renamed.
    LowerLayer,
}

impl System {
    /// What is refused, as `strace` is told.
    pub(crate) fn refuses(self) -> &'static [&'static str] {
        match self {
            System::Complete | System::LowerLayer => &[],
            System::WithoutExchange => &["renameat2:error=EINVAL"],
            System::WithoutModes => &["chmod,fchmod,fchmodat:error=EPERM"],
            System::WithoutOpenat2 => &["openat2:error=ENOSYS"],
        }
    }

    /// The names of the calls that are refused.
    pub(crate) fn refused_calls(self) -> Vec<&'static str> {
        let refused = self.refuses().iter();
        let names = refused.filter_map(|it| Some(it.split_once(':')?.0));
        names.flat_map(|names| names.split(',')).collect()
    }
}

/// A command and what it is run in.
#[derive(Clone)]
pub(crate) struct Operation {
    name: &'static str,
    /// Makes a fresh home what it is before the change.
    pub(crate) prepare: fn(&Home),
    /// The program's arguments.
    pub(crate) args: fn(&Home) -> Vec<OsString>,
    pub(crate) system: System,
    /// If it is made in steps that may each fail, what makes one of them alone.
    pub(crate) steps: &'static [fn(&Home) -> Vec<OsString>],
    pub(crate) kind: Kind,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        f.write_str(match self.system {
            System::Complete => "",
            System::WithoutExchange => ", without exchange",
            System::WithoutModes => ", without modes",
            System::WithoutOpenat2 => ", without openat2",
            System::LowerLayer => ", over a lower layer",
        })
    }
}

impl Operation {
    fn on(&self, system: System) -> Self {
        Operation {
            system,
            ..self.clone()
        }
    }

    /// How many times it replaces the registry.
    pub(crate) fn commits(&self) -> usize {
        match self.kind {
            Kind::Unneeded | Kind::Look => 0,
            Kind::Change | Kind::Favour => self.steps.len().max(1),
        }
    }

    /// The arguments with a limit to how long it waits for a lock.
    pub(crate) fn args_waiting(&self, home: &Home, limit: &str) -> Vec<OsString> {
        let mut args = (self.args)(home);
        args.extend(words(&["--lock-timeout", limit]));
        args
    }
}

/// A change on a system that lacks nothing.
pub(crate) const fn plain(
    name: &'static str,
    prepare: fn(&Home),
    args: fn(&Home) -> Vec<OsString>,
) -> Operation {
    Operation {
        name,
        prepare,
        args,
        system: System::Complete,
        steps: &[],
        kind: Kind::Change,
    }
}

/// Changes to the registry alone.
fn of_metadata() -> Vec<Operation> {
    vec![
        plain("record new", homes::others, |_| record("it:1")),
        plain("record over", homes::with_content, |_| record("it:1")),
        plain("record after a kill", homes::with_leftovers, |_| {
            record("it:1")
        }),
        plain("record behind a link", homes::behind_a_link, |_| {
            record("it:1")
        }),
        plain("record in an empty home", |_| {}, |_| record("it:1")),
        Operation {
            kind: Kind::Unneeded,
            ..plain("rm of what is missing", homes::with_content, |_| {
                words(&["rm", "-f", "none:1"])
            })
        },
        plain(
            "rm of content shared from elsewhere",
            homes::with_content_shared_from_elsewhere,
            |_| words(&["rm", "it:1"]),
        ),
        plain("migrate by record", homes::first_form, |_| record("it:1")),
        Operation {
            kind: Kind::Favour,
            ..plain("migrate by images", homes::legacy, |_| {
                words(&["images", "-q"])
            })
        },
    ]
}

/// Changes that bring content in, or replace some, by renames.
fn of_content() -> Vec<Operation> {
    vec![
        plain("add new", homes::with_source, add),
        plain("add over", homes::with_other_content, add),
        plain("add over after kills", homes::with_all_leftovers, add),
        plain("tag over", homes::with_two_contents, |_| {
            words(&["tag", "it:1", "over:1"])
        }),
    ]
}

/// Other changes that have to do with content.
fn of_content_in_place() -> Vec<Operation> {
    vec![
        Operation {
            kind: Kind::Unneeded,
            ..plain("add unchanged", homes::with_same_content, add)
        },
        plain("add in an empty home", homes::only_source, add),
        plain("add untagged", homes::with_source, |home| {
            let mut args = words(&["add", TIME, "--untagged"]);
            args.push(home.path("source").into());
            args
        }),
        plain(
            "add what lies in place",
            homes::with_content_in_place,
            |_| words(&["add", "it:1", TIME]),
        ),
        plain("tag", homes::with_content, |_| {
            words(&["tag", "it:1", "new:1"])
        }),
        plain("rm of shared content", homes::with_shared_content, |_| {
            words(&["rm", "it:1"])
        }),
    ]
}

/// Changes that take content away.
fn of_removal() -> Vec<Operation> {
    vec![
        plain("rm", homes::with_content, |_| words(&["rm", "it:1"])),
        Operation {
            // What is gone, and what is chosen.
            steps: &[
                |_| words(&["prune", "-y"]),
                |_| words(&["prune", "-a", "--filter", "reference=it:1", "-y"]),
            ],
            ..plain("prune", homes::with_all_to_prune, |_| {
                words(&["prune", "-a", "--filter", "reference=it*", "-y"])
            })
        },
    ]
}

/// All changes.
pub(crate) fn changes() -> Vec<Operation> {
    let (content, removal) = (of_content(), of_removal());
    let mut all = of_metadata();
    all.extend(of_content_in_place());
    let without_exchange = |it: &Operation| it.on(System::WithoutExchange);
    all.extend(content.iter().map(without_exchange));
    all.push(plain(
        "add over after half a swap",
        homes::with_half_a_swap,
        add,
    ));
    let is_over = |it: &&Operation| ["add over", "tag over"].contains(&it.name);
    let by_hand = content.iter().filter(is_over);
    all.extend(by_hand.map(|it| it.on(System::WithoutOpenat2)));
    all.push(plain("add over", homes::with_private_content, add).on(System::WithoutModes));
    if home::may_be_layered() {
        let replaced = content.iter().filter(|it| it.name != "add new");
        let layered = replaced.chain(&removal);
        all.extend(layered.map(|it| it.on(System::LowerLayer)));
    }
    all.extend(content);
    all.extend(removal);
    all
}

/// Commands that look at content and change nothing.
pub(crate) fn looks() -> Vec<Operation> {
    let look = |name, prepare, args| Operation {
        kind: Kind::Look,
        ..plain(name, prepare, args)
    };
    vec![
        look("images of missing content", homes::with_missing, |_| {
            words(&["images", "-q", "--filter", "cache=missing"])
        }),
        look("inspect", homes::with_missing, |_| {
            words(&["inspect", "it:1", "stays:1", "lost:1", "also:1"])
        }),
        look("cache-path --check", homes::others, |_| {
            words(&["cache-path", "--check", "stays:1"])
        }),
        look("exists", homes::others, |_| words(&["exists", "stays:1"])),
        look("verify", homes::with_content, |_| words(&["verify"])),
        look("df", homes::with_missing, |_| words(&["df"])),
        look("prune --dry-run", homes::with_all_to_prune, |_| {
            words(&["prune", "-n", "-a", "--filter", "cache=missing"])
        }),
    ]
}

pub(crate) fn words(args: &[&str]) -> Vec<OsString> {
    args.iter().map(OsString::from).collect()
}

/// The time of all that is added, so that the same change leaves the same bytes.
pub(crate) const TIME: &str = "--created-at=2026-01-02T03:04:05Z";

pub(crate) fn record(reference: &str) -> Vec<OsString> {
    let args = ["add", reference, "--metadata-only", "--type", "datacenter"];
    words(&[&args[..], &["--cache-path", "/there", TIME]].concat())
}

pub(crate) fn add(home: &Home) -> Vec<OsString> {
    let mut args = words(&["add", "it:1", TIME]);
    args.push(home.path("source").into());
    args
}
