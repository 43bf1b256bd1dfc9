//! Archives, where compression and the disk take the time.

use std::ffi::OsStr;
use std::fs;
use std::process::Command;

use anyhow::Result;

use super::Rows;
use crate::Bench;
use crate::measure::{Contender, time};
use crate::program::User;
use crate::row::Row;
use crate::tools::{on_path, sync};
use crate::tree::Tree;

const REFERENCE: &str = "ghcr.io/acme/app:v1";

const TREE: Tree = Tree {
    files: 1_000,
    bytes: 200_000_000,
};

const SAVE: &str = "save REF, 200 MB in 1,000 files";
const LOAD: &str = "load, 200 MB in 1,000 files";
const BOTH: &str = "save | load, 200 MB in 1,000 files";
const PEAK_OF_SAVE: &str = "peak memory of save, 200 MB";
const PEAK_OF_LOAD: &str = "peak memory of load, 200 MB";

pub(super) fn rows(bench: &Bench) -> Result<Rows> {
    let names = [SAVE, LOAD, BOTH, PEAK_OF_SAVE, PEAK_OF_LOAD];
    if !names.iter().any(|name| bench.options.wants(name)) {
        return Ok(Rows {
            rows: Vec::new(),
            users: Vec::new(),
        });
    }
    let user = User::new(&bench.program)?;
    if time(&mut user.command(&["save", "--help"])).is_err() {
        let lacking = |name| Row::lacking(name, "the program has no `save`");
        return Ok(Rows {
            rows: names.map(lacking).into(),
            users: vec![user],
        });
    }
    TREE.write(&user.path("source"))?;
    let source = user.path("source").display().to_string();
    time(&mut user.command(&["add", REFERENCE, &source]))?;
    let file = user.path("kept.tar").display().to_string();
    time(&mut user.command(&["save", REFERENCE, "-o", &file]))?;
    time(&mut shell(
        &user,
        "tar -C source -cf - . | gzip -6 > kept.tar.gz",
    ))?;

    let runs = bench.options.runs(5);
    let save = user.command(&[
        "save",
        REFERENCE,
        "-o",
        &user.path("saved").display().to_string(),
    ]);
    let load = user.command(&["--home", &other_home(&user), "load", "-i", &file]);
    let peak = |name, command: &Command| match bench.tools.peak("peak", command) {
        None => Ok(Row::lacking(name, "measuring it needs cc")),
        Some(peak) => {
            let bytes = fs::metadata(&file)?.len() as f64;
            let archive = Contender::new("the archive", move || Ok(bytes));
            let peak = peak.after(shell(&user, "rm -rf other"));
            let row = Row::new(name, runs, peak).in_bytes();
            Ok::<_, anyhow::Error>(row.beside(Some(archive)))
        }
    };
    let rows = vec![
        Row::new(SAVE, runs, durable(&user, "save", save)).beside(piped(
            &user,
            "tar | gzip -6",
            "tar -C source -cf - . | gzip -6 > saved",
        )),
        Row::new(LOAD, runs, durable(&user, "load", load))
            .beside(piped(
                &user,
                "gzip -d | tar -x",
                "mkdir other && gzip -dc kept.tar.gz | tar -C other -xf -",
            ))
            .peers(skopeo(&user)),
        Row::new(
            BOTH,
            runs,
            durable(&user, "save | load", save_and_load(&user)),
        )
        .beside(piped(
            &user,
            "tar | gzip -6 | gzip -d | tar -x",
            "mkdir other && tar -C source -cf - . | gzip -6 | gzip -dc | tar -C other -xf -",
        )),
        peak(PEAK_OF_SAVE, &user.command(&["save", REFERENCE]))?,
        peak(
            PEAK_OF_LOAD,
            &user.command(&["--home", &other_home(&user), "load", "-i", &file]),
        )?,
    ];
    Ok(Rows {
        rows,
        users: vec![user],
    })
}

/// Returns the home that artifacts are loaded into.
fn other_home(user: &User) -> String {
    user.path("other").display().to_string()
}

/// Returns a script that runs in the user's home.
pub(super) fn shell(user: &User, script: &str) -> Command {
    let mut command = user.run("sh", &["-ec", script]);
    command.current_dir(user.path(""));
    command
}

fn save_and_load(user: &User) -> Command {
    let program = user.command::<&str>(&[]).get_program().to_owned();
    let script = r#""$0" save "$1" | "$0" --home other load"#;
    let args = [
        "-ec".as_ref(),
        script.as_ref(),
        &*program,
        REFERENCE.as_ref(),
    ];
    let mut command = user.run("sh", &args as &[&OsStr]);
    command.current_dir(user.path(""));
    command
}

/// Runs a command that makes what it writes durable, from a state in which nothing that it
/// writes is there.
fn durable(user: &User, name: &str, mut command: Command) -> Contender {
    let (dir, mut rm) = (user.path(""), shell(user, "rm -rf other saved"));
    Contender::new(name, move || {
        time(&mut rm)?;
        sync(&dir)?;
        time(&mut command)
    })
}

/// Runs other programs, and makes what they write durable.
fn piped(user: &User, name: &str, script: &str) -> Option<Contender> {
    let is_there = |tool: &&str| on_path(tool).is_some();
    if !["tar", "gzip", "sync"].iter().all(is_there) {
        return None;
    }
    let script = format!("{script}; sync -f .");
    Some(durable(user, name, shell(user, &script)))
}

fn skopeo(user: &User) -> Option<Contender> {
    on_path("skopeo")?;
    let script = "TMPDIR=. skopeo --insecure-policy copy oci-archive:kept.tar dir:other; sync -f .";
    Some(durable(
        user,
        "skopeo copy oci-archive: dir:",
        shell(user, script),
    ))
}
