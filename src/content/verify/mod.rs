//! Looking for damage: in the registry, in the content, and in what lies about.
//!
//! Nothing is changed here, and no lock is taken: what looks wrong may have
//! changed while it was looked at, and is then looked at once more.

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

/// So often is content looked at whose entry changes from look to look.
const LOOKS: usize = 10;

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
        self.check_content(&document, &entries, &mut report)?;
        if references.is_none() {
            orphans::check(self, &document, now, &mut report)?;
        }
        Ok(report)
    }

    /// Holds the content of entries against their digests.
    fn check_content(
        &self,
        document: &Document,
        entries: &[EntryRef<'_>],
        report: &mut Report,
    ) -> Result<()> {
        let found = content::check(self, document, entries)?;
        report.files = found.files;
        report.bytes = found.bytes;
        let is_suspect = |checked: &Checked| checked.findings.iter().any(|f| f.code.is_problem());
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
        if !suspect.is_empty() {
            let texts = suspect.iter().map(|it| entries[it.index].text().to_owned());
            let texts = texts.collect();
            confirmed.extend(self.confirm(suspect, texts)?);
        }
        confirmed.sort_by_key(|checked| checked.index);
        for finding in confirmed.into_iter().flat_map(|checked| checked.findings) {
            report.add(finding);
        }
        Ok(())
    }

    /// Another process may have replaced or removed what was looked at. What is
    /// still wrong with an entry that stands there as it did at the last look, is
    /// wrong. `texts` are those of the entries then.
    fn confirm(&self, suspect: Vec<Checked>, texts: HashSet<String>) -> Result<Vec<Checked>> {
        let (mut suspect, mut texts) = (suspect, texts);
        for _ in 1..LOOKS {
            let again = self.check_again(&suspect)?;
            let Some(again) = again else {
                break;
            };
            let is_settled = again.iter().all(|(checked, text)| {
                texts.contains(text) || !checked.findings.iter().any(|f| f.code.is_problem())
            });
            (suspect, texts) = again.into_iter().unzip();
            if is_settled {
                break;
            }
        }
        Ok(suspect)
    }

    /// Looks at the content of these entries as they stand now, each with its text.
    /// `None` if nobody can tell what changed.
    fn check_again(&self, suspect: &[Checked]) -> Result<Option<Vec<(Checked, String)>>> {
        let document = match self.registry().load() {
            Ok(document) => document,
            Err(Error::Corrupt { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut places: HashMap<&str, VecDeque<usize>> = HashMap::new();
        for checked in suspect {
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
