//! A process that changes the registry as cldctl does: it takes no lock, writes through
//! a temporary file of a fixed name, and never checks again what it read. And the
//! control, which is a little better, but not good enough.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::random::Random;

/// The prefix of references that are removed again by the process that adds them; all
/// others must remain.
pub(crate) const PASSING: &str = "passing";

/// The results of a writer until its standard input was closed.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The number of times that it replaced the registry.
    pub(crate) commits: u64,
    /// The number of times that it read something that is not JSON, where cldctl gives
    /// up.
    pub(crate) failed_reads: u64,
    /// Entries that it wrote and that were missing when it read next, with the number
    /// of that commit. If there is no other writer like it, only `cldctl-registry` can
    /// have dropped them.
    pub(crate) dropped: Vec<(u64, String)>,
}

impl Report {
    pub(crate) fn to_json(&self) -> Value {
        json!([self.commits, self.failed_reads, self.dropped])
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn from_json(text: &[u8]) -> Self {
        let (commits, failed_reads, dropped) = serde_json::from_slice(text).unwrap();
        Report {
            commits,
            failed_reads,
            dropped,
        }
    }
}

/// Adds entries until standard input is closed, and then checks them once more.
pub(crate) fn run(registry: &Path, name: &str) -> Report {
    let stop = AtomicBool::new(false);
    let mut report = Report::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = io::stdin().read_to_end(&mut Vec::new());
            stop.store(true, Ordering::SeqCst);
        });
        let mut random = Random::of(name);
        let mut written: Option<BTreeSet<String>> = None;
        loop {
            let is_last = stop.load(Ordering::SeqCst);
            match read(registry) {
                None => report.failed_reads += 1,
                Some(mut document) => {
                    let there = references(&document);
                    let missing = written.iter().flatten().filter(|it| !there.contains(*it));
                    let missing = missing.filter(|it| !it.starts_with(PASSING));
                    let commit = report.commits;
                    report
                        .dropped
                        .extend(missing.map(|it| (commit, it.clone())));
                    if is_last {
                        break;
                    }
                    append(&mut document, &format!("{name}:{commit}"));
                    sleep(Duration::from_micros(random.below(3000)));
                    let temporary = registry.with_file_name("artifacts.json.tmp");
                    if replace(registry, &temporary, &document) {
                        report.commits += 1;
                        written = Some(references(&document));
                    }
                }
            }
            if is_last {
                break;
            }
            sleep(Duration::from_micros(random.below(8000)));
        }
    });
    report
}

/// Adds one entry by a temporary file of its own, so that the registry is never torn,
/// but without a lock, and without checking that the registry is still what was read.
/// Returns whether it succeeded.
pub(crate) fn add_naively(registry: &Path, reference: &str) -> bool {
    let Some(mut document) = read(registry) else {
        return false;
    };
    append(&mut document, reference);
    let temporary = format!(".artifacts.json.{:012}.tmp", std::process::id());
    replace(registry, &registry.with_file_name(temporary), &document)
}

/// Returns the registry; `None` if it is missing or not JSON.
fn read(registry: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(registry).ok()?).ok()
}

fn references(document: &Value) -> BTreeSet<String> {
    let entries = document["artifacts"].as_array().into_iter().flatten();
    entries
        .map(|entry| entry["reference"].as_str().unwrap_or_default().to_owned())
        .collect()
}

fn append(document: &mut Value, reference: &str) {
    let entries = document["artifacts"].as_array_mut().unwrap();
    entries.push(json!({
        "reference": reference, "repository": reference, "tag": "latest", "type": "component",
        "size": 0, "createdAt": "2026-01-01T00:00:00Z", "cachePath": "/elsewhere",
    }));
}

/// Replaces the registry as Go's `os.WriteFile` and `os.Rename` do. Returns false if
/// another writer took the temporary file away.
fn replace(registry: &Path, temporary: &Path, document: &Value) -> bool {
    fs::write(temporary, serde_json::to_vec_pretty(document).unwrap()).unwrap();
    fs::rename(temporary, registry).is_ok()
}
