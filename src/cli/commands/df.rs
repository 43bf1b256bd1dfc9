//! `df`: shows how much disk artifacts take.

use std::time::SystemTime;

use crate::cli::args::Df;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::output::{Out, messages, usage as output};

pub(super) fn run(context: &Context, args: &Df) -> anyhow::Result<Exit> {
    context.note_backend();
    let snapshot = context.snapshot()?;
    let mut usage = snapshot.usage()?;
    let mut exit = messages::errors(std::mem::take(&mut usage.unknown));
    let text = if args.verbose {
        output::entries(&usage.entries, args.format)?
    } else {
        let unreferenced = snapshot.unreferenced(SystemTime::now())?;
        exit = exit.worst(messages::errors(unreferenced.unknown));
        output::totals(&usage.totals(&unreferenced.found), args.format)?
    };
    let mut out = Out::new();
    out.write(&text)?;
    out.finish()?;
    Ok(exit)
}
