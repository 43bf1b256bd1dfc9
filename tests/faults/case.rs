//! A change with the states that it may leave, and its disturbed runs.

use std::path::Path;

use crate::disturbance::{self, Disturbance};
use crate::home::Home;
use crate::invariants;
use crate::operations::{self, Operation};
use crate::state::State;
use crate::strace::{Run, Subject, name_of};

/// A change that was made undisturbed, to know what it comes to.
pub(crate) struct Case<'p> {
    pub(crate) operation: Operation,
    program: &'p Path,
    template: Home,
    /// The old state, those after some steps alone, the new one.
    pub(crate) states: Vec<State>,
    /// Each of them after the next change.
    pub(crate) nexts: Vec<State>,
    pub(crate) disturbances: Vec<Disturbance>,
}

/// What became of a disturbed run.
pub(crate) struct Outcome {
    /// Whether the disturbance took place.
    pub(crate) happened: bool,
    /// Which of the case's states it left.
    pub(crate) state: Option<usize>,
    pub(crate) violations: Vec<String>,
}

impl<'p> Case<'p> {
    /// A change as a program makes it, which for a control is not the real one.
    pub(crate) fn new(operation: Operation, program: &'p Path) -> Self {
        let template = Home::new();
        (operation.prepare)(&template);
        let mut case = Case {
            operation,
            program,
            template,
            states: Vec::new(),
            nexts: Vec::new(),
            disturbances: Vec::new(),
        };
        let old = case.template.copy();
        let mut homes = vec![old];
        for step in case.operation.steps {
            let home = case.template.copy();
            home.ok(&step(&home));
            homes.push(home);
        }
        let home = case.template.copy();
        let calls = case.subject(&home).record(&home);
        homes.push(home);
        case.disturbances = disturbance::all(&calls, case.operation.always);
        for home in homes {
            case.states.push(State::of(&home));
            home.ok(&next());
            case.nexts.push(State::of(&home));
        }
        case
    }

    fn subject(&self, home: &Home) -> Subject<'_> {
        Subject {
            program: self.program,
            args: (self.operation.args)(home),
            always: self.operation.always,
        }
    }

    /// Makes the change, disturbed, and the next one, and looks at what is there.
    pub(crate) fn disturb(&self, disturbance: &Disturbance) -> Outcome {
        let home = self.template.copy();
        let run = self.run(&home, disturbance);
        let happened = happened(disturbance, &run);
        let after = State::of(&home);
        let next = home.run(&next());
        let next = next
            .status
            .success()
            .then(|| State::of(&home))
            .ok_or_else(|| String::from_utf8_lossy(&next.stderr).into_owned());
        let facts = invariants::Facts {
            case: self,
            disturbance,
            happened,
            run: &run,
            after: &after,
            next,
        };
        Outcome {
            happened,
            state: facts.state(),
            violations: facts.violations(),
        }
    }

    fn run(&self, home: &Home, disturbance: &Disturbance) -> Run {
        let subject = self.subject(home);
        match disturbance {
            Disturbance::Error { call, error } => {
                let inject = format!("{}:error={error}:when={}", call.name, call.number);
                // Whether a failed sync is tried again shows in the trace.
                let names = match &*call.name {
                    name if name.contains("sync") => "fsync,fdatasync,syncfs",
                    name => name,
                };
                subject.run(home, names, &[&inject])
            }
            Disturbance::Kill { call } => {
                let inject = format!("{}:signal=KILL:when={}", call.name, call.number);
                subject.run(home, &call.name, &[&inject])
            }
            Disturbance::Limit { script } => subject.run_after(home, script),
        }
    }
}

/// What is done to each home afterwards.
fn next() -> Vec<std::ffi::OsString> {
    operations::record("next:1")
}

/// Whether a line tells of a call of this name, or of its end.
fn is_of(line: &str, name: &str) -> bool {
    name_of(line) == Some(name) || line.contains(&format!("<... {name} resumed>"))
}

fn happened(disturbance: &Disturbance, run: &Run) -> bool {
    match disturbance {
        Disturbance::Error { call, .. } => run
            .trace
            .lines()
            .any(|line| line.ends_with("(INJECTED)") && is_of(line, &call.name)),
        Disturbance::Kill { .. } => run.is_killed(),
        Disturbance::Limit { .. } => !run.output.status.success(),
    }
}
