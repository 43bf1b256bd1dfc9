//! A recorded change, replayed up to each of its calls, with a power loss there.

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

/// A change that was made and recorded.
pub(super) struct Recorded {
    pub(super) name: String,
    pub(super) home: Home,
    /// What the home lies over, if it does.
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
    /// After how many calls it came.
    pub(super) prefix: usize,
    pub(super) reported: bool,
}

impl Recorded {
    /// Makes a change in a home of its own.
    ///
    /// # Errors
    ///
    /// How it failed.
    ///
    /// # Panics
    ///
    /// If what was recorded does not lead to what is on the disk.
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
        // The last one is looked at when it is done with the content, too.
        *steps.last_mut().unwrap() = after.clone();
        let steps = steps.into_iter().map(|tree| Whole::new(&root, tree));
        recorded.judge.steps = steps.collect();
        let name = &recorded.name;
        assert!(
            model.seen() == after,
            "{name}: the record is not what was done"
        );
        assert!(recorded.calls.contains(&Call::Report), "{name}: no report");
        let commits = operation.commits();
        let found = recorded.judge.steps.len() - 1;
        assert_eq!(found, commits, "{name}: commits");
        Ok(recorded)
    }

    /// All states that a power loss may leave, each told once.
    pub(super) fn losses(&self, heeded: Heeded, mut each: impl FnMut(Loss)) {
        self.losses_until(heeded, |loss| {
            each(loss);
            false
        });
    }

    /// Whether some state that a power loss may leave is wrong.
    pub(super) fn loses(&self, heeded: Heeded) -> bool {
        self.losses_until(heeded, |loss| {
            self.judge.judge(&loss.tree, loss.reported).is_err()
        })
    }

    fn losses_until(&self, heeded: Heeded, mut is_last: impl FnMut(Loss) -> bool) -> bool {
        let mut told = HashSet::new();
        let mut model = self.model(heeded);
        let (mut reported, mut ended) = (false, false);
        for prefix in 0..=self.calls.len() {
            model.losses(|tree| {
                if !ended && told.insert((tree.clone(), reported)) {
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

    /// Makes a state be that of the home, and goes on in it: it can be listed, the
    /// same change can be made again, and so can another one, after which no
    /// leftovers are there. What is wrong, if something is.
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
            return Err(format!("{listed:?} is listed, and not {expected:?}"));
        }
        run(&words("add next:1 --metadata-only --type component"))?;
        let state = tree::read(&root);
        let is_left = |path: &PathBuf| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            name.starts_with('.') && name != ".cldctl"
        };
        if let Some(path) = state.keys().find(|path| is_left(path)) {
            return Err(format!("the next change leaves {path:?}"));
        }
        // A change that was made already may have nothing to do any more.
        let again = self.home.run(&self.args);
        let gone = self.args[0] == "rm" && again.status.code() == Some(3);
        if !again.status.success() && !gone {
            return Err(format!("it cannot be made again: {again:?}"));
        }
        let after = Whole::new(&root, tree::read(&root));
        after.is_as_good_as(self.judge.new_state(), "next:1")
    }

    /// Kills the change after each of its calls, makes it once more, and lets the
    /// power fail when that has reported success: what the killed one had not
    /// synced must be there now. Tells how many calls went before the kill, and
    /// what is wrong then, if something is.
    pub(super) fn kills(&self, mut each: impl FnMut(usize, Option<String>)) {
        // A look promises nothing of what another one changed. And what is written
        // into an overlay does not lie in its lower layer.
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
                    assert!(model.seen() == after, "{}: not what was done", self.name);
                    let steps = vec![Whole::new(&root, after)];
                    let judge = Judge {
                        steps,
                        is_lower_layer: false,
                    };
                    model.losses(|tree| each(prefix, judge.judge(&tree, true).err()));
                }
                // What is gone already cannot be removed.
                Err(output) if self.args[0] == "rm" && output.status.code() == Some(3) => {}
                Err(output) => each(prefix, Some(format!("it cannot be made again: {output:?}"))),
            }
            killed.make(call);
        }
    }

    /// What is half built does not count, and neither does what is half deleted: a
    /// kill there leaves the same as one a moment earlier or later.
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

/// Makes a change under `strace`.
fn record(home: &Home, args: &[OsString], always: &[&str]) -> Result<Vec<Call>, Output> {
    let to = home.path("record");
    let wrapper = record::wrapper(&to, always);
    record::record(
        home.wrapped(&wrapper, Path::new(PROGRAM), args),
        &to,
        &user(home),
    )
}

/// As it is.
pub(super) const HEEDED: Heeded = Heeded {
    files: true,
    dirs: true,
};

/// The directory that all is recorded below: `~`, since `~/.cldctl` may be made.
pub(super) fn user(home: &Home) -> PathBuf {
    home.path("user")
}

/// Which states are tried out: those between old and new first, and then some of
/// all others, evenly.
pub(super) fn sample(losses: Vec<(Loss, Option<Between>)>, most: usize) -> Vec<Loss> {
    let (mut between, plain): (Vec<_>, Vec<_>) = losses
        .into_iter()
        .partition(|(_, between)| between.is_some());
    // Those with the most in the way come last.
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
