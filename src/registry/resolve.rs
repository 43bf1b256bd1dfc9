//! Finds the entries that operands name.
//!
//! All operands are held against each entry in one pass, so that the registry is read
//! once however many there are. What an operand matches best is known at the end of the
//! pass. References that a missing one may have been meant for are searched in another,
//! for those who ask.

mod index;
mod operand;
mod outcome;
mod places;
mod resolver;
mod similar;

use super::ReadMode;
use super::Registry;
use crate::document::{EntryRef, StoredEntry};
use crate::error::Result;
use outcome::{Outcome, by_name_or_manifest};
use resolver::Matches;
use similar::{MAX_COMPARED, MostSimilar};

pub(crate) use places::ResolvedPlaces;
pub(crate) use resolver::Resolver;

/// How much of a digest an operand has to give to name the artifacts that have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DigestPrefix {
    /// All of it.
    Whole,
    /// At least 4 hex digits: enough for what only reads.
    Short,
    /// At least 12 hex digits, as tables show them: for what changes something.
    Long,
}

impl DigestPrefix {
    /// Returns the fewest hex digits that will do; `None` if all are needed.
    fn min_digits(self) -> Option<usize> {
        match self {
            DigestPrefix::Whole => None,
            DigestPrefix::Short => Some(4),
            DigestPrefix::Long => Some(12),
        }
    }
}

/// The entries that an operand names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resolution {
    /// The entries of one reference, in the order of the file: more than one where the
    /// file contains the reference twice.
    Found(Vec<StoredEntry>),
    /// Entries of several references, which are these, sorted.
    Ambiguous(Vec<String>),
    /// No entry.
    Missing,
}

impl Resolution {
    fn new(outcome: Outcome<StoredEntry>) -> Self {
        match outcome {
            Ok(named) => Resolution::Found(named.kept),
            Err(references) if references.is_empty() => Resolution::Missing,
            Err(references) => Resolution::Ambiguous(references),
        }
    }
}

/// An operand that names no one artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unresolved {
    /// No entry has this name or digest.
    #[non_exhaustive]
    Missing {
        /// The operand.
        operand: String,
    },
    /// Entries of several references match equally well.
    #[non_exhaustive]
    Ambiguous {
        /// The operand.
        operand: String,
        /// The references, sorted.
        references: Vec<String>,
    },
}

impl Unresolved {
    /// Returns the operand.
    pub fn operand(&self) -> &str {
        match self {
            Unresolved::Missing { operand } | Unresolved::Ambiguous { operand, .. } => operand,
        }
    }

    /// Creates the one of an operand that matches these references equally well, or is
    /// missing, if there are none.
    fn new(operand: &str, references: Vec<String>) -> Self {
        let operand = operand.to_owned();
        match references.is_empty() {
            true => Unresolved::Missing { operand },
            false => Unresolved::Ambiguous {
                operand,
                references,
            },
        }
    }
}

/// The entries that operands name, as one pass over the registry found them.
#[derive(Clone, Debug)]
pub struct Resolved {
    operands: Vec<String>,
    resolutions: Vec<Resolution>,
    foreign_version: Option<String>,
}

impl Resolved {
    /// Returns what each operand names, in the order of the operands.
    pub fn resolutions(&self) -> &[Resolution] {
        &self.resolutions
    }

    /// Returns the first entry of each operand that names one.
    pub fn found(&self) -> impl Iterator<Item = &StoredEntry> {
        self.resolutions.iter().filter_map(|found| match found {
            Resolution::Found(entries) => entries.first(),
            Resolution::Ambiguous(_) | Resolution::Missing => None,
        })
    }

    /// Returns the operands that name no one artifact, in their order.
    pub fn unresolved(&self) -> Vec<Unresolved> {
        let operands = self.operands.iter().zip(&self.resolutions);
        let unresolved = operands.filter_map(|(operand, found)| {
            let references = match found {
                Resolution::Found(_) => return None,
                Resolution::Missing => Vec::new(),
                Resolution::Ambiguous(references) => references.clone(),
            };
            Some(Unresolved::new(operand, references))
        });
        unresolved.collect()
    }

    /// Returns the version of the registry, as it stands in the file, if it is one that
    /// this library does not write.
    pub fn foreign_version(&self) -> Option<&str> {
        self.foreign_version.as_deref()
    }
}

impl Registry {
    /// Finds the entries that operands name, in one pass over the registry.
    ///
    /// An operand is looked up as an exact stored reference; then by repository and tag,
    /// both split from the references (`app` finds `app:latest`; with a digest, only an
    /// entry of that repository and digest is found); then as a digest, with or without
    /// `sha256:`, or as the start of one; then as the whole digest of a manifest that was
    /// pulled or pushed, with or without `sha256:`. The first of these that finds anything counts.
    ///
    /// ```
    /// use cldctl_registry::resolve::{DigestPrefix, Unresolved};
    /// use cldctl_registry::{ArtifactEntry, ArtifactType, Reference, Registry};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let registry = Registry::open(dir.path().join("artifacts.json"))?;
    /// let reference = Reference::parse("app:latest")?;
    /// let now = chrono::Utc::now().fixed_offset();
    /// registry.add(ArtifactEntry::new(&reference, ArtifactType::Component, now, ""))?;
    ///
    /// let resolved = registry.resolve(&["app", "ap"], DigestPrefix::Short)?;
    /// let found: Vec<_> = resolved.found().collect();
    /// assert_eq!(found[0].reference(), "app:latest");
    /// assert!(matches!(resolved.unresolved()[..], [Unresolved::Missing { .. }]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    pub fn resolve<S: AsRef<str>>(&self, operands: &[S], digits: DigestPrefix) -> Result<Resolved> {
        let mut foreign_version = None;
        let outcomes = by_name_or_manifest(self, operands, |names| {
            let resolver = Resolver::new(names, digits);
            let visit = |matches: &mut Matches<_>, entry: &EntryRef<'_>| {
                resolver.visit(matches, entry, || StoredEntry::from(*entry));
            };
            let scanned = self.scan(ReadMode::Patient, visit)?;
            foreign_version = scanned.foreign_version;
            Ok(resolver.outcomes(scanned.parts))
        })?;
        Ok(Resolved {
            operands: operands.iter().map(|it| it.as_ref().to_owned()).collect(),
            resolutions: outcomes.into_iter().map(Resolution::new).collect(),
            foreign_version,
        })
    }

    /// Returns for each operand the reference that is most like it, if one is similar
    /// enough to have been meant. A registry of more than 10,000 entries is not searched.
    ///
    /// ```
    /// # use cldctl_registry::{ArtifactEntry, ArtifactType, Reference, Registry};
    /// # let dir = tempfile::tempdir()?;
    /// # let registry = Registry::open(dir.path().join("artifacts.json"))?;
    /// # let reference = Reference::parse("app:latest")?;
    /// # let now = chrono::Utc::now().fixed_offset();
    /// registry.add(ArtifactEntry::new(&reference, ArtifactType::Component, now, ""))?;
    /// assert_eq!(registry.similar(&["ap"])?, [Some("app:latest".to_owned())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    pub fn similar<S: AsRef<str>>(&self, operands: &[S]) -> Result<Vec<Option<String>>> {
        let operands: Vec<&str> = operands.iter().map(AsRef::as_ref).collect();
        let count = self.scan(ReadMode::Patient, |count: &mut usize, _| *count += 1)?;
        if count.parts.iter().sum::<usize>() > MAX_COMPARED {
            return Ok(vec![None; operands.len()]);
        }
        let visit = |found: &mut MostSimilar, entry: &EntryRef<'_>| {
            found.compare(&operands, &entry.reference());
        };
        let scanned = self.scan(ReadMode::Patient, visit)?;
        let mut found = scanned.parts.into_iter().reduce(MostSimilar::or);
        Ok(found.take().unwrap_or_default().into_names(operands.len()))
    }
}
