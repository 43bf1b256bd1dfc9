//! All disturbed runs of all changes, and their results.

use std::fmt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::case::Case;
use crate::control;
use crate::disturbance::Disturbance;
use crate::home::PROGRAM;
use crate::operations;

/// More than there are cores, because runs wait for the disk and for each other.
const THREADS: usize = 4;
/// The number of violations that are reported.
const MOST: usize = 4000;

/// The number of runs, by result.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    errors: usize,
    kills: usize,
    /// Failed calls after which the old state remained, and those with a new one.
    left_old: usize,
    left_new: usize,
    limits: usize,
    /// Disturbances that did not happen.
    missed: usize,
}

/// Returns whether every run and every control met its expectation.
pub(crate) fn run() -> bool {
    let since = Instant::now();
    let mut operations = operations::changes();
    operations.extend(operations::pushes());
    let changes = operations.len();
    operations.extend(operations::looks());
    let numbered: Vec<_> = operations.iter().enumerate().collect();
    let made = in_parallel(&numbered, |(turn, operation)| {
        Case::new((*operation).clone(), Path::new(PROGRAM), *turn)
            .map_err(|error| format!("{operation}: {error}"))
    });
    let (cases, failed): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    let cases: Vec<_> = cases.into_iter().flatten().collect();
    let (counts, mut violations) = disturb(&cases);
    violations.extend(failed.into_iter().filter_map(Result::err));
    if control::loses_with_lock() {
        violations.push("two concurrent changes: one is lost".to_owned());
    }
    if counts.missed * 20 > counts.errors + counts.kills {
        violations.push("too many disturbances did not happen, so this proves nothing".to_owned());
    }
    let controls = control::run();
    println!("{:40}{:>8}", "changes", changes);
    println!("{:40}{:>8}", "looks", operations.len() - changes);
    print!("{counts}");
    println!("{:40}{:>8}", "violations", violations.len());
    let failed = controls.iter().filter(|(_, failed)| *failed).count();
    println!("{:40}{:>8}", "controls that fail, as expected", failed);
    println!("{:40}{:>8}", "seconds", since.elapsed().as_secs());
    for violation in violations.iter().take(MOST) {
        eprintln!("violation: {violation}");
    }
    for (name, _) in controls.iter().filter(|(_, failed)| !failed) {
        eprintln!("violation: the control `{name}` does not fail");
    }
    let is_proven = failed == controls.len();
    violations.is_empty() && is_proven
}

/// Runs each change with each of its disturbances.
pub(crate) fn disturb(cases: &[Case<'_>]) -> (Counts, Vec<String>) {
    let runs: Vec<_> = cases
        .iter()
        .flat_map(|case| case.disturbances.iter().map(move |it| (case, it)))
        .collect();
    let outcomes = in_parallel(&runs, |(case, disturbance)| case.disturb(disturbance));
    let mut counts = Counts::default();
    let mut violations = Vec::new();
    for ((case, disturbance), outcome) in runs.iter().zip(outcomes) {
        let count = match disturbance {
            Disturbance::Limit { .. } => &mut counts.limits,
            _ if !outcome.happened => &mut counts.missed,
            Disturbance::Error { .. } | Disturbance::Errors { .. } => &mut counts.errors,
            Disturbance::Kill { .. } => &mut counts.kills,
        };
        *count += 1;
        if matches!(disturbance, Disturbance::Kill { .. }) && outcome.happened {
            counts.left_old += usize::from(outcome.state == Some(0));
            counts.left_new += usize::from(outcome.state.is_some_and(|at| at > 0));
        }
        let name = case.operation.to_string();
        let found = outcome.violations.into_iter();
        violations.extend(found.map(|what| format!("{name}, {disturbance}: {}", what.trim())));
    }
    (counts, violations)
}

/// Returns the result of the work on each item, in the order of the items.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS.min(items.len()) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let at = std::ptr::from_ref(item).addr();
                    let result = work(item);
                    results.lock().unwrap().push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:40}{:>8}", "calls that failed", self.errors)?;
        writeln!(f, "{:40}{:>8}", "kills", self.kills)?;
        writeln!(f, "{:40}{:>8}", "  that left the old state", self.left_old)?;
        writeln!(f, "{:40}{:>8}", "  that left a new state", self.left_new)?;
        writeln!(f, "{:40}{:>8}", "limits", self.limits)?;
        writeln!(
            f,
            "{:40}{:>8}",
            "disturbances that did not happen", self.missed
        )
    }
}
