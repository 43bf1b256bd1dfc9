//! Looking for damage: in the registry, in the content, and in what lies about.
//!
//! Nothing is changed here, and no lock is held: what looks wrong may have changed
//! while it was looked at, so it is looked at again until that can be excluded.

mod confirm;
mod content;
mod content_finding;
mod entries;
mod finding;
mod moved;
mod orphans;
mod repair;

pub use finding::{Code, Finding};
pub use moved::TakenOver;
pub use repair::Repairs;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::SystemTime;

use super::Cache;
use crate::document::{Document, EntryRef};
use crate::error::{Error, Result};
use crate::json::ParseError;
use crate::registry::resolve::{DigestPrefix, Unresolved};
use confirm::{ChangeWait, is_suspect};
use content::Checked;

/// The findings of a look for damage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The problems.
    pub problems: Vec<Finding>,
    /// The notes: things that are no damage, or could not be checked.
    pub notes: Vec<Finding>,
    /// The number of entries that were looked at.
    pub entries: usize,
    /// The number of files that were hashed.
    pub files: usize,
    /// The sum of their lengths, in bytes.
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

/// A look for damage whose registry is read already.
#[derive(Debug)]
pub struct Verification<'c> {
    cache: &'c Cache,
    registry: Readable,
    /// The references to look at; `None` for all.
    chosen: Option<HashSet<String>>,
    unresolved: Vec<Unresolved>,
}

#[derive(Debug)]
enum Readable {
    Whole(Document),
    /// The file that cannot be parsed, and why.
    Damaged(PathBuf, ParseError),
}

impl Verification<'_> {
    /// Returns the operands that name no one artifact.
    pub fn unresolved(&self) -> &[Unresolved] {
        &self.unresolved
    }

    /// Looks for damage, as [`Cache::verify`] does.
    ///
    /// # Errors
    ///
    /// As [`Cache::verify`].
    pub fn run(&self, now: SystemTime) -> Result<Report> {
        let (cache, mut report) = (self.cache, Report::default());
        let document = match &self.registry {
            Readable::Whole(document) => document,
            Readable::Damaged(path, cause) => {
                report.add(Finding::unparsable(cache.registry(), path, cause));
                return Ok(report);
            }
        };
        for link in cache.home().dangling_links()? {
            report.add(Finding::dangling_link(&link));
        }
        let is_chosen = |entry: &EntryRef<'_>| {
            let chosen = self.chosen.as_ref();
            chosen.is_none_or(|chosen| chosen.contains(&*entry.reference()))
        };
        let entries: Vec<_> = document.entries().filter(is_chosen).collect();
        report.entries = entries.len();

        if let Some(version) = document.foreign_version() {
            report.add(Finding::foreign_version(cache.registry().path(), version));
        }
        entries::check(document, &entries, &cache.contents(), &mut report)?;
        let mut wait = ChangeWait::new(cache.registry());
        cache.check_content(document, &entries, &mut wait, &mut report)?;
        if self.chosen.is_none() {
            orphans::check(cache, document, now, &mut wait, &mut report)?;
        }
        Ok(report)
    }
}

impl Cache {
    /// Looks for damage: entries that cldctl could not read or that are there twice,
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
        let verification = Verification {
            cache: self,
            registry: self.readable()?,
            chosen: references.map(|some| some.iter().map(|&it| it.to_owned()).collect()),
            unresolved: Vec::new(),
        };
        verification.run(now)
    }

    /// Reads the registry to look for damage in the artifacts that operands name, which
    /// may be references, or at least 4 digits of digests; in everything, if there are no
    /// operands.
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use cldctl_registry::{Cache, Home};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// let cache = Cache::open(Home::at(dir.path())?)?;
    /// let verification = cache.verification(&["app:v1"])?;
    /// assert_eq!(verification.unresolved().len(), 1); // There is no such artifact.
    /// let report = verification.run(SystemTime::now())?;
    /// assert!(report.problems.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The registry cannot be read for another reason than that it is damaged, which is
    /// for the report to say.
    pub fn verification<S: AsRef<str>>(&self, operands: &[S]) -> Result<Verification<'_>> {
        let registry = self.readable()?;
        let (mut chosen, mut unresolved) = (None, Vec::new());
        if !operands.is_empty() {
            let mut references = HashSet::new();
            if let Readable::Whole(document) = &registry {
                let digits = DigestPrefix::Short;
                let resolved = self.registry().resolve_in(document, operands, digits)?;
                let found = resolved.found().filter_map(|&index| document.entry(index));
                references.extend(found.map(|entry| entry.reference().into_owned()));
                unresolved = resolved.unresolved();
            }
            chosen = Some(references);
        }
        Ok(Verification {
            cache: self,
            registry,
            chosen,
            unresolved,
        })
    }

    fn readable(&self) -> Result<Readable> {
        match self.registry().load() {
            Ok(document) => Ok(Readable::Whole(document)),
            Err(Error::Corrupt { path, cause }) => Ok(Readable::Damaged(path, cause)),
            Err(error) => Err(error),
        }
    }

    /// Holds the content of entries against their digests.
    fn check_content(
        &self,
        document: &Document,
        entries: &[EntryRef<'_>],
        wait: &mut ChangeWait<'_>,
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
}
