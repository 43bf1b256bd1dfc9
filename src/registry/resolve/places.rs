//! Finds the places of the entries of a document that operands name.

use super::resolver::{FEW, Matches, Resolver};
use super::{DigestPrefix, Resolved, Unresolved};
use crate::document::{Document, OpenDocument};
use crate::error::Result;

/// The places of the entries that operands name.
#[derive(Clone, Debug)]
pub(crate) struct ResolvedPlaces {
    /// For each operand the places of the entries of one reference.
    resolutions: Vec<Result<Vec<usize>, Unresolved>>,
}

impl ResolvedPlaces {
    fn new(resolver: &Resolver<'_>, parts: Vec<Matches<usize>>) -> Self {
        let outcomes = resolver.outcomes(parts).into_iter();
        let resolutions = outcomes.zip(resolver.operands()).map(|(outcome, operand)| {
            outcome.map_err(|references| Unresolved::new(operand, references))
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
    /// Finds the entries of a document that operands name.
    pub(crate) fn of<S: AsRef<str>>(
        document: &Document,
        operands: &[S],
        digits: DigestPrefix,
    ) -> ResolvedPlaces {
        let resolver = Resolver::new(operands, digits);
        let parts = document.fold_indexed(|matches: &mut Matches<_>, index, entry| {
            resolver.visit(matches, entry, || index);
        });
        ResolvedPlaces::new(&resolver, parts)
    }

    /// Finds the entries of a document that is being changed, in one pass over it at most.
    ///
    /// # Errors
    ///
    /// The document cannot be read.
    pub(crate) fn of_open<S: AsRef<str>>(
        document: &OpenDocument,
        operands: &[S],
        digits: DigestPrefix,
    ) -> Result<ResolvedPlaces> {
        if let OpenDocument::InMemory(document) = document {
            return Ok(Resolved::of(document, operands, digits));
        }
        let resolver = Resolver::new(operands, digits);
        let parts = match exact(document, operands)? {
            Some(matches) => vec![matches],
            None => document.fold(|matches: &mut Matches<_>, index, entry| {
                resolver.visit(matches, entry, || index);
            })?,
        };
        Ok(ResolvedPlaces::new(&resolver, parts))
    }
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
