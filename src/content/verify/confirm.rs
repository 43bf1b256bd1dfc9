//! The second look: what looks wrong counts if no change of another process explains it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use super::content::{self, Checked};
use super::finding::{Code, Finding};
use crate::content::Cache;
use crate::document::{Document, EntryRef};
use crate::error::{Error, Result};
use crate::registry::Registry;
use crate::store::{FileId, LockWait};

/// The longest that a look for damage waits in all for changes of other processes to end,
/// however long a change may wait. A disk may take seconds to sync what a change writes
/// while it holds the lock, but a lock that is kept for longer is that of a process that
/// hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// The number of looks at content whose entry changes from look to look.
const LOOKS: usize = 10;

/// The time that a look for damage may still wait for changes of other processes.
pub(super) struct ChangeWait<'c> {
    registry: &'c Registry,
    left: Duration,
}

impl<'c> ChangeWait<'c> {
    pub(super) fn new(registry: &'c Registry) -> Self {
        ChangeWait {
            registry,
            left: registry.lock_wait().limit.min(PATIENCE),
        }
    }

    /// Waits until no change is under way, or the time is used up. Only waiting uses it up,
    /// because hashing large content takes longer than all of it.
    ///
    /// # Errors
    ///
    /// As [`Registry::wait_for_change`].
    pub(super) fn wait(&mut self) -> Result<()> {
        let since = Instant::now();
        let wait = LockWait {
            limit: self.left,
            since,
            notice: &|_| (),
            ..self.registry.lock_wait()
        };
        self.registry.wait_for_change(&wait)?;
        self.left = self.left.saturating_sub(since.elapsed());
        Ok(())
    }
}

/// The findings about an entry, with the entry's text at that look.
type Looked = (Checked, String);

/// The text of an entry, and the directory that its content lies in.
type State = (String, Option<FileId>);

fn state((checked, text): &Looked) -> State {
    (text.clone(), checked.dir)
}

/// Returns whether something is wrong with an entry, as far as one look tells.
pub(super) fn is_suspect(checked: &Checked) -> bool {
    let mut findings = checked.findings.iter();
    findings.any(|finding| finding.code.is_problem())
}

/// Returns the registry as it is now; `None` if it cannot be parsed.
pub(super) fn reread(registry: &Registry) -> Result<Option<Document>> {
    match registry.load() {
        Ok(document) => Ok(Some(document)),
        Err(Error::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the note of an entry that changed at each look.
fn changing(checked: Checked) -> Checked {
    let note = Finding::new(
        Code::ContentChanging,
        &*checked.reference,
        "kept changing while it was looked at",
        "verify it again when no other process changes it",
    );
    Checked {
        findings: vec![note],
        ..checked
    }
}

impl Cache {
    /// Looks at entries again until no change of another process can explain what is
    /// wrong with them. Each comes with its text at the first look.
    ///
    /// A problem counts if the entry and its directory were the same at the look before
    /// and still are after a moment at which the lock was free: a change that replaces
    /// content holds the lock from before the content is in place until the entry is,
    /// and other programs, which take no lock, need a moment for both. An entry that
    /// changes from look to look is only noted, because its damage may be that of content
    /// which is gone. If the lock is kept for longer than the time to wait, what was found
    /// counts, otherwise a process that hangs would hide all damage.
    pub(super) fn confirm(
        &self,
        suspect: Vec<Looked>,
        wait: &mut ChangeWait<'_>,
    ) -> Result<Vec<Checked>> {
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
            wait.wait()?;
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
        confirmed.extend(suspect.into_iter().map(|(checked, _)| changing(checked)));
        Ok(confirmed)
    }

    /// Returns the entries of these references as they are now, each with its directory;
    /// `None` if the registry cannot be parsed.
    fn states(&self, looked: &[Looked]) -> Result<Option<HashSet<State>>> {
        let Some(document) = reread(self.registry())? else {
            return Ok(None);
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
        let Some(document) = reread(self.registry())? else {
            return Ok(None);
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
    use crate::entry::ArtifactEntry;
    use crate::home::Home;
    use crate::reference::Reference;
    use rustix::fs::{FlockOperation, flock};
    use std::fs::{self, File};
    use std::path::{Path, PathBuf};
    use std::sync::Mutex;
    use std::thread;
    use std::time::SystemTime;

    const CONTENT: &str = "name: app\n";

    struct Nothing;

    impl Progress for Nothing {
        fn advance(&self, _bytes: u64) {}
    }

    /// Imports an artifact into a new home, and changes its content.
    fn damaged(dir: &Path) -> (Cache, ArtifactEntry, PathBuf) {
        let source = dir.join("app");
        fs::create_dir(&source).unwrap();
        fs::write(source.join("cld.yml"), CONTENT).unwrap();
        let cache = Cache::open(Home::at(dir.join("home")).unwrap()).unwrap();
        let reference = Reference::parse("app:v1").unwrap();
        let import = Import::directory(&reference, &source);
        let entry = cache.import(&import).unwrap().entry;
        let file = cache.home().cache_path(&reference).join("cld.yml");
        fs::write(&file, "changed").unwrap();
        (cache, entry, file)
    }

    /// Returns what is found if this is called at the beginning of each look, with the
    /// number of the look.
    fn findings(cache: &Cache, at_look: impl Fn(usize) + Send + Sync + 'static) -> Vec<Code> {
        let looks = Mutex::new(0);
        let cache = cache.clone().with_progress(move |_, _| {
            let mut looks = looks.lock().unwrap();
            *looks += 1;
            at_look(*looks);
            Box::new(Nothing)
        });
        let report = cache.verify(None, SystemTime::now()).unwrap();
        let findings = report.problems.iter().chain(&report.notes);
        findings.map(|finding| finding.code).collect()
    }

    #[test]
    fn content_that_changes_at_every_look_is_noted() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, entry, _) = damaged(dir.path());
        assert_eq!(findings(&cache, |_| ()), [Code::FileChanged]);

        // Each look finds another entry.
        let registry = cache.registry().clone();
        let changing = move |look| {
            let mut entry = entry.clone();
            entry.size = Some(look as i64);
            registry.add(entry).unwrap();
        };
        assert_eq!(findings(&cache, changing), [Code::ContentChanging]);
    }

    #[test]
    fn a_change_is_waited_for_however_long_the_look_before_took() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, _, file) = damaged(dir.path());
        let limit = Duration::from_secs(2);
        let cache = cache.with_lock_timeout(limit);
        let registry = cache.registry().path().to_owned();
        let changing = move |look| match look {
            1 => thread::sleep(limit),
            2 => {
                let lock = File::open(registry.with_extension("json.lock")).unwrap();
                flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
                let (registry, file) = (registry.clone(), file.clone());
                thread::spawn(move || {
                    // The look is over by then, or it finds what the change brings.
                    thread::sleep(Duration::from_millis(50));
                    fs::write(file, CONTENT).unwrap();
                    let text = fs::read_to_string(&registry).unwrap();
                    let text = text.replace("\"reference\"", "\"more\": 1, \"reference\"");
                    fs::write(registry.with_extension("new"), text).unwrap();
                    fs::rename(registry.with_extension("new"), registry).unwrap();
                    drop(lock);
                });
            }
            _ => {}
        };
        assert_eq!(findings(&cache, changing), []);
    }
}
