//! The context of a command: its cache, and the interrupt by signals.

use std::path::Path;

use super::args::Global;
use super::home;
use super::output::{messages, progress};
use super::signals;
use crate::document::{Document, EntryRef};
use crate::escape::escape_display;
use crate::fields::Field;
use crate::lookup::DigestPrefix;
use crate::registry::ReadMode;
use crate::{Cache, DanglingLink, Home, Interrupt, store};

/// The most damaged entries that are named one by one.
const MAX_NAMED: usize = 10;

/// The memory for a list of all entries, as a multiple of the size of the registry.
const TIMES_SIZE: u64 = 3;

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
        let cache = Cache::open(home)?
            .with_lock_timeout(global.lock_timeout)
            .with_lock_notice(|path| {
                let path = path.to_string_lossy();
                messages::note(format_args!(
                    "waiting for another process to release `{}`",
                    escape_display(&path)
                ));
            })
            .with_durability_notice(warn_of_disk)
            .with_interrupt(interrupt.clone());
        Ok(Context {
            cache: progress::on_terminal(cache),
            interrupt,
        })
    }

    /// Defers signals, so that they stop a change only where it can be undone.
    pub(super) fn defer_signals(&self) -> anyhow::Result<()> {
        signals::defer(&self.interrupt)
    }

    /// Reads the registry to show it, and warns of unreadable fields.
    pub(super) fn load(&self) -> anyhow::Result<Document> {
        let registry = self.cache.registry();
        registry.require_memory(TIMES_SIZE)?;
        let document = registry.load()?;
        warn_of(&document);
        Ok(document)
    }

    /// Reads only the entries that operands may name. The caller warns of those that it
    /// shows.
    pub(super) fn load_named(
        &self,
        operands: &[String],
        start: DigestPrefix,
    ) -> anyhow::Result<Document> {
        let document = self.cache.registry().load_named(operands, start)?;
        warn_of_version(document.foreign_version());
        Ok(document)
    }

    /// Calls `visit` with each entry, and warns like [`load`](Self::load). Returns the
    /// state of each part of the registry, in the order of the file.
    pub(super) fn scan<S: Default + Send>(
        &self,
        visit: impl Fn(&mut S, &EntryRef<'_>) + Send + Sync,
    ) -> anyhow::Result<Vec<S>> {
        let registry = self.cache.registry();
        registry.require_memory(TIMES_SIZE)?;
        let scanned = registry.scan(
            ReadMode::Patient,
            |(state, unreadable): &mut (S, Unreadable), entry| {
                unreadable.note(entry);
                visit(state, entry);
            },
        )?;
        warn_of_version(scanned.foreign_version.as_deref());
        let (states, unreadable): (Vec<_>, Vec<_>) = scanned.parts.into_iter().unzip();
        Unreadable::warn_of_all(unreadable);
        Ok(states)
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

/// Warns of a file system that cannot sync a directory.
fn warn_of_disk(dir: &Path) {
    let kind = match store::file_system_of(dir) {
        Some(name) => format!(" ({})", escape_display(&name)),
        None => String::new(),
    };
    messages::warning(format_args!(
        "the file system of `{}`{kind} cannot sync directories: the change may not survive a power loss",
        escape_display(&dir.to_string_lossy())
    ));
}

/// Warns of unreadable fields and of an unknown version in a document.
pub(super) fn warn_of(document: &Document) {
    warn_of_version(document.foreign_version());
    Unreadable::warn_of_all(document.fold(Unreadable::note));
}

/// Warns of a version that this program can list but not change.
fn warn_of_version(foreign_version: Option<&str>) {
    if let Some(version) = foreign_version {
        messages::warning(format_args!(
            "the registry has version {}, which this program can list but not change",
            escape_display(version)
        ));
    }
}

/// Entries with unreadable fields.
#[derive(Default)]
pub(super) struct Unreadable {
    /// The warnings of the first ones.
    warnings: Vec<String>,
    /// The number of further ones.
    more: usize,
}

impl Unreadable {
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
    fn warn_of_all(parts: Vec<Self>) {
        let all = parts.into_iter().reduce(Unreadable::and);
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
