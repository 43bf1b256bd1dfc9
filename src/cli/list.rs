//! A list of artifacts on its way: what is printed of each entry is made while
//! the entry is read, and sorted afterwards.

use super::exit::Failure;
use super::select::{Rank, SortKey, rank};
use crate::document::EntryView;
use crate::parallel;

/// The lines of entries, in the order of the file.
#[derive(Default)]
pub(super) struct List {
    /// What grows is copied, so it grows in blocks.
    blocks: Vec<Block>,
    /// So many entries were seen, whether or not they are in the list.
    pub(super) seen: usize,
    /// Why the list is not complete.
    failure: Option<Failure>,
}

/// How large the text of the first and of the largest block is, in bytes, and how
/// much of it may stay empty.
const SIZES: (usize, usize) = (32 << 10, 256 << 10);
const SLACK: usize = 2 << 10;

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
}

impl List {
    /// Adds a line for an entry, as `append` makes it.
    pub(super) fn push(
        &mut self,
        key: SortKey,
        entry: &EntryView<'_>,
        append: impl FnOnce(&mut String) -> Result<(), Failure>,
    ) {
        let Block { text, lines } = self.block();
        let printed = text.len();
        let appended = append(text);
        let (rank, name) = rank(key, entry);
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
        });
        if let Err(error) = appended {
            self.failure.get_or_insert(error);
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
                    // As many as there would have been in a block of this size.
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
}

impl Block {
    fn printed(&self, line: usize) -> &str {
        let line = &self.lines[line];
        &self.text[line.printed..line.key]
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

/// What is printed of the entries, in order: by rank and key, those of the same by
/// reference, those of the same reference as they stand in the file.
///
/// # Errors
///
/// The first failure to make a line.
pub(super) fn sorted(lists: &[List], reverse: bool) -> Result<Vec<&str>, Failure> {
    if let Some(failure) = lists.iter().find_map(|list| list.failure.as_ref()) {
        return Err(failure.clone());
    }
    let blocks: Vec<&Block> = lists.iter().flat_map(|list| &list.blocks).collect();
    let count = blocks.iter().map(|block| block.lines.len()).sum();
    let mut order: Vec<(Rank, usize, usize)> = Vec::with_capacity(count);
    for (index, block) in blocks.iter().enumerate() {
        let lines = block.lines.iter().enumerate();
        order.extend(lines.map(|(line, Line { rank, .. })| (*rank, index, line)));
    }
    parallel::sort_unstable_by(&mut order, |a, b| {
        let names = |of: &(Rank, usize, usize)| blocks[of.1].names(of.2);
        let by_names = || names(a).cmp(&names(b));
        let by_place = || (a.1, a.2).cmp(&(b.1, b.2));
        a.0.cmp(&b.0).then_with(by_names).then_with(by_place)
    });
    if reverse {
        order.reverse();
    }
    let order = order.into_iter();
    let printed = order.map(|(_, block, line)| blocks[block].printed(line));
    Ok(printed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::fields::Field;

    /// Lists of one entry each.
    fn lists(key: SortKey, entries: &[&str]) -> Vec<List> {
        let text = format!("{{\"artifacts\":[{}]}}", entries.join(","));
        let document = Document::parse(text).unwrap();
        let list = |entry: EntryView<'_>| {
            let mut list = List::default();
            list.push(key, &entry, |text| {
                text.push_str(&entry.reference());
                text.push_str(entry.raw(Field::Size).unwrap_or("?"));
                Ok(())
            });
            list
        };
        document.entries().map(list).collect()
    }

    #[test]
    fn entries_are_sorted_by_rank_then_text_then_reference_then_place() {
        let entries = [
            r#"{"reference":"c","tag":"v1","size":1}"#,
            r#"{"reference":"b","tag":"v2","size":2}"#,
            r#"{"reference":"a","tag":"v2","size":1}"#,
            r#"{"reference":"d","size":3}"#,
            r#"{"reference":"a","tag":"v2","size":4}"#,
        ];
        let by = |key, reverse| sorted(&lists(key, &entries), reverse).unwrap().join(" ");
        assert_eq!(by(SortKey::Tag, false), "c1 a1 a4 b2 d3");
        assert_eq!(by(SortKey::Tag, true), "d3 b2 a4 a1 c1");
        assert_eq!(by(SortKey::Size, false), "a4 d3 b2 a1 c1");
        assert_eq!(by(SortKey::Reference, false), "a1 a4 b2 c1 d3");
    }

    #[test]
    fn lines_of_any_length_find_room() {
        let text = r#"{"artifacts":[{"reference":"a"}]}"#.to_owned();
        let document = Document::parse(text).unwrap();
        let entry = document.entry(0).unwrap();
        let mut list = List::default();
        let lengths = [1, SIZES.0, 3 * SIZES.1, 0, 100];
        for length in lengths.into_iter().cycle().take(200) {
            list.push(SortKey::Tag, &entry, |text| {
                text.extend(std::iter::repeat_n('x', length));
                Ok(())
            });
        }
        let lists = [list];
        let found = sorted(&lists, false).unwrap();
        let expected = lengths.into_iter().cycle().take(200);
        assert!(found.into_iter().map(str::len).eq(expected));
    }

    #[test]
    fn the_first_failure_is_told() {
        let text = r#"{"artifacts":[{"reference":"a"},{"reference":"b"}]}"#.to_owned();
        let document = Document::parse(text).unwrap();
        let mut list = List::default();
        for entry in document.entries() {
            list.push(SortKey::Created, &entry, |_| {
                Err(Failure::usage(entry.reference()))
            });
        }
        assert_eq!(sorted(&[list], false).unwrap_err().message, "a");
    }
}
