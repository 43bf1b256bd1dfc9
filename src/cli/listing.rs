//! A list of artifacts on its way: what is printed of each entry is made while
//! the entry is read, and sorted afterwards.

use std::cmp::Ordering::{self, Greater};

use super::exit::Failure;
use crate::document::EntryRef;
use crate::parallel;
use crate::select::SortKey;
use crate::select::sort::{Rank, rank};

/// How a list is sorted, and how many lines of it are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) key: SortKey,
    pub(super) reverse: bool,
    pub(super) limit: Option<usize>,
}

/// The lines of entries, in the order of the file.
#[derive(Default)]
pub(super) struct List {
    /// What grows is copied, so it grows in blocks.
    blocks: Vec<Block>,
    /// So many lines they have.
    len: usize,
    /// Lines of a rank behind this one are not wanted; of those of the same rank
    /// the others decide.
    last: Option<Rank>,
    /// So many entries were seen, whether or not they are in the list.
    pub(super) seen: usize,
}

/// How large the text of the first and of the largest block is, in bytes.
const SIZES: (usize, usize) = (32 << 10, 2 << 20);

/// With less room left, in bytes, a block is full: most lines are shorter.
const SLACK: usize = 2 << 10;

/// With so many lines more than twice those that are wanted, the others go.
const SURPLUS: usize = 1024;

/// Some lines.
struct Block {
    /// What they are made of.
    text: String,
    lines: Vec<Line>,
}

/// A line of a list, and where its parts stand in the text of its block.
struct Line {
    rank: Rank,
    /// What is printed, up to the key that comes next.
    printed: usize,
    /// What it is sorted by, up to its end.
    key: usize,
    key_end: usize,
    /// The reference, which may be a part of what is printed, and its length.
    reference: usize,
    reference_len: usize,
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
        let Block { text, lines } = self.block();
        let printed = text.len();
        let failure = append(text).err().map(Box::new);
        let key = text.len();
        text.push_str(&name);
        let key_end = text.len();
        let name = entry.reference();
        let reference = match text[printed..key].starts_with(&*name) {
            true => printed,
            false => {
                text.push_str(&name);
                key_end
            }
        };
        lines.push(Line {
            rank,
            printed,
            key,
            key_end,
            reference,
            reference_len: name.len(),
            failure,
        });
        self.len += 1;
        if let Some(limit) = order.limit
            && self.len > limit.saturating_mul(2).saturating_add(SURPLUS)
        {
            self.shrink(order, limit);
        }
    }

    /// A block that has room.
    fn block(&mut self) -> &mut Block {
        let is_full = |text: &String| text.len() + SLACK > text.capacity();
        if self.blocks.last().is_none_or(|block| is_full(&block.text)) {
            let (size, lines) = match self.blocks.last() {
                None => (SIZES.0, 0),
                Some(Block { text, lines }) => {
                    let size = SIZES.1.min(2 * text.capacity());
                    // As many as there would have been in a block of this size. It
                    // is full, so that it is not empty.
                    (size, lines.len() * size / text.len())
                }
            };
            self.blocks.push(Block {
                text: String::with_capacity(size),
                lines: Vec::with_capacity(lines),
            });
        }
        self.blocks.last_mut().expect("there is one by now")
    }

    /// Keeps only so many lines, those that come first.
    fn shrink(&mut self, order: &Order, limit: usize) {
        let blocks: Vec<&Block> = self.blocks.iter().collect();
        let mut kept = places(&blocks, order);
        kept.truncate(limit);
        self.last = kept.last().map(|place| place.rank);
        kept.sort_unstable_by_key(|place| (place.block, place.line));
        let mut kept = kept.into_iter().peekable();
        self.len = 0;
        for (index, block) in std::mem::take(&mut self.blocks).into_iter().enumerate() {
            for (number, line) in block.lines.into_iter().enumerate() {
                let is_kept = |place: &LinePosition| (place.block, place.line) == (index, number);
                if kept.next_if(is_kept).is_some() {
                    self.keep(&block.text, line);
                }
            }
        }
    }

    /// Adds a line of another block, whose text this is.
    fn keep(&mut self, from: &str, line: Line) {
        let Block { text, lines } = self.block();
        let (start, before) = (text.len(), line.printed);
        text.push_str(&from[before..line.end()]);
        lines.push(Line {
            printed: start,
            key: line.key - before + start,
            key_end: line.key_end - before + start,
            reference: line.reference - before + start,
            ..line
        });
        self.len += 1;
    }
}

impl Line {
    /// Where the last of its parts ends.
    fn end(&self) -> usize {
        self.key_end.max(self.reference + self.reference_len)
    }
}

impl Block {
    fn printed(&self, line: usize) -> Result<&str, Failure> {
        let line = &self.lines[line];
        match &line.failure {
            None => Ok(&self.text[line.printed..line.key]),
            Some(failure) => Err((**failure).clone()),
        }
    }

    /// What a line is sorted by, if not by its rank.
    fn names(&self, line: usize) -> (&str, &str) {
        let line = &self.lines[line];
        (
            &self.text[line.key..line.key_end],
            &self.text[line.reference..][..line.reference_len],
        )
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

/// Where a line is.
struct LinePosition {
    rank: Rank,
    block: usize,
    line: usize,
}

/// The places of all lines in order: by rank and key, those of the same by
/// reference, those of the same reference as they stand in the file.
fn places(blocks: &[&Block], order: &Order) -> Vec<LinePosition> {
    let mut places = Vec::with_capacity(blocks.iter().map(|block| block.lines.len()).sum());
    for (block, Block { lines, .. }) in blocks.iter().enumerate() {
        let lines = lines.iter().enumerate();
        places.extend(lines.map(|(line, &Line { rank, .. })| LinePosition { rank, block, line }));
    }
    parallel::sort_unstable_by(&mut places, |a, b| {
        let names = |of: &LinePosition| blocks[of.block].names(of.line);
        let by_names = || order.compare(&names(a), &names(b));
        let by_place = || order.compare(&(a.block, a.line), &(b.block, b.line));
        let by_rank = order.compare(&a.rank, &b.rank);
        by_rank.then_with(by_names).then_with(by_place)
    });
    places
}

/// What is printed of the entries, in order.
///
/// # Errors
///
/// The first failure to make a line.
pub(super) fn sorted<'l>(lists: &'l [List], order: &Order) -> Result<Vec<&'l str>, Failure> {
    let blocks: Vec<&Block> = lists.iter().flat_map(|list| &list.blocks).collect();
    let mut places = places(&blocks, order);
    places.truncate(order.limit.unwrap_or(usize::MAX));
    let printed = places
        .iter()
        .map(|place| blocks[place.block].printed(place.line));
    printed.collect()
}

#[cfg(test)]
mod tests;
