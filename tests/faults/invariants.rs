//! What must hold after every run, however it was disturbed.

use std::os::unix::process::ExitStatusExt;

use crate::case::Case;
use crate::disturbance::Disturbance;
use crate::state::{State, Tree};
use crate::strace::Run;

/// What is said of a change that is there, but was not synced.
const NOT_DURABLE: &str = "is applied, but may not survive a power loss";
/// What is said of an entry that is gone, while its content is not.
const NOT_ALL: &str = "but not all of its content";

/// What is said of an entry that was to go, and stays.
const KEPT: &str = "kept `";

/// Calls that a signal may cut off, and that must then be made again.
const INTERRUPTED: [&str; 11] = [
    "openat",
    "read",
    "pread64",
    "write",
    "pwrite64",
    "flock",
    "rename",
    "renameat",
    "renameat2",
    "ftruncate",
    "copy_file_range",
];

/// All that is known of a run.
pub(crate) struct Facts<'f> {
    pub(crate) case: &'f Case<'f>,
    pub(crate) disturbance: &'f Disturbance,
    /// Whether the disturbance took place.
    pub(crate) happened: bool,
    pub(crate) run: &'f Run,
    /// The state after the run.
    pub(crate) after: &'f State,
    /// The state after the next change, or what that said when it failed.
    pub(crate) next: Result<State, String>,
}

/// What must not be.
type Found = Vec<String>;

impl Facts<'_> {
    /// Which of the case's states the registry is in.
    pub(crate) fn state(&self) -> Option<usize> {
        let found = (&self.after.registry, &self.after.legacy);
        let mut states = self.case.states.iter();
        states.position(|state| (&state.registry, &state.legacy) == found)
    }

    /// What must not be, one line each.
    pub(crate) fn violations(&self) -> Found {
        let mut found = Found::new();
        self.ending(&mut found);
        let Some(at) = self.state() else {
            found.push("the registry is neither the old nor the new one".to_owned());
            return found;
        };
        self.success_and_failure(at, &mut found);
        self.durability(&mut found);
        self.leftovers(at, &mut found);
        // Where two renames are cut in two, only the next change mends it.
        if !self.may_be_cut_off() || self.case.operation.always.is_empty() {
            self.content(at, self.after, &mut found);
        }
        match &self.next {
            Err(message) => found.push(format!("the next change failed: {message}")),
            Ok(next) => self.mended(at, next, &mut found),
        }
        found
    }

    /// Killed by us or by a limit.
    fn may_be_cut_off(&self) -> bool {
        let signal = self.run.output.status.signal();
        match self.disturbance {
            Disturbance::Error { .. } => false,
            Disturbance::Kill { .. } => self.run.is_killed(),
            // SIGXFSZ
            Disturbance::Limit { .. } => signal == Some(25),
        }
    }

    /// With a code of the program's own, and no panic.
    fn ending(&self, found: &mut Found) {
        let status = self.run.output.status;
        let stderr = self.run.stderr();
        if stderr.contains("panicked") {
            found.push(format!("it panicked: {stderr}"));
        }
        let is_known = match (status.code(), self.disturbance) {
            // The loader of programs had no descriptor left.
            (Some(127), Disturbance::Limit { .. }) => stderr.contains("shared libraries"),
            (Some(code), _) => (0..=5).contains(&code),
            (None, _) => self.may_be_cut_off(),
        };
        if !is_known {
            found.push(format!("it ended with {status}: {stderr}"));
        }
    }

    /// What it says of itself agrees with the state that it left.
    fn success_and_failure(&self, at: usize, found: &mut Found) {
        let last = self.case.states.len() - 1;
        let in_steps = !self.case.operation.steps.is_empty();
        let stderr = self.run.stderr();
        match self.run.output.status.code() {
            None => {}
            Some(0) if at == last || self.case.operation.is_optional => {}
            // What could not be decided on stays, and is named.
            Some(0) if in_steps && stderr.contains(KEPT) => {}
            Some(0) => found.push("it reported success, and the state is old".to_owned()),
            // Its output may be what failed.
            Some(_) if self.case.operation.is_optional => {}
            Some(code) => {
                let is_told = stderr.contains(NOT_DURABLE) || stderr.contains(NOT_ALL);
                // What was swept is told besides.
                let is_told = is_told || in_steps;
                if at > 0 && !(code == 1 && is_told) {
                    found.push(format!("exit {code}, and the state is new: {stderr}"));
                }
                if at == 0 && is_told && !in_steps {
                    found.push(format!(
                        "said to be applied, and the state is old: {stderr}"
                    ));
                }
                if stderr.trim().is_empty() {
                    found.push(format!("exit {code} without a word"));
                }
            }
        }
        if let Disturbance::Error { call, error } = self.disturbance
            && *error == "EINTR"
            && INTERRUPTED.contains(&&*call.name)
            && self.happened
            && (self.run.output.status.code() != Some(0) || at < last)
        {
            found.push(format!("an interrupted call was not made again: {stderr}"));
        }
    }

    /// A failed sync is neither ignored nor tried again.
    fn durability(&self, found: &mut Found) {
        let Disturbance::Error { call, error } = self.disturbance else {
            return;
        };
        if !call.name.contains("sync") || *error == "EINTR" || !self.happened {
            return;
        }
        if self.run.output.status.success() && !self.case.operation.is_optional {
            found.push("a failed sync was ignored".to_owned());
        }
        let mut lines = self.run.trace.lines();
        let failed = lines.find(|line| line.ends_with("(INJECTED)") && line.contains("sync("));
        let file = failed.and_then(|line| line.split_once('<')?.1.split_once('>'));
        if let Some((file, _)) = file.filter(|(file, _)| file.ends_with(".tmp")) {
            let again = format!("<{file}>");
            if lines.any(|line| line.contains("sync(") && line.contains(&again)) {
                found.push("a failed sync was tried again".to_owned());
            }
        }
    }

    /// After a failure that the program lived to tell, nothing lies around.
    fn leftovers(&self, at: usize, found: &mut Found) {
        if self.may_be_cut_off() {
            return;
        }
        let old = &self.case.states[0];
        for name in &self.after.temporaries {
            if !old.temporaries.contains(name) {
                found.push(format!("`{name}` is left beside the registry"));
            }
        }
        // What was replaced may stay until the next change. Without descriptors
        // no directory can be deleted.
        let in_steps = !self.case.operation.steps.is_empty();
        let is_refused = !self.run.output.status.success() && at == 0;
        if is_refused && !matches!(self.disturbance, Disturbance::Limit { .. }) {
            for name in &self.after.scratch {
                if !old.scratch.contains(name) && !in_steps {
                    found.push(format!("`{name}` is left in the cache"));
                }
            }
        }
    }

    /// Every entry has its whole content, and every digest that could be checked
    /// can be.
    fn content(&self, at: usize, now: &State, found: &mut Found) {
        let state = &self.case.states[at];
        let entries = match state.entries() {
            Ok(entries) => entries,
            Err(error) => return found.push(error),
        };
        for entry in entries {
            let reference = &entry.reference;
            if let Some(key) = &entry.key {
                let mut allowed: Vec<Option<&Tree>> = vec![state.content.get(key)];
                if self.may_be_cut_off() {
                    // Swapped in already, and the entry not yet written.
                    allowed.extend(self.case.states.last().map(|new| new.content.get(key)));
                    allowed.retain(|tree| tree.is_some() || !state.content.contains_key(key));
                }
                if !allowed.contains(&now.content.get(key)) {
                    found.push(format!("`{reference}` has not its content"));
                }
            }
            if let Some(digest) = &entry.digest
                && state.manifests.get(digest) != now.manifests.get(digest)
            {
                found.push(format!("`{reference}` has lost its manifest"));
            }
        }
    }

    /// The next change was made to what was there, and has swept.
    fn mended(&self, at: usize, next: &State, found: &mut Found) {
        if next.registry != self.case.nexts[at].registry {
            found.push("the next change did not come to what it should".to_owned());
        }
        for name in next.temporaries.iter().chain(&next.scratch) {
            found.push(format!("`{name}` is left after the next change"));
        }
        self.content(at, next, found);
    }
}
