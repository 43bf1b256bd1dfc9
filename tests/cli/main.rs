//! End-to-end tests: the real binary in a fresh home. There is one file for each
//! command, and one for each concern of several commands.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod add;
mod add_choosing;
#[cfg(feature = "archive")]
mod archive;
#[cfg(feature = "archive")]
mod archive_hostile;
#[cfg(feature = "archive")]
mod archive_save;
mod cache_path;
#[path = "../common/clock.rs"]
mod clock;
mod completion;
mod completion_hostile;
mod completion_shells;
mod concurrency;
mod dangling_links;
mod deployed;
mod deployed_races;
#[cfg(target_os = "linux")]
mod deployed_trouble;
mod df;
#[cfg(target_os = "linux")]
mod disks;
mod durability;
#[cfg(target_os = "linux")]
mod exchange;
mod exists;
mod fault_rows;
mod faults_calls;
mod faults_clock;
mod faults_content;
mod faults_deletion;
mod faults_extremes;
mod faults_fields;
mod faults_home;
mod faults_import;
mod faults_places;
mod faults_races;
mod faults_registry;
mod faults_size;
mod faults_text;
mod file_systems;
mod filters;
mod formats;
mod habits;
mod hints;
mod hostile;
mod images;
mod inspect;
mod interop;
mod kills;
#[cfg(feature = "archive")]
mod layouts;
mod leftovers;
mod lock;
mod looks;
mod manual;
mod memory;
mod mounts;
mod older_forms;
mod progress;
mod prune;
#[cfg(target_os = "linux")]
mod races;
mod readme;
mod references;
#[cfg(target_os = "linux")]
mod refusals;
#[cfg(feature = "remote")]
mod registry_server;
#[cfg(feature = "remote")]
mod remote;
mod repair;
mod rm;

#[cfg(feature = "remote")]
mod sharing;
mod signals;
mod streams;
mod tag;
mod terminal;
#[cfg(target_os = "linux")]
mod unprivileged;
mod unresolvable;
mod users;
mod verify;

mod pty;
mod running;
#[cfg(target_os = "linux")]
mod stopped;
mod support;
#[path = "../common/tools.rs"]
mod tools;
