//! Finds the operands that an entry can match, where there are many of them.

use std::collections::{BTreeSet, HashMap};

use super::operand::{Operand, digest, reference};
use crate::digest::digest_hex;
use crate::document::EntryRef;
use crate::reference::ReferenceParts;

/// Operands by what an entry has to have to match them.
#[derive(Default)]
pub(super) struct Index<'o> {
    by_repository: HashMap<&'o str, Vec<usize>>,
    by_name: HashMap<(&'o str, &'o str), Vec<usize>>,
    by_hex: HashMap<&'o str, Vec<usize>>,
    /// The numbers of digits of the operands that can be digests.
    hex_lengths: BTreeSet<usize>,
}

impl<'o> Index<'o> {
    /// Creates the index of operands.
    pub(super) fn of(operands: &[Operand<'o>]) -> Self {
        let mut index = Index::default();
        for (at, operand) in operands.iter().enumerate() {
            let name = &operand.name;
            // This finds exact references too, because an entry with the same reference
            // has the same repository and tag.
            match (name.digest, name.tag) {
                (Some(_), None) => index.by_repository.entry(name.repository).or_default(),
                _ => {
                    let name = (name.repository, name.tag_or_latest());
                    index.by_name.entry(name).or_default()
                }
            }
            .push(at);
            if let Some(hex) = operand.hex {
                index.by_hex.entry(hex).or_default().push(at);
                index.hex_lengths.insert(hex.len());
            }
        }
        index
    }

    /// Returns the operands that an entry can match, in their order.
    pub(super) fn candidates(&self, entry: &EntryRef<'_>) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        if let Some(reference) = reference(entry) {
            let parts = ReferenceParts::of(&reference);
            found.extend(
                self.by_repository
                    .get(parts.repository)
                    .into_iter()
                    .flatten(),
            );
            let name = (parts.repository, parts.tag_or_latest());
            found.extend(self.by_name.get(&name).into_iter().flatten());
        }
        if !self.by_hex.is_empty()
            && let Some(digest) = digest(entry)
            && let Some(digits) = digest_hex(&digest)
        {
            let starts = self.hex_lengths.iter().filter_map(|&len| digits.get(..len));
            found.extend(starts.filter_map(|start| self.by_hex.get(start)).flatten());
        }
        found
    }
}
