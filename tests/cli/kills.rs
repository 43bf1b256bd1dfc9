//! Killed processes, and what they leave over.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::running::{Running, has_strace};
use crate::support::{Sandbox, names, tree, write_tree};

/// The number of adds that are killed in each test.
const KILLS: usize = 100;

/// Pseudorandom numbers, the same in each run (Knuth's MMIX generator).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Returns the duration of an add, from its start to its end.
fn duration_of(command: Command) -> Duration {
    let since = Instant::now();
    assert_eq!(Running::start(command).end().code, 0);
    since.elapsed()
}

/// Starts a change and kills it after a random part of its full duration, or not at
/// all. Returns whether it reported success.
fn killed(command: Command, n: usize, full: Duration, random: &mut Random) -> bool {
    let mut running = Running::start(command);
    match n % 20 {
        0 => return running.end().code == 0,
        1 => {}
        _ => {
            let most = u64::try_from(full.as_micros()).unwrap() * 5 / 4;
            sleep(Duration::from_micros(random.below(most)));
        }
    }
    running.kill();
    running.end().code == 0
}

/// Returns the entries in the file, which must be whole or missing.
fn entries(sandbox: &Sandbox) -> BTreeMap<String, Value> {
    let Ok(text) = fs::read(sandbox.registry()) else {
        return BTreeMap::new();
    };
    let document: Value = serde_json::from_slice(&text).unwrap();
    let entries = document["artifacts"].as_array().unwrap().iter();
    entries
        .map(|entry| (entry["reference"].as_str().unwrap().into(), entry.clone()))
        .collect()
}

/// Row 1: killed at any moment.
#[test]
fn an_add_that_is_killed_leaves_the_old_registry_or_the_new_one() {
    let sandbox = Sandbox::new();
    let mut random = Random(1);
    let mut confirmed = Vec::new();
    let add = |reference: &str| {
        sandbox.command(&["add", reference, "--metadata-only", "--type", "component"])
    };
    let full = duration_of(add("first:1"));
    for n in 0..KILLS {
        let reference = format!("killed:{n}");
        if killed(add(&reference), n, full, &mut random) {
            confirmed.push(reference);
        }
        let entries = entries(&sandbox);
        for reference in &confirmed {
            assert!(entries.contains_key(reference), "{reference} is lost");
        }
    }
    assert!((1..KILLS).contains(&confirmed.len()), "{confirmed:?}");

    sandbox.record("last:1");
    assert_eq!(
        names(&sandbox.home().join("registry")),
        ["artifacts.json", "artifacts.json.lock"]
    );
}

/// Row 49: killed at any moment.
#[test]
fn an_add_with_content_that_is_killed_leaves_no_entry_without_its_whole_content() {
    let sandbox = Sandbox::new();
    let variants = ["one", "two"].map(|name| {
        let dir = sandbox.path(name);
        write_tree(&dir, &[("cld.yml", "name: app\n"), ("a/b.txt", name)]);
        for n in 0..20 {
            let text = name.repeat(1000 + n);
            write_tree(&dir, &[(&format!("src/{name}/{n}.txt"), &text)]);
        }
        dir
    });
    let holds = |dir: &std::path::Path, variant: usize| {
        let files = tree(&variants[variant]);
        let same = |path: &String| {
            let (a, b) = (variants[variant].join(path), dir.join(path));
            a.is_dir() || fs::read(a).unwrap() == fs::read(b).unwrap()
        };
        tree(dir) == files && files.iter().all(same)
    };
    let add = |reference: &str, variant: usize| {
        sandbox.command(&["add", reference, variants[variant].to_str().unwrap()])
    };

    let mut random = Random(2);
    let mut confirmed = BTreeMap::new();
    let full = duration_of(add("first:1", 0));
    let mut successes = 0;
    for n in 0..KILLS {
        // Some references are new, others replace an earlier one.
        let reference = format!("killed:{}", random.below(30));
        let variant = n % 2;
        if killed(add(&reference, variant), n, full, &mut random) {
            successes += 1;
            confirmed.insert(reference, Some(variant));
        } else if let Some(variant) = confirmed.get_mut(&reference) {
            // The content may be either of the two.
            *variant = None;
        }

        let entries = entries(&sandbox);
        for reference in confirmed.keys() {
            assert!(entries.contains_key(reference), "{reference} is lost");
        }
        for (reference, entry) in entries {
            let dir = sandbox.cache().join(reference.replace(':', "_"));
            assert_eq!(entry["cachePath"].as_str(), dir.to_str());
            let whole: Vec<_> = (0..2).filter(|&variant| holds(&dir, variant)).collect();
            assert_eq!(whole.len(), 1, "{reference} is not whole");
            if let Some(Some(variant)) = confirmed.get(&reference) {
                assert_eq!(whole, [*variant], "{reference} has other content");
            }
        }
    }
    assert!((1..KILLS).contains(&successes), "{successes}");

    // The same add repairs whatever a kill left over.
    for reference in entries(&sandbox).into_keys() {
        assert_eq!(Running::start(add(&reference, 0)).end().code, 0);
        let dir = sandbox.cache().join(reference.replace(':', "_"));
        assert!(holds(&dir, 0), "{reference}");
    }
    let first = entries(&sandbox).remove("first:1").unwrap();
    for (reference, entry) in entries(&sandbox) {
        assert_eq!(entry["digest"], first["digest"], "{reference}");
    }
    assert!(sandbox.temporaries().is_empty());
}

/// Row 1: the next change removes it.
#[test]
fn the_temporary_file_of_a_killed_change_is_removed_by_the_next_one() {
    if !has_strace() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.record("a:1");
    let before = sandbox.registry_text();
    let add = ["add", "b:1", "--metadata-only", "--type", "component"];
    for args in [&add[..], &["rm", "a:1"]] {
        let inject = "signal=SIGKILL:when=1";
        let run = Running::start(sandbox.traced(inject, args)).end();
        assert_ne!(run.code, 0, "{run:?}");
        assert_eq!(sandbox.registry_text(), before);
        assert_eq!(sandbox.temporaries().len(), 1, "the last one is removed");
    }
    sandbox.ok(&["images"]);
    assert_eq!(sandbox.temporaries().len(), 1, "a reader removes nothing");
    // Neither cldctl's own leftover nor an unknown file is removed.
    let registry = sandbox.home().join("registry");
    write_tree(&registry, &[("artifacts.json.tmp", "{"), (".x.tmp", "")]);
    sandbox.ok(&add);
    assert_eq!(
        names(&registry),
        [
            ".x.tmp",
            "artifacts.json",
            "artifacts.json.lock",
            "artifacts.json.tmp"
        ]
    );
}
