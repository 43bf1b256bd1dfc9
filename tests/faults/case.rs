//! A command with the states that it may leave, and its disturbed runs.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Output;
use std::sync::Mutex;

use crate::disturbance::{self, Disturbance};
use crate::home::Home;
use crate::invariants;
use crate::operations::{self, Kind, Operation, System};
use crate::state::State;
use crate::strace::{Run, Subject, name_of};

/// A command that was run undisturbed, to know what it comes to.
pub(crate) struct Case<'p> {
    pub(crate) operation: Operation,
    program: &'p Path,
    template: Home,
    /// What the undisturbed run said.
    pub(crate) said: Said,
    /// The old state, those after some steps alone, the new one.
    pub(crate) states: Vec<State>,
    /// Each of them after the next change.
    pub(crate) nexts: Vec<State>,
    pub(crate) disturbances: Vec<Disturbance>,
    /// What the next change came to, by the state that it was made in.
    made_next: Mutex<HashMap<State, Next>>,
}

/// The state after the next change, or what that said when it failed.
pub(crate) type Next = Result<State, String>;

/// What a command said, the same in each home.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    fn by(home: &Home, output: &Output) -> Self {
        let plain = |text: &[u8]| String::from_utf8_lossy(text).replace(&home.root(), "");
        Said {
            stdout: plain(&output.stdout),
            stderr: plain(&output.stderr),
        }
    }

    /// How often a word stands in it.
    pub(crate) fn count(&self, word: &str) -> usize {
        let texts = [&self.stdout, &self.stderr].into_iter();
        texts.map(|text| text.matches(word).count()).sum()
    }
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
    /// A command as a program runs it, which for a control is not the real one. `turn` is
    /// another number for each command.
    ///
    /// # Errors
    ///
    /// It fails though it is not disturbed.
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
        // What goes before the first refusal is disturbed on the other system.
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
        for home in homes {
            case.states.push(State::of(&home));
            let next = state_after(&home, &next());
            case.nexts
                .push(next.map_err(|said| format!("the next change fails: {said}"))?);
        }
        Ok(case)
    }

    /// The state that the undisturbed command leaves.
    pub(crate) fn last(&self) -> &State {
        self.states.last().unwrap()
    }

    /// Another home as it is before the command.
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

    /// Runs the command, disturbed, and the next change, and looks at what is there.
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
            next: Err(String::new()),
        };
        let mut violations = Vec::new();
        // What lacks content now is looked at before it is changed.
        let broken = facts.broken();
        if !broken.is_empty() {
            let report = home.run(&["verify"]);
            violations.extend(facts.named(&broken, &report));
        }
        facts.next = self.next(&home, &after);
        if !broken.is_empty() {
            violations.extend(facts.mended_again(self.again(&home)));
        }
        violations.extend(facts.violations());
        Outcome {
            happened,
            state: facts.state(),
            violations,
        }
    }

    /// The state after the next change, which is the same after the same state.
    fn next(&self, home: &Home, after: &State) -> Next {
        if let Some(known) = self.made_next.lock().unwrap().get(after) {
            return known.clone();
        }
        let next = state_after(home, &next());
        let mut made = self.made_next.lock().unwrap();
        made.insert(after.clone(), next.clone());
        next
    }

    /// The state after the command is run once more, and the next change too.
    fn again(&self, home: &Home) -> Next {
        state_after(home, &next())?;
        state_after(home, &(self.operation.args)(home))
    }

    fn run(&self, home: &Home, disturbance: &Disturbance) -> Run {
        let mut subject = self.subject(home);
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
            Disturbance::Errors { call, error } => {
                // To wait once is enough.
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

/// What is done to each home afterwards.
fn next() -> Vec<OsString> {
    operations::record("next:1")
}

/// Whether a line tells of a call of this name, or of its end.
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
