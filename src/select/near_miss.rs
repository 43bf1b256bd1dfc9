//! Patterns that match nothing, where a wider one would.

use super::{Chooser, NearMiss, Pattern, widened};
use crate::content::Contents;
use crate::document::EntryRef;

/// The matches of the patterns of a selection so far.
#[derive(Default)]
pub(crate) struct NearMisses {
    found: Vec<Matched>,
}

/// The matches of a pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Matched {
    #[default]
    Nothing,
    /// An entry that is listed if a `*` is put before and after the pattern.
    Around,
    /// An entry, whether or not it passes the filters.
    Entry,
}

impl NearMisses {
    /// Compares the patterns of a selection with an entry.
    pub(crate) fn note(
        &mut self,
        chooser: &Chooser<'_>,
        entry: &EntryRef<'_>,
        contents: &Contents<'_>,
    ) {
        let patterns = &chooser.selection.patterns;
        self.found.resize(patterns.len(), Matched::Nothing);
        for (pattern, found) in patterns.iter().zip(&mut self.found) {
            if *found == Matched::Entry {
                continue;
            }
            let name = pattern.name_of(entry);
            if pattern.glob.matches(&name) {
                *found = Matched::Entry;
            } else if *found == Matched::Nothing
                && pattern.wider.matches(&name)
                && chooser.passes_filters(entry, contents)
            {
                *found = Matched::Around;
            }
        }
    }

    /// Returns each pattern that matches no entry in any part of the registry, with
    /// the wider one that lists some.
    pub(crate) fn of_all(parts: &[Self], patterns: &[Pattern]) -> Vec<NearMiss> {
        let of = |at: usize| {
            parts
                .iter()
                .filter_map(move |part| part.found.get(at))
                .max()
        };
        let misses =
            (patterns.iter().enumerate()).filter(|(at, _)| of(*at) == Some(&Matched::Around));
        misses
            .map(|(_, pattern)| NearMiss {
                pattern: pattern.text.clone(),
                wider: widened(&pattern.text),
            })
            .collect()
    }
}
