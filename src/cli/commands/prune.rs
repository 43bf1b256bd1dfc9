//! `prune`: frees disk.

use crate::cli::args::Prune;
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::messages;
use crate::cli::output::removal::{self, Asked, Item};
use crate::cli::prompt;
use crate::prune::{PruneOptions, Unreferenced};
use crate::remove::Removed;

pub(super) fn run(context: &Context, args: &Prune) -> anyhow::Result<Exit> {
    check(args)?;
    context.note_backend();
    if !args.yes && !args.dry_run {
        prompt::require_terminal("prune")?;
    }
    let mut plan = context.snapshot()?.plan_prune(&options(args))?;
    let mut exit = messages::errors(std::mem::take(&mut plan.unknown));
    for kept in &plan.kept {
        removal::kept_deployed(&kept.reference, &kept.by);
    }
    let kept = std::mem::take(&mut plan.kept);
    let reasons = plan.reasons().clone();
    let items = |removed: &[Removed], unreferenced: &[Unreferenced]| -> Vec<Item> {
        let reason = |of: &str| reasons.get(of).map_or("", |reason| reason.as_str());
        removal::entries(removed, reason)
            .chain(removal::unreferenced(unreferenced))
            .collect()
    };
    let planned = items(&plan.removed, &plan.unreferenced);
    if args.dry_run || planned.is_empty() {
        exit = exit.worst(removal::explain_all(&plan.removed, Asked::ByChoice));
        messages::note(format_args!(
            "{}",
            match args.dry_run {
                true => removal::total(&planned),
                false => "there is nothing to remove".to_owned(),
            }
        ));
        removal::print(&plan.removed, &kept, &planned, args.dry_run, args.format)?;
        return Ok(exit);
    }
    if !args.yes {
        removal::plan(&planned);
        if !prompt::confirm(format_args!("Remove these?"))? {
            messages::note(format_args!("nothing was removed"));
            return Ok(Exit::Failure);
        }
    }
    context.begin_change()?;
    let pruned = context.cache.prune(plan)?;
    exit = exit.worst(removal::report_kept(&pruned));
    exit = exit.worst(removal::explain_all(&pruned.removed, Asked::ByChoice));
    let items = items(&pruned.removed, &pruned.unreferenced);
    removal::print(&pruned.removed, &kept, &items, false, args.format)?;
    // What is removed is reported before the error that ended it early.
    pruned.error.map_or(Ok(exit), |error| Err(error.into()))
}

fn options(args: &Prune) -> PruneOptions {
    PruneOptions {
        tagged: args.all,
        filters: args.filters.clone(),
        keep_last: args.keep_last,
        generated: args.generated,
        max_bytes: args.max_size.and_then(|size| u64::try_from(size).ok()),
    }
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
