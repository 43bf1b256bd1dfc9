//! Finds the places of the entries of a document that operands name.

use super::outcome::{Outcome, by_name_or_manifest};
use super::resolver::{FEW, Matches, Resolver};
use super::{DigestPrefix, Resolved, Unresolved};
use crate::document::{Document, OpenDocument};
use crate::error::Result;
use crate::registry::Registry;

/// The places of the entries that operands name.
#[derive(Clone, Debug)]
pub(crate) struct ResolvedPlaces {
    /// For each operand the places of the entries of one reference.
    resolutions: Vec<Result<Vec<usize>, Unresolved>>,
}

impl ResolvedPlaces {
    fn new<S: AsRef<str>>(operands: &[S], outcomes: Vec<Outcome<usize>>) -> Self {
        let resolutions = outcomes
            .into_iter()
            .zip(operands)
            .map(|(outcome, operand)| {
                let unresolved = |references| Unresolved::new(operand.as_ref(), references);
                outcome.map(|named| named.kept).map_err(unresolved)
            });
        ResolvedPlaces {
            resolutions: resolutions.collect(),
        }
    }

    /// Returns the place of the first entry of each operand that names one.
    pub(crate) fn found(&self) -> impl Iterator<Item = &usize> {
        let found = self.resolutions.iter().flatten();
        found.filter_map(|places| places.first())
    }

    /// Returns the places of all entries that operands name.
    pub(crate) fn all(&self) -> impl Iterator<Item = usize> {
        self.resolutions.iter().flatten().flatten().copied()
    }

    /// Returns the operands that name no one artifact, in their order.
    pub(crate) fn unresolved(&self) -> Vec<Unresolved> {
        let unresolved = self.resolutions.iter().filter_map(|it| it.as_ref().err());
        unresolved.cloned().collect()
    }
}

impl Resolved {
    /// Finds the entries of a document that operands name, not by manifests.
    pub(crate) fn of<S: AsRef<str>>(
        document: &Document,
        operands: &[S],
        digits: DigestPrefix,
    ) -> ResolvedPlaces {
        ResolvedPlaces::new(operands, look(document, operands, digits))
    }
}

impl Registry {
    /// Finds the entries of a document that operands name, as [`resolve`](Self::resolve)
    /// finds them.
    ///
    /// # Errors
    ///
    /// The directory of what is remembered of manifests cannot be read.
    pub(crate) fn resolve_in<S: AsRef<str>>(
        &self,
        document: &Document,
        operands: &[S],
        digits: DigestPrefix,
    ) -> Result<ResolvedPlaces> {
        let look = |names: &[&str]| Ok(look(document, names, digits));
        let outcomes = by_name_or_manifest(self, operands, look)?;
        Ok(ResolvedPlaces::new(operands, outcomes))
    }

    /// As [`resolve_in`](Self::resolve_in), of a document that is being changed.
    ///
    /// # Errors
    ///
    /// As there, and the document cannot be read.
    pub(crate) fn resolve_in_open<S: AsRef<str>>(
        &self,
        document: &OpenDocument,
        operands: &[S],
        digits: DigestPrefix,
    ) -> Result<ResolvedPlaces> {
        if let OpenDocument::InMemory(document) = document {
            return self.resolve_in(document, operands, digits);
        }
        let look = |names: &[&str]| {
            let resolver = Resolver::new(names, digits);
            let parts = match exact(document, names)? {
                Some(matches) => vec![matches],
                None => document.fold(|matches: &mut Matches<_>, index, entry| {
                    resolver.visit(matches, entry, || index);
                })?,
            };
            Ok(resolver.outcomes(parts))
        };
        let outcomes = by_name_or_manifest(self, operands, look)?;
        Ok(ResolvedPlaces::new(operands, outcomes))
    }
}

fn look<S: AsRef<str>>(
    document: &Document,
    operands: &[S],
    digits: DigestPrefix,
) -> Vec<Outcome<usize>> {
    let resolver = Resolver::new(operands, digits);
    let parts = document.fold_indexed(|matches: &mut Matches<_>, index, entry| {
        resolver.visit(matches, entry, || index);
    });
    resolver.outcomes(parts)
}

/// Finds the entries of a few operands that are all exact references, by the hashes of
/// the references and without a pass. `None` if an operand is none.
fn exact<S: AsRef<str>>(document: &OpenDocument, operands: &[S]) -> Result<Option<Matches<usize>>> {
    let is_empty = |operand: &S| operand.as_ref().is_empty();
    if operands.len() > FEW || operands.iter().any(is_empty) {
        return Ok(None);
    }
    let mut matches = Matches::default();
    for (at, operand) in operands.iter().enumerate() {
        let operand = operand.as_ref();
        let found = document.find_named(operand, |_| ())?;
        if found.is_empty() {
            return Ok(None);
        }
        for (index, ()) in found {
            matches.add_exact(at, operand, index);
        }
    }
    Ok(Some(matches))
}
