//! What lies about and belongs to nobody.

use std::fs;
use std::time::SystemTime;

use super::Report;
use super::finding::{Code, Finding, command};
use crate::content::{Cache, StrayKind};
use crate::document::Document;
use crate::error::Result;
use crate::store;

/// The temporary file that all processes of cldctl share.
const CLDCTL_TEMPORARY: &str = "artifacts.json.tmp";

pub(super) fn check(
    cache: &Cache,
    document: &Document,
    now: SystemTime,
    report: &mut Report,
) -> Result<()> {
    for stray in cache.strays_beside(document, now)? {
        report.add(match stray.kind {
            StrayKind::Orphan => Finding::at(
                Code::OrphanDirectory,
                &stray.path,
                "is a directory that no entry names",
                format!(
                    "`cldctl-registry prune` removes it, {} registers it if you know its reference",
                    command("add", "REF", "")
                ),
            ),
            StrayKind::Leftover => Finding::at(
                Code::Leftover,
                &stray.path,
                "was left by a process that ended early",
                "`cldctl-registry prune` removes it",
            ),
        });
    }
    let path = store::resolve(cache.registry().path())?;
    let temporary = path.with_file_name(CLDCTL_TEMPORARY);
    if fs::symlink_metadata(&temporary).is_ok() {
        report.add(Finding::at(
            Code::Leftover,
            &temporary,
            "is cldctl's temporary file: left by a process that ended early, or just being written",
            "remove it when no cldctl is running; it does no harm",
        ));
    }
    for temporary in store::leftovers(&path, now)? {
        report.add(Finding::at(
            Code::Leftover,
            &temporary,
            "was left by a process that ended early",
            "the next change removes it",
        ));
    }
    Ok(())
}
