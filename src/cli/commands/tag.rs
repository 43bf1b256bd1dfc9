//! `tag`: registers an artifact's content under other references too.

use super::operands::{Names, resolve};
use super::word;
use crate::cli::args::Tag;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::output::{self, messages};
use crate::escape::visible;
use crate::lookup::{DigestStart, Finder};
use crate::{Error, Reference};

pub(super) fn run(context: &Context, args: &Tag) -> anyhow::Result<Exit> {
    let targets: Result<Vec<_>, _> = args
        .targets
        .iter()
        .map(|text| Reference::parse_new(text))
        .collect();
    let targets = targets.map_err(Error::from)?;
    let document = context.load()?;
    let found = resolve(&Finder::new(&document), &args.source, DigestStart::ToChange);
    let names = Names::of(context.cache.registry());
    let indices = found.map_err(|reason| reason.into_failure(&names))?;
    let entry = indices.first().and_then(|&index| document.entry(index));
    let Some(source) = entry.map(crate::document::EntryView::to_entry) else {
        return Ok(Exit::NotFound);
    };

    context.defer_signals()?;
    let mut exit = Exit::Success;
    let mut report = String::new();
    for target in targets {
        match context.cache.tag(&source, &target, args.no_clobber) {
            Ok(tagged) => {
                report.push_str(&format!(
                    "{} {}\n",
                    word(tagged.result),
                    visible(target.as_str())
                ));
                exit = exit.worst(messages::not_deleted(tagged.not_deleted));
            }
            Err(error) => {
                let error = anyhow::Error::from(error);
                exit = exit.worst(Exit::of(&error));
                messages::error(&error);
                if matches!(exit, Exit::Interrupted(_)) {
                    break;
                }
            }
        }
    }
    output::report(&report);
    Ok(exit)
}
