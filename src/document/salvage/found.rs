//! The findings of a search in a text.

use super::Lost;
use crate::json::Span;

/// The place of a value, as far as that tells what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the list of entries, as an element.
    Element,
    /// Where nothing says that it belongs to another value.
    Free,
    /// In a member that is not cldctl's.
    Member,
}

/// An object that is whole and may be an entry.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) span: Span,
    pub(super) place: Place,
    /// The number of values around it that were entered.
    pub(super) depth: usize,
    /// Its reference, if that is a string.
    pub(super) reference: Option<Span>,
    /// True if it has all the fields that cldctl always writes.
    pub(super) is_full: bool,
}

/// An object that is not whole and was an entry.
#[derive(Clone, Debug)]
pub(super) struct Torn {
    /// From its bracket to where it stops being JSON.
    pub(super) span: Span,
    pub(super) reference: Option<Span>,
    /// True if what is there of it tells which entry it was.
    pub(super) is_identified: bool,
    pub(super) reason: String,
}

/// The root of a document, as far as anything tells.
#[derive(Clone, Debug)]
pub(super) struct Root {
    /// Up to its end, or to where it stops being JSON.
    pub(super) span: Span,
    pub(super) is_whole: bool,
    /// True if the text begins with it.
    pub(super) is_first: bool,
    /// The number of its members that contain entries.
    pub(super) lists: usize,
    pub(super) has_version: bool,
    /// True if it runs into an entry, by what follows its lists.
    pub(super) has_reference: bool,
}

/// The findings of a search; objects and roots come in the order of the text.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The values that are whole and in no other one that is known as well.
    pub(super) values: Vec<Span>,
    pub(super) objects: Vec<Object>,
    pub(super) torn: Vec<Torn>,
    pub(super) roots: Vec<Root>,
    /// Values that are at the place of an entry, or of its reference, and are none.
    pub(super) misfits: Vec<Lost>,
    /// The places of brackets and keys of fields that were passed as such.
    pub(super) passed: Marks,
    /// True if there is a list of the key `artifacts`, and of `components`.
    pub(super) has_artifacts: bool,
    pub(super) has_components: bool,
}

/// A bit for each byte of a text.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<u64>);

impl Marks {
    pub(super) fn new(len: usize) -> Self {
        Marks(vec![0; len / 64 + 1])
    }

    pub(super) fn set(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    pub(super) fn has(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }
}
