//! A command with its permitted end states, and its disturbed runs.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Output;
use std::sync::Mutex;

use crate::disturbance::{self, Disturbance};
use crate::home::Home;
use crate::invariants;
use crate::operations::{self, Kind, Operation, System};
use crate::registry;
use crate::state::State;
use crate::strace::{Run, Subject, name_of};

/// A command with the result of its undisturbed run.
pub(crate) struct Case<'p> {
    pub(crate) operation: Operation,
    program: &'p Path,
    template: Home,
    /// The output of the undisturbed run.
    pub(crate) said: Said,
    /// The old state, those after only some of the steps, and the new one.
    pub(crate) states: Vec<State>,
    /// The state that the next change makes of each of them.
    pub(crate) nexts: Vec<State>,
    pub(crate) disturbances: Vec<Disturbance>,
    /// The result of the next change, by the state that it began with.
    made_next: Mutex<HashMap<State, Next>>,
}

/// The state after the next change, or the error that it reported.
pub(crate) type Next = Result<State, String>;

/// The output of a command, the same in each home.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    fn by(home: &Home, output: &Output) -> Self {
        let plain = |text: &[u8]| {
            let text = String::from_utf8_lossy(text).replace(&home.root(), "");
            text.replace(&home.repository(), "")
        };
        Said {
            stdout: plain(&output.stdout),
            stderr: plain(&output.stderr),
        }
    }

    /// Returns how often the output contains a word.
    pub(crate) fn count(&self, word: &str) -> usize {
        let texts = [&self.stdout, &self.stderr].into_iter();
        texts.map(|text| text.matches(word).count()).sum()
    }
}

/// The outcome of a disturbed run.
pub(crate) struct Outcome {
    /// True if the disturbance happened.
    pub(crate) happened: bool,
    /// The index of the state that it left, among those of the case.
    pub(crate) state: Option<usize>,
    pub(crate) violations: Vec<String>,
}

impl<'p> Case<'p> {
    /// Runs the command undisturbed. `program` is the real one, except for a control;
    /// `turn` differs for each command.
    ///
    /// # Errors
    ///
    /// The undisturbed command fails.
    pub(crate) fn new(
        operation: Operation,
        program: &'p Path,
        turn: usize,
    ) -> Result<Self, String> {
        let template = Home::new();
        (operation.prepare)(&template);
        let mut case = Case {
            operation,
            program,
            template,
            said: Said::default(),
            states: Vec::new(),
            nexts: Vec::new(),
            disturbances: Vec::new(),
            made_next: Mutex::default(),
        };
        let old = case.fresh();
        let mut homes = vec![old];
        for step in case.operation.steps {
            let home = case.fresh();
            state_after(&home, &step(&home)).map_err(|said| format!("a step fails: {said}"))?;
            homes.push(home);
        }
        let home = case.fresh();
        let (calls, output) = case.subject(&home).record(&home)?;
        case.said = Said::by(&home, &output);
        homes.push(home);
        // Calls before the first refusal are the same as on the complete system, where
        // they are disturbed.
        let shared = match case.operation.system {
            System::Complete => 0,
            system => {
                let home = case.template.copy();
                let complete = Subject {
                    always: &[],
                    ..case.subject(&home)
                };
                match complete.record(&home) {
                    Ok((complete, _)) => disturbance::shared(&calls, &complete, system),
                    Err(_) => 0,
                }
            }
        };
        let calls = &calls[shared..];
        case.disturbances = disturbance::failures(calls, case.operation.system, turn);
        if case.operation.kind != Kind::Look {
            case.disturbances.extend(disturbance::kills(calls));
        }
        if case.operation.kind != Kind::Look && case.operation.system == System::Complete {
            case.disturbances.extend(disturbance::limits());
        }
        if case.operation.is_remote() && case.operation.kind != Kind::Unneeded {
            case.disturbances.extend(disturbance::memory_limits());
        }
        for home in homes {
            case.states.push(State::of(&home));
            let next = state_after(&home, &next());
            case.nexts
                .push(next.map_err(|said| format!("the next change fails: {said}"))?);
        }
        Ok(case)
    }

    /// Returns the state after the undisturbed command.
    pub(crate) fn last(&self) -> &State {
        self.states.last().unwrap()
    }

    /// Creates another home in the state before the command.
    fn fresh(&self) -> Home {
        match self.operation.system {
            System::LowerLayer => self.template.layered(),
            _ => self.template.copy(),
        }
    }

    fn subject(&self, home: &Home) -> Subject<'_> {
        Subject {
            program: self.program,
            args: (self.operation.args)(home),
            always: self.operation.system.refuses(),
        }
    }

    /// Runs the disturbed command and the next change, and checks both.
    pub(crate) fn disturb(&self, disturbance: &Disturbance) -> Outcome {
        let home = self.fresh();
        let run = self.run(&home, disturbance);
        let happened = happened(disturbance, &run);
        let after = State::of(&home);
        let mut facts = invariants::Facts {
            case: self,
            disturbance,
            happened,
            said: Said::by(&home, &run.output),
            run: &run,
            after: &after,
            pushed: registry::get().take(&home.repository()),
            next: Err(String::new()),
        };
        let mut violations = Vec::new();
        // Entries without content have to be found before the next change adds it.
        let broken = facts.broken();
        if !broken.is_empty() {
            let report = home.run(&["verify"]);
            violations.extend(facts.named(&broken, &report));
        }
        facts.next = self.next(&home, &after);
        if !broken.is_empty() {
            violations.extend(facts.run_again(self.again(&home)));
        }
        violations.extend(facts.violations());
        Outcome {
            happened,
            state: facts.state(),
            violations,
        }
    }

    /// Returns the state after the next change, which depends only on the state before
    /// it.
    fn next(&self, home: &Home, after: &State) -> Next {
        if let Some(known) = self.made_next.lock().unwrap().get(after) {
            return known.clone();
        }
        let next = state_after(home, &next());
        let mut made = self.made_next.lock().unwrap();
        made.insert(after.clone(), next.clone());
        next
    }

    /// Returns the state after running the command once more, and then the next change.
    fn again(&self, home: &Home) -> Next {
        state_after(home, &next())?;
        state_after(home, &(self.operation.args)(home))
    }

    fn run(&self, home: &Home, disturbance: &Disturbance) -> Run {
        let mut subject = self.subject(home);
        match disturbance {
            Disturbance::Error { call, error } => {
                let inject = format!("{}:error={error}:when={}", call.name, call.number);
                // The trace of syncs shows whether a failed one was repeated.
                let names = match &*call.name {
                    name if name.contains("sync") => "fsync,fdatasync,syncfs",
                    name => name,
                };
                subject.run(home, names, &[&inject])
            }
            Disturbance::Errors { call, error } => {
                // One wait is enough to test the waiting.
                let limit = if call.number == 1 { "1s" } else { "0s" };
                subject.args = self.operation.args_waiting(home, limit);
                let inject = format!("{}:error={error}:when={}+", call.name, call.number);
                subject.run(home, &call.name, &[&inject])
            }
            Disturbance::Kill { call } => {
                let inject = format!("{}:signal=KILL:when={}", call.name, call.number);
                subject.run(home, &call.name, &[&inject])
            }
            Disturbance::Limit { script } => subject.run_after(home, script),
        }
    }
}

fn state_after(home: &Home, args: &[OsString]) -> Next {
    let output = home.run(args);
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    let made = output.status.success().then(|| State::of(home));
    made.ok_or_else(said)
}

/// The arguments of the change that follows in each home.
fn next() -> Vec<OsString> {
    operations::record("next:1")
}

/// Returns whether a line is about a call of this name, or about its end.
fn is_of(line: &str, name: &str) -> bool {
    name_of(line) == Some(name) || line.contains(&format!("<... {name} resumed>"))
}

fn happened(disturbance: &Disturbance, run: &Run) -> bool {
    match disturbance {
        Disturbance::Error { call, .. } | Disturbance::Errors { call, .. } => run
            .trace
            .lines()
            .any(|line| line.ends_with("(INJECTED)") && is_of(line, &call.name)),
        Disturbance::Kill { .. } => run.is_killed(),
        Disturbance::Limit { .. } => !run.output.status.success(),
    }
}
