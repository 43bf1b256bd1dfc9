//! The order in which files appear beside the registry and are renamed over it, as the
//! kernel reports it. It needs no clock, and it is complete.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

/// A watch on the directory of a registry.
pub(crate) struct Recorder {
    inotify: OwnedFd,
}

/// A replacement of the registry. All numbers are positions in the same order.
#[derive(Clone, Copy, Debug)]
struct Replacement {
    /// The position at which its temporary file appeared: after the read of the
    /// registry, and before the last check of it.
    prepared: usize,
    renamed: usize,
}

/// The events in the directory.
#[derive(Debug, Default)]
pub(crate) struct History {
    ours: Vec<Replacement>,
    /// The positions of cldctl's renames, in order.
    theirs: Vec<usize>,
    /// The number of our temporary files that were removed.
    pub(crate) removed: u64,
}

impl Recorder {
    pub(crate) fn on(dir: &Path) -> Self {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        let flags = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE;
        inotify::add_watch(&inotify, dir, flags).unwrap();
        Recorder { inotify }
    }

    /// Records until `stop` is set, and then the remaining events.
    pub(crate) fn record(self, stop: &AtomicBool) -> History {
        let mut buffer = [MaybeUninit::uninit(); 1 << 16];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut history = History::default();
        // Our temporary files, and the renames in progress, by name.
        let (mut prepared, mut moved) = (HashMap::new(), HashMap::new());
        for place in 0.. {
            let event = loop {
                let is_last = stop.load(Ordering::SeqCst);
                match reader.next() {
                    Ok(event) => break event,
                    Err(Errno::AGAIN) if is_last => return history,
                    Err(Errno::AGAIN | Errno::INTR) => sleep(Duration::from_millis(1)),
                    Err(error) => panic!("{error}"),
                }
            };
            let flags = event.events();
            assert!(
                !flags.contains(ReadFlags::QUEUE_OVERFLOW),
                "an event was lost"
            );
            let name = event.file_name().unwrap_or_default().to_string_lossy();
            let is_ours = name.starts_with(".artifacts.json.");
            if flags.contains(ReadFlags::CREATE) && is_ours {
                prepared.insert(name.into_owned(), place);
            } else if flags.contains(ReadFlags::DELETE) && is_ours {
                prepared.remove(&*name);
                history.removed += 1;
            } else if flags.contains(ReadFlags::MOVED_FROM) {
                moved.insert(event.cookie(), name.into_owned());
            } else if flags.contains(ReadFlags::MOVED_TO) && name == "artifacts.json" {
                match moved.remove(&event.cookie()).unwrap_or_default() {
                    from if from == "artifacts.json.tmp" => history.theirs.push(place),
                    from => {
                        history
                            .ours
                            .extend(prepared.remove(&from).map(|prepared| Replacement {
                                prepared,
                                renamed: place,
                            }))
                    }
                }
            }
        }
        history
    }
}

impl History {
    /// Returns how often we replaced a registry that cldctl had renamed after our
    /// temporary file appeared. Such a rename must also have come after our last check
    /// of the registry.
    pub(crate) fn blind(&self) -> u64 {
        let theirs = (0..self.theirs.len() as u64).map(|commit| commit + 1);
        theirs
            .filter(|&commit| self.is_blindly_replaced(commit))
            .count() as u64
    }

    /// Returns whether a commit of cldctl, counted from 1, was replaced in this way.
    pub(crate) fn is_blindly_replaced(&self, commit: u64) -> bool {
        let renamed = self.theirs[commit as usize - 1];
        let mut ours = self.ours.iter();
        ours.any(|replacement| (replacement.prepared..replacement.renamed).contains(&renamed))
    }
}
