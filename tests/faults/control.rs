//! The controls: defective writers, and the program without its lock. The checks must
//! reject them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::campaign;
use crate::case::Case;
use crate::disturbance::Disturbance;
use crate::home::{Home, PROGRAM};
use crate::operations::{self, Kind, Operation};
use crate::registry;
use crate::state::State;
use crate::strace::{Call, Subject};

/// A defective writer, and the violation that the checks must find.
struct Control {
    name: &'static str,
    operation: Operation,
    finds: &'static str,
}

fn naive(name: &'static str, args: fn(&Home) -> Vec<OsString>, finds: &'static str) -> Control {
    let operation = operations::plain(name, operations::homes::others, args);
    Control {
        name,
        operation,
        finds,
    }
}

fn words(mode: &str, home: &Home) -> Vec<OsString> {
    vec!["naive".into(), mode.into(), home.registry().into()]
}

fn all() -> Vec<Control> {
    macro_rules! naive {
        ($($mode:literal finds $finds:literal),* $(,)?) => {
            vec![$(naive($mode, |it| words($mode, it), $finds)),*]
        };
    }
    naive![
        "in place" finds "neither the old",
        "fixed name" finds "left beside the registry",
        "unsynced" finds "sync was ignored",
        "synced again" finds "sync was repeated",
        "panics" finds "panicked",
        "content last" finds "has the wrong content",
        "drops what it cannot see" finds "neither the old",
        "calls missing what it cannot see" finds "it says `missing`",
        "asks for ever" finds "it is busy",
        "silent about a directory" finds "cannot be synced, 0 warnings",
    ]
}

/// Returns the control whose manifest is in the registry of images before its blobs.
fn of_push() -> Control {
    let push = |home: &Home| {
        let mut args = words("manifest first", home);
        args.extend([registry::get().host(), home.repository()].map(OsString::from));
        args
    };
    let mut control = naive("manifest first", push, "what is pushed is not whole");
    control.operation.kind = Kind::Push;
    control
}

/// Runs the controls. Returns each with true if it failed as expected.
pub(crate) fn run() -> Vec<(&'static str, bool)> {
    let program: PathBuf = std::env::current_exe().unwrap();
    let mut failed = Vec::new();
    for control in all().into_iter().chain([of_push()]) {
        let mut case = Case::new(control.operation, &program, 0).unwrap();
        let is_limit = |it: &Disturbance| matches!(it, Disturbance::Limit { .. });
        case.disturbances.retain(|it| !is_limit(it));
        let name = control.name;
        let (_, violations) = campaign::disturb(&[case]);
        let found = violations.iter().any(|it| it.contains(control.finds));
        failed.push((name, found));
    }
    failed.push(("without the lock", loses(&["flock:retval=0"])));
    failed
}

/// Returns whether two concurrent changes with their lock lose one of them.
pub(crate) fn loses_with_lock() -> bool {
    loses(&[])
}

/// Makes two concurrent changes, so slowly that both have read the registry before one
/// writes it, and have checked it again before one replaces it, unless the lock
/// separates them. Returns true if one was lost.
fn loses(inject: &[&str]) -> bool {
    let template = Home::new();
    operations::homes::others(&template);
    let subject = |reference| Subject {
        program: Path::new(PROGRAM),
        args: operations::record(reference),
        always: &[],
    };
    let (calls, _) = subject("one:1").record(&template.copy()).unwrap();
    let is_temporary = |it: &&Call| it.name == "openat" && it.text.contains("/.artifacts.json.");
    let temporary = calls.iter().find(is_temporary).unwrap().number;
    let delay = format!("openat:delay_enter=200000:when={temporary}");
    let inject = [inject, &[&delay, "rename:delay_enter=200000"]].concat();

    let references = ["one:1", "two:1"];
    std::thread::scope(|scope| {
        for reference in references {
            let (home, inject, subject) = (&template, &inject, subject(reference));
            scope.spawn(move || {
                let run = subject.run_named(reference, home, "flock", inject);
                assert!(run.output.status.success(), "{:?}", run.output);
            });
        }
    });
    let entries = State::of(&template).entries().unwrap_or_default();
    let is_there = |reference: &str| entries.iter().any(|it| it.reference == reference);
    !references.iter().all(|reference| is_there(reference))
}
