use super::*;
use crate::interrupt::Interrupt;

#[test]
fn files_stand_in_the_byte_order_of_their_paths_with_odd_names_escaped() {
    let manifest = Manifest::of(vec![
        (b"a/b".to_vec(), [0x11; 32]),
        (b"a\nb".to_vec(), [0x22; 32]),
        (b"a-b\\c\r".to_vec(), [0x33; 32]),
        (b"-x".to_vec(), [0x44; 32]),
    ]);
    let line =
        |escape: &str, digit: &str, name: &str| format!("{escape}{}  ./{name}\n", digit.repeat(64));
    let expected = [
        line("", "4", "-x"),
        line("\\", "2", "a\\nb"),
        line("\\", "3", "a-b\\\\c\\r"),
        line("", "1", "a/b"),
    ];
    assert_eq!(
        String::from_utf8(manifest.text.clone()).unwrap(),
        expected.concat()
    );
    let paths: Vec<_> = manifest.files().into_keys().collect();
    assert_eq!(paths, [&b"-x"[..], b"a\nb", b"a-b\\c\r", b"a/b"]);
    let digit = |path: &[u8]| &manifest.files()[path][..1] == "3";
    assert!(digit(b"a-b\\c\r") && !digit(b"a/b"));
}

#[test]
fn a_manifest_verifies_only_the_digest_that_it_hashes_to() {
    let dir = tempfile::tempdir().unwrap();
    let manifests = Manifests::new(dir.path().join("manifests"));
    let manifest = Manifest::of(vec![(b"a".to_vec(), [0; 32])]);
    let digest = manifest.digest().as_str();
    assert!(!manifests.can_verify(digest).unwrap());
    let (disk, interrupt) = (Disk::default(), Interrupt::default());
    let registry = dir.path().join("artifacts.json");
    let locked = Locked::try_acquire(&registry, &disk, &interrupt).unwrap();
    manifests.keep(&manifest, &locked.unwrap()).unwrap();
    fs::write(dir.path().join("manifests/.a.sha256.abcdefghijkl.tmp"), "").unwrap();
    manifests.sweep().unwrap();
    assert_eq!(
        fs::read_dir(dir.path().join("manifests")).unwrap().count(),
        1
    );
    assert!(manifests.can_verify(digest).unwrap());

    fs::write(manifests.path(digest).unwrap(), "tampered").unwrap();
    assert!(!manifests.can_verify(digest).unwrap());
    manifests.remove(digest).unwrap();
    manifests.remove(digest).unwrap();
    for no_digest in ["", "sha256:7b22...", "sha256:../../../etc/passwd"] {
        assert!(!manifests.can_verify(no_digest).unwrap());
    }
}
