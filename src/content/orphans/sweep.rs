//! The removal of unreferenced data.

use std::ffi::OsStr;
use std::fs;
use std::time::SystemTime;

use super::{Unreferenced, UnreferencedData, UnreferencedKind, UnreferencedRemoval};
use crate::content::Cache;
use crate::content::cache_root::{CacheRoot, Trashed};
use crate::content::deployed::Quiet;
use crate::content::plugins::{Plugins, delete_plugins};
use crate::content::workdir::{Leftover, Purpose, WorkDir};
use crate::document::Edit;
use crate::error::{AtPath, Result};
use crate::registry::Update;
use crate::store::{Guard, if_exists};

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
            let deleted = going.and_then(|going| match going {
                Going::Trash(trash, quiet) => trash.delete_seen(&quiet, &item.path),
                Going::Leftover(leftover) => leftover.delete(),
                Going::Gone => Ok(()),
            });
            match deleted {
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
    Leftover(Leftover),
    Gone,
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
    let mut swept = Vec::new();
    if items.is_empty() {
        return swept;
    }
    let root = match cache.root() {
        Ok(root) => root,
        Err(error) => {
            // The first one has the reason; the others count as changed.
            let first = items.into_iter().next();
            return first.map(|item| (item, Err(error))).into_iter().collect();
        }
    };
    for item in items {
        let name = item.path.file_name().unwrap_or_default();
        let in_root = root
            .as_ref()
            .filter(|root| item.path.parent() == Some(root.path()));
        let going = match (in_root, Purpose::of_name(name)) {
            (Some(root), Some(_)) => match Leftover::lock_if_stale(root.dir(), name) {
                Ok(Some(leftover)) => match leftover.may_have_state() {
                    Ok(false) => Ok(Going::Leftover(leftover)),
                    // It changed since it was found.
                    Ok(true) => continue,
                    Err(error) => Err(error),
                },
                // It is being worked on after all.
                Ok(None) => continue,
                Err(error) => Err(error),
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
        swept.push((item, going));
    }
    swept
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
