//! Content, where the disk and hashing take the time.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use walkdir::{DirEntry, WalkDir};

use super::Rows;
use crate::Bench;
use crate::measure::{Contender, time};
use crate::program::User;
use crate::registry;
use crate::row::{Bar, Row};
use crate::tools::{on_path, sync};
use crate::tree::Tree;

const REFERENCE: &str = "ghcr.io/acme/app:v1";

pub(super) const LARGE: Tree = Tree {
    files: 2_000,
    bytes: 500_000_000,
};

pub(super) const MANY: Tree = Tree {
    files: 20_000,
    bytes: 80_000_000,
};

pub(super) fn rows(bench: &Bench) -> Result<Rows> {
    let runs = bench.options.runs(5);
    let large = User::new(&bench.program)?;
    LARGE.write(&large.path("source"))?;
    let many = User::new(&bench.program)?;
    MANY.write(&many.path("source"))?;

    let add = |name: &str, user: &User, runs| {
        Row::new(format!("add REF PATH, {name}"), runs, add(user)).beside(copy_and_hash(user))
    };
    let mut rows = vec![
        add("500 MB in 2,000 files", &large, runs)
            .bar(Bar::Times(0.4))
            .peers([copy(&large), hash(&large)].into_iter().flatten()),
        add("80 MB in 20,000 files", &many, bench.options.runs(3)),
    ];

    let kept = User::new(&bench.program)?;
    let name = "verify REF, 500 MB in 2,000 files";
    if time(&mut kept.command(&["verify", "--help"])).is_ok() {
        let source = large.path("source").display().to_string();
        time(&mut kept.command(&["add", REFERENCE, &source]))?;
        rows.push(verify(&kept, name, runs));
    } else {
        rows.push(Row::lacking(name, "the program has no `verify`"));
    }
    let full = with_content(bench)?;
    let inspect = [&["inspect".to_owned()][..], &references()].concat();
    let inspect = Contender::timing("inspect", full.command(&inspect));
    let verify = Contender::timing("verify", full.command(&["verify"]));
    let name = "inspect of 4,000 artifacts with content";
    let row = Row::new(name, runs, inspect).beside(Some(verify));
    rows.push(row.bar(Bar::Times(2.0)));
    Ok(Rows {
        rows,
        users: vec![large, many, kept, full],
    })
}

const ARTIFACTS: usize = 4_000;

fn references() -> Vec<String> {
    let references = (0..ARTIFACTS).map(|index| registry::reference(index, ARTIFACTS));
    references.collect()
}

/// Creates a user whose artifacts all have content.
fn with_content(bench: &Bench) -> Result<User> {
    let user = User::with_entries(&bench.program, ARTIFACTS)?;
    for reference in references() {
        let dir = user.cache_root().join(reference.replace(['/', ':'], "_"));
        fs::create_dir(&dir)?;
        fs::write(dir.join("cld.yml"), &reference)?;
    }
    Ok(user)
}

/// Imports the source, durably.
fn add(user: &User) -> Contender {
    let source = user.path("source").display().to_string();
    let mut add = user.command(&["add", REFERENCE, &source]);
    let mut rm = user.command(&["rm", REFERENCE]);
    let dir = user.path("source");
    Contender::new("add", move || {
        sync(&dir)?;
        let taken = time(&mut add)?;
        time(&mut rm)?;
        Ok(taken)
    })
}

/// Does the same with other programs, one after the other.
fn copy_and_hash(user: &User) -> Option<Contender> {
    let (source, copy) = (user.path("source"), user.path("copy"));
    let mut cp = user.run(on_path("cp")?, &["-r".as_ref(), source.as_path(), &copy]);
    let mut durable = user.run(on_path("sync")?, &["-f".as_ref(), copy.as_path()]);
    let mut sha256sum = sha256sum(user, &copy)?;
    Some(Contender::new("cp -r, sync -f, sha256sum", move || {
        sync(&source)?;
        let taken = time(&mut cp)? + time(&mut durable)? + time(&mut sha256sum)?;
        fs::remove_dir_all(&copy)?;
        Ok(taken)
    }))
}

fn copy(user: &User) -> Option<Contender> {
    let (source, copy) = (user.path("source"), user.path("copy"));
    let mut cp = user.run(on_path("cp")?, &["-r".as_ref(), source.as_path(), &copy]);
    Some(Contender::new("cp -r alone, not durable", move || {
        sync(&source)?;
        let taken = time(&mut cp)?;
        fs::remove_dir_all(&copy)?;
        Ok(taken)
    }))
}

fn hash(user: &User) -> Option<Contender> {
    let sha256sum = sha256sum(user, &user.path("source"))?;
    Some(Contender::timing("sha256sum alone", sha256sum))
}

fn sha256sum(user: &User, dir: &Path) -> Option<Command> {
    let program = on_path("sha256sum")?.display().to_string();
    let dir = dir.display().to_string();
    let run = ["-type", "f", "-exec", &program, "{}", "+"];
    Some(user.run(on_path("find")?, &[&[dir.as_str()][..], &run].concat()))
}

/// Checks the content that `user` has registered.
fn verify(user: &User, name: &str, runs: usize) -> Row {
    let files = WalkDir::new(user.cache_root()).into_iter().flatten();
    let files = files.filter(|entry| entry.file_type().is_file());
    let openssl = on_path("openssl").map(|openssl| {
        let mut command = user.run(openssl, &["dgst", "-sha256"]);
        command.args(files.map(DirEntry::into_path));
        Contender::timing("openssl dgst -sha256", command)
    });
    let verify = user.command(&["verify", REFERENCE]);
    Row::new(name, runs, Contender::timing("verify", verify))
        .beside(openssl)
        .bar(Bar::Times(1.0 / 1.5))
}
