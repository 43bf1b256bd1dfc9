//! The removal of unreferenced data.

use std::ffi::OsStr;
use std::fs;
use std::time::SystemTime;

use super::{Unreferenced, UnreferencedData, UnreferencedKind, UnreferencedRemoval};
use crate::content::Cache;
use crate::content::cache_root::{CacheRoot, Trashed};
use crate::content::deployed::Quiet;
use crate::content::plugins::{Plugins, delete_plugins};
use crate::content::workdir::{Leftover, Purpose, QuietLeftover, WorkDir};
use crate::document::Edit;
use crate::error::{AtPath, Error, Result};
use crate::registry::Update;
use crate::store::{Guard, descriptors, if_exists};

impl Cache {
    /// Removes unreferenced data, unless an entry needs it by now or it changed.
    ///
    /// # Errors
    ///
    /// Those of every change. What cannot be deleted is named in the result.
    pub fn remove_unreferenced(
        &self,
        unreferenced: &[Unreferenced],
        now: SystemTime,
    ) -> Result<UnreferencedRemoval> {
        let (has_plugins, has_others) = (
            unreferenced.iter().any(is_plugins),
            !unreferenced.iter().all(is_plugins),
        );
        let going = self.registry().update(|document| {
            let (mut observed, mut result) = (UnreferencedData::default(), Ok(()));
            if has_others {
                result = self.find_unreferenced(document.whole()?, now, &mut observed);
            }
            let mut current = observed.found;
            if has_plugins {
                current.extend(Plugins::find(self, document.whole()?, |_| true, now).found);
            }
            // Only as they were seen: what grew meanwhile is being worked on.
            current.retain(|item| unreferenced.contains(item));
            if current.len() < unreferenced.len() {
                result?;
            }
            let sweep = Sweep {
                cache: self,
                current,
            };
            Ok(Update::guarded(Edit::default(), sweep))
        })?;
        let mut swept = UnreferencedRemoval::default();
        for (item, going) in going {
            match going.and_then(|going| going.delete(&item)) {
                Ok(()) => swept.gone.push(item),
                Err(error) => swept.failed.push((item, error)),
            }
        }
        Ok(swept)
    }
}

fn is_plugins(item: &Unreferenced) -> bool {
    item.kind == UnreferencedKind::Generated
}

/// An item on its way out.
enum Going {
    /// A directory, in which no deployment is at work.
    Trash(WorkDir, Quiet),
    Leftover(QuietLeftover),
    Gone,
}

impl Going {
    /// Returns how many descriptors it holds.
    fn descriptors(&self) -> usize {
        match self {
            Going::Trash(_, quiet) => 1 + quiet.descriptors(),
            Going::Leftover(leftover) => leftover.descriptors(),
            Going::Gone => 0,
        }
    }

    fn delete(self, item: &Unreferenced) -> Result<()> {
        match self {
            Going::Trash(trash, quiet) => trash.delete_seen(&quiet, &item.path),
            Going::Leftover(leftover) => match leftover.delete()? {
                None => Ok(()),
                Some(kept) => Err(Error::KeptAside {
                    path: item.path.clone(),
                    kept,
                }),
            },
            Going::Gone => Ok(()),
        }
    }
}

/// What is on its way out, with the number of descriptors that it holds. Where their limit
/// is low, some of it is deleted under the registry's lock.
struct Outgoing {
    swept: Swept,
    held: usize,
    most: usize,
}

impl Outgoing {
    fn push(&mut self, item: Unreferenced, going: Result<Going>) {
        let going = going.and_then(|going| {
            let held = self.held + going.descriptors();
            if held > self.most {
                return going.delete(&item).map(|()| Going::Gone);
            }
            self.held = held;
            Ok(going)
        });
        self.swept.push((item, going));
    }
}

/// Moves a directory without an entry out of the way, unless a deployment is at work in it;
/// `None` if one has left live state there since it was found.
fn trashed(root: &CacheRoot, name: &OsStr) -> Result<Option<Going>> {
    let dir = root.open_dir(name)?;
    let quiet = Quiet::require(&dir)?;
    if !quiet.live(&dir)?.is_empty() {
        return Ok(None);
    }
    Ok(Some(match root.move_to_trash(name, Some(&quiet))? {
        Trashed::Moved(trash) => Going::Trash(trash, quiet),
        Trashed::Nothing | Trashed::Deleted { .. } => Going::Gone,
    }))
}

/// Moves what no entry needs out of the way under the registry's lock, so that none of
/// it gets an entry meanwhile. Plugins are deleted under it, so that their artifact is not
/// replaced meanwhile.
struct Sweep<'c> {
    cache: &'c Cache,
    /// The data that is to be removed.
    current: Vec<Unreferenced>,
}

/// The outcome for each.
type Swept = Vec<(Unreferenced, Result<Going>)>;

impl Guard for Sweep<'_> {
    type Value = Swept;

    fn acts_alone(&self) -> bool {
        !self.current.is_empty()
    }

    fn committed(self, _durable: bool) -> Swept {
        let (plugins, others): (Vec<_>, Vec<_>) = self.current.into_iter().partition(is_plugins);
        let mut swept = move_away(self.cache, others);
        let root = self.cache.home().cache_root();
        for item in plugins {
            let going = delete_plugins(&root, &item.path).map(|()| Going::Gone);
            swept.push((item, going));
        }
        swept
    }
}

/// Moves directories and files that belong to no entry out of the way.
fn move_away(cache: &Cache, items: Vec<Unreferenced>) -> Swept {
    if items.is_empty() {
        return Swept::new();
    }
    let root = match cache.root() {
        Ok(root) => root,
        Err(error) => {
            // The first one has the reason; the others count as changed.
            let first = items.into_iter().next();
            return first.map(|item| (item, Err(error))).into_iter().collect();
        }
    };
    let mut outgoing = Outgoing {
        swept: Swept::new(),
        held: 0,
        most: descriptors::limit() / 2,
    };
    let (mut leftovers, mut held) = (Vec::new(), 0);
    for item in items {
        let name = item.path.file_name().unwrap_or_default();
        let in_root = root
            .as_ref()
            .filter(|root| item.path.parent() == Some(root.path()));
        let going = match (in_root, Purpose::of_name(name)) {
            (Some(root), Some(_)) => match quiet_leftover(root, name).transpose() {
                Some(Ok(leftover)) => {
                    held += leftover.descriptors();
                    leftovers.push((item, leftover));
                    if held > descriptors::limit() / 4 {
                        held = 0;
                        judge(cache, std::mem::take(&mut leftovers), &mut outgoing);
                    }
                    continue;
                }
                Some(Err(error)) => Err(error),
                // It is being worked on after all.
                None => continue,
            },
            (Some(root), None) => match trashed(root, name).transpose() {
                Some(going) => going,
                None => continue,
            },
            // A manifest, or what has the name of one.
            (None, _) => {
                let removed = match item.path.is_dir() && !item.path.is_symlink() {
                    true => fs::remove_dir(&item.path),
                    false => fs::remove_file(&item.path),
                };
                let removed = if_exists(removed).at("remove", &item.path);
                removed.map(|_| Going::Gone)
            }
        };
        outgoing.push(item, going);
    }
    judge(cache, leftovers, &mut outgoing);
    outgoing.swept
}

fn quiet_leftover(root: &CacheRoot, name: &OsStr) -> Result<Option<QuietLeftover>> {
    match Leftover::lock_if_stale(root.dir(), name)? {
        Some(leftover) => leftover.quiet().map(Some),
        None => Ok(None),
    }
}

/// Sends leftovers out, but for those that have the last name of what a deployment wrote,
/// which are kept for good.
fn judge(cache: &Cache, leftovers: Vec<(Unreferenced, QuietLeftover)>, outgoing: &mut Outgoing) {
    let (mut items, leftovers): (Vec<_>, Vec<_>) = leftovers.into_iter().unzip();
    let (go, stay) = QuietLeftover::divide(leftovers);
    for leftover in go {
        let path = leftover.path();
        if let Some(at) = items.iter().position(|item| item.path == path) {
            outgoing.push(items.swap_remove(at), Ok(Going::Leftover(leftover)));
        }
    }
    for leftover in stay {
        if let Ok(kept) = leftover.set_aside() {
            cache.kept_notice.call(&kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Home;

    #[test]
    fn a_directory_in_which_live_state_appeared_since_it_was_found_stays() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(Home::at(dir.path()).unwrap()).unwrap();
        let root = cache.create_root().unwrap();
        let state = root.path().join("dc_v1/m/terraform.tfstate");
        fs::create_dir_all(state.parent().unwrap()).unwrap();
        fs::write(&state, "cannot be read as a state").unwrap();
        let name = OsStr::new("dc_v1");
        assert!(trashed(&root, name).unwrap().is_none());
        assert!(state.exists());
        // Without resources, nothing has to be kept.
        fs::write(&state, "").unwrap();
        let going = trashed(&root, name).unwrap();
        assert!(matches!(going, Some(Going::Trash(..))) && !state.exists());
    }
}
