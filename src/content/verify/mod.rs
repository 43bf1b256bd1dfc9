//! Looking for damage: in the registry, in the content, and in what lies about.
//!
//! Nothing is changed here, and no lock is held: what looks wrong may have changed
//! while it was looked at, so it is looked at again until that can be excluded.

mod content;
mod entries;
mod finding;
mod moved;
mod orphans;
mod repair;

pub use finding::{Code, Finding};
pub use moved::TakenOver;
pub use repair::Repairs;

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::Cache;
use crate::document::{Document, EntryRef};
use crate::error::{Error, Result};
use crate::json::ParseError;
use crate::registry::resolve::{DigestPrefix, Resolved, Unresolved};
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
        let wait = cache.registry().lock_wait();
        let wait = LockWait {
            limit: wait.limit.min(PATIENCE),
            notice: &|_| (),
            ..wait
        };
        cache.check_content(document, &entries, &wait, &mut report)?;
        if self.chosen.is_none() {
            orphans::check(cache, document, now, &wait, &mut report)?;
        }
        Ok(report)
    }
}

/// The longest that problems wait for a change of another process to end, however long a
/// change would wait: one that takes longer hardly moves content all that time.
const PATIENCE: Duration = Duration::from_secs(5);

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
                let resolved = Resolved::of(document, operands, DigestPrefix::Short);
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
                return Ok(confirmed);
            };
            self.registry().wait_for_change(wait)?;
            let Some(after) = self.states(&again)? else {
                confirmed.extend(again.into_iter().map(|(checked, _)| checked));
                return Ok(confirmed);
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
        let changing = suspect.into_iter().map(|(checked, _)| Checked {
            findings: vec![Finding::new(
                Code::ContentChanging,
                &*checked.reference,
                "kept changing while it was looked at",
                "verify it again when no other process changes it",
            )],
            ..checked
        });
        confirmed.extend(changing);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{Import, Progress};
    use crate::home::Home;
    use crate::reference::Reference;
    use std::sync::Mutex;

    struct Nothing;

    impl Progress for Nothing {
        fn advance(&self, _bytes: u64) {}
    }

    #[test]
    fn content_that_changes_at_every_look_is_noted() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("app");
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("cld.yml"), "name: app\n").unwrap();
        let cache = Cache::open(Home::at(dir.path().join("home")).unwrap()).unwrap();
        let reference = Reference::parse("app:v1").unwrap();
        let entry = cache
            .import(&Import::directory(&reference, &source))
            .unwrap()
            .entry;
        let file = cache.home().cache_path(&reference).join("cld.yml");
        std::fs::write(&file, "changed").unwrap();
        let findings = |cache: &Cache| {
            let report = cache.verify(None, SystemTime::now()).unwrap();
            let findings = report.problems.iter().chain(&report.notes);
            findings.map(|finding| finding.code).collect::<Vec<_>>()
        };
        assert_eq!(findings(&cache), [Code::FileChanged]);

        // Each look finds another entry.
        let (registry, entry) = (cache.registry().clone(), Mutex::new(entry));
        let changing = cache.clone().with_progress(move |_, _| {
            let mut entry = entry.lock().unwrap();
            entry.size = entry.size.map(|size| size + 1);
            registry.add(entry.clone()).unwrap();
            Box::new(Nothing)
        });
        assert_eq!(findings(&changing), [Code::ContentChanging]);
    }
}
