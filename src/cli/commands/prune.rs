//! `prune`: frees disk.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::cli::args::Prune;
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::messages;
use crate::cli::output::removal::{self, Item};
use crate::cli::prompt;
use crate::cli::select::{Candidate, Retention, Selection, select_expired};
use crate::content::{Contents, RemovalPlan};
use crate::document::{Document, Edit, OpenDocument};
use crate::escape::escape_display;
use crate::fields::Field;
use crate::reference::ReferenceParts;
use crate::timestamp;
use crate::{PruneOutcome, Removed, Unreferenced, UnreferencedData};

pub(super) fn run(context: &Context, args: &Prune) -> anyhow::Result<Exit> {
    check(args)?;
    if !args.yes && !args.dry_run {
        prompt::require_terminal("prune")?;
    }
    let now = SystemTime::now();
    let open = OpenDocument::from(context.load()?);
    let document = open.whole()?;
    let (reasons, mut exit) = choose(context, args, document)?;
    let UnreferencedData {
        found: unreferenced,
        unknown,
        ..
    } = context.cache.unreferenced_by(document, now)?;
    for error in unknown {
        messages::error(&error.into());
        exit = Exit::Failure;
    }

    let mut edit = Edit::default();
    reasons.keys().for_each(|&index| edit.remove(index));
    let removed = context.cache.would_remove(&open, &edit, false)?;
    let reason_of: HashMap<String, &'static str> = reasons
        .iter()
        .filter_map(|(&index, &reason)| {
            Some((document.entry(index)?.reference().into_owned(), reason))
        })
        .collect();
    let items = |removed: &[Removed], unreferenced: &[Unreferenced]| -> Vec<Item> {
        let reason = |reference: &str| reason_of.get(reference).copied().unwrap_or_default();
        removal::entries(removed, reason)
            .chain(removal::unreferenced(unreferenced))
            .collect()
    };
    let planned = items(&removed, &unreferenced);
    if args.dry_run {
        exit = exit.worst(removal::explain_all(&removed));
        messages::note(format_args!("{}", removal::total(&planned)));
        removal::print(&removed, &planned, true, args.format)?;
        return Ok(exit);
    }
    if planned.is_empty() {
        exit = exit.worst(removal::explain_all(&removed));
        messages::note(format_args!("there is nothing to remove"));
        removal::print(&removed, &planned, false, args.format)?;
        return Ok(exit);
    }
    if !args.yes {
        removal::plan(&planned);
        if !prompt::confirm(format_args!("Remove these?"))? {
            messages::note(format_args!("nothing was removed"));
            return Ok(Exit::Failure);
        }
    }

    context.defer_signals()?;
    let planned: Planned = reasons
        .iter()
        .filter_map(|(&index, &reason)| Some((document.entry(index)?, reason)))
        .map(|(entry, reason)| {
            let reference = entry.reference().into_owned();
            (entry.text().to_owned(), (reference, reason))
        })
        .collect();
    let swept = context.cache.remove_unreferenced(&unreferenced, now)?;
    exit = exit.worst(report_kept(&unreferenced, &swept));
    // What is gone is told, whatever comes next.
    let removed = remove(context, &planned).inspect_err(|_| {
        let _ = removal::print(&[], &items(&[], &swept.gone), false, args.format);
    })?;
    exit = exit.worst(removal::explain_all(&removed));
    removal::print(&removed, &items(&removed, &swept.gone), false, args.format)?;
    Ok(exit)
}

/// Says which unreferenced stayed, and why.
fn report_kept(planned: &[Unreferenced], swept: &PruneOutcome) -> Exit {
    let mut exit = Exit::Success;
    for (_, error) in &swept.failed {
        messages::warning(format_args!("{error}"));
        exit = Exit::Failure;
    }
    let failed = swept.failed.iter().map(|(item, _)| item);
    let known: HashSet<&Path> = failed
        .chain(&swept.gone)
        .map(|item| item.path.as_path())
        .collect();
    for item in planned
        .iter()
        .filter(|item| !known.contains(item.path.as_path()))
    {
        messages::warning(format_args!(
            "kept `{}`, because it changed in the meantime",
            escape_display(&item.path.to_string_lossy())
        ));
    }
    exit
}

/// Refuses what a docker hand may type, and `-a` without a limit.
fn check(args: &Prune) -> Result<(), Failure> {
    if args.force {
        return Err(Failure {
            hint: Some("`-y` answers yes".to_owned()),
            ..Failure::usage("`prune` has no `-f`")
        });
    }
    let limited = !args.filters.is_empty() || args.keep_last.is_some() || args.max_size.is_some();
    if args.all && !limited {
        return Err(Failure {
            hint: Some("`rm --all` removes everything".to_owned()),
            ..Failure::usage("`--all` needs `--filter`, `--keep-last` or `--max-size`")
        });
    }
    Ok(())
}

/// The places of the entries that go, each with the reason. Those that cannot be looked at
/// stay and are named.
fn choose(
    context: &Context,
    args: &Prune,
    document: &Document,
) -> anyhow::Result<(HashMap<usize, &'static str>, Exit)> {
    let mut exit = Exit::Success;
    let contents = context.cache.contents();
    let selection = Selection {
        filters: &args.filters,
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
            messages::error(&error.into());
            exit = Exit::Failure;
            false
        });
        if is_selected[index] && entry.is_untagged() {
            reasons.insert(index, "untagged");
        } else if is_selected[index] && is_gone {
            reasons.insert(index, "gone");
        } else if args.all && !entry.is_untagged() && !is_gone {
            // Entries of one reference are one artifact.
            tagged
                .entry(entry.reference().into_owned())
                .or_default()
                .push(index);
        }
    }
    let disk = match args.max_size {
        Some(_) => Disk::of(document, &contents, &reasons)?,
        None => Disk::default(),
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
        keep_last: args.keep_last.unwrap_or_default(),
        max_bytes: args.max_size.and_then(|size| u64::try_from(size).ok()),
    };
    let reason = match (args.max_size, args.keep_last) {
        (Some(_), _) => "max-size",
        (None, Some(_)) => "keep-last",
        (None, None) => "filter",
    };
    for index in select_expired(&candidates, retention, disk.kept) {
        reasons.insert(index, reason);
    }
    Ok((reasons, exit))
}

/// What the content of artifacts takes.
#[derive(Default)]
struct Disk {
    /// The bytes that removing an entry frees, by its place: those of its
    /// directory, if no entry of another reference has the same.
    freed_by: HashMap<usize, u64>,
    /// The bytes that stay whatever else is removed.
    kept: u64,
}

impl Disk {
    /// Of all entries but those that go anyway.
    fn of(
        document: &Document,
        contents: &Contents<'_>,
        going: &HashMap<usize, &'static str>,
    ) -> Result<Self, crate::Error> {
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
        let mut disk = Disk::default();
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

/// Entries that are to go, by their text, each with its reference and the
/// reason.
type Planned = HashMap<String, (String, &'static str)>;

/// Removes the planned entries as far as they still stand there, and names those
/// that do not.
fn remove(context: &Context, planned: &Planned) -> anyhow::Result<Vec<Removed>> {
    let contents = context.cache.contents();
    let mut removed = Vec::new();
    // What is gone by the plan may be on its way back, so that content is left
    // alone.
    for is_gone in [true, false] {
        let wanted = |reason: &str| (reason == "gone") == is_gone;
        if !planned.values().any(|(_, reason)| wanted(reason)) {
            continue;
        }
        let mut kept = Planned::new();
        removed.extend(context.cache.remove_selected(RemovalPlan {
            select: &mut |document| {
                let mut edit = Edit::default();
                kept = planned.clone();
                kept.retain(|_, (_, reason)| wanted(reason));
                let document = document.whole()?;
                for (index, entry) in document.entries().enumerate() {
                    let found = planned
                        .get(entry.text())
                        .filter(|(_, reason)| wanted(reason));
                    let Some((reference, _)) = found else {
                        continue;
                    };
                    let path = entry.text_of(Field::CachePath);
                    if !is_gone || contents.is_gone(reference, &path).unwrap_or(false) {
                        edit.remove(index);
                        kept.remove(entry.text());
                    }
                }
                Ok(edit)
            },
            keep_content: is_gone,
        })?);
        for (reference, _) in kept.values() {
            messages::warning(format_args!(
                "kept `{}`, because it changed in the meantime",
                escape_display(reference)
            ));
        }
    }
    Ok(removed)
}
