//! A list of artifacts on its way: what is printed of each entry is made while
//! the entry is read, and sorted afterwards.

use super::select::{SortKey, rank};
use crate::document::EntryView;
use crate::parallel;

/// The lines of entries, in the order of the file.
#[derive(Default)]
pub(super) struct List {
    /// Of each line, one behind the other: what it is sorted by, the reference,
    /// what is printed. In blocks, since a text that grows is copied.
    blocks: Vec<String>,
    lines: Vec<Line>,
    /// So many entries were seen, whether or not they are in the list.
    pub(super) seen: usize,
    /// Why the list is not complete.
    failure: Option<anyhow::Error>,
}

/// How large the first and the largest block is, in bytes, and how much of one may
/// stay empty.
const BLOCKS: (usize, usize) = (16 << 10, 1 << 20);
const SLACK: usize = 2 << 10;

struct Line {
    rank: i128,
    block: usize,
    /// Where the parts of the line start in the block.
    key: usize,
    reference: usize,
    printed: usize,
    end: usize,
}

impl List {
    /// Adds a line for an entry, as `append` makes it.
    pub(super) fn push(
        &mut self,
        key: SortKey,
        entry: &EntryView<'_>,
        append: impl FnOnce(&mut String, &EntryView<'_>) -> anyhow::Result<()>,
    ) {
        let last = self.blocks.last();
        if last.is_none_or(|block| block.len() + SLACK > block.capacity()) {
            let size = last.map_or(BLOCKS.0, |block| 2 * block.capacity());
            self.blocks.push(String::with_capacity(size.min(BLOCKS.1)));
        }
        let block = self.blocks.len() - 1;
        let text = &mut self.blocks[block];
        let (rank, name) = rank(key, entry);
        let key = text.len();
        text.push_str(&name);
        let reference = text.len();
        text.push_str(&entry.reference());
        let printed = text.len();
        if let Err(error) = append(text, entry) {
            self.failure.get_or_insert(error);
        }
        self.lines.push(Line {
            rank,
            block,
            key,
            reference,
            printed,
            end: text.len(),
        });
    }

    /// Takes the failure, if there is one.
    pub(super) fn fail(&mut self) -> anyhow::Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// What a line is sorted by, if not by its rank.
    fn names(&self, line: usize) -> (&str, &str) {
        let line = &self.lines[line];
        let text = &self.blocks[line.block];
        (
            &text[line.key..line.reference],
            &text[line.reference..line.printed],
        )
    }

    fn printed(&self, line: usize) -> &str {
        let line = &self.lines[line];
        &self.blocks[line.block][line.printed..line.end]
    }
}

/// What is printed of the entries, in order: by rank and key, those of the same by
/// reference, those of the same reference as they stand in the file.
pub(super) fn sorted(lists: &[List], reverse: bool) -> Vec<&str> {
    let lines = lists.iter().enumerate().flat_map(|(list, lines)| {
        let ranks = lines.lines.iter().map(|line| line.rank);
        ranks
            .zip(0_usize..)
            .map(move |(rank, line)| (rank, list, line))
    });
    let mut order: Vec<(i128, usize, usize)> = lines.collect();
    parallel::sort_unstable_by(&mut order, |&(rank_a, list_a, a), &(rank_b, list_b, b)| {
        let by_names = || lists[list_a].names(a).cmp(&lists[list_b].names(b));
        let by_place = || (list_a, a).cmp(&(list_b, b));
        rank_a.cmp(&rank_b).then_with(by_names).then_with(by_place)
    });
    if reverse {
        order.reverse();
    }
    let printed = order
        .into_iter()
        .map(|(_, list, line)| lists[list].printed(line));
    printed.collect()
}
