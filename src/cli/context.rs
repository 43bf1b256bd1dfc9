//! The context of a command: its cache, and the interrupt by signals.

use std::env;
use std::ffi::OsString;
use std::path::{Path, absolute};

use super::args::Global;
use super::home;
use super::output::{messages, progress};
use super::signals;
use crate::document::{Document, EntryRef};
use crate::error::AtPath;
use crate::escape::escape_display;
use crate::fields::Field;
use crate::registry::resolve::{DigestPrefix, Resolver};
use crate::select::Selection;
use crate::{Cache, DanglingLink, Home, Interrupt, Snapshot, store};

/// The most damaged entries that are named one by one.
const MAX_NAMED: usize = 10;

/// The directory of cldctl's local state. Source: cldctl's `internal/cli/state.go`.
const STATE_PATH: &str = "CLDCTL_STATE_PATH";

/// Where cldctl keeps its state. Source: as [`STATE_PATH`].
const STATE_BACKEND: &str = "CLDCTL_STATE_BACKEND";

/// Returns the value of an environment variable, unless it is empty.
fn from_environment(variable: &str) -> Option<OsString> {
    env::var_os(variable).filter(|value| !value.is_empty())
}

/// The context of a command.
pub(super) struct Context {
    pub(super) cache: Cache,
    interrupt: Interrupt,
}

impl Context {
    pub(super) fn new(global: &Global) -> anyhow::Result<Self> {
        let home = home::find(global.home.clone())?;
        warn_of_links(&home);
        let interrupt = Interrupt::default();
        let mut cache = Cache::open(home)?;
        if let Some(dir) = from_environment(STATE_PATH) {
            cache = cache.with_state_dir(absolute(&dir).at("find", Path::new(&dir))?);
        }
        let cache = cache
            .with_lock_timeout(global.lock_timeout)
            .with_lock_notice(|path| {
                let path = path.to_string_lossy();
                messages::note(format_args!(
                    "waiting for another process to release `{}`",
                    escape_display(&path)
                ));
            })
            .with_durability_notice(warn_of_disk)
            .with_kept_notice(warn_of_kept)
            .with_interrupt(interrupt.clone());
        Ok(Context {
            cache: progress::on_terminal(cache),
            interrupt,
        })
    }

    /// Prints that what is deployed is only known in part, if cldctl keeps its state
    /// elsewhere than in files of this machine.
    pub(super) fn note_backend(&self) {
        let backend = from_environment(STATE_BACKEND);
        if let Some(backend) = backend.filter(|backend| backend != "local") {
            messages::note(format_args!(
                "cldctl keeps its state in the backend `{}`, which is not read: only state in \
                 the cache and in local files tells what is deployed",
                escape_display(&backend.to_string_lossy())
            ));
        }
    }

    /// Prepares this process for a change of artifacts and their content.
    pub(super) fn begin_change(&self) -> anyhow::Result<()> {
        // Not for commands that only read, which need few descriptors.
        store::descriptors::raise_limit();
        self.defer_signals()
    }

    /// Defers signals, so that they stop a change only where it can be undone.
    pub(super) fn defer_signals(&self) -> anyhow::Result<()> {
        signals::defer(&self.interrupt)
    }

    /// Returns the interrupt that signals raise.
    #[cfg(feature = "archive")]
    pub(super) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Reads the registry to show it, and warns of unreadable fields.
    pub(super) fn snapshot(&self) -> anyhow::Result<Snapshot<'_>> {
        let snapshot = self.cache.snapshot()?;
        let document = snapshot.document()?;
        warn_of_version(document.foreign_version());
        UnreadableEntries::warn_of_all(document.fold(UnreadableEntries::note));
        Ok(snapshot)
    }
}

/// Warns of dangling links that may hide artifacts or their content. An error is
/// ignored because the command will meet it again where it matters.
fn warn_of_links(home: &Home) {
    for DanglingLink {
        link,
        target,
        hides_registry,
        ..
    } in home.dangling_links().unwrap_or_default()
    {
        let consequence = match hides_registry {
            true => "the artifacts behind it cannot be found",
            false => "the content behind it is neither found nor removed",
        };
        messages::warning(format_args!(
            "`{}` is a symbolic link to `{}`, which does not exist: {consequence}",
            escape_display(&link.to_string_lossy()),
            escape_display(&target.to_string_lossy()),
        ));
    }
}

/// Warns of a directory that is kept because an interrupted change left state in it.
fn warn_of_kept(dir: &Path) {
    messages::warning(format_args!(
        "an interrupted change left the state of a deployment, which is kept as `{}`",
        escape_display(&dir.to_string_lossy())
    ));
    messages::hint(format_args!(
        "compare it with the state in the cache, keep what is current, and delete the other"
    ));
}

/// Warns of a file system that cannot sync a directory.
fn warn_of_disk(dir: &Path) {
    let kind = match store::file_system::name_of(dir) {
        Some(name) => format!(" ({})", escape_display(&name)),
        None => String::new(),
    };
    messages::warning(format_args!(
        "the file system of `{}`{kind} cannot sync directories: the change may not survive a power loss",
        escape_display(&dir.to_string_lossy())
    ));
}

/// Warns of unreadable fields of the entries that filters name, because those may be why
/// a filter cannot be used. Each is named once, in the order of the file.
pub(super) fn warn_of_named(document: Option<&Document>, selection: &Selection) {
    let Some(document) = document else {
        return;
    };
    warn_of_version(document.foreign_version());
    let operands = selection.operands();
    let resolver = Resolver::new(&operands, DigestPrefix::Short);
    let is_named = |entry: &EntryRef<'_>| {
        let mut is_named = false;
        resolver.hold_against(entry, |_, _| is_named = true);
        is_named
    };
    let named = document.entries().filter(is_named);
    let mut unreadable = UnreadableEntries::default();
    named.for_each(|entry| unreadable.note(&entry));
    unreadable.warn();
}

/// Warns of a version that is listed but not changed.
pub(super) fn warn_of_version(foreign_version: Option<&str>) {
    if let Some(version) = foreign_version {
        messages::warning(format_args!(
            "the registry has version {}, which this program can list but not change",
            escape_display(version)
        ));
    }
}

/// Entries with unreadable fields.
#[derive(Default)]
pub(super) struct UnreadableEntries {
    /// The warnings of the first ones.
    warnings: Vec<String>,
    /// The number of further ones.
    more: usize,
}

impl UnreadableEntries {
    /// Adds an entry, if it has an unreadable field.
    pub(super) fn note(&mut self, entry: &EntryRef<'_>) {
        if !entry.is_unreadable() {
            return;
        }
        if self.warnings.len() == MAX_NAMED {
            self.more += 1;
            return;
        }
        let fields: Vec<&str> = entry.unreadable_fields().map(Field::name).collect();
        self.warnings.push(format!(
            "entry `{}` has an unreadable `{}`",
            escape_display(&entry.reference()),
            fields.join("`, `")
        ));
    }

    /// Adds those of the next part of the registry.
    fn and(mut self, behind: Self) -> Self {
        self.warnings.extend(behind.warnings);
        self.more += behind.more + self.warnings.len().saturating_sub(MAX_NAMED);
        self.warnings.truncate(MAX_NAMED);
        self
    }

    /// Warns of those in all parts of a registry.
    pub(super) fn warn_of_all(parts: Vec<Self>) {
        let all = parts.into_iter().reduce(UnreadableEntries::and);
        all.unwrap_or_default().warn();
    }

    /// Warns of them.
    pub(super) fn warn(&self) {
        for warning in &self.warnings {
            messages::warning(format_args!("{warning}"));
        }
        if self.more > 0 {
            messages::warning(format_args!(
                "{} more entries have unreadable fields",
                self.more
            ));
        }
    }
}
