//! The program under `strace`, which tells its system calls and disturbs them.
//!
//! Small content needs no threads, but the program asks for them. Here the system
//! has none to give, so that one thread makes all calls, each time in the same
//! order, and the numbers by which `strace` counts them are the same in each run.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Output;

use crate::home::Home;
use crate::tools::{Lack, runs};

const NO_THREADS: &str = "inject=clone,clone3:error=EAGAIN";

/// A call that fails for ever may be tried for ever; no run takes as long otherwise.
const LIMITED: [&str; 4] = ["timeout", "-k", "1", "15"];

/// A system call as it was recorded.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// Its number among those of its name, from 1.
    pub(crate) number: usize,
    /// What it is about, with all that differs from run to run left out.
    pub(crate) text: String,
}

/// How a disturbed run ended.
pub(crate) struct Run {
    pub(crate) output: Output,
    /// The calls that were recorded.
    pub(crate) trace: String,
}

impl Run {
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.output.status.signal() == Some(9)
    }
}

/// Whether there is a `strace` that can do what is asked of it here.
pub(crate) fn works() -> Result<(), Lack> {
    let options = "strace -f --seccomp-bpf -qq -o /dev/null -e trace=fsync";
    let inject = "-e inject=fsync:error=EIO:when=1 true";
    let words = options.split(' ').chain(inject.split(' '));
    runs(&words.collect::<Vec<_>>())
}

/// What is run, and what the system refuses it all along.
pub(crate) struct Subject<'s> {
    pub(crate) program: &'s Path,
    pub(crate) args: Vec<OsString>,
    pub(crate) always: &'s [&'s str],
}

impl Subject<'_> {
    /// Runs it with these injections, and records the calls of some names.
    pub(crate) fn run(&self, home: &Home, names: &str, inject: &[&str]) -> Run {
        self.run_named("trace", home, names, inject)
    }

    /// The same beside others in the same home, each with a name of its own.
    pub(crate) fn run_named(&self, name: &str, home: &Home, names: &str, inject: &[&str]) -> Run {
        let file = home.path(name);
        let mut wrapper = Vec::new();
        if inject.iter().any(|inject| inject.ends_with('+')) {
            wrapper.extend(LIMITED.map(str::to_owned));
        }
        // To be ended, it has to take signals, which it does not by default.
        wrapper.extend(["strace", "-f", "-y", "-I", "2"].map(str::to_owned));
        // The filter makes runs faster; but what it lets through gets no signal.
        if names != "all" && !inject.iter().any(|inject| inject.contains("signal=")) {
            wrapper.push("--seccomp-bpf".to_owned());
        }
        let always = self.always.iter().chain(inject);
        // Nothing is injected into what is not traced.
        let injected = always.clone().filter_map(|it| Some(it.split_once(':')?.0));
        let injected: Vec<_> = injected.chain([names, "clone", "clone3"]).collect();
        let trace = match names {
            "all" => "trace=all".to_owned(),
            _ => format!("trace={}", injected.join(",")),
        };
        let injections = always.map(|inject| format!("inject={inject}"));
        for expression in [trace, NO_THREADS.to_owned()].into_iter().chain(injections) {
            wrapper.extend(["-e".to_owned(), expression]);
        }
        wrapper.extend(["-o".to_owned(), file.to_str().unwrap().to_owned()]);
        let mut command = home.wrapped(&wrapper, self.program, &self.args);
        let output = command.output().unwrap();
        let trace = fs::read(&file).unwrap_or_default();
        let trace = String::from_utf8_lossy(&trace).into_owned();
        let _ = fs::remove_file(file);
        Run { output, trace }
    }

    /// Runs it by a shell that first does something to itself.
    pub(crate) fn run_after(&self, home: &Home, script: &str) -> Run {
        let script = format!("{script}; exec \"$@\"");
        let wrapper = ["sh", "-c", &script, "sh"].map(str::to_owned);
        let mut command = home.wrapped(&wrapper, self.program, &self.args);
        Run {
            output: command.output().unwrap(),
            trace: String::new(),
        }
    }

    /// All calls from the first one that is about the home, and what came of them; or
    /// how it failed.
    pub(crate) fn record(&self, home: &Home) -> Result<(Vec<Call>, Output), String> {
        let run = self.run(home, "all", &[]);
        if !run.output.status.success() {
            return Err(format!("it fails undisturbed: {}", run.stderr().trim()));
        }
        let mut numbers = std::collections::HashMap::new();
        let mut calls = Vec::new();
        for line in run.trace.lines() {
            let (Some(name), Some(text)) = (name_of(line), line.split_once(' ')) else {
                continue;
            };
            let number = numbers.entry(name).or_insert(0);
            *number += 1;
            let number = *number;
            let is_about_home = name != "execve" && line.contains(&home.root());
            if is_about_home || !calls.is_empty() {
                calls.push(Call {
                    name: name.to_owned(),
                    number,
                    text: plain(text.1, home),
                });
            }
        }
        Ok((calls, run.output))
    }
}

/// The name of the call that a line of the trace tells of.
pub(crate) fn name_of(line: &str) -> Option<&str> {
    let (_, call) = line.split_once(' ')?;
    let (name, _) = call.trim_start().split_once('(')?;
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    is_name.then_some(name)
}

/// A call without its results, addresses, random names and bytes.
fn plain(text: &str, home: &Home) -> String {
    let text = text.trim().replace(&home.root(), "");
    let text = text.split(" = ").next().unwrap_or_default();
    if let Some((name, _)) = text
        .split_once("(\"")
        .filter(|(name, _)| *name == "getrandom")
    {
        return name.to_owned();
    }
    // What the system tells of the process differs from one to the next.
    if let Some((before, _)) = text.split_once("</proc/") {
        return format!("{before}</proc>");
    }
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("0x") {
        plain.push_str(&rest[..at]);
        plain.push_str("0x");
        rest = rest[at + 2..].trim_start_matches(|digit: char| digit.is_ascii_hexdigit());
    }
    plain.push_str(rest);
    // Random names are twelve characters behind a dot, a colon or a dash.
    let mut words = Vec::new();
    for word in plain.split_inclusive(['.', ':', '-', '/', '"', '>', ',']) {
        let end = word.len() - word.ends_with(['.', ':', '-', '/', '"', '>', ',']) as usize;
        let is_random = end == 12 && word[..end].bytes().all(|byte| byte.is_ascii_alphanumeric());
        words.push(if is_random { &word[end..] } else { word });
    }
    words.concat()
}
