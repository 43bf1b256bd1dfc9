use super::*;
use crate::registry::Registry;
use std::fs;

fn create(root: &Arc<Dir>) -> WorkDir {
    let registry = Registry::open("unused").unwrap();
    let wait = registry.lock_wait();
    WorkDir::create(root, Purpose::Staging, None, &wait)
        .unwrap()
        .0
}

#[test]
fn a_working_directory_is_in_use_until_it_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let root = Arc::new(Dir::open(dir.path()).unwrap());
    let work = create(&root);
    let (path, name) = (work.path(), work.name().to_owned());
    assert_eq!(Purpose::of_name(&name), Some(Purpose::Staging));
    assert!(Leftover::lock_if_stale(&root, &name).unwrap().is_none());
    drop(work);
    assert!(!path.exists());

    let mut kept = create(&root);
    kept.keep();
    let (path, name) = (kept.path(), kept.name().to_owned());
    drop(kept);
    assert!(path.exists() && Leftover::lock_if_stale(&root, &name).unwrap().is_some());
}

#[test]
fn what_was_exchanged_for_the_directory_is_deleted_whatever_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let root = Arc::new(Dir::open(dir.path()).unwrap());
    let target = dir.path().join("target");
    fs::create_dir(&target).unwrap();
    for make in [
        (|path| fs::write(path, "").unwrap()) as fn(PathBuf),
        |path| std::os::unix::fs::symlink(path.with_file_name("target"), path).unwrap(),
    ] {
        let work = create(&root);
        let path = work.path();
        fs::remove_dir(&path).unwrap();
        make(path.clone());
        work.delete().unwrap();
        assert!(fs::symlink_metadata(&path).is_err() && target.exists());
    }
}
