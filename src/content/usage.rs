//! How much disk artifacts take.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use super::Snapshot;
use super::orphans::{Unreferenced, UnreferencedKind};
use crate::error::{Error, Result};
use crate::fields::Field;

/// How much disk artifacts take.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Usage {
    /// Each entry, in the order of the file.
    pub entries: Vec<EntryUsage>,
    /// Why it is not known of some entries; they count as if their content were missing.
    pub unknown: Vec<Error>,
}

/// How much disk an entry takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryUsage {
    /// Its reference, empty where there is none to read.
    pub reference: String,
    /// The name of its type, empty where there is none to read.
    pub artifact_type: String,
    /// Its size as the registry says; `None` if it cannot be read.
    pub recorded_size: Option<i64>,
    /// The length of the content in its own directory, in bytes; `None` if that is
    /// missing.
    pub size: Option<u64>,
    /// What the file system allocated for the directory, in bytes; `None` likewise.
    pub disk: Option<u64>,
    /// The length of what can be made again in the directory, such as provider plugins,
    /// in bytes; `None` likewise.
    pub generated: Option<u64>,
    /// It is deployed, or that is not known.
    pub is_deployed: bool,
    /// It has no repository and tag, and no other entry has the directory, so that
    /// pruning frees it.
    pub is_reclaimable: bool,
    /// An entry before it has the same directory, which counts once.
    pub is_shared: bool,
}

/// How much disk all entries of a type take, or all data that no entry needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsageTotal {
    /// The type; `orphan` or `leftover` for data that no entry needs.
    pub name: String,
    /// How many there are.
    pub count: usize,
    /// How many of them are deployed.
    pub deployed: usize,
    /// The length of their files, in bytes.
    pub size: u64,
    /// What the file system allocated, in bytes.
    pub disk: u64,
    /// The length of what can be made again, in bytes.
    pub generated: u64,
    /// How much of that pruning frees, in bytes.
    pub reclaimable: u64,
}

impl Snapshot<'_> {
    /// Measures how much disk artifacts take.
    ///
    /// ```
    /// use cldctl_registry::{Cache, Home};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// let cache = Cache::open(Home::at(dir.path())?)?;
    /// let snapshot = cache.snapshot()?;
    /// let unreferenced = snapshot.unreferenced(std::time::SystemTime::now())?;
    /// for total in snapshot.usage()?.totals(&unreferenced.found) {
    ///     println!("{}: {} bytes", total.name, total.disk);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The registry cannot be read.
    pub fn usage(&self) -> Result<Usage> {
        let document = self.document()?;
        let contents = self.cache.contents();
        let mut unknown = Vec::new();
        // What keeps all of it from being known is said once.
        let deployed = contents
            .deployed()
            .map_err(|error| unknown.push(error))
            .ok();
        let found = document.fold(|found: &mut Vec<_>, entry| {
            let (reference, path) = (entry.reference(), entry.text_of(Field::CachePath));
            let usage = contents.usage(&reference, &path, &entry.text_of(Field::Digest));
            // What is not known to be free is not freed.
            let by = deployed.map(|all| all.of(&reference, &path));
            let is_deployed = by.map_or(Ok(true), |by| by.map(|by| !by.is_empty()));
            found.push((usage, is_deployed));
        });
        let found: Vec<_> = found
            .into_iter()
            .flatten()
            .map(|(usage, is_deployed)| {
                let usage = usage.unwrap_or_else(|error| {
                    unknown.push(error);
                    None
                });
                let is_deployed = is_deployed.unwrap_or_else(|error| {
                    unknown.push(error);
                    true
                });
                (usage, is_deployed)
            })
            .collect();
        // A directory that several artifacts have is freed by none of them alone.
        let mut holders: HashMap<&PathBuf, usize> = HashMap::new();
        for usage in found.iter().filter_map(|(usage, _)| usage.as_ref()) {
            *holders.entry(&usage.path).or_default() += 1;
        }
        let mut counted = HashSet::new();
        let entries = document
            .entries()
            .zip(&found)
            .map(|(entry, (usage, is_deployed))| {
                let dir = usage.as_ref().map(|usage| &usage.path);
                EntryUsage {
                    reference: entry.reference().into_owned(),
                    artifact_type: entry.text_of(Field::Type).into_owned(),
                    recorded_size: entry.size().ok().flatten(),
                    size: usage.as_ref().map(|usage| usage.bytes),
                    disk: usage.as_ref().map(|usage| usage.allocated),
                    generated: usage.as_ref().map(|usage| usage.generated),
                    is_deployed: *is_deployed,
                    is_reclaimable: entry.is_untagged()
                        && !is_deployed
                        && dir.is_some_and(|dir| holders.get(dir) == Some(&1)),
                    is_shared: dir.is_some_and(|dir| !counted.insert(dir)),
                }
            });
        Ok(Usage {
            entries: entries.collect(),
            unknown,
        })
    }
}

impl Usage {
    /// Adds entries up by type, components and datacenters always included, and after
    /// them the data that no entry needs by kind, if there is some.
    pub fn totals(&self, unreferenced: &[Unreferenced]) -> Vec<UsageTotal> {
        let mut types: BTreeMap<&str, UsageTotal> = BTreeMap::new();
        for name in ["component", "datacenter"] {
            types.entry(name).or_default();
        }
        for entry in &self.entries {
            let total = types.entry(&entry.artifact_type).or_default();
            let counted =
                |bytes: Option<u64>| bytes.filter(|_| !entry.is_shared).unwrap_or_default();
            let disk = counted(entry.disk);
            total.add(counted(entry.size), disk);
            total.deployed += usize::from(entry.is_deployed);
            let generated = counted(entry.generated);
            total.generated = total.generated.saturating_add(generated);
            if entry.is_reclaimable {
                total.reclaimable = total.reclaimable.saturating_add(disk);
            }
        }
        let types = types.into_iter().map(|(name, total)| UsageTotal {
            name: name.to_owned(),
            ..total
        });
        let mut totals: Vec<UsageTotal> = types.collect();
        for (name, kind) in [
            ("orphan", UnreferencedKind::Orphan),
            ("leftover", UnreferencedKind::Leftover),
        ] {
            let mut total = UsageTotal {
                name: name.to_owned(),
                ..UsageTotal::default()
            };
            for item in unreferenced.iter().filter(|item| item.kind == kind) {
                total.add(item.bytes, item.allocated);
            }
            total.reclaimable = total.disk;
            totals.extend((total.count > 0).then_some(total));
        }
        totals
    }
}

impl UsageTotal {
    fn add(&mut self, size: u64, disk: u64) {
        self.count += 1;
        self.size = self.size.saturating_add(size);
        self.disk = self.disk.saturating_add(disk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, disk: Option<u64>, is_reclaimable: bool, is_shared: bool) -> EntryUsage {
        EntryUsage {
            reference: String::new(),
            artifact_type: kind.to_owned(),
            recorded_size: None,
            size: disk,
            disk,
            generated: None,
            is_deployed: false,
            is_reclaimable,
            is_shared,
        }
    }

    #[test]
    fn a_shared_directory_counts_once_and_no_sum_overflows() {
        let usage = Usage {
            entries: vec![
                entry("chart", Some(5), false, false),
                entry("chart", Some(5), false, true),
                entry("component", Some(u64::MAX), true, false),
                entry("component", Some(1), true, false),
                entry("component", None, false, false),
            ],
            unknown: Vec::new(),
        };
        let totals = usage.totals(&[]);
        let totals = totals.iter();
        let totals: Vec<_> = totals
            .map(|it| (it.name.as_str(), it.count, it.disk, it.reclaimable))
            .collect();
        assert_eq!(
            totals,
            [
                ("chart", 2, 5, 0),
                ("component", 3, u64::MAX, u64::MAX),
                ("datacenter", 0, 0, 0),
            ]
        );
    }
}
