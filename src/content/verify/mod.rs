//! Looking for damage: in the registry, in the content, and in what lies about.
//!
//! Nothing is changed here, and no lock is held: what looks wrong may have changed
//! while it was looked at, so it is looked at again until that can be excluded.

mod content;
mod entries;
mod finding;
mod moved;
mod orphans;

pub use finding::{Code, Finding};
pub use moved::TakenOver;

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::SystemTime;

use super::Cache;
use crate::document::{Document, EntryRef};
use crate::error::{Error, Result};
use crate::store::{FileId, LockWait};
use content::Checked;

/// What is wrong, and what is worth knowing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// What is wrong.
    pub problems: Vec<Finding>,
    /// What is not as it could be, or could not be checked.
    pub notes: Vec<Finding>,
    /// How many entries were looked at.
    pub entries: usize,
    /// How many files were hashed.
    pub files: usize,
    /// How long they are in all, in bytes.
    pub bytes: u64,
}

impl Report {
    fn add(&mut self, finding: Finding) {
        if finding.code.is_problem() {
            self.problems.push(finding);
        } else {
            self.notes.push(finding);
        }
    }
}

/// How often content is looked at whose entry changes from look to look.
const LOOKS: usize = 10;

/// What was found of an entry, and the entry's text then.
type Looked = (Checked, String);

/// The text of an entry, and which directory its content lies in.
type State = (String, Option<FileId>);

fn state((checked, text): &Looked) -> State {
    (text.clone(), checked.dir)
}

fn is_suspect(checked: &Checked) -> bool {
    let mut findings = checked.findings.iter();
    findings.any(|finding| finding.code.is_problem())
}

impl Cache {
    /// Looks for damage: entries that cldctl could not read or that stand twice,
    /// content that is gone or is not what the digest says, directories that no
    /// entry names. With `references`, only at the entries that have one of
    /// these. `now` is what ages are counted from.
    ///
    /// A registry that cannot be read is a problem in the report, not an error.
    ///
    /// # Errors
    ///
    /// I/O errors of the registry and the cache root, and
    /// [`Error::Interrupted`].
    pub fn verify(&self, references: Option<&[&str]>, now: SystemTime) -> Result<Report> {
        let mut report = Report::default();
        let document = match self.registry().load() {
            Ok(document) => document,
            Err(Error::Corrupt { path, cause }) => {
                report.add(Finding::unparsable(self.registry(), &path, &cause));
                return Ok(report);
            }
            Err(error) => return Err(error),
        };
        for link in self.home().dangling_links()? {
            report.add(Finding::dangling_link(&link));
        }
        let chosen: Option<HashSet<&str>> = references.map(|some| some.iter().copied().collect());
        let is_chosen = |entry: &EntryRef<'_>| {
            let chosen = chosen.as_ref();
            chosen.is_none_or(|chosen| chosen.contains(&*entry.reference()))
        };
        let entries: Vec<_> = document.entries().filter(is_chosen).collect();
        report.entries = entries.len();

        if let Some(version) = document.foreign_version() {
            report.add(Finding::foreign_version(self.registry().path(), version));
        }
        entries::check(&document, &entries, &self.contents(), &mut report)?;
        let wait = self.registry().lock_wait();
        self.check_content(&document, &entries, &wait, &mut report)?;
        if references.is_none() {
            orphans::check(self, &document, now, &wait, &mut report)?;
        }
        Ok(report)
    }

    /// Holds the content of entries against their digests.
    fn check_content(
        &self,
        document: &Document,
        entries: &[EntryRef<'_>],
        wait: &LockWait<'_>,
        report: &mut Report,
    ) -> Result<()> {
        let found = content::check(self, document, entries)?;
        report.files = found.files;
        report.bytes = found.bytes;
        // Entries of one reference are looked at again together.
        let names: HashSet<String> = found
            .checked
            .iter()
            .filter(|checked| is_suspect(checked))
            .map(|checked| checked.reference.clone())
            .collect();
        let (suspect, mut confirmed): (Vec<_>, Vec<_>) = found
            .checked
            .into_iter()
            .partition(|checked| names.contains(&checked.reference));
        let with_text = |checked: Checked| {
            let text = entries[checked.index].text().to_owned();
            (checked, text)
        };
        let suspect = suspect.into_iter().map(with_text).collect();
        confirmed.extend(self.confirm(suspect, wait)?);
        confirmed.sort_by_key(|checked| checked.index);
        for finding in confirmed.into_iter().flat_map(|checked| checked.findings) {
            report.add(finding);
        }
        Ok(())
    }

    /// Looks at entries again until no change of another process can explain what is
    /// wrong with them. Each comes with its text at the first look.
    ///
    /// A problem counts if the entry and its directory were the same at the look before
    /// and still are after a moment at which the lock was free: a change that replaces
    /// content holds the lock from before the content is in place until the entry is,
    /// and other programs, which take no lock, need a moment for both. An entry that
    /// changes from look to look has no content that could be told to be damaged.
    fn confirm(&self, suspect: Vec<Looked>, wait: &LockWait<'_>) -> Result<Vec<Checked>> {
        let mut confirmed = Vec::new();
        let mut suspect = suspect;
        for _ in 1..LOOKS {
            if suspect.is_empty() {
                break;
            }
            let before: HashSet<State> = suspect.iter().map(state).collect();
            let Some(again) = self.look_again(&suspect)? else {
                confirmed.extend(suspect.into_iter().map(|(checked, _)| checked));
                break;
            };
            self.registry().wait_for_change(wait)?;
            let Some(after) = self.states(&again)? else {
                confirmed.extend(again.into_iter().map(|(checked, _)| checked));
                break;
            };
            let is_settled = |looked: &Looked| {
                let state = state(looked);
                !is_suspect(&looked.0) || before.contains(&state) && after.contains(&state)
            };
            let unsettled: HashSet<String> = again
                .iter()
                .filter(|looked| !is_settled(looked))
                .map(|(checked, _)| checked.reference.clone())
                .collect();
            let settled;
            (suspect, settled) = again
                .into_iter()
                .partition(|(checked, _)| unsettled.contains(&checked.reference));
            confirmed.extend(settled.into_iter().map(|(checked, _): Looked| checked));
        }
        Ok(confirmed)
    }

    /// Returns the entries of these references as they are now, each with its directory;
    /// `None` if the registry cannot be parsed.
    fn states(&self, looked: &[Looked]) -> Result<Option<HashSet<State>>> {
        let document = match self.registry().load() {
            Ok(document) => document,
            Err(Error::Corrupt { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let names: HashSet<&str> = looked.iter().map(|(it, _)| &*it.reference).collect();
        let contents = self.contents();
        let states = document
            .entries()
            .filter(|entry| names.contains(&*entry.reference()))
            .map(|entry| (entry.text().to_owned(), contents.dir_id(&entry)));
        Ok(Some(states.collect()))
    }

    /// Looks at the content of these entries as they are now; `None` if the registry
    /// cannot be parsed.
    fn look_again(&self, suspect: &[Looked]) -> Result<Option<Vec<Looked>>> {
        let document = match self.registry().load() {
            Ok(document) => document,
            Err(Error::Corrupt { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut places: HashMap<&str, VecDeque<usize>> = HashMap::new();
        for (checked, _) in suspect {
            let places = places.entry(&checked.reference).or_default();
            places.push_back(checked.index);
        }
        // In the order of the file, as they were the first time.
        let again: Vec<(usize, EntryRef<'_>)> = document
            .entries()
            .filter_map(|entry| {
                let place = places.get_mut(&*entry.reference())?.pop_front()?;
                Some((place, entry))
            })
            .collect();
        let entries: Vec<_> = again.iter().map(|(_, entry)| *entry).collect();
        let checked = content::check(self, &document, &entries)?
            .checked
            .into_iter();
        let with_text = checked.map(|checked| {
            let (index, entry) = again[checked.index];
            (Checked { index, ..checked }, entry.text().to_owned())
        });
        Ok(Some(with_text.collect()))
    }
}
