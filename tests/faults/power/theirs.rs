//! Unsynced data of another process, before a change or during one.
//!
//! cldctl syncs nothing, and a process that was killed has synced only a part. A change
//! that finds their data, and reports it as done or acts on it, has to make it durable:
//! the file before its name, and the name before the report. So each scenario is
//! recorded with the other process before the change, and again with it after each sync
//! of the change, which is stopped meanwhile.
//!
//! A registry that was not synced is whole as long as its name is not on the disk
//! either; a sync of the directory alone is what loses its entries. Content and
//! manifests do not matter before they are registered, and after that nothing of them
//! may be missing.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::judge::{self, Whole};
use super::model::Model;
use super::record::{self, Call};
use super::replay::{HEEDED, user};
use super::tree::{self, Tree};
use crate::home::{Home, PAYLOAD, PROGRAM, copy_tree};
use crate::operations::{self, homes, words};
use crate::strace::Subject;

/// The program runs without threads, so that the system calls have the same numbers in
/// each run.
const NO_THREADS: &str = "clone,clone3:error=EAGAIN";

/// A change and the actions of another process beside it.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    prepare: fn(&Home),
    /// The arguments of the writer that acts as the other process.
    theirs: fn(&Home) -> Vec<OsString>,
    args: fn(&Home) -> Vec<OsString>,
    /// The reference that must be registered after success is reported, if any.
    promised: Option<&'static str>,
    kind: Kind,
}

/// The kind of data that the other process writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Registry,
    Content,
    Manifest,
}

impl Kind {
    /// Returns whether a call is a sync of data that the other process did not sync.
    fn makes_up(self, root: &Path, call: &Call) -> bool {
        let registry = root.join(".cldctl/registry");
        match (self, call) {
            (Kind::Registry, Call::Sync(path)) => *path == registry.join("artifacts.json"),
            (Kind::Content, Call::Sync(path)) => path.starts_with(root.join(".cldctl/cache")),
            (Kind::Manifest, Call::Sync(path)) => path.starts_with(registry.join("manifests")),
            (Kind::Content | Kind::Manifest, Call::SyncAll(_)) => true,
            _ => false,
        }
    }
}

pub(super) fn all() -> Vec<Scenario> {
    let add_in_place = |_: &Home| words(&["add", "it:1", operations::TIME]);
    let scenario = |name, prepare, theirs, args, promised, kind| Scenario {
        name,
        prepare,
        theirs,
        args,
        promised,
        kind,
    };
    let mut all = vec![
        scenario(
            "a registry, and an add that changes nothing",
            with_registry as fn(&Home),
            put_registry as fn(&Home) -> Vec<OsString>,
            operations::add as fn(&Home) -> Vec<OsString>,
            Some("it:1"),
            Kind::Registry,
        ),
        scenario(
            "a registry, and a removal of what is missing",
            with_registry,
            put_registry,
            |_| words(&["rm", "-f", "missing:1"]),
            None,
            Kind::Registry,
        ),
        scenario(
            "a registry, and a new entry",
            with_registry,
            put_registry,
            |_| operations::record("new:1"),
            Some("new:1"),
            Kind::Registry,
        ),
        scenario(
            "a manifest, and an add",
            with_manifest,
            put_manifest,
            operations::add,
            Some("it:1"),
            Kind::Manifest,
        ),
    ];
    for (theirs, is_swapped) in [(swap_in as fn(&Home) -> _, true), (copy_in, false)] {
        let content = |swapped, copied, prepare, args| {
            let name = if is_swapped { swapped } else { copied };
            scenario(name, prepare, theirs, args, Some("it:1"), Kind::Content)
        };
        all.extend([
            content(
                "content that was swapped in, and an add",
                "content that was copied, and an add",
                with_new_content,
                operations::add,
            ),
            content(
                "content that was swapped in, and an add in place",
                "content that was copied, and an add in place",
                with_new_content,
                add_in_place,
            ),
            content(
                "content that was swapped in, and a tag",
                "content that was copied, and a tag",
                with_content_elsewhere,
                |_| words(&["tag", "from:1", "it:1"]),
            ),
            content(
                "content that was moved into an empty home, and an add",
                "content that was copied into an empty home, and an add",
                without_home,
                operations::add,
            ),
        ]);
    }
    all.push(scenario(
        "content that was swapped in for other content, and an add",
        with_old_content,
        swap_in,
        operations::add,
        Some("it:1"),
        Kind::Content,
    ));
    all
}

/// The registry of the other process has one more entry.
fn with_registry(home: &Home) {
    homes::with_same_content(home);
    let other = home.copy();
    other.record("theirs:1");
    let text = fs::read_to_string(other.registry()).unwrap();
    home.write(PAYLOAD, &text.replace(&other.root(), &home.root()));
}

fn with_manifest(home: &Home) {
    homes::with_source(home);
    let other = home.copy();
    let manifests = |home: &Home| names(&home.registry().with_file_name("manifests"));
    other.ok(&operations::add(&other));
    let before = manifests(home);
    let after = manifests(&other).into_iter();
    let mut new = after.filter(|name| !before.contains(name));
    let name = new.next().unwrap();
    let from = other.registry().with_file_name("manifests").join(&name);
    home.write(PAYLOAD, "");
    fs::remove_file(home.path(PAYLOAD)).unwrap();
    fs::create_dir(home.path(PAYLOAD)).unwrap();
    fs::copy(from, home.path(PAYLOAD).join(name)).unwrap();
}

fn with_new_content(home: &Home) {
    homes::with_source(home);
    keep_payload(home, &operations::add, "it_1");
}

fn with_old_content(home: &Home) {
    homes::with_other_content(home);
    keep_payload(home, &operations::add, "it_1");
}

fn with_content_elsewhere(home: &Home) {
    homes::others(home);
    let source = home.source("from", "from");
    home.ok(&["add".as_ref(), "from:1".as_ref(), source.as_os_str()]);
    keep_payload(home, &|_| words(&["exists", "from:1"]), "from_1");
}

fn without_home(home: &Home) {
    homes::only_source(home);
    keep_payload(home, &operations::add, "it_1");
}

/// Keeps the content that a change produces.
fn keep_payload(home: &Home, args: &dyn Fn(&Home) -> Vec<OsString>, key: &str) {
    let other = home.copy();
    other.ok(&args(&other));
    copy_tree(&other.cache().join(key), &home.path(PAYLOAD));
}

fn names(dir: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name()).collect()
}

fn naive(mode: &str, home: &Home, from: PathBuf, to: PathBuf) -> Vec<OsString> {
    let registry = home.registry().into();
    vec![
        "naive".into(),
        mode.into(),
        registry,
        from.into(),
        to.into(),
    ]
}

fn put_registry(home: &Home) -> Vec<OsString> {
    naive("put", home, home.path(PAYLOAD), home.registry())
}

fn put_manifest(home: &Home) -> Vec<OsString> {
    let payload = home.path(PAYLOAD);
    let name = names(&payload).pop_first().unwrap();
    let to = home.registry().with_file_name("manifests").join(&name);
    naive("put new", home, payload.join(name), to)
}

fn swap_in(home: &Home) -> Vec<OsString> {
    naive(
        "swap in",
        home,
        home.path(PAYLOAD),
        home.cache().join("it_1"),
    )
}

fn copy_in(home: &Home) -> Vec<OsString> {
    naive(
        "copy in",
        home,
        home.path(PAYLOAD),
        home.cache().join("it_1"),
    )
}

/// The results of a scenario, with the other process at all points.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) runs: usize,
    pub(super) states: usize,
    /// True if something is lost without the syncs of the other's data.
    pub(super) is_missed: bool,
    pub(super) violations: Vec<String>,
}

/// A change that was made beside another process.
struct Both {
    root: PathBuf,
    before: Whole,
    after: Whole,
    /// Each registry that existed, one after the other.
    registries: BTreeSet<Option<tree::Item>>,
    /// All calls in order, each with true if it is the other process's.
    calls: Vec<(Call, bool)>,
}

impl Scenario {
    /// Returns whether something is lost without the syncs of the other's data. Nothing
    /// is if all that the other process wrote is written once more.
    pub(super) fn has_control(&self) -> bool {
        self.promised != Some("new:1")
    }

    pub(super) fn run(&self, umask: u32) -> Found {
        let template = Home::new();
        (self.prepare)(&template);
        let mut found = Found::default();
        let places = std::iter::once(None).chain(self.syncs(&template).into_iter().map(Some));
        for place in places {
            let home = template.copy();
            let said = |what: String| {
                let at = match &place {
                    None => "before".to_owned(),
                    Some((name, number)) => format!("after {name} {number}"),
                };
                format!("unsynced {}, {at}: {what}", self.name)
            };
            let before = tree::read(&user(&home));
            let calls = match self.record(&home, place.as_ref()) {
                Ok(calls) => calls,
                Err(what) => {
                    found.violations.push(said(what));
                    continue;
                }
            };
            found.runs += 1;
            let both = Both::new(&home, before, calls, umask);
            both.losses(self, umask, true, |wrong| {
                found.states += 1;
                found.violations.extend(wrong.map(&said));
            });
            if !found.is_missed {
                both.losses(self, umask, false, |wrong| {
                    found.is_missed |= wrong.is_some()
                });
            }
        }
        found
    }

    /// Returns the syncs of the change, each with its name and its number.
    fn syncs(&self, template: &Home) -> Vec<(String, usize)> {
        let home = template.copy();
        let subject = Subject {
            program: Path::new(PROGRAM),
            args: (self.args)(&home),
            always: &[],
        };
        let calls = match subject.record(&home) {
            Ok((calls, _)) => calls,
            // It needs the data of the other process.
            Err(_) => return Vec::new(),
        };
        let syncs = calls.into_iter().filter(|call| call.name.contains("sync"));
        syncs.map(|call| (call.name, call.number)).collect()
    }

    /// Records the change and the other process, after a sync of the change or before
    /// it.
    fn record(
        &self,
        home: &Home,
        place: Option<&(String, usize)>,
    ) -> Result<Vec<(Call, bool)>, String> {
        let root = user(home);
        let theirs = || {
            let to = home.path("record-theirs");
            let wrapper = record::wrapper(&to, &[]);
            let program = std::env::current_exe().unwrap();
            let command = home.wrapped(&wrapper, &program, &(self.theirs)(home));
            let mut calls = record::record(command, &to, &root).unwrap();
            calls.retain(|call| *call != Call::Report);
            calls
        };
        let to = home.path("record");
        let ours = |stop: Option<&str>| -> Command {
            let injected = [NO_THREADS].into_iter().chain(stop).collect::<Vec<_>>();
            let wrapper = record::wrapper(&to, &injected);
            home.wrapped(&wrapper, Path::new(PROGRAM), &(self.args)(home))
        };
        let failed = |output| format!("it fails: {output:?}");
        let (ours, at, theirs) = match place {
            None => {
                let theirs = theirs();
                let calls = record::record(ours(None), &to, &root).map_err(failed)?;
                (calls, 0, theirs)
            }
            Some((name, number)) => {
                let stop = format!("{name}:signal=STOP:when={number}");
                let mut made = Vec::new();
                let meanwhile = || made = theirs();
                let recorded = record::record_stopped(ours(Some(&stop)), &to, &root, meanwhile);
                let (calls, at) = recorded.map_err(failed)?;
                (calls, at, made)
            }
        };
        let mut calls: Vec<_> = ours.into_iter().map(|call| (call, false)).collect();
        calls.splice(at..at, theirs.into_iter().map(|call| (call, true)));
        Ok(calls)
    }
}

impl Both {
    fn new(home: &Home, before: Tree, calls: Vec<(Call, bool)>, umask: u32) -> Self {
        let root = user(home);
        let after = tree::read(&root);
        let mut both = Both {
            before: Whole::new(&root, before),
            after: Whole::new(&root, after),
            registries: BTreeSet::new(),
            calls,
            root,
        };
        let mut model = both.model(umask);
        let mut registries = BTreeSet::new();
        registries.insert(judge::registry(&model.seen()).cloned());
        for (call, theirs) in &both.calls {
            match theirs {
                true => model.make_theirs(call, true),
                false => model.make(call),
            }
            registries.insert(judge::registry(&model.seen()).cloned());
        }
        let (seen, there) = (model.seen(), &both.after.tree);
        let differs = |path: &&PathBuf| seen.get(*path) != there.get(*path);
        let differ: Vec<_> = seen.keys().chain(there.keys()).filter(differs).collect();
        assert!(
            differ.is_empty(),
            "the record differs from the disk: {differ:?}"
        );
        both.registries = registries;
        both
    }

    fn model(&self, umask: u32) -> Model {
        Model::of(&self.root, &self.before.tree, umask, HEEDED)
    }

    /// Returns all states that a power loss may leave, each with what is wrong. With
    /// `makes_up`, the change syncs the data of the other process.
    fn losses(
        &self,
        scenario: &Scenario,
        umask: u32,
        makes_up: bool,
        mut each: impl FnMut(Option<String>),
    ) {
        let is_ordered = scenario.kind == Kind::Registry;
        let mut model = self.model(umask);
        let mut seen = BTreeSet::new();
        let (mut reported, mut theirs_done) = (false, false);
        // Between the sync of a registry and that of its directory, another process can
        // rename another registry into place. The directory's sync then makes that
        // rename durable alone, which no order of calls prevents; before it reports
        // anything, the program checks again and syncs that file too.
        let (mut file_was_last, mut in_gap) = (false, false);
        for (call, theirs) in &self.calls {
            if *theirs {
                in_gap |= file_was_last && makes_up;
            } else if let Call::Sync(_) = call {
                file_was_last = is_ordered && scenario.kind.makes_up(&self.root, call);
                in_gap &= !file_was_last;
            }
            let is_left_out = theirs_done && scenario.kind.makes_up(&self.root, call);
            match theirs {
                true => model.make_theirs(call, is_ordered),
                false if is_left_out && !makes_up => {}
                false => model.make(call),
            }
            theirs_done |= theirs;
            reported |= *call == Call::Report;
            model.losses(|tree| {
                if in_gap && !reported {
                    return;
                }
                if seen.insert((tree.clone(), reported)) {
                    each(self.judge(scenario, &tree, reported).err());
                }
            });
        }
    }

    fn judge(&self, scenario: &Scenario, tree: &Tree, reported: bool) -> Result<(), String> {
        let registry = judge::registry(tree);
        if !self.registries.contains(&registry.cloned()) {
            let len = match registry {
                Some(tree::Item::File(text, _)) => format!("{} bytes", text.len()),
                other => format!("{other:?}"),
            };
            return Err(format!("the registry never existed: {len}"));
        }
        let found = Whole::new(&self.root, tree.clone());
        let references = found.references();
        let mut known = self.before.references().into_iter();
        if let Some(lost) = known.find(|it| !references.contains(it)) {
            return Err(format!("{lost} is lost"));
        }
        // Writing back a stale registry drops the newest entries.
        let promised = scenario.promised.filter(|promised| {
            let now = self.after.references();
            reported && now.iter().any(|it| it == promised)
        });
        if let Some(promised) = promised
            && !found.has_as(&self.after, promised)
        {
            return Err(format!("success was reported, but {promised} is missing"));
        }
        found.content_is_of(&[&self.before, &self.after])
    }
}
