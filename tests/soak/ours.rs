//! Processes of `cldctl-registry`, one after the other in each thread.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::random::Random;
use crate::writer::PASSING;

/// The kind of process beside cldctl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The program.
    Real,
    /// A control without the program's lock and last check.
    Naive,
}

/// A home, and the program for it.
#[derive(Clone, Copy)]
pub(crate) struct Ours<'a> {
    pub(crate) kind: Kind,
    pub(crate) user: &'a Path,
}

/// The results that processes reported.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// References that were registered and must remain.
    pub(crate) confirmed: Vec<String>,
    pub(crate) changes: u64,
    pub(crate) lists: u64,
    /// The number of processes that refused a damaged registry.
    pub(crate) refused: u64,
    /// Unexpected failures.
    pub(crate) failures: Vec<String>,
}

impl Ours<'_> {
    pub(crate) fn registry(&self) -> PathBuf {
        self.user.join(".cldctl/registry/artifacts.json")
    }

    /// Creates a registry with an artifact that has content.
    pub(crate) fn prepare(&self) {
        let source = self.user.join("source");
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("cld.yml"), "name: base\n").unwrap();
        let add = self.program(&["add", "base:1", source.to_str().unwrap()]);
        assert!(add.status.success(), "{add:?}");
    }

    /// Runs the program to its end.
    pub(crate) fn program(&self, args: &[&str]) -> Output {
        self.end(Command::new(env!("CARGO_BIN_EXE_cldctl-registry")).args(args))
    }

    fn end(&self, command: &mut Command) -> Output {
        command
            .env_clear()
            .env("HOME", self.user)
            .stdin(Stdio::null());
        command.output().unwrap()
    }

    /// Registers, removes, copies and lists until `stop` is set.
    pub(crate) fn work(&self, thread: usize, stop: &AtomicBool) -> Done {
        let mut random = Random::of(&format!("{:?}-{thread}", self.user));
        let mut done = Done::default();
        let add = |reference: &str| {
            let args = ["add", reference, "--metadata-only", "--type", "component"];
            self.program(&args)
        };
        for number in 0.. {
            if stop.load(Ordering::SeqCst) {
                return done;
            }
            let stays = format!("ours-{thread}:{number}");
            let passes = format!("{PASSING}-{thread}:{number}");
            if self.kind == Kind::Naive {
                let registry = self.registry();
                let mut naive = Command::new(std::env::current_exe().unwrap());
                naive.arg("naive").arg(registry).arg(&stays);
                let output = self.end(&mut naive);
                done.change(&output, Some(stays), &[]);
                continue;
            }
            match random.below(10) {
                0 | 1 => {
                    let output = self.program(&["images", "-q"]);
                    done.lists += 1;
                    done.check(&output, &[]);
                }
                2 => {
                    let output = self.program(&["tag", "base:1", &stays]);
                    done.change(&output, Some(stays), &[]);
                }
                3 | 4 => {
                    done.change(&add(&passes), None, &[]);
                    // cldctl may have undone the add.
                    done.change(&self.program(&["rm", &passes]), None, &[3]);
                }
                _ => done.change(&add(&stays), Some(stays), &[]),
            }
        }
        done
    }
}

impl Done {
    fn change(&mut self, output: &Output, confirmed: Option<String>, allowed: &[i32]) {
        if self.check(output, allowed) {
            self.changes += 1;
            self.confirmed.extend(confirmed);
        }
    }

    /// Returns whether the program succeeded.
    fn check(&mut self, output: &Output, allowed: &[i32]) -> bool {
        let code = output.status.code().unwrap_or(-1);
        let said = String::from_utf8_lossy(&output.stderr);
        if code == 1 && said.contains("is damaged") {
            self.refused += 1;
        } else if code != 0 && !allowed.contains(&code) {
            self.failures.push(format!("exit {code}: {said}"));
        }
        code == 0
    }
}
