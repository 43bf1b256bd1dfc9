//! The choice of entries that can go.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::{PruneOptions, PruneReason};
use crate::content::{Cache, Contents};
use crate::document::Document;
use crate::error::{Error, Result};
use crate::fields::Field;
use crate::reference::ReferenceParts;
use crate::select::{Candidate, Retention, Selection, select_expired};
use crate::timestamp;

/// Returns the places of the entries that go, each with the reason, and why it is not
/// known of some whether they could go; those stay.
pub(super) fn choose(
    cache: &Cache,
    document: &Document,
    options: &PruneOptions,
) -> Result<(HashMap<usize, PruneReason>, Vec<Error>)> {
    let mut unknown = Vec::new();
    let contents = cache.contents();
    let selection = Selection {
        filters: options.filters.clone(),
        ..Selection::default()
    };
    let selected = selection.choose(document, &contents, &timestamp::now())?;
    let mut is_selected = vec![false; document.entries().len()];
    selected
        .into_iter()
        .for_each(|index| is_selected[index] = true);

    let mut reasons = HashMap::new();
    let mut tagged: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, entry) in document.entries().enumerate() {
        let is_gone = contents.is_gone(&entry.reference(), &entry.text_of(Field::CachePath));
        let is_gone = is_gone.unwrap_or_else(|error| {
            unknown.push(error);
            false
        });
        if is_selected[index] && entry.is_untagged() {
            reasons.insert(index, PruneReason::Untagged);
        } else if is_selected[index] && is_gone {
            reasons.insert(index, PruneReason::Gone);
        } else if options.tagged && !entry.is_untagged() && !is_gone {
            // Entries of one reference are one artifact.
            let reference = entry.reference().into_owned();
            tagged.entry(reference).or_default().push(index);
        }
    }
    let disk = match options.max_bytes {
        Some(_) => DiskUse::of(document, &contents, &reasons),
        None => Ok(DiskUse::default()),
    };
    let disk = match disk {
        Ok(disk) => disk,
        Err(error) => {
            // What the rest takes is not known, so nothing is too much.
            unknown.push(error);
            return Ok((reasons, unknown));
        }
    };
    let candidates: Vec<Candidate> = tagged
        .into_iter()
        .filter_map(|(reference, indices)| {
            let entry = document.entry(*indices.first()?)?;
            Some(Candidate {
                repository: ReferenceParts::of(&reference).repository.to_owned(),
                created_at: entry.created_at().ok().flatten(),
                bytes: indices
                    .iter()
                    .filter_map(|index| disk.freed_by.get(index))
                    .fold(0, |sum: u64, bytes| sum.saturating_add(*bytes)),
                is_selected: indices.iter().all(|&index| is_selected[index]),
                indices,
                reference,
            })
        })
        .collect();
    let retention = Retention {
        keep_last: options.keep_last.unwrap_or_default(),
        max_bytes: options.max_bytes,
    };
    let reason = match (options.max_bytes, options.keep_last) {
        (Some(_), _) => PruneReason::MaxSize,
        (None, Some(_)) => PruneReason::KeepLast,
        (None, None) => PruneReason::Filter,
    };
    for index in select_expired(&candidates, retention, disk.kept) {
        reasons.insert(index, reason);
    }
    Ok((reasons, unknown))
}

/// What the content of artifacts takes.
#[derive(Default)]
struct DiskUse {
    /// The bytes that removing an entry frees, by its place: those of its
    /// directory, if no entry of another reference has the same.
    freed_by: HashMap<usize, u64>,
    /// The bytes that stay whatever else is removed.
    kept: u64,
}

impl DiskUse {
    /// Measures all entries but those that go anyway.
    fn of(
        document: &Document,
        contents: &Contents<'_>,
        going: &HashMap<usize, PruneReason>,
    ) -> Result<Self> {
        let mut dirs: HashMap<PathBuf, (u64, Vec<usize>)> = HashMap::new();
        for (index, entry) in document.entries().enumerate() {
            if going.contains_key(&index) {
                continue;
            }
            let usage = contents.usage(&entry.reference(), &entry.text_of(Field::CachePath))?;
            if let Some(usage) = usage {
                let holders = dirs.entry(usage.path);
                let (_, holders) = holders.or_insert((usage.allocated, Vec::new()));
                holders.push(index);
            }
        }
        let mut disk = DiskUse::default();
        for (bytes, holders) in dirs.into_values() {
            let reference = |index: &usize| document.entry(*index).map(|entry| entry.reference());
            let first = holders.first().and_then(reference);
            let is_sole = holders.iter().all(|index| reference(index) == first);
            let is_tagged = holders.iter().all(|&index| {
                document
                    .entry(index)
                    .is_some_and(|entry| !entry.is_untagged())
            });
            match holders.first() {
                Some(&index) if is_sole && is_tagged => {
                    disk.freed_by.insert(index, bytes);
                }
                _ => disk.kept = disk.kept.saturating_add(bytes),
            }
        }
        Ok(disk)
    }
}
