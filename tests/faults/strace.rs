//! The program under `strace`, which reports its system calls and disturbs them.
//!
//! Small content needs no threads, but the program asks for them. Here the system
//! refuses threads, so that one thread makes all calls, each time in the same order,
//! and `strace` counts them the same in each run.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Output;

use crate::home::Home;
use crate::tools::{Lack, runs};

const NO_THREADS: &str = "inject=clone,clone3:error=EAGAIN";

/// A call that fails for ever may be repeated for ever; no other run takes this long.
const LIMITED: [&str; 4] = ["timeout", "-k", "1", "15"];

/// A system call as it was recorded.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// Its number among those of its name, from 1.
    pub(crate) number: usize,
    /// Its arguments, without anything that differs from run to run.
    pub(crate) text: String,
}

/// The end of a disturbed run.
pub(crate) struct Run {
    pub(crate) output: Output,
    /// The recorded calls.
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

/// Checks that a sufficient `strace` works here.
pub(crate) fn works() -> Result<(), Lack> {
    let options = "strace -f --seccomp-bpf -qq -o /dev/null -e trace=fsync";
    let inject = "-e inject=fsync:error=EIO:when=1 true";
    let words = options.split(' ').chain(inject.split(' '));
    runs(&words.collect::<Vec<_>>())
}

/// The program that is run, and the calls that the system always refuses it.
pub(crate) struct Subject<'s> {
    pub(crate) program: &'s Path,
    pub(crate) args: Vec<OsString>,
    pub(crate) always: &'s [&'s str],
}

impl Subject<'_> {
    /// Runs it with these injections, and records the calls with these names.
    pub(crate) fn run(&self, home: &Home, names: &str, inject: &[&str]) -> Run {
        self.run_named("trace", home, names, inject)
    }

    /// Runs it beside others in the same home, each with a name of its own.
    pub(crate) fn run_named(&self, name: &str, home: &Home, names: &str, inject: &[&str]) -> Run {
        let file = home.path(name);
        let mut wrapper = Vec::new();
        if inject.iter().any(|inject| inject.ends_with('+')) {
            wrapper.extend(LIMITED.map(str::to_owned));
        }
        // Signals can only end it with `-I 2`, because by default it blocks them.
        wrapper.extend(["strace", "-f", "-y", "-I", "2"].map(str::to_owned));
        // The filter makes runs faster, but calls that it skips get no signal.
        if names != "all" && !inject.iter().any(|inject| inject.contains("signal=")) {
            wrapper.push("--seccomp-bpf".to_owned());
        }
        let always = self.always.iter().chain(inject);
        // Only traced calls can be injected.
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

    /// Runs it by a shell that first changes its own limits.
    pub(crate) fn run_after(&self, home: &Home, script: &str) -> Run {
        let script = format!("{script}; exec \"$@\"");
        let wrapper = ["sh", "-c", &script, "sh"].map(str::to_owned);
        let mut command = home.wrapped(&wrapper, self.program, &self.args);
        Run {
            output: command.output().unwrap(),
            trace: String::new(),
        }
    }

    /// Records all calls from the first one about the home, and the output; an error
    /// says how it failed.
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

/// Returns the name of the call that a line of the trace is about.
pub(crate) fn name_of(line: &str) -> Option<&str> {
    let (_, call) = line.split_once(' ')?;
    let (name, _) = call.trim_start().split_once('(')?;
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    is_name.then_some(name)
}

/// Returns a call without its results, addresses, random names and bytes.
fn plain(text: &str, home: &Home) -> String {
    let text = text.trim().replace(&home.root(), "");
    let text = text.split(" = ").next().unwrap_or_default();
    if let Some((name, _)) = text
        .split_once("(\"")
        .filter(|(name, _)| *name == "getrandom")
    {
        return name.to_owned();
    }
    // The system's data about the process differs between processes.
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
    // Random names are twelve characters after a dot, a colon or a dash.
    let mut words = Vec::new();
    for word in plain.split_inclusive(['.', ':', '-', '/', '"', '>', ',']) {
        let end = word.len() - word.ends_with(['.', ':', '-', '/', '"', '>', ',']) as usize;
        let is_random = end == 12 && word[..end].bytes().all(|byte| byte.is_ascii_alphanumeric());
        words.push(if is_random { &word[end..] } else { word });
    }
    words.concat()
}
