//! Power losses: each change is recorded once, and every state is checked that a power
//! loss after any of its calls may leave.
//!
//! The states come from a [model](model) that promises only what a file system must:
//! what was synced. Unplugging a real machine shows one of these states at a time, and
//! hardly ever a bad one.
//!
//! Controls prove the harness: if all syncs, those of directories, or those of files
//! are left out of the same records, something must be lost for each of the changes.

mod judge;
mod losses;
mod model;
mod record;
mod replay;
mod theirs;
mod tree;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::num::NonZero;
use std::sync::Mutex;
use std::thread::{available_parallelism, scope};

use self::judge::Between;
use self::model::Heeded;
use self::replay::{HEEDED, Recorded, sample};
use self::theirs::Scenario;
use crate::operations::{self, Operation};

/// The number of states of each change in which the program is run.
const TRIED: usize = 8;

/// Syncs whose omission must be detected.
const CONTROLS: [(&str, Heeded); 3] = [
    (
        "without any sync",
        Heeded {
            files: false,
            dirs: false,
        },
    ),
    (
        "without syncs of directories",
        Heeded {
            files: true,
            dirs: false,
        },
    ),
    (
        "without syncs of files",
        Heeded {
            files: false,
            dirs: true,
        },
    ),
];

/// The number of changes, calls and states, and the violations.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) operations: usize,
    pub(crate) calls: usize,
    pub(crate) states: usize,
    /// The states in which the program was run.
    pub(crate) tried: usize,
    /// The states of a change that was killed, run again, and reported then.
    pub(crate) after_kills: usize,
    /// The states between old and new that the design permits.
    between: BTreeMap<Between, usize>,
    /// The changes beside another process that had not synced, and their states.
    beside: usize,
    beside_states: usize,
    /// Each control, with the number of changes that it was tried in, and that lost
    /// something.
    pub(crate) controls: BTreeMap<&'static str, (usize, usize)>,
    /// The violations, each with the change, the number of calls, and what is wrong. A
    /// control that loses nothing is one.
    pub(crate) violations: Vec<String>,
}

/// The work that is recorded.
enum Work {
    Change(Operation),
    Beside(Scenario),
}

/// Records all changes, and checks power losses in all of them.
pub(crate) fn run() -> Counts {
    let umask = umask();
    let changes = operations::changes().into_iter().map(Work::Change);
    let beside = theirs::all().into_iter().map(Work::Beside);
    let left = Mutex::new(changes.chain(beside));
    let counts = Mutex::new(Counts::default());
    scope(|scope| {
        for _ in 0..available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().next();
                    let found = match next {
                        Some(Work::Change(operation)) => Counts::of(&operation, umask),
                        Some(Work::Beside(scenario)) => Counts::beside(&scenario, umask),
                        None => break,
                    };
                    counts.lock().unwrap().add(found);
                }
            });
        }
    });
    counts.into_inner().unwrap()
}

impl Counts {
    fn of(operation: &Operation, umask: u32) -> Self {
        let mut counts = Counts {
            operations: 1,
            ..Counts::default()
        };
        let recorded = match Recorded::make(operation, umask) {
            Ok(recorded) => recorded,
            Err(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let said = format!("{operation}: it fails undisturbed: {}", said.trim());
                counts.violations.push(said);
                return counts;
            }
        };
        counts.calls = recorded.calls.len();
        let wrong = |prefix: usize, what: &str| {
            let last = prefix.checked_sub(1).map(|last| &recorded.calls[last]);
            let last = format!("{last:?}");
            let last: String = last.chars().take(200).collect();
            format!("{}, after {prefix} calls ({last}): {what}", recorded.name)
        };
        let mut sound = Vec::new();
        recorded.losses(HEEDED, |loss| {
            counts.states += 1;
            match recorded.judge.judge(&loss.tree, loss.reported) {
                Ok((_, between)) => {
                    if let Some(between) = between {
                        *counts.between.entry(between).or_default() += 1;
                    }
                    sound.push((loss, between));
                }
                Err(what) => counts.violations.push(wrong(loss.prefix, &what)),
            }
        });
        for loss in sample(sound, TRIED) {
            counts.tried += 1;
            if let Err(what) = recorded.go_on(&loss) {
                counts.violations.push(wrong(loss.prefix, &what));
            }
        }
        recorded.kills(|prefix, found| {
            counts.after_kills += 1;
            if let Some(what) = found {
                let what = format!("killed, and run again: {what}");
                counts.violations.push(wrong(prefix, &what));
            }
        });
        // A command that changes nothing has nothing to lose.
        let controls = CONTROLS.iter().filter(|_| operation.commits() > 0);
        for &(name, heeded) in controls {
            let loses = recorded.loses(heeded);
            counts.controls.insert(name, (1, usize::from(loses)));
            if !loses {
                let name = format!("{}, {name}: nothing is lost", recorded.name);
                counts.violations.push(name);
            }
        }
        counts
    }

    fn beside(scenario: &Scenario, umask: u32) -> Self {
        let found = scenario.run(umask);
        let mut counts = Counts {
            beside: found.runs,
            beside_states: found.states,
            violations: found.violations,
            ..Counts::default()
        };
        let name = "without syncs of what another process left";
        if scenario.has_control() {
            counts
                .controls
                .insert(name, (1, usize::from(found.is_missed)));
        }
        if !found.is_missed && scenario.has_control() {
            let name = scenario.name;
            let violation = format!("unsynced {name}: without the syncs nothing is lost");
            counts.violations.push(violation);
        }
        counts
    }

    fn add(&mut self, other: Counts) {
        self.operations += other.operations;
        self.calls += other.calls;
        self.states += other.states;
        self.tried += other.tried;
        self.after_kills += other.after_kills;
        self.beside += other.beside;
        self.beside_states += other.beside_states;
        for (between, count) in other.between {
            *self.between.entry(between).or_default() += count;
        }
        for (name, (of, lost)) in other.controls {
            let sum = self.controls.entry(name).or_default();
            *sum = (sum.0 + of, sum.1 + lost);
        }
        self.violations.extend(other.violations);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts {
            operations,
            calls,
            states,
            tried,
            after_kills,
            ..
        } = self;
        let of = |between| self.between.get(&between).copied().unwrap_or_default();
        writeln!(f, "power loss: {operations} changes of {calls} calls")?;
        writeln!(
            f,
            "  {states:>6} states, in {tried} of them the program went on"
        )?;
        let between = of(Between::OldEntryOnNewContent);
        writeln!(
            f,
            "  {between:>6} of them an old entry on whole new content"
        )?;
        let between = of(Between::ContentAside);
        writeln!(
            f,
            "  {between:>6} of them content aside between two renames"
        )?;
        let between = of(Between::ContentMissing);
        writeln!(
            f,
            "  {between:>6} of them an old entry without content, over a lower layer"
        )?;
        writeln!(
            f,
            "  {after_kills:>6} states of changes that were killed and run again"
        )?;
        writeln!(
            f,
            "  {:>6} states of {} changes beside what another process had not synced",
            self.beside_states, self.beside
        )?;
        writeln!(f, "  {:>6} violations", self.violations.len())?;
        for (name, (of, lost)) in &self.controls {
            writeln!(f, "  {lost:>6} of {of} changes lose something {name}")?;
        }
        Ok(())
    }
}

/// Returns the mask of modes for new files and directories of the processes that run
/// here.
fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    u32::from_str_radix(umask.unwrap().trim(), 8).unwrap()
}
