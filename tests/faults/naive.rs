//! Defective writers that each omit one step of the program, and writers that act as
//! other programs, which sync nothing. Only tests use them.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with, syncfs};

use serde_json::{Value, json};

/// Runs a mode: adds an entry, or brings something from one path to another.
pub(crate) fn run(mode: &str, registry: &Path, more: &[String]) -> io::Result<()> {
    if let [from, to] = more
        && registry.is_absolute()
        && Path::new(to).is_absolute()
    {
        return bring(mode, Path::new(from), Path::new(to));
    }
    if mode == "asks for ever" {
        let lock = File::open(registry.with_extension("json.lock"))?;
        while let Err(TryLockError::WouldBlock) = lock.try_lock() {}
    }
    let mut document: Value = serde_json::from_slice(&fs::read(registry)?)?;
    if let ("manifest first", [host, repository]) = (mode, more) {
        return push_manifest_first(host, repository);
    }
    let cache = registry.ancestors().nth(2).unwrap_or(registry);
    let content = cache.join("cache/artifacts/naive_1");
    let entries = document["artifacts"].as_array_mut();
    let entries = entries.ok_or(io::ErrorKind::InvalidData)?;
    let is_seen = |entry: &Value| {
        let path = Path::new(entry["cachePath"].as_str().unwrap_or_default());
        fs::symlink_metadata(path).is_ok() || !path.starts_with(cache)
    };
    match mode {
        "drops what it cannot see" => entries.retain(is_seen),
        "calls missing what it cannot see" if !entries.iter().all(is_seen) => {
            return Err(io::Error::other("content is missing"));
        }
        _ => {}
    }
    entries.push(json!({
        "reference": "naive:1", "repository": "naive", "tag": "1", "type": "component",
        "size": 0, "createdAt": "2026-01-01T00:00:00Z", "cachePath": content,
    }));
    let text = serde_json::to_vec_pretty(&document)?;
    let temporary = registry.with_file_name(".artifacts.json.naivenaive12.tmp");
    let replaced = match mode {
        "in place" => write(registry, &text, File::sync_all),
        "fixed name" => {
            let temporary = registry.with_file_name("artifacts.json.tmp");
            write(&temporary, &text, File::sync_all)?;
            return fs::rename(&temporary, registry);
        }
        "unsynced" => write(&temporary, &text, |file| {
            let _ = file.sync_all();
            Ok(())
        }),
        "synced again" => write(&temporary, &text, |file| {
            file.sync_all().or_else(|_| file.sync_all())
        }),
        "panics" => {
            write(&temporary, &text, File::sync_all).unwrap();
            Ok(())
        }
        _ => write(&temporary, &text, File::sync_all),
    };
    let replaced = replaced.and_then(|()| match mode {
        "in place" => Ok(()),
        _ => fs::rename(&temporary, registry),
    });
    if replaced.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    match mode {
        "content last" => {
            fs::create_dir(&content)?;
            fs::write(content.join("cld.yml"), "name: naive\n")?;
        }
        "silent about a directory" => {
            let _ = File::open(registry.parent().unwrap_or(registry))?.sync_all();
        }
        _ => {}
    }
    replaced
}

/// Pushes an image whose name comes before its layer.
fn push_manifest_first(host: &str, repository: &str) -> io::Result<()> {
    let digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let blob = json!({"digest": digest, "size": 3});
    let manifest = json!({"config": blob, "layers": [blob]}).to_string();
    let mut registry = BufReader::new(TcpStream::connect(host)?);
    let mut send = |method: &str, path: &str, body: &str| {
        let head = format!("{method} /v2/{repository}/{path} HTTP/1.1\r\n");
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        registry.get_ref().write_all(request.as_bytes())?;
        let mut line = String::new();
        while registry.read_line(&mut line)? > 0 && line != "\r\n" {
            line.clear();
        }
        Ok::<_, io::Error>(())
    };
    send("PUT", "manifests/1", &manifest)?;
    send("POST", "blobs/uploads/", "")?;
    let digest = digest.replace(':', "%3A");
    send(
        "PUT",
        &format!("blobs/uploads/000000?digest={digest}"),
        "abc",
    )
}

fn write(path: &Path, text: &[u8], sync: impl Fn(&File) -> io::Result<()>) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text)?;
    sync(&file)
}

/// Brings a file or a directory to another path, without syncing its new name.
fn bring(mode: &str, from: &Path, to: &Path) -> io::Result<()> {
    let parent = to.parent().unwrap_or(to);
    fs::create_dir_all(parent)?;
    match mode {
        "put" => {
            let temporary = to.with_extension("json.tmp");
            copy(from, &temporary)?;
            fs::rename(temporary, to)
        }
        _ if to.exists() && mode != "swap in" => Ok(()),
        "put new" => {
            let temporary = parent.join(".theirs.abcdefghijkl.tmp");
            copy(from, &temporary)?;
            fs::rename(temporary, to)
        }
        "copy in" => copy(from, to),
        _ => {
            let staged = parent.join(".staging-theirsTheirs");
            copy(from, &staged)?;
            syncfs(File::open(&staged)?)?;
            match to.exists() {
                true => renameat_with(CWD, &staged, CWD, to, RenameFlags::EXCHANGE)?,
                false => fs::rename(staged, to)?,
            }
            Ok(())
        }
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mode = fs::symlink_metadata(from)?.permissions().mode() & 0o7777;
    let permissions = Permissions::from_mode(mode);
    if from.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return fs::set_permissions(to, permissions);
    }
    let mut options = File::options();
    let mut file = options.write(true).create_new(true).open(to)?;
    file.write_all(&fs::read(from)?)?;
    file.set_permissions(permissions)
}
