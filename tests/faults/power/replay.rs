//! A recorded change, replayed up to each of its calls, where the power fails.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Output;

use super::judge::{self, Between, Judge, Whole};
use super::model::{Heeded, Model};
use super::record::{self, Call};
use super::tree::{self, Tree};
use crate::home::{Home, PROGRAM};
use crate::operations::{Kind, Operation, System};

/// A recorded change.
pub(super) struct Recorded {
    pub(super) name: String,
    pub(super) home: Home,
    /// The home that is the lower layer, if there is one.
    lower: Option<Home>,
    pub(super) args: Vec<OsString>,
    pub(super) judge: Judge,
    pub(super) calls: Vec<Call>,
    before: Tree,
    umask: u32,
    always: &'static [&'static str],
    kind: Kind,
}

/// A state after a power loss.
pub(super) struct Loss {
    pub(super) tree: Tree,
    /// The number of calls before it.
    pub(super) prefix: usize,
    pub(super) reported: bool,
}

impl Recorded {
    /// Runs a change in a home of its own.
    ///
    /// # Errors
    ///
    /// The output of the failed change.
    ///
    /// # Panics
    ///
    /// If the record does not lead to what is on the disk.
    pub(super) fn make(operation: &Operation, umask: u32) -> Result<Self, Output> {
        let home = Home::new();
        (operation.prepare)(&home);
        let is_lower_layer = operation.system == System::LowerLayer;
        let (home, lower) = match is_lower_layer {
            true => (home.layered(), Some(home)),
            false => (home, None),
        };
        let root = user(&home);
        let before = tree::read(&root);
        let args = (operation.args)(&home);
        let calls = record(&home, &args, operation.system.refuses())?;
        let after = tree::read(&root);
        let mut recorded = Recorded {
            name: operation.to_string(),
            args,
            judge: Judge {
                steps: Vec::new(),
                is_lower_layer,
            },
            lower,
            calls,
            before,
            umask,
            always: operation.system.refuses(),
            kind: operation.kind,
            home,
        };
        let mut model = recorded.model(HEEDED);
        let mut steps = vec![recorded.before.clone()];
        for call in &recorded.calls {
            model.make(call);
            let seen = model.seen();
            if judge::registry(&seen) != judge::registry(steps.last().unwrap()) {
                steps.push(seen);
            }
        }
        // The last step is checked together with the content.
        *steps.last_mut().unwrap() = after.clone();
        let steps = steps.into_iter().map(|tree| Whole::new(&root, tree));
        recorded.judge.steps = steps.collect();
        let name = &recorded.name;
        assert!(
            model.seen() == after,
            "{name}: the record differs from the disk"
        );
        assert!(recorded.calls.contains(&Call::Report), "{name}: no report");
        let commits = operation.commits();
        let found = recorded.judge.steps.len() - 1;
        assert_eq!(found, commits, "{name}: commits");
        Ok(recorded)
    }

    /// Passes every state to `each` that a power loss may leave, once.
    pub(super) fn losses(&self, heeded: Heeded, mut each: impl FnMut(Loss)) {
        self.losses_until(heeded, |loss| {
            each(loss);
            false
        });
    }

    /// Returns whether some state that a power loss may leave is wrong.
    pub(super) fn loses(&self, heeded: Heeded) -> bool {
        self.losses_until(heeded, |loss| {
            self.judge.judge(&loss.tree, loss.reported).is_err()
        })
    }

    fn losses_until(&self, heeded: Heeded, mut is_last: impl FnMut(Loss) -> bool) -> bool {
        let mut passed = HashSet::new();
        let mut model = self.model(heeded);
        let (mut reported, mut ended) = (false, false);
        for prefix in 0..=self.calls.len() {
            model.losses(|tree| {
                if !ended && passed.insert((tree.clone(), reported)) {
                    ended = is_last(Loss {
                        tree,
                        prefix,
                        reported,
                    });
                }
            });
            if ended {
                break;
            }
            if let Some(call) = self.calls.get(prefix) {
                model.make(call);
                reported |= *call == Call::Report;
            }
        }
        ended
    }

    /// Puts the home in a state, and continues from it: it can be listed, the same
    /// change can be run again, and so can another one, which removes all leftovers.
    ///
    /// # Errors
    ///
    /// The state is wrong, or the program does not continue from it.
    pub(super) fn go_on(&self, loss: &Loss) -> Result<(), String> {
        if self.lower.is_some() {
            return Ok(());
        }
        let root = user(&self.home);
        tree::write(&root, &loss.tree);
        let (whole, _) = self.judge.judge(&loss.tree, loss.reported)?;
        let run = |args: &[OsString]| {
            let output = self.home.run(args);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            match output.status.code() {
                Some(0) => Ok(text),
                _ => Err(format!("then {args:?} fails: {output:?}")),
            }
        };
        let words = |text: &str| -> Vec<OsString> { text.split(' ').map(OsString::from).collect() };
        let mut expected = whole.references();
        let mut listed: Vec<String> = run(&words("images -q"))?.lines().map(Into::into).collect();
        expected.sort();
        listed.sort();
        if listed != expected {
            return Err(format!("{listed:?} is listed instead of {expected:?}"));
        }
        run(&words("add next:1 --metadata-only --type component"))?;
        let state = tree::read(&root);
        let is_left = |path: &PathBuf| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            // The times of files and directories are those of the replay: state that seems to
            // be written after its directory was moved away is kept for people to look at.
            name.starts_with('.') && name != ".cldctl" && !name.starts_with(".kept-")
        };
        if let Some(path) = state.keys().find(|path| is_left(path)) {
            return Err(format!("the next change does not remove {path:?}"));
        }
        // A change that is already made may have nothing left to do.
        let again = self.home.run(&self.args);
        let gone = self.args[0] == "rm" && again.status.code() == Some(3);
        if !again.status.success() && !gone {
            return Err(format!("it cannot be run again: {again:?}"));
        }
        let after = Whole::new(&root, tree::read(&root));
        after.is_as_good_as(self.judge.new_state(), "next:1")
    }

    /// Kills the change after each of its calls, runs it again, and checks every power
    /// loss after it reports success: then nothing may be lost that the killed one had
    /// not synced. Passes to `each` the number of calls before the kill, and what is
    /// wrong, if anything.
    pub(super) fn kills(&self, mut each: impl FnMut(usize, Option<String>)) {
        // A look promises nothing about another process's change, and a home that is an
        // overlay changes in its upper layer, not in the lower one.
        if self.kind == Kind::Favour || self.lower.is_some() {
            return;
        }
        let root = user(&self.home);
        let mut killed = self.model(HEEDED);
        for (prefix, call) in self.calls.iter().enumerate() {
            if !self.is_worth_a_kill(prefix) {
                killed.make(call);
                continue;
            }
            tree::write(&root, &killed.seen());
            match record(&self.home, &self.args, self.always) {
                Ok(calls) => {
                    let mut model = killed.clone();
                    calls.iter().for_each(|call| model.make(call));
                    let after = tree::read(&root);
                    assert!(
                        model.seen() == after,
                        "{}: the record differs from the disk",
                        self.name
                    );
                    let steps = vec![Whole::new(&root, after)];
                    let judge = Judge {
                        steps,
                        is_lower_layer: false,
                    };
                    model.losses(|tree| each(prefix, judge.judge(&tree, true).err()));
                }
                // A removed artifact cannot be removed again.
                Err(output) if self.args[0] == "rm" && output.status.code() == Some(3) => {}
                Err(output) => each(prefix, Some(format!("it cannot be run again: {output:?}"))),
            }
            killed.make(call);
        }
    }

    /// Returns false inside the building or the deletion of a directory, where a kill
    /// leaves the same state as one a moment earlier or later.
    fn is_worth_a_kill(&self, prefix: usize) -> bool {
        let deletes = |at: usize| matches!(self.calls[at], Call::Remove(_));
        match &self.calls[prefix] {
            Call::Create(..) | Call::Truncate(..) | Call::Write(..) | Call::Mode(..) => false,
            Call::Remove(_) => prefix == 0 || !deletes(prefix - 1),
            _ => true,
        }
    }

    fn model(&self, heeded: Heeded) -> Model {
        Model::of(&user(&self.home), &self.before, self.umask, heeded)
    }
}

/// Runs a change under `strace`.
fn record(home: &Home, args: &[OsString], always: &[&str]) -> Result<Vec<Call>, Output> {
    let to = home.path("record");
    let wrapper = record::wrapper(&to, always);
    record::record(
        home.wrapped(&wrapper, Path::new(PROGRAM), args),
        &to,
        &user(home),
    )
}

/// All syncs have their effect.
pub(super) const HEEDED: Heeded = Heeded {
    files: true,
    dirs: true,
};

/// Returns the directory that is recorded: `~`, because `~/.cldctl` may be created.
pub(super) fn user(home: &Home) -> PathBuf {
    home.path("user")
}

/// Chooses the states to run the program in: those between old and new first, and then
/// some of all others, evenly.
pub(super) fn sample(losses: Vec<(Loss, Option<Between>)>, most: usize) -> Vec<Loss> {
    let (mut between, plain): (Vec<_>, Vec<_>) = losses
        .into_iter()
        .partition(|(_, between)| between.is_some());
    // Those with the most obstacles come last.
    between.reverse();
    between.truncate(2);
    let step = plain.len().div_ceil(most).max(1);
    let plain = plain.into_iter().step_by(step);
    between
        .into_iter()
        .chain(plain)
        .map(|(loss, _)| loss)
        .collect()
}
