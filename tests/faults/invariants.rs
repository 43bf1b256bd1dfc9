//! The invariants that must hold after every run, however it was disturbed.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;

use crate::case::{Case, Next, Said};
use crate::disturbance::{Disturbance, UNSUPPORTED, is_of_directory, tells_nothing};
use crate::operations::{Kind, System};
use crate::state::{State, Tree};
use crate::strace::Run;

/// The message for a change that is visible but was not synced.
const NOT_DURABLE: &str = "is applied, but may not survive a power loss";
/// The message for an entry that is removed while its content is not.
const NOT_ALL: &str = "but not all of its content";

/// The message for replaced content that still exists.
const NOT_DELETED: &str = "could not delete all of the old content";
/// The message for a directory that a deployment may have changed meanwhile.
const KEPT_ASIDE: &str = "is kept as `";
/// The message for a directory with state that cannot be replaced.
const NOT_MOVABLE: &str = "and its file system cannot rename it";
/// The message for an entry that was to be removed and is kept.
const KEPT: &str = "kept `";
/// The message for a directory whose file system does not sync directories.
const MAY_BE_LOST: &str = "may not survive a power loss";

/// The message for a push that is not remembered.
const NOT_REMEMBERED: &str = "is pushed, but that is not remembered here";

/// Words that must not be said about something that could not be checked.
const UNTRUE: [&str; 9] = [
    "missing",
    "gone",
    "not found",
    "no such",
    "does not exist",
    "foreign",
    "external",
    "unverifiable",
    "orphan",
];

/// The number of attempts at a lock within a second that is too high.
const PATIENT: usize = 1000;
/// The exit code of `timeout` after it ended a program.
const TIMED_OUT: i32 = 124;

/// Calls that a signal may interrupt, and that must then be repeated.
const INTERRUPTED: [&str; 14] = [
    "openat",
    "openat2",
    "read",
    "pread64",
    "write",
    "pwrite64",
    "recvfrom",
    "sendto",
    "flock",
    "rename",
    "renameat",
    "renameat2",
    "ftruncate",
    "copy_file_range",
];

/// Everything known about a run.
pub(crate) struct Facts<'f> {
    pub(crate) case: &'f Case<'f>,
    pub(crate) disturbance: &'f Disturbance,
    /// True if the disturbance happened.
    pub(crate) happened: bool,
    pub(crate) run: &'f Run,
    pub(crate) said: Said,
    /// The state after the run.
    pub(crate) after: &'f State,
    /// Whether the registry of images has a tag of this home, or what of it is missing.
    pub(crate) pushed: Result<bool, String>,
    pub(crate) next: Next,
}

/// The violations that were found.
type Found = Vec<String>;

impl Facts<'_> {
    /// Returns the index of the registry's state, among those of the case.
    pub(crate) fn state(&self) -> Option<usize> {
        let registry = |state: &State| {
            let State {
                registry,
                link,
                legacy,
                ..
            } = state;
            (registry.clone(), link.clone(), legacy.clone())
        };
        let found = registry(self.after);
        let mut states = self.case.states.iter();
        states.position(|state| registry(state) == found)
    }

    /// Returns the violations, one line each.
    pub(crate) fn violations(&self) -> Found {
        let mut found = Found::new();
        self.ending(&mut found);
        self.untruth(&mut found);
        let Some(at) = self.state() else {
            found.push("the registry is neither the old nor the new one".to_owned());
            return found;
        };
        match self.case.operation.kind {
            Kind::Look => self.look(&mut found),
            Kind::Push => self.push(&mut found),
            Kind::Change | Kind::Unneeded | Kind::Favour => {
                self.success_and_failure(at, &mut found)
            }
        }
        self.durability(&mut found);
        self.repetition(&mut found);
        self.memory(&mut found);
        self.leftovers(at, &mut found);
        // A kill between the renames of two swaps is repaired by the next change only.
        let system = self.case.operation.system;
        if !self.may_be_cut_off() || system != System::WithoutExchange {
            // Content that was restored before the change failed is permitted too.
            let whole = [&self.case.states[at], &self.case.nexts[at]];
            self.content(at, self.after, &whole, &mut found);
        }
        match &self.next {
            Err(message) => found.push(format!("the next change failed: {message}")),
            Ok(next) => self.next_change(at, next, &mut found),
        }
        found
    }

    /// Returns whether the run was killed by the disturbance or by a limit.
    fn may_be_cut_off(&self) -> bool {
        let signal = self.run.output.status.signal();
        match self.disturbance {
            Disturbance::Error { .. } | Disturbance::Errors { .. } => false,
            Disturbance::Kill { .. } => self.run.is_killed(),
            // SIGXFSZ
            Disturbance::Limit { .. } => signal == Some(25),
        }
    }

    /// Requires an exit code of the program's own, in time, and no panic.
    fn ending(&self, found: &mut Found) {
        let status = self.run.output.status;
        let stderr = self.run.stderr();
        if stderr.contains("panicked") {
            found.push(format!("it panicked: {stderr}"));
        }
        let is_known = match (status.code(), self.disturbance) {
            // The dynamic loader had no descriptor left.
            (Some(127), Disturbance::Limit { .. }) => stderr.contains("shared libraries"),
            // The registry of images did not answer, or not as it should.
            (Some(6), _) if self.case.operation.is_remote() => true,
            (Some(code), Disturbance::Kill { .. }) => (0..=5).contains(&code),
            // A refusal by the system is not a usage error.
            (Some(code), Disturbance::Errors { .. }) => [0, 1, 5].contains(&code),
            // Where a directory cannot be renamed, its state is not moved.
            (Some(4), _) => stderr.contains(NOT_MOVABLE),
            (Some(code), _) => [0, 1].contains(&code),
            (None, _) => self.may_be_cut_off(),
        };
        if let Disturbance::Errors { call, .. } = self.disturbance {
            let is_of = |line: &&str| line.contains(&format!("{}(", call.name));
            let count = self.run.trace.lines().filter(is_of).count();
            if status.code() == Some(TIMED_OUT) || count > PATIENT {
                return found.push(format!("it is busy: {count} calls of {}", call.name));
            }
        }
        if !is_known {
            found.push(format!("it ended with {status}: {stderr}"));
        }
    }

    /// Requires that nothing is called missing that could not be checked.
    fn untruth(&self, found: &mut Found) {
        let failure = self.disturbance.failure();
        if !failure.is_some_and(|(call, error)| tells_nothing(call, error)) {
            return;
        }
        for word in UNTRUE {
            if self.said.count(word) > self.case.said.count(word) {
                let (stdout, stderr) = (&self.said.stdout, &self.said.stderr);
                found.push(format!("it says `{word}`: {stdout}{stderr}"));
            }
        }
    }

    /// Requires that a look shows what an undisturbed one shows, or fails, and changes
    /// nothing.
    fn look(&self, found: &mut Found) {
        if self.after != self.case.last() {
            found.push("a look changed something".to_owned());
        }
        let Said { stdout, stderr } = &self.said;
        let expected = &self.case.said.stdout;
        // What may be in use is not removed, so a plan may be shorter.
        let is_part = stdout
            .lines()
            .all(|line| expected.lines().any(|it| it == line));
        let is_plan = expected.starts_with("would remove");
        match self.run.output.status.code() {
            Some(0) if stdout != expected && !(is_plan && is_part) => {
                found.push(format!("it reported success, but showed: {stdout}{stderr}"));
            }
            // Without a message, the exit code alone is the answer.
            Some(1) if stderr.trim().is_empty() && stdout.trim().is_empty() => {
                found.push("exit 1 without a word".to_owned());
            }
            _ => {}
        }
    }

    /// Requires that the report agrees with the state that the run left.
    fn success_and_failure(&self, at: usize, found: &mut Found) {
        let is_optional = self.case.operation.kind == Kind::Favour;
        let in_steps = !self.case.operation.steps.is_empty();
        // If there is nothing to change, the old state is the new one.
        let is_new = self.case.states[at].registry == self.case.last().registry;
        let stderr = self.run.stderr();
        match self.run.output.status.code() {
            None => {}
            Some(0) if is_new || is_optional => {}
            // Undecided entries are kept and named.
            Some(0) if in_steps && stderr.contains(KEPT) => {}
            Some(0) => found.push("it reported success, but the state is old".to_owned()),
            // Its output may be the part that failed.
            Some(_) if is_optional => {}
            Some(code) => {
                let is_reported = stderr.contains(NOT_DURABLE) || stderr.contains(NOT_ALL);
                let is_reported = is_reported || stderr.contains(NOT_DELETED);
                let is_reported = is_reported || self.may_keep_aside();
                // Removals are reported in addition.
                let is_reported = is_reported || in_steps;
                // One step may succeed, and another one not get the lock.
                let is_failure = code == 1 || in_steps && code == 5;
                if at > 0 && !(is_failure && is_reported) {
                    found.push(format!("exit {code}, but the state is new: {stderr}"));
                }
                if at == 0 && !is_new && is_reported && !in_steps {
                    found.push(format!(
                        "reported as applied, but the state is old: {stderr}"
                    ));
                }
                if stderr.trim().is_empty() {
                    found.push(format!("exit {code} without a word"));
                }
            }
        }
    }

    /// Requires that a push changes nothing here, and that the registry of images never has
    /// the name of something incomplete.
    fn push(&self, found: &mut Found) {
        let without_remotes = |state: &State| State {
            remotes: BTreeMap::new(),
            ..state.clone()
        };
        if !self.may_be_cut_off()
            && without_remotes(self.after) != without_remotes(self.case.last())
        {
            found.push("a push changed something".to_owned());
        }
        let stderr = self.run.stderr();
        match (&self.pushed, self.run.output.status.code()) {
            (Err(missing), _) => found.push(format!("what is pushed is not whole: {missing}")),
            (Ok(false), Some(0)) => {
                found.push("it reported success, but pushed nothing".to_owned())
            }
            (Ok(_), Some(0)) if self.said.stdout != self.case.said.stdout => {
                found.push(format!(
                    "it reported success, but showed: {}",
                    self.said.stdout
                ));
            }
            (Ok(_), Some(0) | None) => {}
            (Ok(_), Some(code)) if stderr.trim().is_empty() => {
                found.push(format!("exit {code} without a word"));
            }
            (Ok(true), Some(1)) => found.push(format!("exit 1, but it is pushed: {stderr}")),
            (Ok(_), Some(_)) => {}
        }
    }

    /// Requires that a call that a signal interrupts is repeated.
    fn repetition(&self, found: &mut Found) {
        if let Disturbance::Error { call, error } = self.disturbance
            && *error == "EINTR"
            && INTERRUPTED.contains(&&*call.name)
            && self.happened
            && matches!(
                self.case.operation.kind,
                Kind::Change | Kind::Unneeded | Kind::Favour | Kind::Push
            )
            && (self.run.output.status.code() != Some(0)
                || self.after.registry != self.case.last().registry)
        {
            let stderr = self.run.stderr();
            found.push(format!("an interrupted call was not repeated: {stderr}"));
        }
    }

    /// Requires that what is remembered of registries is old or new, and new after success.
    fn memory(&self, found: &mut Found) {
        let mut states = self.case.states.iter();
        if !states.any(|state| state.remotes == self.after.remotes) {
            let remotes = &self.after.remotes;
            found.push(format!(
                "what is remembered is neither old nor new: {remotes:?}"
            ));
        }
        let is_done = self.run.output.status.success();
        let is_told = self.run.stderr().contains(NOT_REMEMBERED);
        if is_done
            && self.case.operation.is_remote()
            && self.after.remotes != self.case.last().remotes
            && !is_told
        {
            found.push("it reported success, but does not remember it".to_owned());
        }
    }

    /// Requires that a failed sync is neither ignored nor repeated.
    fn durability(&self, found: &mut Found) {
        let Disturbance::Error { call, error } = self.disturbance else {
            return;
        };
        if !call.name.contains("sync") || *error == "EINTR" || !self.happened {
            return;
        }
        let is_done = self.run.output.status.success();
        let kind = self.case.operation.kind;
        let promises = matches!(kind, Kind::Change | Kind::Unneeded);
        if UNSUPPORTED.contains(error) && is_of_directory(call) {
            let warned = self.run.stderr().matches(MAY_BE_LOST).count();
            if !is_done || warned != 1 && promises {
                let stderr = self.run.stderr();
                found.push(format!(
                    "a directory cannot be synced, {warned} warnings: {stderr}"
                ));
            }
        } else if is_done && promises && !self.is_kept_aside() {
            found.push("a failed sync was ignored".to_owned());
        }
        let mut lines = self.run.trace.lines();
        let failed = lines.find(|line| line.ends_with("(INJECTED)") && line.contains("sync("));
        let file = failed.and_then(|line| line.split_once('<')?.1.split_once('>'));
        if let Some((file, _)) = file.filter(|(file, _)| file.ends_with(".tmp")) {
            let again = format!("<{file}>");
            if lines.any(|line| line.contains("sync(") && line.contains(&again)) {
                found.push("a failed sync was repeated".to_owned());
            }
        }
    }

    /// Returns whether content that an earlier change moved aside is still there: it
    /// was restored, but may be aside again after a power loss.
    fn is_kept_aside(&self) -> bool {
        let mut names = self.after.scratch.iter();
        names.any(|name| name.contains("swap") && self.case.states[0].scratch.contains(name))
    }

    /// Requires that nothing is left over after a failure that the program survived.
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
        // Replaced content may remain until the next change. Without descriptors no
        // directory can be deleted.
        let in_steps = !self.case.operation.steps.is_empty();
        let is_named = self.run.stderr().contains(NOT_DELETED);
        let is_refused = !self.run.output.status.success() && at == 0 && !is_named;
        if is_refused && !matches!(self.disturbance, Disturbance::Limit { .. }) {
            for name in &self.after.scratch {
                if !old.scratch.contains(name) && !in_steps {
                    found.push(format!("`{name}` is left in the cache"));
                }
            }
        }
    }

    /// Returns whether the old directory is kept, because a deployment left something in
    /// it and it cannot be read any more.
    fn may_keep_aside(&self) -> bool {
        let is_deployed = self.case.operation.name().contains("deployed");
        is_deployed && self.run.stderr().contains(KEPT_ASIDE)
    }

    /// Returns the keys of the entries whose content may be missing now, because it can
    /// only be deleted in place before other content replaces it.
    pub(crate) fn broken(&self) -> Vec<String> {
        let Some(at) = self.state() else {
            return Vec::new();
        };
        if self.case.operation.system != System::LowerLayer {
            return Vec::new();
        }
        let (old, last) = (&self.case.states[at], self.case.last());
        let entries = old.entries().unwrap_or_default().into_iter();
        let keys = entries.filter_map(|entry| entry.key);
        keys.filter(|key| {
            let contents = [old, last, self.after].map(|state| state.content.get(key));
            let [old, last, now] = contents;
            // Nothing or a part of the old content is left, or all of the new is there
            // already.
            let is_registered = at + 1 == self.case.states.len();
            old != last && now != old && !is_registered && (now == last || is_part(now, old))
        })
        .collect()
    }

    /// Returns the violations for entries whose content is missing, by the output of
    /// `verify`.
    pub(crate) fn named(&self, broken: &[String], report: &Output) -> Found {
        let text = String::from_utf8_lossy(&report.stdout);
        let is_named = |key: &&String| {
            let reference = key.replacen('_', ":", 1);
            report.status.code() == Some(1) && text.contains(&*reference)
        };
        let silent = broken.iter().filter(|key| !is_named(key));
        silent
            .map(|key| format!("`verify` does not report the missing content of {key}: {report:?}"))
            .collect()
    }

    /// Returns the violations after the same command and then the next change have run
    /// once more.
    pub(crate) fn run_again(&self, again: Next) -> Found {
        match again {
            Err(message) => vec![format!("it cannot be run again: {message}")],
            Ok(state) if state != *self.case.nexts.last().unwrap() => {
                vec!["running the same command again does not repair its result".to_owned()]
            }
            Ok(_) => Vec::new(),
        }
    }

    /// Requires that every entry has the whole content of one of the states, and every
    /// digest with a manifest still has it.
    fn content(&self, at: usize, now: &State, whole: &[&State], found: &mut Found) {
        let entries = match self.case.states[at].entries() {
            Ok(entries) => entries,
            Err(error) => return found.push(error),
        };
        let broken = self.broken();
        for entry in entries {
            let reference = &entry.reference;
            if let Some(key) = entry.key.as_ref().filter(|key| !broken.contains(key)) {
                let mut allowed: Vec<Option<&Tree>> =
                    whole.iter().map(|it| it.content.get(key)).collect();
                if self.may_be_cut_off() {
                    // The content is swapped in already, and the entry is not yet
                    // written.
                    allowed.push(self.case.last().content.get(key));
                    let has_content = allowed[0].is_some();
                    allowed.retain(|tree| tree.is_some() || !has_content);
                }
                if !allowed.contains(&now.content.get(key)) {
                    found.push(format!("`{reference}` has the wrong content"));
                }
            }
            if let Some(digest) = &entry.digest
                && whole[0].manifests.get(digest) != now.manifests.get(digest)
            {
                found.push(format!("`{reference}` has lost its manifest"));
            }
        }
    }

    /// Requires that the next change was made, and removed leftovers.
    fn next_change(&self, at: usize, next: &State, found: &mut Found) {
        if next.registry != self.case.nexts[at].registry {
            found.push("the next change had the wrong result".to_owned());
        }
        let kept = |name: &&String| name.starts_with(".kept-") && self.may_keep_aside();
        let scratch = next.scratch.iter().filter(|name| !kept(name));
        for name in next.temporaries.iter().chain(scratch) {
            found.push(format!("`{name}` is still there after the next change"));
        }
        self.content(at, next, &[&self.case.nexts[at]], found);
    }
}

/// Returns whether a directory contains only items that another one contains too.
fn is_part(part: Option<&Tree>, whole: Option<&Tree>) -> bool {
    let (Some(part), Some(whole)) = (part, whole) else {
        return part.is_none();
    };
    part.iter()
        .all(|(path, item)| whole.get(path) == Some(item))
}
