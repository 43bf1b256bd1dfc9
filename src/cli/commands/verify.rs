//! `verify`: looks for damage, and repairs the registry.

use std::time::SystemTime;

use super::operands;
use crate::cli::args::{ReportFormat, Verify};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::output::verification::{render, summarize};
use crate::cli::output::{self, Out};
use crate::verify::{Repairs, Report};

pub(super) fn run(context: &Context, args: &Verify) -> anyhow::Result<Exit> {
    let mut repairs = Repairs::default();
    let repaired = match args.repair {
        true => repair(context, &mut repairs),
        false => Ok(()),
    };
    let rendered = |report| {
        let repairs = args.repair.then_some(&repairs);
        render(context.cache.registry(), args.format, repairs, report)
    };
    let (report, mut exit) = match repaired.and_then(|()| check(context, args)) {
        Ok(checked) => checked,
        Err(error) => {
            // The repair is done, so it is reported all the same.
            if !repairs.is_empty() {
                output::report(&rendered(&Report::default())?);
            }
            return Err(error);
        }
    };
    if repairs.has_lost() || !report.problems.is_empty() {
        exit = exit.worst(Exit::Failure);
    }
    let text = rendered(&report)?;
    if repairs.is_empty() {
        let mut out = Out::new();
        out.write(&text)?;
        out.finish()?;
    } else {
        output::report(&text);
    }
    let is_about_something = report.entries > 0 || args.references.is_empty();
    if args.format == ReportFormat::Text && is_about_something {
        summarize(&report, repairs.has_lost());
    }
    Ok(exit)
}

fn repair(context: &Context, repairs: &mut Repairs) -> anyhow::Result<()> {
    context.defer_signals()?;
    Ok(context.cache.repair(repairs)?)
}

/// Looks for damage in what is named, or in everything.
fn check(context: &Context, args: &Verify) -> anyhow::Result<(Report, Exit)> {
    let verification = context.cache.verification(&args.references)?;
    let exit = operands::report(context.cache.registry(), verification.unresolved());
    Ok((verification.run(SystemTime::now())?, exit))
}
