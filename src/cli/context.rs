//! What every command starts from: where the registry is, and who may stop us.

use anyhow::Context as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::args::Global;
use super::home;
use super::output::{messages, progress};
use crate::document::{Document, EntryView};
use crate::escape::visible;
use crate::fields::Field;
use crate::{Cache, Interrupt};

/// How many damaged entries are named one by one.
const MAX_NAMED: usize = 10;

/// What every command starts from.
pub(super) struct Context {
    pub(super) cache: Cache,
    interrupt: Interrupt,
}

impl Context {
    pub(super) fn new(global: &Global) -> anyhow::Result<Self> {
        let home = home::find(global.home.clone())?;
        let interrupt = Interrupt::default();
        let cache = Cache::open(home)?
            .with_lock_timeout(global.lock_timeout)
            .with_lock_notice(|path| {
                let path = path.to_string_lossy();
                messages::note(format_args!(
                    "waiting for another process to free `{}`",
                    visible(&path)
                ));
            })
            .with_interrupt(interrupt.clone());
        Ok(Context {
            cache: progress::on_terminal(cache),
            interrupt,
        })
    }

    /// From now on, signals stop a change only where it can be undone.
    pub(super) fn defer_signals(&self) -> anyhow::Result<()> {
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let number = usize::try_from(signal).unwrap_or_default();
            signal_hook::flag::register_usize(signal, self.interrupt.cell(), number)
                .context("could not prepare for signals")?;
        }
        Ok(())
    }

    /// Reads the registry to show it, and warns of what will look odd.
    pub(super) fn load(&self) -> anyhow::Result<Document> {
        let document = self.load_some()?;
        warn_of_unreadable(&document.unreadable());
        Ok(document)
    }

    /// As [`load`](Self::load), to show some entries: the caller warns of those.
    pub(super) fn load_some(&self) -> anyhow::Result<Document> {
        let document = self.cache.registry().load()?;
        if let Some(version) = document.foreign_version() {
            messages::warning(format_args!(
                "the registry has the version {}, which this program lists but does not change",
                visible(version)
            ));
        }
        Ok(document)
    }
}

/// Warns of entries that have fields which cannot be read.
pub(super) fn warn_of_unreadable(entries: &[EntryView<'_>]) {
    for entry in entries.iter().take(MAX_NAMED) {
        let fields: Vec<&str> = entry.unreadable_fields().map(Field::name).collect();
        messages::warning(format_args!(
            "entry `{}` has an unreadable `{}`",
            visible(&entry.reference()),
            fields.join("`, `")
        ));
    }
    if entries.len() > MAX_NAMED {
        messages::warning(format_args!(
            "{} more entries have unreadable fields",
            entries.len() - MAX_NAMED
        ));
    }
}
