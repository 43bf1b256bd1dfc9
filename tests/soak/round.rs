//! One round: our processes and cldctl's kind on a fresh registry, and the results.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::events::Recorder;
use crate::ours::{Done, Kind, Ours};
use crate::writer::Report;

/// The number of threads that run our processes.
const THREADS: usize = 6;

/// The time after which a writer of cldctl's kind has written back what it had read.
/// One that reads later finds the damage and cannot write.
const IN_FLIGHT: Duration = Duration::from_secs(1);

/// The numbers seen in one round or in many.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) changes: u64,
    pub(crate) lists: u64,
    pub(crate) their_commits: u64,
    /// Changes that noticed another replacement of the registry, and were repeated.
    pub(crate) noticed: u64,
    /// Entries of cldctl's that we dropped although they existed at our last check of
    /// the registry.
    pub(crate) dropped: u64,
    /// Commits of cldctl's between that check and our rename.
    pub(crate) blind: u64,
    /// Confirmed entries of ours that are missing.
    pub(crate) undone: u64,
    /// States of the registry that were found and are not JSON.
    pub(crate) invalid: u64,
    /// The number of times that cldctl found one, and gave up.
    pub(crate) their_failed_reads: u64,
    /// Those that remained, and had to be repaired.
    pub(crate) damaged: u64,
    /// Those that we overwrote.
    pub(crate) written_over: u64,
    pub(crate) refused: u64,
    pub(crate) failures: Vec<String>,
}

impl Seen {
    pub(crate) fn add(&mut self, other: Seen) {
        for (sum, more) in [
            (&mut self.changes, other.changes),
            (&mut self.lists, other.lists),
            (&mut self.their_commits, other.their_commits),
            (&mut self.noticed, other.noticed),
            (&mut self.dropped, other.dropped),
            (&mut self.blind, other.blind),
            (&mut self.undone, other.undone),
            (&mut self.invalid, other.invalid),
            (&mut self.their_failed_reads, other.their_failed_reads),
            (&mut self.damaged, other.damaged),
            (&mut self.written_over, other.written_over),
            (&mut self.refused, other.refused),
        ] {
            *sum += more;
        }
        self.failures.extend(other.failures);
    }
}

/// Runs a round with this number of writers of cldctl's kind.
pub(crate) fn run(kind: Kind, writers: usize, time: Duration) -> Seen {
    let dir = tempfile::tempdir().unwrap();
    let ours = Ours {
        kind,
        user: dir.path(),
    };
    ours.prepare();
    let registry = ours.registry();
    let recorder = Recorder::on(registry.parent().unwrap());
    let [stop_work, stop_watching] = [AtomicBool::new(false), AtomicBool::new(false)];

    let (done, reports, history, mut seen) = scope(|scope| {
        let recorder = scope.spawn(|| recorder.record(&stop_watching));
        let watcher = scope.spawn(|| watch(&ours, &stop_watching));
        let writers: Vec<_> = (0..writers).map(|n| start_writer(&registry, n)).collect();
        let (ours, stop) = (&ours, &stop_work);
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || ours.work(thread, stop)))
            .collect();
        sleep(time);
        stop_work.store(true, Ordering::SeqCst);
        let done: Vec<Done> = workers.into_iter().map(|it| it.join().unwrap()).collect();
        let reports: Vec<Report> = writers.into_iter().map(end_writer).collect();
        stop_watching.store(true, Ordering::SeqCst);
        let (history, seen) = (recorder.join().unwrap(), watcher.join().unwrap());
        (done, reports, history, seen)
    });

    seen.noticed = history.removed;
    seen.blind = history.blind();
    let there = references(&registry);
    for done in done {
        seen.changes += done.changes;
        seen.lists += done.lists;
        seen.refused += done.refused;
        seen.failures.extend(done.failures);
        let gone = done.confirmed.iter().filter(|it| !there.contains(*it));
        seen.undone += gone.count() as u64;
    }
    for report in &reports {
        seen.their_commits += report.commits;
        seen.their_failed_reads += report.failed_reads;
    }
    // Beside another one of its kind, a writer cannot know which process dropped an
    // entry.
    if let [report] = &reports[..] {
        let dropped = report.dropped.iter();
        let unexplained = dropped.filter(|(commit, _)| !history.is_blindly_replaced(*commit));
        seen.dropped = unexplained.count() as u64;
    }
    seen
}

fn start_writer(registry: &Path, number: usize) -> Child {
    let mut writer = Command::new(std::env::current_exe().unwrap());
    writer
        .arg("writer")
        .arg(registry)
        .arg(format!("cldctl-{number}"));
    writer.stdin(Stdio::piped()).stdout(Stdio::piped());
    writer.spawn().unwrap()
}

/// Ends a writer by closing its standard input.
fn end_writer(writer: Child) -> Report {
    let output = writer.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    Report::from_json(&output.stdout)
}

fn references(registry: &Path) -> BTreeSet<String> {
    let text = fs::read(registry).unwrap();
    let document: Value = serde_json::from_slice(&text).unwrap_or_default();
    let entries = document["artifacts"].as_array().into_iter().flatten();
    entries
        .map(|it| it["reference"].as_str().unwrap().to_owned())
        .collect()
}

/// Reads the registry continuously. Lasting damage is repaired as a person would, with
/// the last whole state.
fn watch(ours: &Ours<'_>, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let registry = ours.registry();
    let mut whole = fs::read(&registry).unwrap();
    let mut damaged: Option<(u64, Instant)> = None;
    while !stop.load(Ordering::SeqCst) || damaged.is_some() {
        let file = fs::File::open(&registry).unwrap();
        let inode = file.metadata().unwrap().ino();
        let text = std::io::read_to_string(file).unwrap_or_default();
        if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() {
            if damaged.is_some_and(|(_, since)| since.elapsed() > IN_FLIGHT) {
                seen.written_over += 1;
            }
            damaged = None;
            whole = text.into_bytes();
        } else if let Some((same, since)) = damaged.filter(|(same, _)| *same == inode) {
            if since.elapsed() > IN_FLIGHT + Duration::from_millis(100) {
                seen.damaged += 1;
                let add = ["add", "over:1", "--metadata-only", "--type", "component"];
                let refused = ours.program(&add).status.code() == Some(1);
                let stays = fs::read(&registry).unwrap() == text.as_bytes();
                seen.written_over += u64::from(!refused || !stays);
                repair(&registry, &whole);
                damaged = None;
            } else {
                damaged = Some((same, since));
            }
        } else {
            seen.invalid += 1;
            damaged = Some((inode, Instant::now()));
        }
        sleep(Duration::from_millis(1));
    }
    seen
}

fn repair(registry: &Path, whole: &[u8]) {
    let repaired = registry.with_file_name("repaired");
    let mut file = fs::File::create(&repaired).unwrap();
    file.write_all(whole).unwrap();
    fs::rename(repaired, registry).unwrap();
}
