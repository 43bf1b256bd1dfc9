//! The library's operations within one process: `cargo bench --bench library`.
//!
//! Each operation reads or replaces the file on disk as it does for its users, so
//! changes include an fsync.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]

#[path = "common/random.rs"]
mod random;
#[path = "common/registry.rs"]
mod registry;
#[path = "common/tree.rs"]
mod tree;

use std::cell::Cell;

use cldctl_registry::import::Import;
use cldctl_registry::{
    Added, ArtifactEntry, ArtifactType, Cache, Digest, Home, Reference, Registry,
};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use tempfile::TempDir;

use crate::tree::Tree;

const COUNTS: &[usize] = &[1_000, 100_000];
const NEW: &str = "ghcr.io/acme/new:v1";

fn main() {
    divan::main();
}

/// Creates a registry of `count` entries in a temporary directory.
fn stocked(count: usize) -> (TempDir, Registry) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("registry/artifacts.json");
    registry::write_registry(&path, &dir.path().join("cache/artifacts"), count).unwrap();
    (dir, Registry::open(path).unwrap())
}

/// Returns an entry that no generated registry has.
fn new_entry() -> ArtifactEntry {
    let reference = Reference::parse(NEW).unwrap();
    let time = chrono::DateTime::UNIX_EPOCH.fixed_offset();
    ArtifactEntry::new(&reference, ArtifactType::Component, time, "/srv/app")
}

/// Parses the file, sorts the entries and copies them.
#[divan::bench(args = COUNTS, max_time = 5)]
fn list(bencher: Bencher<'_, '_>, count: usize) {
    let (_dir, registry) = stocked(count);
    bencher
        .counter(ItemsCount::new(count))
        .bench_local(|| registry.list().unwrap());
}

/// Parses the file and copies its last entry.
#[divan::bench(args = COUNTS, max_time = 5)]
fn get(bencher: Bencher<'_, '_>, count: usize) {
    let (_dir, registry) = stocked(count);
    let last = registry::last_reference(count);
    bencher
        .counter(ItemsCount::new(count))
        .bench_local(|| registry.get(&last).unwrap().unwrap());
}

/// Appends an entry.
#[divan::bench(args = COUNTS, max_time = 5, sample_size = 1)]
fn add(bencher: Bencher<'_, '_>, count: usize) {
    let (_dir, registry) = stocked(count);
    bencher
        .counter(ItemsCount::new(count))
        .with_inputs(|| {
            registry.remove(NEW).unwrap();
            new_entry()
        })
        .bench_local_values(|entry| assert_eq!(registry.add(entry).unwrap(), Added::Added));
}

/// Replaces the last entry, with another size each time.
#[divan::bench(args = COUNTS, max_time = 5, sample_size = 1)]
fn replace(bencher: Bencher<'_, '_>, count: usize) {
    let (_dir, registry) = stocked(count);
    let last = registry
        .get(&registry::last_reference(count))
        .unwrap()
        .unwrap();
    let size = Cell::new(0);
    bencher
        .counter(ItemsCount::new(count))
        .with_inputs(|| {
            size.set(size.get() + 1);
            let mut entry = last.clone();
            entry.size = Some(size.get());
            entry
        })
        .bench_local_values(|entry| assert_eq!(registry.add(entry).unwrap(), Added::Updated));
}

/// Removes the last entry.
#[divan::bench(args = COUNTS, max_time = 5, sample_size = 1)]
fn remove(bencher: Bencher<'_, '_>, count: usize) {
    let (_dir, registry) = stocked(count);
    bencher
        .counter(ItemsCount::new(count))
        .with_inputs(|| {
            registry.add(new_entry()).unwrap();
        })
        .bench_local_values(|()| assert!(registry.remove(NEW).unwrap()));
}

/// Hashes bytes in memory.
#[divan::bench(args = [1 << 10, 1 << 20, 1 << 26], max_time = 5)]
fn hash(bencher: Bencher<'_, '_>, length: usize) {
    let bytes = vec![0x5a; length];
    bencher
        .counter(BytesCount::new(length))
        .bench_local(|| Digest::of(divan::black_box(&bytes)));
}

/// Copies, hashes and registers a directory: many small files, few large ones.
#[divan::bench(args = [(1_000, 4 << 20), (10, 40 << 20)], max_time = 5, sample_size = 1)]
fn import(bencher: Bencher<'_, '_>, (files, bytes): (usize, usize)) {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    Tree { files, bytes }.write(&source).unwrap();
    let cache = Cache::open(Home::at(dir.path().join("home")).unwrap()).unwrap();
    let import = Import::directory(&Reference::parse(NEW).unwrap(), &source);
    bencher
        .counter(BytesCount::new(bytes))
        .with_inputs(|| {
            cache.remove(NEW).unwrap();
        })
        .bench_local_values(|()| cache.import(&import).unwrap());
}
