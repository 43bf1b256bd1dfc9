//! The local registry of cldctl's artifacts, as a library.
//!
//! cldctl keeps the components and datacenters on a machine in a registry:
//! metadata in `~/.cldctl/registry/artifacts.json`, content in
//! `~/.cldctl/cache/artifacts/<cache-key>/`. This crate reads and changes that
//! same registry, beside cldctl, without losing what it was not asked to
//! change.
//!
//! - [`Registry`] has the operations of cldctl's Go package: list, get, add,
//!   remove, clear. They touch metadata alone.
//! - [`Cache`] imports content and removes it, together with its entry; it also
//!   [verifies](verify) and [prunes](prune) it.
//! - [`Snapshot`] is the registry as it was read once: it [measures](usage) content and
//!   plans what [`Cache`] then removes.
//! - [`select`] and [`resolve`] find entries by filters and by name.
//! - [`Home`] knows where registry and cache lie.
//! - [`Reference`], [`CacheKey`], [`ReferenceParts`] and [`Digest`] are names.
//!
//! The program `cldctl-registry` is a client of this library; the feature `cli`, on by
//! default, adds it. The feature `serde` lets entries, names and reports be serialized.

// It needs renames that exchange or do not replace, which the system calls of other
// systems lack, and locks that the kernel frees.
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
compile_error!("cldctl-registry works on Linux and macOS only");

#[cfg(feature = "archive")]
pub mod archive;
mod content;
mod digest;
mod document;
mod entry;
mod error;
mod escape;
mod fields;
mod home;
mod interrupt;
mod json;
mod memory;
mod parallel;
mod quote;
mod reference;
mod registry;
#[cfg(feature = "remote")]
pub mod remote;
pub mod select;
#[cfg(feature = "serde")]
mod serialize;
mod store;
mod timestamp;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;

pub use chrono;

pub use content::{Cache, Snapshot};
pub use digest::{Digest, InvalidDigest, digest_hex};
pub use document::StoredEntry;
pub use entry::{ArtifactEntry, ArtifactType};
pub use error::{Error, Result};
pub use home::{DanglingLink, Home, cache_path_for_ref};
pub use interrupt::Interrupt;
pub use json::ParseError;
pub use reference::{CacheKey, InvalidReason, InvalidReference, Reference, ReferenceParts};
pub use registry::resolve;
pub use registry::{Added, DEFAULT_LOCK_TIMEOUT, Registry};

/// Tells which artifacts are deployed, because cldctl deploys in place.
pub mod deployed {
    pub use crate::content::DeployedBy;
}

/// Shows what changed in an artifact's directory, or between two artifacts.
pub mod diff {
    pub use crate::content::{Change, Difference, DirectoryDiff, FileKind};
}

/// Imports content into the cache and registers it, also under other references.
pub mod import {
    pub use crate::content::{Import, ImportSource, Imported, LeftOut, MetadataImport, TagOptions};
}

/// Follows work that may take long.
pub mod progress {
    pub use crate::content::{Operation, Progress};
}

/// Frees disk: a plan of what can go, and its execution.
pub mod prune {
    pub use crate::content::{
        KeptDeployed, PruneOptions, PrunePlan, PruneReason, Pruned, Unreferenced, UnreferencedData,
        UnreferencedKind, UnreferencedRemoval,
    };
}

/// Removes artifacts, by name or as a selection chooses them.
pub mod remove {
    pub use crate::content::{
        ChosenPlan, ChosenRemoval, ContentOutcome, NamedRemoval, RemoveOptions, Removed,
    };
}

/// Where the content of an entry is, and whether it can be verified.
pub mod status {
    pub use crate::content::{CacheState, ContentStatus, DigestState, FileTotal};
    pub use crate::registry::Remote;
}

/// Measures how much disk artifacts take.
pub mod usage {
    pub use crate::content::{EntryUsage, Usage, UsageTotal};
}

/// Looks for damage, and repairs it as far as that needs no guess.
pub mod verify {
    pub use crate::content::{Code, Finding, Repairs, Report, TakenOver, Verification};
    pub use crate::registry::{Damage, LostEntry, Repaired};
}

/// The README's example of the library, to be compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
