//! The choice of entries that can go.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use super::{KeptDeployed, PruneOptions, PruneReason, add_new};
use crate::content::deployed::Deployed;
use crate::content::{Cache, Contents};
use crate::document::{Document, EntryRef};
use crate::error::{Error, Result};
use crate::fields::Field;
use crate::reference::ReferenceParts;
use crate::select::{Candidate, Retention, Selection, select_expired};
use crate::timestamp;

/// What of a registry can go.
#[derive(Default)]
pub(super) struct Choice {
    /// The places of the entries that go, each with the reason.
    pub(super) reasons: HashMap<usize, PruneReason>,
    /// The artifacts that would go if they were not deployed.
    pub(super) kept: Vec<KeptDeployed>,
    /// Why it is not known of some whether they could go; those stay.
    pub(super) unknown: Vec<Error>,
}

/// Returns what can go.
///
/// # Errors
///
/// [`Error::UnusableFilter`].
pub(super) fn choose(cache: &Cache, document: &Document, options: &PruneOptions) -> Result<Choice> {
    let mut unknown = Vec::new();
    let contents = cache.contents();
    let selection = Selection {
        filters: options.filters.clone(),
        ..Selection::default()
    };
    let chooser = selection.resolve(Some(document), &timestamp::now())?;
    let is_selected: Vec<bool> = document
        .entries()
        .map(|entry| chooser.chooses(&entry, &contents))
        .collect();
    // What a filter asks for may not be known of some entries, which are not selected then.
    let failure = contents.take_failure();

    let mut reasons = HashMap::new();
    let mut tagged: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut deployed = DeployedEntries::new(cache);
    for (index, entry) in document.entries().enumerate() {
        let is_gone = contents.is_gone(&entry.reference(), &entry.text_of(Field::CachePath));
        let is_gone = is_gone.unwrap_or_else(|error| {
            unknown.push(error);
            false
        });
        let reason = match (entry.is_untagged(), is_gone) {
            (true, _) => Some(PruneReason::Untagged),
            (false, true) => Some(PruneReason::Gone),
            (false, false) => None,
        };
        match reason {
            Some(reason) if is_selected[index] && !deployed.keeps(&entry, &mut unknown) => {
                reasons.insert(index, reason);
            }
            None if options.tagged => {
                // Entries of one reference are one artifact.
                let reference = entry.reference().into_owned();
                tagged.entry(reference).or_default().push(index);
            }
            _ => {}
        }
    }
    if let Some(error) = failure {
        add_new(&mut unknown, error);
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
            return Ok(Choice {
                reasons,
                kept: deployed.kept,
                unknown,
            });
        }
    };
    let mut candidates: Vec<Candidate> = tagged
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
    // What is deployed stays, and more of the rest may have to go for it.
    let expired = loop {
        let expired = select_expired(&candidates, retention, disk.kept);
        let entry = |index: &usize| document.entry(*index).map(|entry| (*index, entry));
        let deployed: HashSet<usize> = expired
            .iter()
            .filter_map(entry)
            .filter(|(_, entry)| deployed.keeps(entry, &mut unknown))
            .map(|(index, _)| index)
            .collect();
        if deployed.is_empty() {
            break expired;
        }
        for candidate in &mut candidates {
            let mut indices = candidate.indices.iter();
            candidate.is_selected &= !indices.any(|index| deployed.contains(index));
        }
    };
    for index in expired {
        reasons.insert(index, reason);
    }
    Ok(Choice {
        reasons,
        kept: deployed.kept,
        unknown,
    })
}

/// The entries that stay because they are deployed, or because that is not known.
struct DeployedEntries<'c> {
    cache: &'c Cache,
    /// Read when it is first needed; `None` if it cannot be read.
    deployed: Option<Option<Deployed<'c>>>,
    kept: Vec<KeptDeployed>,
}

impl<'c> DeployedEntries<'c> {
    fn new(cache: &'c Cache) -> Self {
        DeployedEntries {
            cache,
            deployed: None,
            kept: Vec::new(),
        }
    }

    /// Returns whether an entry has to stay.
    fn keeps(&mut self, entry: &EntryRef<'_>, unknown: &mut Vec<Error>) -> bool {
        let deployed = self.deployed.get_or_insert_with(|| {
            let read = Deployed::read(self.cache);
            read.map_err(|error| unknown.push(error)).ok()
        });
        let Some(deployed) = deployed else {
            return true;
        };
        let reference = entry.reference();
        match deployed.of(&reference, &entry.text_of(Field::CachePath)) {
            Ok(by) if by.is_empty() => false,
            Ok(by) => {
                self.kept.push(KeptDeployed {
                    reference: reference.into_owned(),
                    by,
                });
                true
            }
            Err(error) => {
                unknown.push(error);
                true
            }
        }
    }
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
            let (reference, path) = (entry.reference(), entry.text_of(Field::CachePath));
            let usage = contents.usage(&reference, &path, &entry.text_of(Field::Digest))?;
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
