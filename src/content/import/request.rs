//! Requests to import content or metadata.

use std::path::PathBuf;

use chrono::{DateTime, FixedOffset};

use crate::entry::{ArtifactEntry, ArtifactType};
use crate::reference::Reference;

/// The source of content, and its reference.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportSource {
    /// A directory, or the file in it that describes the artifact, under a
    /// reference.
    Directory {
        /// The reference.
        reference: Reference,
        /// The directory or file.
        path: PathBuf,
    },
    /// A directory or file, under its digest and without repository and tag, as
    /// `cldctl build` registers an artifact without `--tag`.
    Untagged {
        /// The directory or file.
        path: PathBuf,
    },
    /// The content that lies in the reference's own directory of the cache already.
    InPlace {
        /// The reference.
        reference: Reference,
    },
}

impl ImportSource {
    pub(super) fn reference(&self) -> Option<&Reference> {
        match self {
            ImportSource::Directory { reference, .. } | ImportSource::InPlace { reference } => {
                Some(reference)
            }
            ImportSource::Untagged { .. } => None,
        }
    }
}

/// An import of content.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Import {
    /// The source and the reference.
    pub source: ImportSource,
    /// The type; by default that of its description.
    pub artifact_type: Option<ArtifactType>,
    /// The time at which it was made; by default now.
    pub created_at: Option<DateTime<FixedOffset>>,
    /// Refuses a reference that is registered already.
    pub no_clobber: bool,
    /// Includes what cldctl leaves out: hidden files, `node_modules` and the like.
    pub all_files: bool,
    /// Follows links that leave the directory, or that lead to a directory, and stores
    /// their targets; otherwise such links are refused.
    pub dereference: bool,
    /// Globs of what is included although it would be left out. A glob without `/`
    /// matches names anywhere, one with `/` whole paths; `*` also matches `/`.
    pub include: Vec<String>,
    /// Globs of what is left out in addition. They take precedence.
    pub exclude: Vec<String>,
}

impl Import {
    /// Creates an import with defaults for all but the source.
    pub fn new(source: ImportSource) -> Self {
        Import {
            source,
            artifact_type: None,
            created_at: None,
            no_clobber: false,
            all_files: false,
            dereference: false,
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }

    /// Creates an import of a directory under a reference.
    pub fn directory(reference: &Reference, path: impl Into<PathBuf>) -> Self {
        Import::new(ImportSource::Directory {
            reference: reference.clone(),
            path: path.into(),
        })
    }
}

/// An entry that is registered without content.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MetadataImport {
    /// The entry.
    pub entry: ArtifactEntry,
    /// Leaves an entry unchanged that differs in its time alone.
    pub keeps_time: bool,
    /// Refuses a reference that is registered already.
    pub no_clobber: bool,
}

impl MetadataImport {
    /// Creates an import of an entry that replaces one of the same reference.
    pub fn new(entry: ArtifactEntry) -> Self {
        MetadataImport {
            entry,
            keeps_time: false,
            no_clobber: false,
        }
    }
}
