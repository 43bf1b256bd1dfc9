use super::*;

/// Returns a registry with an entry of this content.
fn registry(dir: &tempfile::TempDir, content: &str) -> Registry {
    let path = dir.path().join("artifacts.json");
    let entry = format!(r#"{{"reference":"a:v1","digest":"{content}"}}"#);
    let text = format!(r#"{{"version":"v2","artifacts":[{entry}]}}"#);
    fs::write(&path, text).unwrap();
    Registry::open(path).unwrap()
}

fn remote(reference: &str, manifest: &str) -> Remote {
    Remote {
        reference: reference.to_owned(),
        manifest_digest: Digest::of(manifest.as_bytes()).to_string(),
        tree: Digest::of(b"tree").to_string(),
    }
}

#[test]
fn the_newest_manifest_of_each_name_is_remembered_until_the_content_goes() {
    let dir = tempfile::tempdir().unwrap();
    let content = Digest::of(b"content").to_string();
    let registry = registry(&dir, &content);
    for manifest in ["old", "new", "new"] {
        let remote = remote("r.example/a:v1", manifest);
        registry.remember(&content, remote).unwrap();
    }
    let other = remote("r.example/b:v1", "new");
    registry.remember(&content, other.clone()).unwrap();
    let remotes = registry.remotes();
    let expected = [remote("r.example/a:v1", "new"), other];
    assert_eq!(remotes.of(&content), expected);

    let manifest = Digest::of(b"new").to_string();
    let named = format!("r.example/a@{manifest}");
    let operands = ["x", &named, &manifest, &manifest["sha256:".len()..]];
    let replaced = registry.with_content_digests(&operands).unwrap();
    let expected = [
        (1, format!("r.example/a@{content}")),
        (2, content.clone()),
        (3, content.clone()),
    ];
    assert_eq!(replaced, expected);
    assert_eq!(registry.with_content_digests(&["x"]).unwrap(), []);

    remotes.forget(&content).unwrap();
    assert_eq!(remotes.of(&content), []);
}

#[test]
fn a_file_that_is_damaged_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let content = Digest::of(b"content").to_string();
    let registry = registry(&dir, &content);
    let remotes = registry.remotes();
    let path = remotes.path(&content).unwrap();
    fs::create_dir(path.parent().unwrap()).unwrap();
    let make: [fn(&Path); 4] = [
        |path| fs::write(path, "{").unwrap(),
        |path| fs::write(path, vec![b' '; MAX_BYTES as usize + 1]).unwrap(),
        |path| std::os::unix::fs::symlink("elsewhere", path).unwrap(),
        |path| {
            let made = std::process::Command::new("mkfifo").arg(path).status();
            assert!(made.unwrap().success());
        },
    ];
    let unknown = Digest::of(b"unknown").to_string();
    for make in make {
        make(&path);
        assert!(remotes.is_damaged(&content));
        assert_eq!(remotes.of(&content), []);
        assert_eq!(registry.with_content_digests(&[&unknown]).unwrap(), []);
        let remote = remote("r.example/a:v1", "b");
        registry.remember(&content, remote.clone()).unwrap();
        assert_eq!(remotes.of(&content), [remote]);
        assert!(!remotes.is_damaged(&content));
        remotes.forget(&content).unwrap();
    }
    assert!(!remotes.is_damaged(&content));

    fs::create_dir(&path).unwrap();
    assert!(remotes.is_damaged(&content));
    let remote = remote("r.example/a:v1", "b");
    registry.remember(&content, remote).unwrap();
    assert_eq!(remotes.of(&content), []);
}

#[test]
fn nothing_is_remembered_of_content_that_no_entry_has() {
    let dir = tempfile::tempdir().unwrap();
    let registry = registry(&dir, "");
    let content = Digest::of(b"content").to_string();
    let remote = remote("r.example/a:v1", "a");
    registry.remember(&content, remote).unwrap();
    assert!(!dir.path().join("manifests").exists());
}
