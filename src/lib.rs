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
//! - [`Cache`] brings content in and removes it, together with its entry.
//! - [`Home`] knows where both lie.
//! - [`Reference`], [`CacheKey`], [`ReferenceParts`] and [`Digest`] are the names of
//!   things.

// It needs renames that exchange or do not replace, which the system calls of other
// systems lack, and locks that the kernel frees.
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
compile_error!("cldctl-registry works on Linux and macOS only");

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
#[cfg(feature = "cli")]
mod lookup;
mod memory;
mod parallel;
mod quote;
mod reference;
mod registry;
mod store;
mod timestamp;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;

pub use content::{
    Cache, CacheState, Code, ContentOutcome, ContentStatus, DigestState, Finding, Import,
    ImportSource, Imported, MetadataImport, Operation, Progress, PruneOutcome, Removed, Report,
    TakenOver, Unreferenced, UnreferencedData, UnreferencedKind,
};
pub use digest::{Digest, digest_hex};
pub use entry::{ArtifactEntry, ArtifactType};
pub use error::{Error, Result};
pub use home::{DanglingLink, Home, cache_path_for_ref};
pub use interrupt::Interrupt;
pub use json::ParseError;
pub use reference::{CacheKey, InvalidReason, InvalidReference, Reference, ReferenceParts};
pub use registry::{Added, DEFAULT_LOCK_TIMEOUT, Damage, LostEntry, Registry, Repaired};

/// The README's example of the library, to be compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
