//! Lines of a list of artifacts: made while the entries are read, because nothing else
//! of an entry is kept, and sorted afterwards.

use std::cmp::Ordering::{self, Greater};
use std::ops::Range;

use super::exit::Failure;
use super::select::{Rank, SortKey, rank};
use crate::document::EntryRef;
use crate::parallel;

/// The order of a list, and the number of its lines that are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) key: SortKey,
    pub(super) reverse: bool,
    pub(super) limit: Option<usize>,
}

/// The lines of entries, in the order of the file.
#[derive(Default)]
pub(super) struct List {
    lines: Vec<Line>,
    /// The rank of the last line that is wanted: lines of a later rank are not. Those
    /// of the same rank may be, because a name decides then.
    last: Option<Rank>,
    /// The number of entries that were seen, listed or not.
    pub(super) seen: usize,
    /// Used again for each line, because most of them fit what one has taken.
    text: String,
}

/// The number of lines above twice the wanted ones that lets the others go.
const SURPLUS: usize = 1024;

/// A line of a list.
struct Line {
    rank: Rank,
    /// What is printed, the name that it is sorted by, and its reference, unless what
    /// is printed begins with that.
    text: Box<str>,
    /// The end of what is printed.
    printed_end: usize,
    /// The end of the name.
    name_end: usize,
    reference: Range<usize>,
    /// Why it cannot be printed.
    failure: Option<Box<Failure>>,
}

impl List {
    /// Adds a line for an entry, as `append` makes it, if it is wanted.
    pub(super) fn push(
        &mut self,
        order: &Order,
        entry: &EntryRef<'_>,
        append: impl FnOnce(&mut String) -> Result<(), Failure>,
    ) {
        let (rank, name) = rank(order.key, entry);
        if self
            .last
            .is_some_and(|last| order.compare(&rank, &last) == Greater)
        {
            return;
        }
        let text = &mut self.text;
        text.clear();
        let failure = append(text).err().map(Box::new);
        let printed_end = text.len();
        text.push_str(&name);
        let name_end = text.len();
        let reference = entry.reference();
        let start = match text[..printed_end].starts_with(&*reference) {
            true => 0,
            false => {
                text.push_str(&reference);
                name_end
            }
        };
        self.lines.push(Line {
            rank,
            text: text.as_str().into(),
            printed_end,
            name_end,
            reference: start..start + reference.len(),
            failure,
        });
        if let Some(limit) = order.limit
            && self.lines.len() > limit.saturating_mul(2).saturating_add(SURPLUS)
        {
            self.shrink(order, limit);
        }
    }

    /// Keeps only so many lines, those that come first.
    fn shrink(&mut self, order: &Order, limit: usize) {
        let mut wanted = in_order(&self.lines, order);
        wanted.truncate(limit);
        self.last = wanted.last().map(|place| place.rank);
        let mut wanted: Vec<usize> = wanted.iter().map(|place| place.index).collect();
        wanted.sort_unstable();
        let (mut wanted, mut index) = (wanted.into_iter().peekable(), 0);
        self.lines.retain(|_| {
            let is_wanted = wanted.next_if_eq(&index).is_some();
            index += 1;
            is_wanted
        });
    }
}

impl Line {
    fn printed(&self) -> Result<&str, Failure> {
        match &self.failure {
            None => Ok(&self.text[..self.printed_end]),
            Some(failure) => Err((**failure).clone()),
        }
    }

    /// Returns what a line is sorted by after its rank: its name and its reference.
    fn names(&self) -> (&str, &str) {
        let name = &self.text[self.printed_end..self.name_end];
        (name, &self.text[self.reference.clone()])
    }
}

impl Order {
    fn compare<T: Ord>(&self, a: &T, b: &T) -> Ordering {
        match self.reverse {
            false => a.cmp(b),
            true => b.cmp(a),
        }
    }
}

/// A line in its place in the file. It contains the rank because most lines are sorted
/// by that alone, without a look at the line.
struct Place<'l> {
    rank: Rank,
    index: usize,
    line: &'l Line,
}

/// Returns lines in order: by rank and name, those of the same by reference, those of
/// the same reference as they are in the file.
fn in_order<'l>(lines: impl IntoIterator<Item = &'l Line>, order: &Order) -> Vec<Place<'l>> {
    let lines = lines.into_iter().enumerate();
    let mut places: Vec<_> = lines
        .map(|(index, line)| Place {
            rank: line.rank,
            index,
            line,
        })
        .collect();
    parallel::sort_unstable_by(&mut places, |a, b| {
        let by_names = || order.compare(&a.line.names(), &b.line.names());
        let by_place = || order.compare(&a.index, &b.index);
        let by_rank = order.compare(&a.rank, &b.rank);
        by_rank.then_with(by_names).then_with(by_place)
    });
    places
}

/// Returns what is printed of the entries, in order.
///
/// # Errors
///
/// The first failure to make a line.
pub(super) fn sorted<'l>(lists: &'l [List], order: &Order) -> Result<Vec<&'l str>, Failure> {
    let mut places = in_order(lists.iter().flat_map(|list| &list.lines), order);
    places.truncate(order.limit.unwrap_or(usize::MAX));
    places.iter().map(|place| place.line.printed()).collect()
}

#[cfg(test)]
mod tests;
