//! `man`: prints the manual, or writes its pages.

use std::fs;

use anyhow::Context as _;

use crate::cli::args::Man;
use crate::cli::exit::Exit;
use crate::cli::manual;
use crate::cli::output::{self, Out};
use crate::escape::escape_display;

pub(super) fn run(args: &Man) -> anyhow::Result<Exit> {
    let pages = manual::pages().context("could not write the manual")?;
    match &args.dir {
        None => {
            let mut out = Out::new();
            for page in pages.iter().take(1) {
                out.write(&page.text)?;
            }
            out.finish()?;
        }
        Some(dir) => {
            let at = |path: &std::path::Path| {
                format!(
                    "could not write: `{}`",
                    escape_display(&path.to_string_lossy())
                )
            };
            fs::create_dir_all(dir).with_context(|| at(dir))?;
            let mut report = String::new();
            for page in &pages {
                let path = dir.join(&page.file);
                fs::write(&path, &page.text).with_context(|| at(&path))?;
                report.push_str(&format!(
                    "wrote {}\n",
                    escape_display(&path.to_string_lossy())
                ));
            }
            output::report(&report);
        }
    }
    Ok(Exit::Success)
}
