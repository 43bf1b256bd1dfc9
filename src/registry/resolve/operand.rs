//! An operand, and the ways in which it may name an entry.

use std::borrow::Cow;

use super::DigestPrefix;
use crate::digest::{digest_hex, is_hex};
use crate::document::EntryRef;
use crate::fields::Field;
use crate::reference::ReferenceParts;

/// An operand, split into its parts.
pub(super) struct Operand<'o> {
    pub(super) text: &'o str,
    pub(super) name: ReferenceParts<'o>,
    /// The hex digits, if it can be a digest or the start of one.
    pub(super) hex: Option<&'o str>,
    /// The digits have to be all that a digest has.
    is_whole: bool,
}

impl<'o> Operand<'o> {
    pub(super) fn new(operand: &'o str, digits: DigestPrefix) -> Self {
        let hex = ["sha256:", "sha512:"]
            .into_iter()
            .find_map(|algorithm| operand.strip_prefix(algorithm))
            .unwrap_or(operand);
        let min_digits = digits.min_digits().unwrap_or(1);
        Operand {
            text: operand,
            name: ReferenceParts::of(operand),
            hex: (hex.len() >= min_digits && is_hex(hex)).then_some(hex),
            is_whole: digits == DigestPrefix::Whole,
        }
    }
}

/// How an operand may name an entry. The first step at which it names any counts.
pub(super) const STEPS: [fn(&Operand<'_>, &EntryRef<'_>) -> bool; 3] = [
    |wanted, entry| wanted.is_reference(entry),
    |wanted, entry| wanted.is_name(entry),
    |wanted, entry| wanted.is_digest(entry),
];

impl Operand<'_> {
    fn is_reference(&self, entry: &EntryRef<'_>) -> bool {
        entry.has(Field::Reference, self.text)
    }

    fn is_name(&self, entry: &EntryRef<'_>) -> bool {
        let Some(reference) = reference(entry) else {
            return false;
        };
        let name = &self.name;
        if !reference.starts_with(name.repository) {
            return false;
        }
        let parts = ReferenceParts::of(&reference);
        if parts.repository != name.repository {
            return false;
        }
        match name.digest {
            None => parts.tag_or_latest() == name.tag_or_latest(),
            Some(wanted) => {
                let agrees = parts.digest == Some(wanted)
                    || digest(entry).is_some_and(|found| found == wanted);
                name.tag.is_none_or(|tag| tag == parts.tag_or_latest()) && agrees
            }
        }
    }

    fn is_digest(&self, entry: &EntryRef<'_>) -> bool {
        let (Some(hex), Some(digest)) = (self.hex, digest(entry)) else {
            return false;
        };
        // With an algorithm before it, the operand starts as the digest does.
        digest_hex(&digest).is_some_and(|digits| {
            let matches = match self.is_whole {
                true => digits == hex,
                false => digits.starts_with(hex),
            };
            matches && (hex.len() == self.text.len() || digest.starts_with(self.text))
        })
    }
}

pub(super) fn reference<'d>(entry: &EntryRef<'d>) -> Option<Cow<'d, str>> {
    entry.string(Field::Reference).ok().flatten()
}

pub(super) fn digest<'d>(entry: &EntryRef<'d>) -> Option<Cow<'d, str>> {
    entry.string(Field::Digest).ok().flatten()
}
