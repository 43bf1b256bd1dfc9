//! The changes that are disturbed, each with its home, and the looks.
//!
//! Each home has an artifact with content and one without that the change does not
//! concern: both must stay unchanged.

pub(crate) mod homes;

use std::ffi::OsString;
use std::fmt;

use crate::home::{self, Home};
use crate::registry;

/// The effect that a command must have on the home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Change,
    /// A change that finds nothing to do.
    Unneeded,
    /// An extra change made by a look; success does not promise it.
    Favour,
    /// Nothing is to change but what a registry of images has, and what is remembered of
    /// that.
    Push,
    /// Nothing is to change.
    Look,
}

/// The feature that the system lacks during the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Complete,
    /// It can neither exchange two directories nor rename without replacing.
    WithoutExchange,
    /// It changes no modes.
    WithoutModes,
    /// It opens nothing below a directory in one step.
    WithoutOpenat2,
    /// All existing content is in the lower layer of an overlay, whose directories
    /// cannot be renamed.
    LowerLayer,
}

impl System {
    /// Returns the refusals as options of `strace`.
    pub(crate) fn refuses(self) -> &'static [&'static str] {
        match self {
            System::Complete | System::LowerLayer => &[],
            System::WithoutExchange => &["renameat2:error=EINVAL"],
            System::WithoutModes => &["chmod,fchmod,fchmodat:error=EPERM"],
            System::WithoutOpenat2 => &["openat2:error=ENOSYS"],
        }
    }

    /// Returns the names of the calls that are refused.
    pub(crate) fn refused_calls(self) -> Vec<&'static str> {
        let refused = self.refuses().iter();
        let names = refused.filter_map(|it| Some(it.split_once(':')?.0));
        names.flat_map(|names| names.split(',')).collect()
    }
}

/// A command and its surroundings.
#[derive(Clone)]
pub(crate) struct Operation {
    name: &'static str,
    /// Prepares a fresh home for the change.
    pub(crate) prepare: fn(&Home),
    /// The program's arguments.
    pub(crate) args: fn(&Home) -> Vec<OsString>,
    pub(crate) system: System,
    /// The arguments that make one step alone, if it has several steps that may each
    /// fail.
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

    /// Returns the name, without the system.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Returns whether it needs a registry of images.
    pub(crate) fn is_remote(&self) -> bool {
        self.name.starts_with("pull") || self.kind == Kind::Push
    }

    /// Returns the number of times that it replaces the registry.
    pub(crate) fn commits(&self) -> usize {
        match self.kind {
            Kind::Unneeded | Kind::Push | Kind::Look => 0,
            Kind::Change | Kind::Favour => self.steps.len().max(1),
        }
    }

    /// Returns the arguments with a limit of the wait for a lock.
    pub(crate) fn args_waiting(&self, home: &Home, limit: &str) -> Vec<OsString> {
        let mut args = (self.args)(home);
        args.extend(words(&["--lock-timeout", limit]));
        args
    }
}

/// A change on a complete system.
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

/// Changes that bring content in, or replace it, by renames.
fn of_content() -> Vec<Operation> {
    vec![
        plain("add new", homes::with_source, add),
        plain("add over", homes::with_other_content, add),
        plain("add over after kills", homes::with_all_leftovers, add),
        plain(
            "add over what is deployed",
            homes::with_deployed_content,
            add,
        ),
        plain("load over", homes::with_archive, |home| {
            let archive = home.path("archive").join("it.tar").into();
            vec!["load".into(), "-i".into(), archive]
        }),
        plain("tag over", homes::with_two_contents, |_| {
            words(&["tag", "it:1", "over:1"])
        }),
    ]
}

/// Changes that bring content in from a registry of images.
fn of_remote_content() -> Vec<Operation> {
    vec![
        plain("pull new", homes::others, |_| pull()),
        plain("pull over", homes::with_content, |_| pull()),
        plain(
            "pull over what is deployed",
            homes::with_deployed_content,
            |_| pull(),
        ),
        Operation {
            kind: Kind::Unneeded,
            ..plain("pull unchanged", homes::with_pulled_content, |_| pull())
        },
    ]
}

/// Other changes of content.
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

/// Changes that remove content.
fn of_removal() -> Vec<Operation> {
    vec![
        plain("rm", homes::with_content, |_| words(&["rm", "it:1"])),
        plain(
            "rm of what is deployed",
            homes::with_deployed_content,
            |_| words(&["rm", "it:1", "--deployed"]),
        ),
        Operation {
            // The missing entry, and the chosen ones.
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
        // What has the state of a deployment is not replaced there.
        let left_out = ["add new", "add over what is deployed"];
        let replaced = content.iter().filter(|it| !left_out.contains(&it.name));
        let layered = replaced.chain(&removal);
        all.extend(layered.map(|it| it.on(System::LowerLayer)));
    }
    all.extend(content);
    all.extend(of_remote_content());
    all.extend(removal);
    all
}

/// Commands that change a registry of images.
pub(crate) fn pushes() -> Vec<Operation> {
    let push = |home: &Home| {
        let to = registry::get().reference(&home.repository(), "1");
        words(&["push", "it:1", "--as", &to, "--retries", "1"])
    };
    vec![Operation {
        kind: Kind::Push,
        ..plain("push", homes::with_content, push)
    }]
}

/// Commands that read content and change nothing.
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
        look("save", homes::with_content, |home| {
            let output = home.path("saved.tar").into();
            vec!["save".into(), "it:1".into(), "-o".into(), output]
        }),
        look("prune --dry-run", homes::with_all_to_prune, |_| {
            words(&["prune", "-n", "-a", "--filter", "cache=missing"])
        }),
    ]
}

pub(crate) fn words(args: &[&str]) -> Vec<OsString> {
    args.iter().map(OsString::from).collect()
}

/// The time of everything that is added, so that the same change leaves the same bytes.
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

/// Returns the arguments that pull what [`homes::published`] pushes. The second try of a
/// failed request is enough to test trying again.
pub(crate) fn pull() -> Vec<OsString> {
    let from = homes::published();
    words(&["pull", &from, "--as", "it:1", "--retries", "1"])
}
