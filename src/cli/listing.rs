//! Lines of a list of artifacts: made while the entries are read, because nothing else
//! of an entry is kept, and sorted afterwards.

use std::cmp::Ordering::{self, Greater};
use std::ops::Range;

use super::exit::Failure;
use crate::document::EntryRef;
use crate::parallel;
use crate::select::SortKey;
use crate::select::sort::{Rank, rank};

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
    /// The texts of all lines: one block, because an allocation for each line takes
    /// longer than the rest of its making.
    text: String,
}

/// The number of lines above twice the wanted ones that lets the others go.
const SURPLUS: usize = 1024;

/// A line of a list, by where its texts are among those of the list.
struct Line {
    rank: Rank,
    printed: Range<usize>,
    /// The end of the name that it is sorted by, which follows what is printed.
    name_end: usize,
    /// Its reference: the beginning of what is printed, or what follows the name.
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
        let start = text.len();
        let failure = append(text).err().map(Box::new);
        let printed = start..text.len();
        text.push_str(&name);
        let name_end = text.len();
        let reference = entry.reference();
        let start = match text[printed.clone()].starts_with(&*reference) {
            true => printed.start,
            false => {
                text.push_str(&reference);
                name_end
            }
        };
        self.lines.push(Line {
            rank,
            printed,
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

    /// Keeps only the first lines, up to a number.
    fn shrink(&mut self, order: &Order, limit: usize) {
        let mut wanted = in_order([&*self], order);
        wanted.truncate(limit);
        let last = wanted.last().map(|place| place.rank);
        let mut wanted: Vec<usize> = wanted.iter().map(|place| place.index).collect();
        self.last = last;
        wanted.sort_unstable();
        let (mut wanted, mut index) = (wanted.into_iter().peekable(), 0);
        let mut text = String::new();
        self.lines.retain_mut(|line| {
            let is_wanted = wanted.next_if_eq(&index).is_some();
            index += 1;
            if is_wanted {
                line.move_text(&self.text, &mut text);
            }
            is_wanted
        });
        self.text = text;
    }
}

impl Line {
    /// Moves its texts from those of one list to the end of those of another.
    fn move_text(&mut self, from: &str, to: &mut String) {
        let (start, moved) = (self.printed.start, to.len());
        let end = self.name_end.max(self.reference.end);
        to.push_str(&from[start..end]);
        for place in [
            &mut self.printed.start,
            &mut self.printed.end,
            &mut self.name_end,
            &mut self.reference.start,
            &mut self.reference.end,
        ] {
            *place = *place - start + moved;
        }
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
struct PlacedLine<'l> {
    rank: Rank,
    index: usize,
    line: &'l Line,
    /// The texts of its list.
    text: &'l str,
}

impl<'l> PlacedLine<'l> {
    /// Returns what is printed of the line.
    fn printed(&self) -> Result<&'l str, Failure> {
        match &self.line.failure {
            None => Ok(&self.text[self.line.printed.clone()]),
            Some(failure) => Err((**failure).clone()),
        }
    }

    /// Returns what a line is sorted by after its rank: its name and its reference.
    fn names(&self) -> (&'l str, &'l str) {
        let name = &self.text[self.line.printed.end..self.line.name_end];
        (name, &self.text[self.line.reference.clone()])
    }
}

/// Returns the lines of lists in order: by rank and name, those of the same by reference,
/// those of the same reference as they are in the file.
fn in_order<'l>(lists: impl IntoIterator<Item = &'l List>, order: &Order) -> Vec<PlacedLine<'l>> {
    let lines = lists
        .into_iter()
        .flat_map(|list| list.lines.iter().map(|line| (&*list.text, line)));
    let mut places: Vec<_> = lines
        .enumerate()
        .map(|(index, (text, line))| PlacedLine {
            rank: line.rank,
            index,
            line,
            text,
        })
        .collect();
    parallel::sort_unstable_by(&mut places, |a, b| {
        let by_names = || order.compare(&a.names(), &b.names());
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
    let mut places = in_order(lists, order);
    places.truncate(order.limit.unwrap_or(usize::MAX));
    places.iter().map(PlacedLine::printed).collect()
}

#[cfg(test)]
mod tests;
