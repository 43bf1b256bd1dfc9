//! `prune`: frees disk.

use std::collections::HashMap;
use std::time::SystemTime;

use chrono::Utc;

use crate::cli::args::Prune;
use crate::cli::ask;
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::messages;
use crate::cli::output::removal::{self, Item};
use crate::cli::select::{Candidate, Retention, Selection, retire};
use crate::content::RemovalPlan;
use crate::document::{Document, Edit, EntryView};
use crate::escape::visible;
use crate::fields::Field;
use crate::{Removed, Stray};

pub(super) fn run(context: &Context, args: &Prune) -> anyhow::Result<Exit> {
    check(args)?;
    if !args.yes && !args.dry_run {
        ask::require_terminal("prune")?;
    }
    let now = SystemTime::now();
    let document = context.load()?;
    let reasons = choose(context, args, &document)?;
    let strays = context.cache.strays(now)?;

    let mut edit = Edit::default();
    reasons.keys().for_each(|&index| edit.remove(index));
    let doomed = context.cache.would_remove(&document, &edit, false)?;
    let reason_of: HashMap<String, &'static str> = reasons
        .iter()
        .filter_map(|(&index, &reason)| {
            Some((document.entry(index)?.reference().into_owned(), reason))
        })
        .collect();
    let items = |doomed: &[Removed], strays: &[Stray]| -> Vec<Item> {
        let reason = |reference: &str| reason_of.get(reference).copied().unwrap_or_default();
        removal::entries(doomed, reason)
            .chain(removal::strays(strays))
            .collect()
    };
    let planned = items(&doomed, &strays);
    if args.dry_run {
        removal::print(&planned, true, args.format)?;
        return Ok(Exit::Success);
    }
    if planned.is_empty() {
        messages::note(format_args!("there is nothing to remove"));
        removal::print(&planned, false, args.format)?;
        return Ok(Exit::Success);
    }
    if !args.yes {
        removal::plan(&planned);
        if !ask::confirm(format_args!("Remove these?"))? {
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
    let gone = context.cache.remove_strays(&strays, now)?;
    let removed = remove(context, &planned)?;
    for stray in strays.iter().filter(|stray| !gone.contains(stray)) {
        messages::warning(format_args!(
            "kept `{}`, which changed meanwhile",
            visible(&stray.path.to_string_lossy())
        ));
    }
    let exit = removal::explain_all(&removed);
    removal::print(&items(&removed, &gone), false, args.format)?;
    Ok(exit)
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

/// The places of the entries that go, each with the reason.
fn choose(
    context: &Context,
    args: &Prune,
    document: &Document,
) -> anyhow::Result<HashMap<usize, &'static str>> {
    let contents = context.cache.contents()?;
    let selection = Selection {
        filters: &args.filters,
        ..Selection::default()
    };
    let selected = selection.choose(document, &contents, &Utc::now().fixed_offset())?;
    let mut is_selected = vec![false; document.entries().len()];
    selected
        .into_iter()
        .for_each(|index| is_selected[index] = true);

    let mut reasons = HashMap::new();
    let mut candidates = Vec::new();
    for (index, entry) in document.entries().enumerate() {
        let path = entry.text_of(Field::CachePath);
        let is_gone = contents.is_gone(&entry.reference(), &path);
        if is_selected[index] && entry.is_untagged() {
            reasons.insert(index, "untagged");
        } else if is_selected[index] && is_gone {
            reasons.insert(index, "gone");
        } else if args.all && !entry.is_untagged() && !is_gone {
            let bytes = contents
                .usage(&entry.reference(), &path)
                .map_or(0, |(_, bytes)| bytes);
            candidates.push(candidate(index, &entry, bytes, is_selected[index]));
        }
    }
    let retention = Retention {
        keep_last: args.keep_last.unwrap_or_default(),
        max_bytes: args.max_size.and_then(|size| u64::try_from(size).ok()),
    };
    let reason = match (args.max_size, args.keep_last) {
        (Some(_), _) => "max-size",
        (None, Some(_)) => "keep-last",
        (None, None) => "filter",
    };
    for index in retire(&candidates, retention, 0) {
        reasons.insert(index, reason);
    }
    Ok(reasons)
}

fn candidate(index: usize, entry: &EntryView<'_>, bytes: u64, is_selected: bool) -> Candidate {
    let repository = entry.text_of(Field::Repository);
    Candidate {
        index,
        repository: repository.into_owned(),
        reference: entry.reference().into_owned(),
        created_at: entry.created_at().ok().flatten(),
        bytes,
        is_selected,
    }
}

/// Entries that are to go, by their text, each with its reference and the
/// reason.
type Planned = HashMap<String, (String, &'static str)>;

/// Removes the planned entries as far as they still stand there, and names those
/// that do not.
fn remove(context: &Context, planned: &Planned) -> anyhow::Result<Vec<Removed>> {
    let contents = context.cache.contents()?;
    let mut kept = HashMap::new();
    let removed = context.cache.remove_selected(RemovalPlan {
        select: &mut |document| {
            let mut edit = Edit::default();
            kept = planned.clone();
            for (index, entry) in document.entries().enumerate() {
                let Some((reference, reason)) = planned.get(entry.text()) else {
                    continue;
                };
                let path = entry.text_of(Field::CachePath);
                // Its content may be back.
                if *reason != "gone" || contents.is_gone(reference, &path) {
                    edit.remove(index);
                    kept.remove(entry.text());
                }
            }
            Ok(edit)
        },
        keep_content: false,
    })?;
    for (reference, _) in kept.values() {
        messages::warning(format_args!(
            "kept `{}`, which changed meanwhile",
            visible(reference)
        ));
    }
    Ok(removed)
}
