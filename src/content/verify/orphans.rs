//! Directories and files that belong to no entry.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::Report;
use super::confirm::{ChangeWait, reread};
use super::finding::{Code, Finding, command};
use crate::content::workdir::Purpose;
use crate::content::{Cache, UnreferencedData, UnreferencedKind};
use crate::document::Document;
use crate::error::{AtPath, Error, Result};
use crate::store::{self, if_exists};

/// The temporary file that all processes of cldctl share.
const CLDCTL_TEMPORARY: &str = "artifacts.json.tmp";

pub(super) fn check(
    cache: &Cache,
    document: &Document,
    now: SystemTime,
    wait: &mut ChangeWait<'_>,
    report: &mut Report,
) -> Result<()> {
    let unreferenced = confirmed(cache, document, now, wait)?;
    for error in unreferenced.unknown {
        let path = cache.home().cache_root();
        report.add(Finding::at(
            Code::ContentUnreadable,
            &path,
            &error.to_string(),
            "make it readable, or unmount what is mounted in it, and try again",
        ));
    }
    for kept in unreferenced.kept {
        let by: Vec<String> = kept.by.iter().map(ToString::to_string).collect();
        report.add(Finding::at(
            Code::DeployedDirectory,
            Path::new(&kept.reference),
            &format!(
                "is a directory that no entry names, and is deployed: {}",
                by.join(", ")
            ),
            format!("{} registers it", command("add", "REF", "")),
        ));
    }
    if let Some(root) = cache.root()? {
        let interrupted = root.interrupted_swaps()?;
        let is_restored = |name: &OsStr| interrupted.iter().any(|(holder, _)| holder == name);
        for (name, _) in root.names()? {
            let message = match Purpose::of_name(&name) {
                Some(Purpose::Kept) => {
                    "has what a deployment wrote while its directory was replaced or removed"
                }
                Some(_) if root.is_left_with_state(&name) && !is_restored(&name) => {
                    "was left by an interrupted process and has the state of a deployment, so \
                     that the next change keeps it under another name"
                }
                Some(_) | None => continue,
            };
            report.add(Finding::at(
                Code::KeptAside,
                &root.dir().path_of(&name),
                message,
                "compare the state in both, keep what is current, and delete the other",
            ));
        }
    }
    for item in unreferenced.found {
        report.add(match item.kind {
            UnreferencedKind::Orphan => Finding::at(
                Code::OrphanDirectory,
                &item.path,
                "is a directory that no entry names",
                format!(
                    "`cldctl-registry prune` removes it, {} registers it if you know its reference",
                    command("add", "REF", "")
                ),
            ),
            UnreferencedKind::Leftover | UnreferencedKind::Generated => Finding::at(
                Code::Leftover,
                &item.path,
                "was left by an interrupted process",
                "`cldctl-registry prune` removes it",
            ),
        });
    }
    let path = store::resolve(cache.registry().path())?;
    let temporary = path.with_file_name(CLDCTL_TEMPORARY);
    let found = store::uninterrupted(|| fs::symlink_metadata(&temporary));
    if if_exists(found).at("read", &temporary)?.is_some() {
        report.add(Finding::at(
            Code::Leftover,
            &temporary,
            "is cldctl's temporary file: left by an interrupted process, or being written right now",
            "remove it when no cldctl is running; it is harmless",
        ));
    }
    for temporary in store::leftovers(&path, now)? {
        report.add(Finding::at(
            Code::Leftover,
            &temporary,
            "was left by an interrupted process",
            "the next change removes it",
        ));
    }
    Ok(())
}

/// Returns what no entry needs, also after a moment at which the lock was free: a change
/// brings content before its entry, and removes an entry before its content.
fn confirmed(
    cache: &Cache,
    document: &Document,
    now: SystemTime,
    wait: &mut ChangeWait<'_>,
) -> Result<UnreferencedData> {
    let first = cache.unreferenced_by(document, now)?;
    if first.found.is_empty() && first.unknown.is_empty() && first.kept.is_empty() {
        return Ok(first);
    }
    wait.wait()?;
    let Some(document) = reread(cache.registry())? else {
        return Ok(first);
    };
    let mut second = cache.unreferenced_by(&document, now)?;
    let paths: HashSet<&Path> = first.found.iter().map(|item| &*item.path).collect();
    let errors: HashSet<String> = first.unknown.iter().map(Error::to_string).collect();
    second.found.retain(|item| paths.contains(&*item.path));
    second
        .unknown
        .retain(|error| errors.contains(&error.to_string()));
    Ok(second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Home;
    use std::time::Duration;

    #[test]
    fn a_directory_without_an_entry_is_a_problem_once_it_has_rested() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        let orphan = home.cache_root().join("orphan");
        fs::create_dir_all(&orphan).unwrap();
        let cache = Cache::open(home).unwrap();
        cache.registry().clear().unwrap();
        fs::write(cache.registry().path(), "{}").unwrap();
        let now = SystemTime::now();
        assert_eq!(cache.verify(None, now).unwrap().problems, []);
        let later = now + Duration::from_secs(2 * 3600);
        let problems = cache.verify(None, later).unwrap().problems;
        let found: Vec<_> = problems.iter().map(|p| (p.code, &*p.subject)).collect();
        let orphan = fs::canonicalize(orphan).unwrap();
        assert_eq!(found, [(Code::OrphanDirectory, orphan.to_str().unwrap())]);
        // Those that were asked for are not unreferenced.
        assert_eq!(cache.verify(Some(&[]), later).unwrap().problems, []);
    }
}
