//! Two names that are exchanged again and again while the program reads or deletes
//! below them.
//!
//! One is a directory, the other a link that leads outside. The kernel reports when to
//! exchange them: when a process opens the directory that contains them, or one of
//! them.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::support::write_tree;

/// The text outside, in files with the same names and lengths as inside.
pub(crate) const OUTSIDE: &str = "SECRET text\n";
/// The text inside.
pub(crate) const INSIDE: &str = "inside text\n";

/// The files of a directory that is exchanged with a link.
pub(crate) const FILES: [&str; 3] = ["a", "b", "sub/c"];

/// The number of exchanges of two names before other opened names are looked for.
const BURST: usize = 16;

/// The number of such rounds before all names are exchanged again.
const FOCUS: usize = 50;

/// A directory that no program may read or change, and its content.
pub(crate) struct Outside {
    dir: PathBuf,
    before: BTreeMap<PathBuf, (u32, u64, Vec<u8>)>,
    inotify: OwnedFd,
}

impl Outside {
    pub(crate) fn new(dir: PathBuf) -> Self {
        write_tree(&dir, &FILES.map(|name| (name, OUTSIDE)));
        for (name, mode) in [("a", 0o600), ("b", 0o604), ("sub", 0o700), ("", 0o700)] {
            fs::set_permissions(dir.join(name), Permissions::from_mode(mode)).unwrap();
        }
        let before = contents(&dir);
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        // Opening is not watched, because a program may open a file to see whether it
        // is permitted.
        let flags = WatchFlags::ACCESS
            | WatchFlags::MODIFY
            | WatchFlags::ATTRIB
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE;
        for watched in [dir.clone(), dir.join("sub")] {
            inotify::add_watch(&inotify, watched, flags).unwrap();
        }
        Outside {
            dir,
            before,
            inotify,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// Returns the accesses to it so far, as the kernel reports them.
    pub(crate) fn touched(&self) -> Vec<String> {
        let mut touched = Vec::new();
        for event in events(&self.inotify) {
            touched.push(format!("{:?} of {:?}", event.flags, event.name));
        }
        if contents(&self.dir) != self.before {
            touched.push("its content has changed".to_owned());
        }
        // Removes the events of this check itself.
        events(&self.inotify);
        touched
    }
}

/// Returns the mode, inode and text of every file in a directory.
fn contents(dir: &Path) -> BTreeMap<PathBuf, (u32, u64, Vec<u8>)> {
    let entries = walkdir::WalkDir::new(dir).into_iter().map(Result::unwrap);
    entries
        .map(|entry| {
            let metadata = entry.metadata().unwrap();
            let text = match metadata.is_file() {
                true => fs::read(entry.path()).unwrap(),
                false => Vec::new(),
            };
            let found = (metadata.mode(), metadata.ino(), text);
            (entry.into_path(), found)
        })
        .collect()
}

struct Event {
    watch: i32,
    flags: ReadFlags,
    name: OsString,
}

/// Returns the events since the last call.
fn events(inotify: &OwnedFd) -> Vec<Event> {
    let mut buffer = [MaybeUninit::uninit(); 1 << 14];
    let mut reader = inotify::Reader::new(inotify, &mut buffer);
    let mut events = Vec::new();
    loop {
        match reader.next() {
            Ok(event) => {
                let name = event.file_name().map_or(&b""[..], |name| name.to_bytes());
                events.push(Event {
                    watch: event.wd(),
                    flags: event.events(),
                    name: OsStr::from_bytes(name).to_owned(),
                });
            }
            Err(Errno::INTR) => {}
            Err(_) => return events,
        }
    }
}

/// A name, and the link that it is exchanged with.
struct Place {
    dir: Arc<File>,
    name: OsString,
    links: Arc<File>,
    link: OsString,
}

/// Names that are exchanged with links that lead outside.
pub(crate) struct Exchanger {
    inotify: OwnedFd,
    places: Vec<Place>,
    by_watch: HashMap<i32, Vec<usize>>,
    links: PathBuf,
    burst: usize,
}

impl Exchanger {
    /// Creates an exchanger with its links in a new directory.
    pub(crate) fn new(links: PathBuf) -> Self {
        fs::create_dir_all(&links).unwrap();
        Exchanger {
            inotify: inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap(),
            places: Vec::new(),
            by_watch: HashMap::new(),
            links,
            burst: BURST,
        }
    }

    /// Also leaves names exchanged from time to time.
    pub(crate) fn and_stay(mut self) -> Self {
        self.burst = BURST + 1;
        self
    }

    /// Exchanges a name in a directory with a link to `target` when one of them is
    /// opened.
    pub(crate) fn exchange(&mut self, dir: &Path, name: &str, target: &Path) {
        self.exchange_beside(dir, dir, name, target);
    }

    /// Exchanges as [`exchange`](Self::exchange) does, when `watched` or something in
    /// it is opened.
    pub(crate) fn exchange_beside(
        &mut self,
        watched: &Path,
        dir: &Path,
        name: &str,
        target: &Path,
    ) {
        let link = format!("link-{}", self.places.len());
        symlink(target, self.links.join(&link)).unwrap();
        let flags = WatchFlags::OPEN | WatchFlags::ACCESS | WatchFlags::ATTRIB;
        let watch = inotify::add_watch(&self.inotify, watched, flags).unwrap();
        let index = self.places.len();
        self.by_watch.entry(watch).or_default().push(index);
        self.places.push(Place {
            dir: File::open(dir).unwrap().into(),
            name: name.into(),
            links: File::open(&self.links).unwrap().into(),
            link: link.into(),
        });
        events(&self.inotify);
    }

    /// Runs something while names are exchanged. Returns also the number of exchanges.
    pub(crate) fn race<T>(&self, run: impl FnOnce() -> T) -> (T, usize) {
        // Two concurrent races would slow each other down.
        static ALONE: Mutex<()> = Mutex::new(());
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let exchanging = scope.spawn(|| self.exchange_until(&stop));
            let result = run();
            stop.store(true, Ordering::SeqCst);
            (result, exchanging.join().unwrap())
        })
    }

    fn exchange_until(&self, stop: &AtomicBool) -> usize {
        let all = || (0..self.places.len()).collect::<Vec<_>>();
        let (mut count, mut aimed, mut focus) = (0, all(), 0);
        while !stop.load(Ordering::SeqCst) {
            // The file that was opened last is the one in use.
            if let Some(last) = events(&self.inotify).last() {
                let places = self.by_watch.get(&last.watch).cloned().unwrap_or_default();
                let named = |index: &usize| self.places[*index].name == last.name;
                aimed = match places.iter().copied().find(|index| named(index)) {
                    Some(index) => vec![index],
                    None => places,
                };
                focus = FOCUS;
            } else if focus == 0 {
                // A link on the path causes no event.
                aimed = all();
            }
            focus = focus.saturating_sub(1);
            let before = count;
            for index in &aimed {
                count += self.places[*index].exchange(self.burst);
            }
            if count == before {
                std::thread::sleep(Duration::from_micros(20));
            }
        }
        count
    }
}

impl Place {
    /// Exchanges the two names repeatedly. Returns how often it succeeded.
    fn exchange(&self, times: usize) -> usize {
        let swap = || {
            renameat_with(
                &*self.dir,
                &self.name,
                &*self.links,
                &self.link,
                RenameFlags::EXCHANGE,
            )
        };
        // An exchange fails if one of them is removed.
        (0..times).filter(|_| swap().is_ok()).count()
    }
}
